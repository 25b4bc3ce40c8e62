"""YAML text as plain data, with the place of every value: the one way in for all YAML that is no leaf.

Leaves are read from the same tree, by rules of their own. What stands in a text twice, is nested too deep or can't be
read as what it looks like is an error with its place, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.printable import shorten
from labgen.text.yaml_guess import explain_yaml_error
from labgen.text.yamltree import Node, Positions, TreeError, parse_tree

MAX_NUMBER_CHARS = 100
"""Digits of a number at most. Longer ones are texts without quotes, or an attempt to keep the reader busy."""

_TWO_WAYS = re.compile(r"[-+]?0[0-9_]|.*:")
"""Integers of YAML 1.1 that YAML 1.2 reads otherwise: octal with a leading 0 (`010` is 8, or 10), and base 60."""

_TAG = "tag:yaml.org,2002:"

Place = tuple[Any, ...]
"""Names and indices that lead to a value, such as `("teacher", "endpoints", 0)`."""


class YamlError(Exception):
    """The text is no YAML that can be read. `line` and `column` count from 1; `problem` is a clause without a stop."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(f"line {line}, column {column}: {problem}")
        self.line = line
        self.column = column
        self.problem = problem


@dataclass(frozen=True, slots=True)
class YamlData:
    """What a text says, and where: `data` is None for a text without any, `lines` has the line (from 1) of places."""

    data: Any = None
    lines: Mapping[Place, int] = field(default_factory=dict)

    def line_of(self, place: Place) -> int | None:
        """The line of a value, else of the nearest thing around it; None where none of that stands in the text."""
        while place:
            if place in self.lines:
                return self.lines[place]
            place = place[:-1]
        return None


def read_yaml(text: str, *, first_line: int = 1) -> YamlData:
    """Read one YAML document.

    Args:
        text: without a byte order mark.
        first_line: the number of its first line, where it is part of a file.
    Returns: texts, numbers, truth values, dates, lists and dictionaries; nothing else can come out.
    Raises: YamlError: not YAML, a name set twice, nested too deep, a tag, or a number that is too long.
    """
    positions = Positions(text)

    def wrong(offset: int, problem: str) -> YamlError:
        line, column = positions.at(offset)
        return YamlError(line + first_line - 1, column, problem)

    def line_of(node: Node) -> int:
        return positions.at(node.start)[0] + first_line - 1

    try:
        tree = parse_tree(text)
    except TreeError as error:
        offset, message = explain_yaml_error(text, error)
        raise wrong(offset, message.rstrip(".")) from None
    for key, first in tree.repeated:
        raise wrong(key.start, f"`{shorten(key.text)}` is already set in line {line_of(first)}; keep one of the two")
    for node, tag in tree.tags:
        raise wrong(node.start, f"`{shorten(tag)}` is not read here; write plain text, in quotes if need be")
    lines: dict[Place, int] = {}

    def note(place: Place, node: Node) -> None:
        lines[place] = line_of(node)

    try:
        return YamlData(None if tree.root is None else _value(tree.root, (), note), lines)
    except _Unreadable as error:
        raise wrong(error.node.start, error.problem) from None


class _Unreadable(Exception):
    """A value is not what it looks like."""

    def __init__(self, node: Node, problem: str) -> None:
        super().__init__(problem)
        self.node = node
        self.problem = problem


def _value(node: Node, place: Place, note: Callable[[Place, Node], None]) -> Any:
    """The value of a node; a mapping's values are noted where their names stand."""
    if node.kind == "list":
        found = []
        for index, item in enumerate(node.items):
            note((*place, index), item)
            found.append(_value(item, (*place, index), note))
        return found
    if node.kind != "mapping":
        return _scalar(node)
    entries: dict[Any, Any] = {}
    for key, value in node.entries:
        if key.kind in ("list", "mapping"):
            raise _Unreadable(key, f"a {key.kind} can't be a name; write a text before the colon")
        name = _scalar(key)
        if name in entries:
            raise _Unreadable(key, f"`{shorten(key.text)}` is set twice, in other words; keep one of the two")
        note((*place, name), key)
        entries[name] = _value(value, (*place, name), note)
    return entries


def _scalar(node: Node) -> Any:
    import yaml

    if node.kind == "text":
        return node.text
    if node.kind in ("integer", "number") and len(node.text) > MAX_NUMBER_CHARS:
        raise _Unreadable(
            node, f"a number of {len(node.text):,} characters is too long; put it in quotes if it is a text"
        )
    if node.kind == "integer" and _TWO_WAYS.match(node.text):
        raise _Unreadable(
            node,
            f"`{shorten(node.text)}` is one number to some readers of YAML and another to others; write it in plain "
            "decimal digits, or in quotes if it is a text",
        )
    construct = yaml.constructor.SafeConstructor()
    read = {
        "integer": construct.construct_yaml_int,
        "number": construct.construct_yaml_float,
        "boolean": construct.construct_yaml_bool,
        "null": construct.construct_yaml_null,
        "date": construct.construct_yaml_timestamp,
    }[node.kind]
    try:
        return read(yaml.ScalarNode(_TAG, node.text))
    except (ValueError, OverflowError, KeyError, AttributeError):
        # A date such as 2023-02-30, or what an explicit tag calls something that it isn't.
        raise _Unreadable(node, f"`{shorten(node.text)}` is no {node.kind}; put it in quotes if it is a text") from None
