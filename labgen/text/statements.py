"""The statements of a text, by their places, so that each can be looked at, and taken out, by itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

_LINE = re.compile(r"[^\n]+")
_BLANK = re.compile(r"\n[ \t\r>]*\n")
_MARK = re.compile(r"[ \t>]*(?:(?:[-*+•]|\(?\d{1,3}[.)])[ \t]+)*")
_OWN_LINE = re.compile(r"[ \t>]*(?:[-*+•][ \t]|\(?\d{1,3}[.)][ \t]|#{1,6}(?:[ \t]|$)|\||```|~~~)")
_OWN_BEFORE = re.compile(r"[ \t>]*(?:#{1,6}(?:[ \t]|$)|\||```|~~~)")
_HEADING = re.compile(r"[ \t>]*#{1,6}(?:[ \t]|$)")
_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”]*+")
_ABBREVIATION = re.compile(
    r"(?:(?:^|[\s(])(?:\w|\d{1,3})|"
    r"\b(?:e\.g|i\.e|[ap]\.m|etc|vs|cf|ca|approx|no|nos|dr|mr|mrs|ms|prof|st|jr|sr|fig|vol|pp?|inc|ltd|co|corp|gen|col|"
    r"jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec|u\.s|u\.k|z\.b|bzw|usw|nr|d\.h))\.$",
    re.IGNORECASE,
)
_REFERS = re.compile(r"(?:it|its|they|their|them|this|that|these|those|he|his|she|her|such|both)\b", re.IGNORECASE)
_LONGEST_ABBREVIATION = 10


@dataclass(frozen=True, slots=True)
class Statement:
    """Characters `start` to `end` of a text that say one thing: a sentence, the entry of a list, the row of a table.

    Attributes:
        block: 0-based number of the paragraph, list entry or row that it stands in.
        refers: whether it begins with a word that stands for something said before it in its block.
    """

    start: int
    end: int
    block: int
    refers: bool = False


def statements_of(text: str) -> list[Statement]:
    """The statements of a text in order. Together they hold every letter and digit that is not part of a heading.

    A statement ends where its block does, and at marks of a sentence's end before white space, but for those of
    abbreviations. Marks of list entries and quotations are no part of one.
    """
    found: list[Statement] = []
    for number, (begin, block_end) in enumerate(_blocks(text)):
        if _HEADING.match(text, begin, block_end):
            continue
        mark = _MARK.match(text, begin, block_end)
        start, first = mark.end() if mark else begin, True
        seen = start
        for end in [*_ends(text, start, block_end), block_end]:
            says = any(char.isalnum() for char in text[seen:end])
            seen = end
            if says:
                piece = text[start:end]
                begins = start + len(piece) - len(piece.lstrip())
                refers = not first and _REFERS.match(text, begins, end) is not None
                found.append(Statement(begins, start + len(piece.rstrip()), number, refers))
                start, first = end, False
            # What has neither letter nor digit belongs to what comes after it.
    return found


def _blocks(text: str) -> list[tuple[int, int]]:
    """Where paragraphs, list entries, headings and rows begin and end: a line may go on with the one before it."""
    found: list[tuple[int, int]] = []
    for line in _LINE.finditer(text):
        if not line.group().strip(" \t\r>"):
            continue
        own = not found or _OWN_LINE.match(line.group()) or _OWN_BEFORE.match(text, *found[-1])
        if own or _BLANK.search(text, found[-1][1], line.start()):
            found.append(line.span())
        else:
            found[-1] = (found[-1][0], line.end())
    return found


def _ends(text: str, start: int, end: int) -> list[int]:
    """Where the sentences of a block end, but for its last."""
    return [
        match.end()
        for match in _END.finditer(text, start, end)
        if match.group() != "."
        or not _ABBREVIATION.search(text[max(start, match.end() - _LONGEST_ABBREVIATION) : match.end()])
    ]


def without_statements(text: str, statements: Sequence[Statement], left_out: Collection[int]) -> str:
    """A text without some of its statements, and without blocks that have nothing left in them, and all headings.

    Args:
        statements: all of `statements_of(text)`.
        left_out: 0-based places of those to leave out.
    """
    kept: dict[int, list[int]] = {}
    for place, statement in enumerate(statements):
        if place not in left_out:
            kept.setdefault(statement.block, []).append(place)
    pieces: list[str] = []
    at = 0
    for number, (begin, end) in enumerate(_blocks(text)):
        if number not in kept:
            continue
        gap = "\n\n" if _BLANK.search(text, at, begin) else "\n"
        mark = _MARK.match(text, begin, end)
        spaced = [text[statements[place].start : _until(statements, place, end)] for place in kept[number]]
        pieces.append((gap if pieces else "") + (mark.group() if mark else "") + "".join(spaced).rstrip())
        at = end
    return "".join(pieces)


def _until(statements: Sequence[Statement], place: int, block_end: int) -> int:
    """Where a statement ends with the space after it."""
    following = place + 1
    same = following < len(statements) and statements[following].block == statements[place].block
    return statements[following].start if same else block_end
