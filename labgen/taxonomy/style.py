"""LG4xx: style, as violations that bring their own mending: edits of the text that leave every value as it is."""

from __future__ import annotations

import re
import sys
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import field
from itertools import pairwise

from labgen.lazy.dataclasses import dataclass
from labgen.taxonomy.source import LeafSource
from labgen.text.yamltree import Node, walk

ORDER = {
    "skills": ("version", "created_by", "task_description", "reasoning", "seed_examples"),
    "knowledge": ("version", "created_by", "domain", "document_outline", "seed_examples", "document"),
}
MAX_BLANK_LINES = 2


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the characters `start` to `end` of the file's text by `text`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class StyleProblem:
    """One departure from style: its place (character offsets), what to say, and how to mend it (perhaps not at all)."""

    code: str
    start: int
    end: int
    message: str
    edits: tuple[Edit, ...] = ()


@dataclass(slots=True)
class Layout:
    """Where the texts of a file are, so that white space inside them is told from white space between them.

    `texts` are spans of scalars in the file's order; `literal` those below `|` or `>`, without blank lines that are
    no part of the text; `indentations` how far those are indented, as far as somebody asked.
    """

    texts: list[tuple[int, int]]
    literal: list[tuple[int, int]]
    indentations: dict[tuple[int, int], int] = field(default_factory=dict)

    def inside_text(self, offset: int) -> bool:
        """Whether a character belongs to a scalar."""
        return _span_at(self.texts, offset) is not None

    def literal_at(self, offset: int) -> tuple[int, int] | None:
        """The text below `|` or `>` that a character belongs to."""
        return _span_at(self.literal, offset)


def _span_at(spans: list[tuple[int, int]], offset: int) -> tuple[int, int] | None:
    number = bisect_right(spans, (offset, sys.maxsize)) - 1
    return spans[number] if number >= 0 and offset < spans[number][1] else None


def find_style_problems(source: LeafSource) -> list[StyleProblem]:
    """Everything in a parsed leaf that is a matter of style, in the order of codes."""
    root = source.root
    if root is None or source.tree is None:
        return []
    layout = read_layout(source.text, root)
    return [
        *_missing_version(source, root),
        *_trailing_spaces(source.text, layout),
        *_blank_lines(source.text, layout),
        *_final_newline(source.text, root),
        *_line_endings(source),
        *_key_order(source, root),
    ]


def read_layout(text: str, root: Node) -> Layout:
    """Find the scalars of a tree."""
    layout = Layout([], [])
    for node in walk(root):
        if node.style in ("|", ">"):
            start = _line_end(text, node.start)
            end = _content_end(text, node)
            layout.literal.append((start, end))
            layout.texts.append((node.start, end))
        elif node.kind not in ("list", "mapping") and node.style != "*":
            layout.texts.append((node.start, node.end))
    layout.texts.sort()
    layout.literal.sort()
    return layout


def find_comments(text: str, root: Node | None) -> list[int]:
    """Offsets of the `#` that begin comments."""
    layout = read_layout(text, root) if root is not None else Layout([], [])
    found = re.finditer(r"(?:(?<=^)|(?<=[\s]))#", text, re.MULTILINE)
    return [match.start() for match in found if not layout.inside_text(match.start())]


def _line_end(text: str, offset: int) -> int:
    found = text.find("\n", offset)
    return len(text) if found < 0 else found + 1


