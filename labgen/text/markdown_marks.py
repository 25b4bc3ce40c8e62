"""The marks in a Markdown text: what is there for the looks of it, and what a reader sees in its place.

CommonMark with tables, footnotes and what pandoc adds (attributes, super- and subscripts). The text may be a piece that
was cut out of a document, so nothing here needs its beginning or its end. One pass, and no mark looks further than a
fixed number of characters, so that no text costs more than its length.
"""

from __future__ import annotations

import html
from bisect import bisect_left
from collections.abc import Iterator

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

_FENCE = re.compile(r"[ \t>]*+(`{3,}+|~{3,}+)[ \t]*+([^`\n]*+)$")
_RULE = re.compile(r"(?:[ \t]*+>)*+[-=+:|_*~^ \t]{3,}+$")
_DIV = re.compile(r"[ \t>]*+:{3,}+[^\n]*+$")
_BLOCK = re.compile(
    r"[ \t]*+(?:>[ \t]?)*+[ \t]*+"
    r"(?:(?:[-*+]|:(?=[ ]{2})|\(?\d{1,3}[.)])[ \t]+(?:\\?\[[ xX]\\?\][ \t]+)?)*+(?:#{1,6}[ \t]+)?"
)
_ROW = re.compile(r"[ \t>]*\|")
_CELL_END = re.compile(r"(?<!\\)\|")
_BREAKING = frozenset(
    re.findall(r"\w+", "br dd div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre section table td th tr ul")
)
_INLINE = re.findall(
    r"\w+",
    """a abbr b bdi big cite code del details em font i img ins kbd mark nobr q ref s samp small span strong summary
    tbody thead tt u var wbr""",
)
_TAGS = "|".join(sorted({*_BREAKING, *_INLINE}))
_NOTE = r"(?:\^[^\s\[\]\\]{1,40}|[1-9]\d{0,2}(?:[,–-] ?[1-9]\d{0,2}){0,5}|(?:note|nb|n) \d{1,3}|citation needed)"
_TOKEN = re.compile(
    rf"""
      (?P<note>(?:<sup>)?\\?\[{_NOTE}\\?\](?:</sup>)?(?![\w(\[:{{]))
    | (?P<raised></?su[pb]>)
    | (?P<escape>\\[!-/:-@\[-`{{-~])
    | (?P<turn>\\(?=\n))
    | (?P<ticks>`+)
    | (?P<run>\*+|_+)
    | (?P<comment><!--)
    | (?P<tag></?(?P<name>{_TAGS})(?:\s[^<>]{{0,500}})?/?>)
    | <(?P<address>(?:https?|ftp|mailto):[^\s<>]{{1,2000}})>
    | (?P<entity>&(?:\#\d{{1,7}}|\#[xX][0-9a-fA-F]{{1,6}}|[A-Za-z][A-Za-z0-9]{{1,30}});)
    | (?P<power>\^[^\s^]{{1,20}}\^)
    | (?P<open>!?\[)
    | (?P<close>\])
    """,
    re.VERBOSE,
)
_COMMENT_CHARS = 2000
"""Of a comment at most; what is longer shows as itself."""
_DESTINATION = re.compile(
    r"""\(\s{0,20}
    (?:<[^<>\n]{0,2000}>|(?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.|\((?:[^\s()\\]|\\.){0,300}+\)){0,300}+\)){0,2000}+)
    (?:\s{1,20}(?:"(?:[^"\\]|\\.){0,500}+"|'(?:[^'\\]|\\.){0,500}+'))?
    \s{0,20}\)""",
    re.VERBOSE | re.DOTALL,
)
_REFERENCE = re.compile(r"\[[^\[\]\n]{0,200}\]")
_ATTRIBUTES = re.compile(r"\{[.#][^{}]{0,300}\}")
_ORDINAL = re.compile(r"(?:st|nd|rd|th|er|re|e|o|tm)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters `start` to `end` of a text, which a reader sees as `shown`."""

    start: int
    end: int
    shown: str = ""


def find_marks(text: str) -> list[Mark]:
    """The marks of a Markdown text, in order, none over another. What is not part of one shows as itself.

    Inside code only the ticks or fences are marks. Emphasis, links and code may reach over lines, not over blocks. A
    `*` or `_` without its other half, between digits or inside a name (`snake_case`) is no mark.
    """
    found: list[Mark] = []
    inner: list[Mark] = []
    for start, end in _blocks(text, found):
        first = bisect_left(found, start, key=lambda mark: mark.start)
        inner.extend(_Block(text, start, end, found[first:]).marks())
    found += inner
    found.sort(key=lambda mark: mark.start)
    return found


def without_marks(text: str, marks: list[Mark]) -> str:
    """The text as a reader sees it."""
    pieces: list[str] = []
    at = 0
    for mark in marks:
        pieces += (text[at : mark.start], mark.shown)
        at = mark.end
    return "".join((*pieces, text[at:]))


def _blocks(text: str, found: list[Mark]) -> Iterator[tuple[int, int]]:
    """Start and end of every block of running text; marks of whole lines and at their beginning go to `found`."""
    lines = _lines(text)
    fence, alone = _opened_before(text, lines)
    first, table = -1, False
    for number, (start, end) in enumerate(lines):
        line = text[start:end]
        fenced = _FENCE.match(line)
        if fence or fenced:
            if first >= 0:
                yield first, start
                first = -1
            if fenced and (not fence or (fenced[1].startswith(fence) and not fenced[2].strip())):
                found.append(Mark(start, end, " "))
                fence = "" if fence or alone else fenced[1]
            continue
        whole = not line.strip() or _RULE.match(line) or _DIV.match(line)
        table = bool(line.strip()) and (table or _is_header(text, lines, number) or ("|" in line and bool(whole)))
        row = bool(_ROW.match(line)) or (table and "|" in line)
        block = _BLOCK.match(line)
        opens = block.end() if block and block.group().strip() else 0
        if first >= 0 and (whole or row or (opens and block and block.group().strip("> \t"))):
            yield first, start
            first = -1
        if whole:
            if line.strip():
                found.append(Mark(start, end, " "))
        elif row:
            yield from _cells(text, start, end, found)
        else:
            if opens:
                found.append(Mark(start, start + opens))
            first = first if first >= 0 else start
    if first >= 0:
        yield first, len(text)


def _lines(text: str) -> list[tuple[int, int]]:
    ends = [match.start() for match in re.finditer("\n", text)]
    return list(zip([0, *(end + 1 for end in ends)], [*ends, len(text)], strict=True))


def _opened_before(text: str, lines: list[tuple[int, int]]) -> tuple[str, bool]:
    """The fence of a code block that the text begins in; and whether its only fence may open a block or close one."""
    fences = [match for start, end in lines if (match := _FENCE.match(text[start:end]))]
    if len(fences) % 2 == 0 or fences[0][2].strip():
        return "", False
    return (fences[0][1], False) if len(fences) > 1 else ("", True)


def _is_header(text: str, lines: list[tuple[int, int]], number: int) -> bool:
    """Whether the line under this one is the rule of a table."""
    if number + 1 >= len(lines):
        return False
    rule = text[slice(*lines[number + 1])]
    return "|" in rule and "-" in rule and bool(_RULE.match(rule))


def _cells(text: str, start: int, end: int, found: list[Mark]) -> Iterator[tuple[int, int]]:
    for pipe in _CELL_END.finditer(text, start, end):
        if pipe.start() > start:
            yield start, pipe.start()
        found.append(Mark(pipe.start(), pipe.end(), " "))
        start = pipe.end()
    if start < end:
        yield start, end


@dataclass(slots=True)
class _Run:
    """Some `*` or `_` beside one another: those from `first` to `last` that no other has paired with yet."""

    first: int
    last: int
    opens: bool
    closes: bool


class _Block:
    """One block of running text, from `start` to `end`."""

    def __init__(self, text: str, start: int, end: int, lines: list[Mark]) -> None:
        self._text, self._start, self._end = text, start, end
        self._taken = {mark.start: mark.end for mark in lines if mark.start < end}
        self._ticks: dict[int, list[int]] = {}
        for ticks in re.compile("`+").finditer(text, start, end):
            self._ticks.setdefault(len(ticks.group()), []).append(ticks.start())
        self._comment_ends = [close.start() for close in re.compile("-->").finditer(text, start, end)]
        self._brackets: list[tuple[int, int]] = []
        self._runs: dict[str, list[_Run]] = {"*": [], "_": []}
        self._found: list[Mark] = []

    def marks(self) -> list[Mark]:
        """The marks in it, in no order."""
        at = self._start
        starts = sorted(self._taken)
        while token := _TOKEN.search(self._text, at, self._end):
            place = bisect_left(starts, token.start() + 1) - 1
            if place >= 0 and (end := self._taken[starts[place]]) > token.start():
                at = end
                continue
            at = self._take(token)
        return self._found

    def _take(self, token: re.Match[str]) -> int:
        """Read one token. Returns: where to go on."""
        start, end, kind = token.start(), token.end(), token.lastgroup
        if kind == "note":
            before = self._text[start - 1 : start] if start > self._start else ""
            if before.strip() or token.group().strip("\\").startswith("[^"):
                self._add(start, end)
                return end
            return self._escape(start) if token.group().startswith("\\") else start + 1
        if kind == "escape":
            return self._escape(start)
        if kind == "ticks":
            return self._code(start, end)
        if kind == "comment":
            return self._comment(start, end)
        if kind == "run":
            self._emphasis(start, end)
        elif kind == "open":
            self._brackets.append((start, end))
        elif kind == "close":
            return self._link(end)
        elif kind == "raised":
            self._raised(token)
        elif kind == "entity":
            self._add(start, end, html.unescape(token.group()))
        elif kind == "power":
            self._add(end - 1, end)
        elif kind == "address":
            self._add(start, start + 1)
            self._add(end - 1, end)
        elif kind in ("name", "tag"):
            self._add(start, end, " " if token["name"] in _BREAKING else "")
        else:
            self._add(start, end, " " if kind == "turn" else "")
        return end

    def _add(self, start: int, end: int, seen: str = "") -> None:
        self._found.append(Mark(start, end, seen))

    def _escape(self, start: int) -> int:
        self._add(start, start + 1)
        return start + 2

    def _raised(self, token: re.Match[str]) -> None:
        """A superscript is told from what it stands on, a subscript from a digit only (H2O, but 10_2)."""
        seen = ""
        if token.group() == "<sup>" and not _ORDINAL.match(self._text, token.end()):
            seen = "^"
        elif token.group() == "<sub>" and self._text[max(0, token.start() - 1)].isdigit():
            seen = "_"
        self._add(token.start(), token.end(), seen)

    def _code(self, start: int, end: int) -> int:
        places = self._ticks.get(end - start, [])
        place = bisect_left(places, end)
        if place == len(places):
            return end
        close = places[place]
        self._add(start, end)
        self._add(close, close + end - start)
        return self._attributes(close + end - start)

    def _comment(self, start: int, end: int) -> int:
        place = bisect_left(self._comment_ends, end)
        if place == len(self._comment_ends) or self._comment_ends[place] > end + _COMMENT_CHARS:
            return end
        close = self._comment_ends[place] + len("-->")
        self._add(start, close)
        return close

    def _attributes(self, at: int) -> int:
        attributes = _ATTRIBUTES.match(self._text, at, self._end)
        if attributes:
            self._add(at, attributes.end())
        return attributes.end() if attributes else at

    def _link(self, end: int) -> int:
        """A closing bracket, and what follows it where that makes a link or a span of its own."""
        opener = self._brackets.pop() if self._brackets else None
        if opener is None:
            return end
        for target in (_DESTINATION, _REFERENCE, _ATTRIBUTES):
            match = target.match(self._text, end, self._end)
            if match:
                self._add(*opener)
                self._add(end - 1, match.end())
                return self._attributes(match.end())
        return end

    def _emphasis(self, start: int, end: int) -> None:
        before = self._text[start - 1 : start] if start > self._start else ""
        after = self._text[end : end + 1] if end < self._end else ""
        left = bool(after.strip()) and (after.isalnum() or not before.strip() or not before.isalnum())
        right = bool(before.strip()) and (before.isalnum() or not after.strip() or not after.isalnum())
        inside = before.isalnum() and after.isalnum()
        if inside and (self._text[start] == "_" or before.isdigit() or after.isdigit()):
            return
        run = _Run(start, end, left, right)
        stack = self._runs[self._text[start]]
        while run.closes and stack and run.first < run.last:
            opener = stack[-1]
            if inside and self._is_inside(opener):
                break  # a*b*c
            count = min(opener.last - opener.first, run.last - run.first)
            self._add(opener.last - count, opener.last)
            self._add(run.first, run.first + count)
            opener.last -= count
            run.first += count
            if opener.first == opener.last:
                stack.pop()
        if run.opens and run.first < run.last:
            stack.append(run)

    def _is_inside(self, run: _Run) -> bool:
        return self._text[run.first - 1 : run.first].isalnum() and self._text[run.last : run.last + 1].isalnum()
