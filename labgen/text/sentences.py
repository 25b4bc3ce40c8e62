"""Sentences of a text, by their places: what coverage is counted in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from labgen.lazy import re

_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”]*+|\n[ \t]*+\n")
_MARK = re.compile(r"[.!?。！？\n]")
_WORD = re.compile(r"[^\W\d_]{2,}")

FEWEST_WORDS = 3
"""What has fewer words than that is a heading, a number or an abbreviation, and counts as no sentence."""


def _ends(text: str) -> Iterator[int]:
    """Where `_END` is found, one after the other, and where each ends: looking for its first character is faster."""
    at = 0
    while mark := _MARK.search(text, at):
        end = _END.match(text, mark.start())
        at = end.end() if end else mark.end()
        if end:
            yield at


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end (characters, the end exclusive), in order; without white space.

    Ends of sentences are marks before white space, and blank lines; so an abbreviation ends one too. It is a measure,
    not an analysis.
    """
    spans, start = [], 0
    for end in (*_ends(text), len(text)):
        piece = text[start:end]
        if next(islice(_WORD.finditer(piece), FEWEST_WORDS - 1, None), None):
            spans.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
        start = end
    return spans