def _content_end(text: str, node: Node) -> int:
    """Where a block's own text ends: with `+` at its last blank line, else at its last line that is not blank.

    A line of spaces is blank as far as the block is indented; what sticks out of that is text.
    """
    body = _line_end(text, node.start)
    if "+" in text[node.start : body].split("#")[0]:
        return node.end
    indentation = _block_indentation(text, body, node.end)
    raw = text[body : node.end]
    if node.end < len(text):
        # What follows the last line break is the next token's indentation.
        raw = raw[: max(raw.rfind("\n"), raw.rfind("\r")) + 1]
    end = content = body
    for line in re.findall(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+", raw):
        bare = line.rstrip("\r\n")
        if bare.strip() or len(bare) > indentation:
            content = end + len(bare)
        end += len(line)
    return content


def _block_indentation(text: str, start: int, end: int) -> int:
    first = re.compile(r"^( *)\S", re.MULTILINE).search(text, start, end)
    return len(first[1]) if first else end - start


def _missing_version(source: LeafSource, root: Node) -> Iterator[StyleProblem]:
    if root.get("version") is not None or not root.entries or source.kind == "knowledge" or root.style == "[":
        return
    first = min(key.start for key, _ in root.entries)
    if source.where(first)[1] != 1:
        return
    message = "`version` is missing, so the leaf is read as version 1; write `version:` as its first line."
    yield StyleProblem("LG401", first, first, message, (Edit(first, first, "version: 1\n"),))


def _trailing_spaces(text: str, layout: Layout) -> Iterator[StyleProblem]:
    for found in re.finditer(r"(?<![ \t])[ \t]++(?=\r?\n|\r|\Z)", text):
        start, end = found.span()
        if start == end:
            continue
        block = layout.literal_at(start)
        escaped = text[start - 1 : start] == "\\" and layout.inside_text(start)
        if escaped or (block is not None and not _is_indentation(text, start, end, block, layout)):
            message = "spaces at the end of a line of text; delete them if they mean nothing."
            yield StyleProblem("LG407", start, end, message)
        else:
            yield StyleProblem("LG402", start, end, "spaces at the end of the line.", (Edit(start, end, ""),))


def _is_indentation(text: str, start: int, end: int, block: tuple[int, int], layout: Layout) -> bool:
    """Whether spaces are a blank line's indentation: no longer than the block's own, so that no text is in them."""
    if text[start - 1] not in "\r\n":
        return False
    if block not in layout.indentations:
        layout.indentations[block] = _block_indentation(text, *block)
    return end - start <= layout.indentations[block]


def _blank_lines(text: str, layout: Layout) -> Iterator[StyleProblem]:
    for found in re.finditer(r"(?:^[ \t]*(?:\r\n|\n|\r))+|(?:^[ \t]+\Z)", text, re.MULTILINE):
        start, end = found.span()
        if layout.inside_text(start):
            continue
        lines = re.findall(r"(?<![^\r\n])[^\r\n]*+(?:\r\n|\n|\r)", found[0])
        if start == 0:
            yield StyleProblem("LG403", start, start, "blank lines at the start.", (Edit(start, end, ""),))
        elif end == len(text) and lines:
            yield StyleProblem("LG403", start, start, "blank lines at the end.", (Edit(start, end, ""),))
        elif len(lines) > MAX_BLANK_LINES:
            keep = sum(len(line) for line in lines[:MAX_BLANK_LINES])
            message = f"{len(lines)} blank lines in a row."
            yield StyleProblem("LG403", start + keep, start + keep, message, (Edit(start + keep, end, ""),))


def _final_newline(text: str, root: Node) -> Iterator[StyleProblem]:
    if not text or text[-1] in "\r\n" or root.style == "[":
        return
    edits = [Edit(len(text), len(text), "\n")]
    last = max(walk(root), key=lambda node: node.start)
    if last.style in ("|", ">") and last.end >= len(text):
        # With a line break the text itself would get one more, unless the block is told to strip it.
        header = re.match(r"[|>]([0-9]?)([-+]?)([0-9]?)", text[last.start :])
        if header and header[2] != "-":
            end = last.start + header.end()
            edits.insert(0, Edit(last.start + 1, end, f"{header[1]}{header[3]}-"))
    yield StyleProblem("LG404", len(text), len(text), "the last line has no line break at its end.", tuple(edits))


def _line_endings(source: LeafSource) -> Iterator[StyleProblem]:
    breaks = list(re.finditer(r"\r\n?", source.text))
    if breaks:
        message = "line endings of Windows; save the file with those of Unix."
        edits = tuple(Edit(found.start(), found.end(), "\n") for found in breaks)
        yield StyleProblem("LG405", breaks[0].start(), breaks[0].start(), message, edits)
    if source.data.startswith(b"\xef\xbb\xbf"):
        message = "a byte order mark before the first character; save the file as UTF-8 without one."
        yield StyleProblem("LG405", 0, 0, message, (Edit(0, 0, ""),))


def _key_order(source: LeafSource, root: Node) -> Iterator[StyleProblem]:
    if root.style == "[" or len({source.where(key.start)[0] for key, _ in root.entries}) != len(root.entries):
        return
    entries = sorted(root.entries, key=lambda entry: entry[0].start)
    rank = {name: number for number, name in enumerate(ORDER[source.kind])}
    known = [key for key, _ in entries if key.text in rank]
    wanted = sorted(known, key=lambda key: rank[key.text])
    if [key.text for key in known] == [key.text for key in wanted]:
        return
    stray = next(key for key, right in zip(known, wanted, strict=True) if key is not right)
    message = f"the usual order of keys is {', '.join(key.text for key in wanted)}."
    yield StyleProblem("LG406", stray.start, stray.end, message, _reorder(source, root, rank))


def _reorder(source: LeafSource, root: Node, rank: dict[str, int]) -> tuple[Edit, ...]:
    """Move whole entries with the comments above them; none where entries cannot be told apart by lines."""
    text = source.text
    keys = sorted((key for key, _ in root.entries), key=lambda key: key.start)
    # Aliases and document ends tie a place to its neighbours; such files are rare and left alone.
    tied = re.search(r"(?m)^(?:\.\.\.|%)", text) or any(node.style == "*" for node in walk(root))
    if tied or any(source.where(key.start)[1] != 1 for key in keys):
        return ()
    # What stands above the first key speaks of the whole file (a licence, an editor's schema line) and stays there.
    starts = [keys[0].start]
    starts += [_entry_start(text, key.start, before.start) for before, key in pairwise(keys)]
    ends = [*starts[1:], len(text)]
    parts = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    if not parts[-1].endswith("\n"):
        return ()
    order = sorted(range(len(keys)), key=lambda number: (rank.get(keys[number].text, len(rank)), number))
    return (Edit(starts[0], len(text), "".join(parts[number] for number in order)),)


def _entry_start(text: str, key_start: int, floor: int) -> int:
    """Where an entry begins: at the comment lines right above its key, if there are any."""
    start = key_start
    while start > floor:
        above = text.rfind("\n", 0, start - 1) + 1
        if above < floor or not text[above:start].startswith("#"):
            break
        start = above
    return start
