"""The statements of a text, by their places, so that each can be looked at, and taken out, by itself."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_LINE = re.compile(r"[^\n]+")
_MARK = re.compile(r"[ \t>]*(?:(?:[-*+•]|\(?\d{1,3}[.)])[ \t]+)*")
_HEADING = re.compile(r"[ \t>]*#{1,6}(?:[ \t]|$)")
_END = re.compile(r"[.!?]++[\"'”’»)\]*_]*+(?=\s)|[。！？]+[」』”]*+")
_ABBREVIATION = re.compile(
    r"(?:(?:^|[\s(])(?:\w|\d{1,3})|"
    r"\b(?:e\.g|i\.e|etc|vs|cf|ca|approx|no|nos|dr|mr|mrs|ms|prof|st|jr|sr|fig|vol|pp?|inc|ltd|co|corp|gen|col|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k|z\.b|bzw|usw|nr|d\.h))\.$",
    re.IGNORECASE,
)
_REFERS = re.compile(r"(?:it|its|they|their|them|this|that|these|those|he|his|she|her|such|both)\b", re.IGNORECASE)
_LONGEST_ABBREVIATION = 10


@dataclass(frozen=True, slots=True)
class Statement:
    """Characters `start` to `end` of a text that say one thing: a sentence, the entry of a list, a cell line.

    Attributes:
        line: 0-based number of its line among those that are not empty.
        refers: whether it begins with a word that stands for something said before it on its line.
    """

    start: int
    end: int
    line: int
    refers: bool = False


def statements_of(text: str) -> list[Statement]:
    """The statements of a text in order. Together they hold every letter and digit that is not part of a heading.

    A line ends a statement, and so do marks of a sentence's end before white space, but for those of abbreviations.
    Marks of list entries and quotations are no part of one.
    """
    found: list[Statement] = []
    for number, line in enumerate(_LINE.finditer(text)):
        if _HEADING.match(line.group()):
            continue
        mark = _MARK.match(line.group())
        start, first = line.start() + (mark.end() if mark else 0), True
        for end in [*_ends(text, start, line.end()), line.end()]:
            piece = text[start:end]
            if any(char.isalnum() for char in piece):
                begins = start + len(piece) - len(piece.lstrip())
                refers = not first and _REFERS.match(text, begins, end) is not None
                found.append(Statement(begins, start + len(piece.rstrip()), number, refers))
                start, first = end, False
            # What has neither letter nor digit belongs to what comes after it.
    return found


def _ends(text: str, start: int, end: int) -> list[int]:
    """Where the sentences of a line end, but for its last."""
    return [
        match.end()
        for match in _END.finditer(text, start, end)
        if match.group() != "."
        or not _ABBREVIATION.search(text[max(start, match.end() - _LONGEST_ABBREVIATION) : match.end()])
    ]


def without_statements(text: str, statements: Sequence[Statement], left_out: Collection[int]) -> str:
    """A text without some of its statements, and without the lines and headings that have nothing left below them.

    Args:
        statements: all of `statements_of(text)`.
        left_out: 0-based places of those to leave out.
    """
    kept: dict[int, list[int]] = {}
    for place, statement in enumerate(statements):
        if place not in left_out:
            kept.setdefault(statement.line, []).append(place)
    lines: list[str] = []
    at = 0
    for number, line in enumerate(_LINE.finditer(text)):
        if number not in kept:
            continue
        gap = text[at : line.start()]
        mark = _MARK.match(line.group())
        spaced = [text[statements[place].start : _until(statements, place, line.end())] for place in kept[number]]
        written = (mark.group() if mark else "") + "".join(spaced).rstrip()
        lines += ["\n\n" if lines and "\n\n" in gap else "\n" if lines else "", written]
        at = line.end()
    return "".join(lines)


def _until(statements: Sequence[Statement], place: int, line_end: int) -> int:
    """Where a statement ends with the space after it."""
    following = place + 1
    same_line = following < len(statements) and statements[following].line == statements[place].line
    return statements[following].start if same_line else line_end
