"""The standard library's `dataclass`, whose methods are compiled when they are first used.

Python compiles up to nine methods for each such class. A command makes some two hundred classes and uses a quarter of
them: compiling all would be a fifth of the time that it takes to start.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable
from copy import copy
from functools import cache
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

ORDER = ("__lt__", "__le__", "__gt__", "__ge__")

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(cls=None, /, **how: bool):
        """As `dataclasses.dataclass`, of whose arguments it takes `eq`, `frozen`, `order` and `slots`.

        That a field without a default comes after one with a default shows when an instance is first made.
        """
        return _made(cls) if cls is not None else lambda cls: _made(cls, **how)


def _made(cls: type, *, eq: bool = True, frozen: bool = False, order: bool = False, slots: bool = False) -> type:
    cls.__doc__ = cls.__doc__ or cls.__name__  # in whose place the signature of a method would stand
    inherits = any(map(dataclasses.is_dataclass, cls.__bases__))  # frozen must be what the base's is
    cls = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, frozen=frozen and inherits)(cls)
    params = cls.__dataclass_params__  # type: ignore[attr-defined]
    params.init = params.repr = True
    params.eq, params.order, params.frozen = eq, order, frozen
    own = vars(cls)
    names = ["__init__", "__repr__", *(["__eq__"] if eq else ()), *(ORDER if order else ())]
    methods: dict[str, Any] = {name: _later(cls, name) for name in names if name not in own}
    if eq and own.get("__hash__") is None:  # Python puts None there for a class with an `__eq__` of its own
        methods["__hash__"] = _later(cls, "__hash__") if frozen else None
    if "__init__" in methods:
        methods["__signature__"] = _Signature(cls)
    if frozen:
        methods |= {"__setattr__": _refusing(cls, "assign to"), "__delattr__": _refusing(cls, "delete")}
        if slots:  # without, what is unpickled or copied would be assigned
            states = {"__getstate__": _state, "__setstate__": _set_state}
            methods |= {name: method for name, method in states.items() if name not in own}
    for name, method in methods.items():
        setattr(cls, name, method)
    return cls


def _later(cls: type, name: str) -> Callable[..., Any]:
    """A method in whose place the one that it stands for is put, once that is made, at its first use."""

    def method(self: Any, *args: Any, **named: Any) -> Any:
        made = _init(cls) if name == "__init__" else _compiled(cls, name)
        made.__qualname__ = f"{cls.__qualname__}.{name}"
        if vars(cls).get(name) is method:  # else somebody has put another in its place
            type.__setattr__(cls, name, made)
        return made(self, *args, **named)

    method.__name__, method.__qualname__ = name, f"{cls.__qualname__}.{name}"
    return method


def _init(cls: type) -> Callable[..., Any]:
    """`__init__`, written here: the standard library's own, of a frozen class, comes with two more methods."""
    given, body = ["self"], []
    known: dict[str, Any] = {"_set": object.__setattr__, "_factory": _FACTORY}
    for field in dataclasses.fields(cls):
        name, default, made = field.name, f"_default_{field.name}", field.default_factory is not dataclasses.MISSING
        known[default] = field.default_factory if made else field.default
        if field.init:
            given.append(name if known[default] is dataclasses.MISSING else f"{name}={'_factory' if made else default}")
            value = f"{default}() if {name} is _factory else {name}" if made else name
        elif known[default] is dataclasses.MISSING:
            continue
        else:
            value = f"{default}()" if made else default
        frozen = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]
        slot = getattr(cls, name, None)
        if frozen and isinstance(slot, MemberDescriptorType):
            known[f"_set_{name}"] = slot.__set__  # without looking the slot up, in two thirds of the time
            body.append(f"_set_{name}(self, {value})")
        else:
            body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        body.append("self.__post_init__()")
    lines = [f"def made({', '.join(known)}):", f" def __init__({', '.join(given)}):", *(f"  {line}" for line in body)]
    found: dict[str, Any] = {}
    exec("\n".join([*lines, "  pass", " return __init__"]), vars(sys.modules[cls.__module__]), found)  # noqa: S102
    method: Callable[..., Any] = found["made"](**known)
    method.__annotations__ = {field.name: field.type for field in dataclasses.fields(cls) if field.init}
    method.__annotations__["return"] = None
    return method


class _Factory:
    """In the place of a default that is made anew for each instance."""

    def __repr__(self) -> str:
        return "<factory>"


_FACTORY = _Factory()


class _Signature:
    """What `inspect.signature` says of a class, whose `__init__` may not be compiled yet."""

    def __init__(self, cls: type) -> None:
        self._cls = cls

    def __get__(self, instance: object, owner: type) -> inspect.Signature:
        if instance is not None or getattr(owner, "__init__", None) is not vars(self._cls)["__init__"]:
            raise AttributeError("__signature__")  # it is another method's, which speaks for itself
        whole = inspect.signature(_init(self._cls))
        return whole.replace(parameters=list(whole.parameters.values())[1:])


def _compiled(cls: type, name: str) -> Callable[..., Any]:
    """A method that the standard library makes of a class with the same fields; all but `__init__`."""
    fields = dataclasses.fields(cls)
    alike: dict[str, Any] = {field.name: copy(field) for field in fields}
    alike |= {"__annotations__": {field.name: field.type for field in fields}, "__module__": cls.__module__}
    alike["__doc__"] = cls.__doc__
    alone: type = dataclasses.dataclass(
        init=False,
        repr=name == "__repr__",
        eq=name == "__eq__" or name in ORDER,
        order=name in ORDER,
        unsafe_hash=name == "__hash__",
    )(type(cls.__name__, (), alike))
    method: Callable[..., Any] = vars(alone)[name]
    return method


def _refusing(cls: type, act: str) -> Callable[..., None]:
    """A method that changes no field of a frozen class."""

    def method(self: Any, name: str, *value: Any) -> None:
        if type(self) is cls or name in cls.__dataclass_fields__:  # type: ignore[attr-defined]
            raise dataclasses.FrozenInstanceError(f"cannot {act} field {name!r}")
        getattr(super(cls, self), "__setattr__" if value else "__delattr__")(name, *value)

    return method


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))


def _state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in _names(self.__class__)]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(_names(self.__class__), state, strict=True):
        object.__setattr__(self, name, value)
