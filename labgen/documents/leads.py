"""What a passage starts in the middle of: the headings above it, its table's header row, the list items it belongs to.

A passage is shown below these, so that a row of a table keeps its columns' names and a nested item its parents.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import field
from functools import lru_cache
from itertools import pairwise
from typing import Any

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

HEADING_CHARS, ITEM_CHARS = 120, 200
"""Longer headings and items of a list are cut in a lead."""

HEADER_CHARS = 20_000
"""A longer header row of a table is not repeated."""

MOST_ITEMS = 6
"""Nearest items of a list that a lead shows."""

_LINE_END = re.compile(r"\r\n|\r|\n")
_FRONT_MATTER = re.compile(r"---[ \t]*(?:\r\n|\r|\n)")
_FRONT_MATTER_END = re.compile(r"(?:\r\n|\r|\n)(?:---|\.\.\.)[ \t]*(?=[\r\n]|\Z)")
_NOT_A_LINE_END = re.compile(r"[^\r\n]")


@dataclass(frozen=True, slots=True)
class MarkdownBlock:
    """A heading, a table, an item of a list or another outermost block: lines `first` to before `end`.

    `own`: before which line an item's first paragraph ends; `start`: where an outermost block, or an item of an
    outermost list, starts, in characters; -1: within others.
    """

    kind: str
    first: int
    end: int
    own: int = 0
    level: int = 0
    text: str = ""
    start: int = -1


def find_leads(
    text: str, starts: Sequence[int], *, fits: Callable[[str], bool], blocks: Sequence[MarkdownBlock] | None = None
) -> list[str]:
    """What to show before the passages of a Markdown document, with the white space between.

    Args:
        starts: where the passages start, in ascending order.
        fits: whether a table's header is short enough to be repeated.
        blocks: what `find_blocks` makes of the text, where that is known.
    Returns: for each passage its lead; empty where it starts in the middle of nothing.
    """
    sweep = _Sweep(text, _line_starts(text), find_blocks(text) if blocks is None else blocks, fits)
    return [sweep.lead(start) for start in starts]


def find_blocks(text: str) -> list[MarkdownBlock]:
    """The blocks of a Markdown document that passages may begin with or lie in, in the order of their first lines."""
    return list(_blocks(text, _line_starts(text)))


def _line_starts(text: str) -> list[int]:
    return [0, *(match.end() for match in _LINE_END.finditer(text))]


@dataclass
class _Sweep:
    """Goes through a document once, for passages in order."""

    text: str
    lines: list[int]
    blocks: Sequence[MarkdownBlock]
    fits: Callable[[str], bool]
    at: int = 0
    headings: list[MarkdownBlock] = field(default_factory=list)
    around: list[MarkdownBlock] = field(default_factory=list)

    def lead(self, start: int) -> str:
        """The lead of a passage that starts at a character."""
        line = bisect_right(self.lines, start) - 1
        # A heading that the passage begins with shows itself, but ends those before it.
        while self.at < len(self.blocks) and self.blocks[self.at].first <= line:
            self._enter(self.blocks[self.at])
            self.at += 1
        self.around = [block for block in self.around if block.end > line]
        above = [block.text for block in self.headings if block.first < line]
        inside = [self._container(block, line) for block in self.around if block.first < line]
        shown = list(filter(None, inside))[-MOST_ITEMS:]
        headings = "\n".join(above) + "\n\n" if above else ""
        return headings + "".join(f"{each}\n" for each in shown) + (self._indent(start, line) if shown else "")

    def _enter(self, block: MarkdownBlock) -> None:
        if block.kind == "heading":
            while self.headings and self.headings[-1].level >= block.level:
                self.headings.pop()
            self.headings.append(block)
        elif block.kind:
            while self.around and self.around[-1].end <= block.first:
                self.around.pop()
            self.around.append(block)

    def _container(self, block: MarkdownBlock, line: int) -> str:
        if block.kind == "table":
            header = self._between(block.first, block.first + 2, HEADER_CHARS + 1).rstrip()
            short = line >= block.first + 2 and len(header) <= HEADER_CHARS
            return header if short and self.fits(header) else ""
        said = self._between(block.first, min(block.own, line), 2 * ITEM_CHARS)
        indent = len(said) - len(said.lstrip())
        return said[:indent] + _cut(" ".join(said.split()), ITEM_CHARS)

    def _between(self, first: int, end: int, most: int) -> str:
        """Lines `first` to before `end`, at most so many characters: each passage asks, and lines may be long."""
        start, stop = self.lines[first], self.lines[end] if end < len(self.lines) else len(self.text)
        return self.text[start : min(stop, start + most)]

    def _indent(self, start: int, line: int) -> str:
        before = self.text[self.lines[line] : start]
        return before if not before.strip() else ""


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0] + " …"


def _blocks(text: str, lines: Sequence[int]) -> Iterator[MarkdownBlock]:
    tokens = _markdown().parse(_without_front_matter(text))
    for token, following in pairwise([*tokens, None]):
        if token.map is None:
            continue
        first, end = token.map
        start = lines[first] if token.level == 0 else -1
        if token.type == "heading_open" and token.level == 0:
            level = int(token.tag[1:])
            words = _cut(" ".join(following.content.split()), HEADING_CHARS)
            yield MarkdownBlock(
                "heading" if words else "", first, end, level=level, text=f"{'#' * level} {words}", start=start
            )
        elif token.type == "table_open":
            yield MarkdownBlock("table", first, end, start=start)
        elif token.type == "list_item_open":
            own = following.map[1] if following.type == "paragraph_open" else first + 1
            yield MarkdownBlock("item", first, end, own=own, start=lines[first] if token.level == 1 else -1)
        elif token.level == 0:
            yield MarkdownBlock("", first, end, start=start)


def _without_front_matter(text: str) -> str:
    """The text with its YAML header blanked: Markdown would read it as a heading."""
    if not _FRONT_MATTER.match(text):
        return text
    end = _FRONT_MATTER_END.search(text, 3)
    return _NOT_A_LINE_END.sub(" ", text[: end.end()]) + text[end.end() :] if end else text


@lru_cache(maxsize=1)
def _markdown() -> Any:
    """A parser of blocks alone, with tables."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser
