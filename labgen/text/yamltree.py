"""YAML text as a tree that remembers where everything stands.

Built from the parser's events with a stack of our own, so that neither depth nor aliases of a hostile file can exhaust
anything, and nothing but text, numbers, booleans, dates and nulls can ever come out. PyYAML's C parser is used where
it is there (some ten times as fast as the pure one).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import field
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from labgen.lazy.dataclasses import dataclass

MAX_NODES = 20_000  # the largest real leaves have a few hundred
MAX_DEPTH = 40

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_IMPLICIT: dict[str, list[tuple[str, re.Pattern[str]]]] = yaml.SafeLoader.yaml_implicit_resolvers
_PREFIX = "tag:yaml.org,2002:"
_KINDS = {"str": "text", "int": "integer", "float": "number", "bool": "boolean", "null": "null", "timestamp": "date"}


@dataclass(slots=True, eq=False)
class Node:
    """One value of the file.

    Attributes:
        kind: `text`, `integer`, `number`, `boolean`, `null`, `date`, `list` or `mapping`.
        text: a scalar as YAML reads it (escapes and folding resolved), before any conversion.
        style: `` for plain, `'`, `"`, `|`, `>`; `[` for flow lists and mappings; `*` for aliases.
        start, end: character offsets in the file; for block scalars `end` is where the next token begins.
        items: of a list.
        entries: of a mapping, as (key, value), in the file's order, without repeated keys.
        size: how many values it stands for, itself and what aliases repeat included.
    """

    kind: str
    text: str = ""
    style: str = ""
    start: int = 0
    end: int = 0
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    size: int = 1

    def get(self, name: str) -> Node | None:
        """The value under a key of a mapping; None for anything else."""
        return next((value for key, value in self.entries if key.text == name), None)

    def key(self, name: str) -> Node | None:
        """The node of a key itself."""
        return next((key for key, _ in self.entries if key.text == name), None)

    def number(self) -> float | None:
        """The value of an integer or number of ordinary length, in any of the ways that YAML 1.1 has; else None."""
        if self.kind not in ("integer", "number") or len(self.text) > 24:
            return None
        node = yaml.ScalarNode("", self.text)
        construct = yaml.constructor.SafeConstructor()
        try:
            return float(
                construct.construct_yaml_int(node) if self.kind == "integer" else construct.construct_yaml_float(node)
            )
        except ValueError:
            return None

    def integer(self) -> int | None:
        """The value of an integer, or of a number such as 3.0, of ordinary length; else None."""
        value = self.number()
        return int(value) if value is not None and value.is_integer() else None


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, keys included, each place of the file once."""
    yield node
    if node.style == "*":
        return
    for item in node.items:
        yield from walk(item)
    for key, value in node.entries:
        yield key
        yield from walk(value)


class TreeError(Exception):
    """The text is no usable YAML.

    `code` is the rule's code, `start` the character offset of the fault, `problem` the parser's words; `context` and
    `context_start` say what the parser was in the middle of, and where that began (-1 where it does not say).
    """

    def __init__(self, code: str, start: int, problem: str, context: str = "", context_start: int = -1) -> None:
        super().__init__(problem)
        self.code = code
        self.start = start
        self.problem = problem
        self.context = context
        self.context_start = context_start


@dataclass(slots=True)
class Tree:
    """A parsed file: its root (None for an empty file) and what is wrong short of being unreadable.

    `repeated` holds (key, first key of that name); `tags` nodes with a tag that labgen does not read.
    """

    root: Node | None
    repeated: list[tuple[Node, Node]]
    tags: list[tuple[Node, str]]


