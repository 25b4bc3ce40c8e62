"""A record with some of its fields changed: what builds do ten times a call.

As `dataclasses.replace`, at a third of its price: values are copied by code that is compiled for the record's type
and these fields, and `__init__` does not run anew.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import cache
from types import MemberDescriptorType
from typing import Any, TypeVar

T = TypeVar("T")


def changed(record: T, **values: Any) -> T:
    """The same record with other values of some fields; what was worked out of the old ones is forgotten.

    Raises: TypeError: it has no such field.
    """
    change = _changing(type(record), tuple(values))  # type: ignore[arg-type]
    if change is None:
        return replace(record, **values)  # type: ignore[type-var]
    made: T = change(record, values)
    return made


@cache
def _changing(kind: Any, new: tuple[str, ...]) -> Callable[[Any, Mapping[str, Any]], Any] | None:
    """Makes a record of that type from another one and the values of the fields that are new.

    None for records of which there is more to say than that. Raises: TypeError: as `changed`.
    """
    found = fields(kind)
    names = [each.name for each in found]
    if unknown := [name for name in new if name not in names]:
        raise TypeError(f"{kind.__name__} has no field {', '.join(unknown)}")
    if hasattr(kind, "__post_init__") or not all(each.init for each in found):
        return None
    slots = {name: each for name in names if isinstance(each := getattr(kind, name, None), MemberDescriptorType)}
    if slots and len(slots) < len(names):
        return None
    values = {name: f"values[{name!r}]" if name in new else f"record.{name}" for name in names}
    known: dict[str, Any] = {"_new": object.__new__, "_kind": kind}
    if slots:
        known |= {f"_set_{name}": slot.__set__ for name, slot in slots.items()}
        body = [f"_set_{name}(made, {value})" for name, value in values.items()]
    else:
        body = [f"made.__dict__.update({{{', '.join(f'{name!r}: {value}' for name, value in values.items())}}})"]
    lines = ["def change(record, values):", "made = _new(_kind)", *body, "return made"]
    exec("\n ".join(lines), known)  # noqa: S102 (the names are those of fields)
    change: Callable[[Any, Mapping[str, Any]], Any] = known["change"]
    return change
