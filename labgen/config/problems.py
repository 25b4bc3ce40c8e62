"""All that is wrong in settings, in plain words: what is wanted in a place, and what stands there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from msgspec import Meta, ValidationError, structs

from labgen.config.section import OpenSection, Section, SettingError, fitted
from labgen.config.values_in_words import LONGEST_SHOWN_CHARS, kind_in_words
from labgen.lazy.dataclasses import dataclass

Place = tuple[str | int, ...]

_SECTION = "takes `name: value` lines beneath it"
_LIST = "takes a list, such as `[one, two]` or a line with a dash for each"
_WANTED = {
    int: "takes a whole number, such as `30`",
    float: "takes a number, such as `0.5`",
    bool: "takes `true` or `false`",
    str: "takes a text; put it in quotes where it looks like a number, a date, or yes or no",
    Path: "takes a path, such as `folder/file`",
}
_LIMITS = {"gt": "above", "ge": "of at least", "lt": "below", "le": "of at most"}


@dataclass(frozen=True, slots=True)
class SettingProblem:
    """Something in the settings that does not fit.

    Attributes:
        place: names of the settings from the outermost one inwards, and places in lists (from 0).
        words: what is wrong, and what would fit; whole sentences.
    """

    place: Place
    words: str


def find_problems(kind: Any, data: Any, place: Place = ()) -> Iterator[SettingProblem]:
    """All that keeps `data` from being of a type that settings have; nothing where it fits.

    Args:
        kind: a section, or the annotation of a setting.
        place: where `data` stands.
    """
    if _fits(data, kind):
        return
    bare, limits = _bare(kind)
    origin = get_origin(bare)
    if origin is Literal:
        yield _misfit(place, f"takes {_listed(get_args(bare))}", data)
    elif origin is tuple:
        yield from _in_list(bare, limits, data, place)
    elif origin is dict:
        yield from _in_names(bare, data, place)
    elif issubclass(bare, Section):
        yield from _in_section(bare, data, place)
    elif issubclass(bare, OpenSection):
        own = get_type_hints(bare)
        found = list(_in_named(own, data, place)) if isinstance(data, dict) else []
        yield from found or [_misfit(place, _SECTION, data)]
    else:
        yield _misfit(place, _wanted(bare, limits, data), data)


def _fits(value: Any, kind: Any) -> bool:
    try:
        fitted(value, kind)
    except ValidationError:
        return False
    return True


def _bare(kind: Any) -> tuple[Any, list[Meta]]:
    """A type without what is said of it and without None, and the limits that it has."""
    limits: list[Meta] = []
    while args := get_args(kind):
        if get_origin(kind) is Annotated:
            limits += args[1:]
            kind = args[0]
        elif type(None) in args:
            (kind,) = [each for each in args if each is not type(None)]
        else:
            break
    return kind, limits


def _in_list(kind: Any, limits: Iterable[Meta], data: Any, place: Place) -> Iterator[SettingProblem]:
    if not isinstance(data, list | tuple):
        one = f" Write `[{data}]`." if isinstance(data, str) and len(data) < LONGEST_SHOWN_CHARS else ""
        yield _misfit(place, _LIST, data, one)
    elif not data and any(limit.min_length for limit in limits):
        yield _misfit(place, "takes a list that is not empty", data)
    else:
        for number, each in enumerate(data):
            yield from find_problems(get_args(kind)[0], each, (*place, number))


def _in_names(kind: Any, data: Any, place: Place) -> Iterator[SettingProblem]:
    """In names that people choose, each with its value."""
    if not isinstance(data, dict):
        yield _misfit(place, _SECTION, data)
        return
    of_names, of_values = get_args(kind)
    for name, value in data.items():
        yield from find_problems(of_names, name, (*place, name))
        yield from find_problems(of_values, value, (*place, name))


def _in_section(kind: type[Section], data: Any, place: Place) -> Iterator[SettingProblem]:
    if not isinstance(data, dict):
        yield _misfit(place, _SECTION, data)
        return
    hints = get_type_hints(kind, include_extras=True)
    found = [*_missing(kind, data, place), *_in_named(hints, data, place), *_unknown(kind, data, place)]
    yield from found
    if not found:  # each by itself would do, but not all together
        try:
            fitted(data, kind)
        except ValidationError as error:
            cause = error.__cause__
            if isinstance(cause, SettingError):
                place = (*place, *cause.place)
                yield SettingProblem(place, f"`{'.'.join(map(str, place))}` {cause}.")
            else:
                name = f"`{'.'.join(map(str, place))}`: " if place else ""
                yield SettingProblem(place, f"{name}{cause or error}.")


def _in_named(hints: dict[str, Any], data: dict[Any, Any], place: Place) -> Iterator[SettingProblem]:
    for name, hint in hints.items():
        if name in data:
            yield from find_problems(hint, data[name], (*place, name))


def _missing(kind: type[Section], data: dict[Any, Any], place: Place) -> Iterator[SettingProblem]:
    for each in structs.fields(kind):
        if each.required and each.name not in data:
            name, above = ".".join(map(str, (*place, each.name))), ".".join(map(str, place))
            yield SettingProblem((*place, each.name), f"`{name}` is missing. Write it beneath `{above}:`.")


def _unknown(kind: type[Section], data: dict[Any, Any], place: Place) -> Iterator[SettingProblem]:
    known = sorted(kind.__struct_fields__)
    for name in data:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(known)}."
            yield SettingProblem((*place, name), f"unknown setting `{'.'.join(map(str, (*place, name)))}`. {hint}")


def _wanted(kind: type, limits: Iterable[Meta], data: Any) -> str:
    """What a setting takes that is a single value: a value of its type, or one within its limits."""
    if not _fits(data, kind):
        return _WANTED[kind]
    for limit in limits:
        if _fits(data, Annotated[kind, limit]):
            continue
        for name, words in _LIMITS.items():
            if (bound := getattr(limit, name)) is not None and not _fits(data, Annotated[kind, Meta(**{name: bound})]):
                return f"takes a number {words} {kind(bound)}"
        if not data:
            return "takes a text that is not empty"
        if limit.max_length and len(data) > limit.max_length:
            return f"takes a text of at most {limit.max_length} characters"
        pattern = (limit.pattern or "").removeprefix("^").removesuffix(r"\Z")
        return f"takes a text that matches `{pattern}`"
    return _WANTED[kind]


def _listed(choices: Iterable[Any]) -> str:
    *others, last = (f"`{choice}`" if isinstance(choice, str) else str(choice) for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


def _misfit(place: Place, wanted: str, given: Any, instead: str = "") -> SettingProblem:
    name = ".".join(map(str, place))
    return SettingProblem(place, f"`{name}` {wanted}; this is {kind_in_words(given)}.{instead}")