class Positions:
    """Character offsets to 1-based lines and columns, counted as editors count them."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer(r"\r\n|\n|\r", text))]

    def at(self, offset: int) -> tuple[int, int]:
        """(line, column) of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def parse_tree(text: str, *, pure: bool = False, max_nodes: int = MAX_NODES) -> Tree:
    """Parse one YAML document.

    Args:
        text: the file's content, without a byte order mark.
        pure: use PyYAML's own reader even where the C one is there; it refuses tabs that the other takes.
        max_nodes: values at most, once aliases are followed.
    Raises: TreeError: not YAML, more than one document, too deep, or too large once aliases are followed.
    """
    builder = _Builder(max_nodes)
    try:
        for event in _events(text, yaml.SafeLoader if pure else _Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _tree_error(error, text) from None
    except yaml.reader.ReaderError as error:
        found = re.search(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", text)
        raise TreeError("LG105", found.start() if found else 0, str(error.reason)) from None
    except (ValueError, OverflowError):
        raise TreeError("LG101", 0, "an escape such as \\U names no character") from None
    return Tree(builder.root, builder.repeated, builder.tags)


def _events(text: str, reader: Any) -> Iterator[Any]:
    loader = reader(text)
    try:
        while loader.check_event():
            yield loader.get_event()
    finally:
        loader.dispose()


def _tree_error(error: yaml.MarkedYAMLError, text: str) -> TreeError:
    mark, context = error.problem_mark, error.context_mark
    start = min(mark.index, len(text)) if mark else 0
    if "nesting depth" in (error.problem or ""):
        # PyYAML 6.0.4 has a limit of its own, and may meet it far ahead of the event at hand.
        return TreeError("LG103", start, f"more than {MAX_DEPTH} levels of nesting")
    return TreeError("LG101", start, error.problem or "", error.context or "", context.index if context else -1)


@dataclass(slots=True)
class _Open:
    node: Node
    key: Node | None = None
    names: dict[str, Node] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    merged: list[Node] = field(default_factory=list)


class _Builder:
    """Takes events, builds nodes; knows its limits."""

    def __init__(self, max_nodes: int) -> None:
        self.root: Node | None = None
        self._max_nodes = max_nodes
        self.repeated: list[tuple[Node, Node]] = []
        self.tags: list[tuple[Node, str]] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._count = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        if isinstance(event, ScalarEvent):
            self._scalar(event)
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._start(event)
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._end(event)
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                problem = "expected a single document in the stream"
                raise TreeError("LG101", event.start_mark.index if event.start_mark else 0, problem)

    def _scalar(self, event: Any) -> None:
        node = Node("text", event.value, event.style or "", event.start_mark.index, event.end_mark.index)
        plain = not node.style
        node.kind, unread = _kind(event.value, plain, event.tag)
        if unread:
            self.tags.append((node, unread))
        self._register(event.anchor, node)
        self._add(node, 1)

    def _start(self, event: Any) -> None:
        kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
        node = Node(kind, "", "[" if event.flow_style else "", event.start_mark.index, event.end_mark.index)
        tag = event.tag
        if tag and tag not in ("!", _PREFIX + "map", _PREFIX + "seq"):
            self.tags.append((node, tag))
        if len(self._open) >= MAX_DEPTH:
            raise TreeError("LG103", node.start, f"more than {MAX_DEPTH} levels of nesting")
        self._register(event.anchor, node)
        self._open.append(_Open(node))

    def _end(self, event: Any) -> None:
        done = self._open.pop()
        node = done.node
        node.end = event.end_mark.index
        for source in done.merged:
            self._merge(done, source)
        values = node.items or [value for _, value in node.entries]
        node.size = 1 + len(node.entries) + sum(value.size for value in values)
        self._add(node, 1)

    def _alias(self, event: Any) -> None:
        start = event.start_mark.index
        node = self._anchors.get(event.anchor)
        if node is None:
            raise TreeError("LG101", start, f"found undefined alias {event.anchor!r}")
        if any(opened.node is node for opened in self._open):
            raise TreeError("LG103", start, f"`*{event.anchor}` stands inside the very value that it repeats")
        # An alias stands for a whole value; what it brings along counts each time. The copy knows its own place.
        end = event.end_mark.index
        place = Node(node.kind, node.text, "*", start, end, node.items, node.entries, node.size)
        self._add(place, place.size)

    def _register(self, anchor: str | None, node: Node) -> None:
        if anchor is None:
            return
        if anchor in self._anchors:
            raise TreeError("LG101", node.start, f"found duplicate anchor {anchor!r}")
        self._anchors[anchor] = node

    def _add(self, node: Node, size: int) -> None:
        self._count += size
        if self._count > self._max_nodes:
            raise TreeError("LG103", node.start, f"more than {self._max_nodes} values once aliases are followed")
        if not self._open:
            self.root = node
            return
        top = self._open[-1]
        if top.node.kind == "list":
            top.node.items.append(node)
        elif top.key is None:
            top.key = node
        else:
            self._enter(top, top.key, node)
            top.key = None

    def _enter(self, top: _Open, key: Node, value: Node) -> None:
        if key.text == "<<" and not key.style and key.kind == "text":
            sources = value.items if value.kind == "list" else [value]
            if any(source.kind != "mapping" for source in sources):
                raise TreeError("LG101", value.start, "expected a mapping for merging")
            top.merged.extend(sources)
            return
        if value.text == "<<" and not value.style and value.kind == "text":
            self.tags.append((value, "<<"))
        name = key.text if key.kind not in ("list", "mapping") else f"\0{id(key)}"
        first = top.names.setdefault(name, key)
        if first is key:
            top.places[name] = len(top.node.entries)
            top.node.entries.append((key, value))
            return
        self.repeated.append((key, first))
        # The last one wins, as for every other reader of the file.
        top.node.entries[top.places[name]] = (key, value)
        top.names[name] = key

    def _merge(self, target: _Open, source: Node) -> None:
        for key, value in source.entries:
            if target.names.setdefault(key.text, key) is key:
                target.node.entries.append((key, value))


def _kind(value: str, plain: bool, tag: str | None) -> tuple[str, str]:
    """(kind, tag that cannot be read or nothing) of a scalar, by YAML 1.1's implicit types as PyYAML has them."""
    if tag and tag != "!":
        known = _KINDS.get(tag.removeprefix(_PREFIX)) if tag.startswith(_PREFIX) else None
        return (known, "") if known else ("text", tag)
    if not plain or tag == "!":
        return "text", ""
    for candidate, pattern in _IMPLICIT.get(value[:1], []):
        if pattern.match(value):
            if candidate == _PREFIX + "value":
                return "text", value
            return _KINDS.get(candidate.removeprefix(_PREFIX), "text"), ""
    return "text", ""
