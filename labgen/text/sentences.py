"""Sentences of a text, by their places: what coverage is counted in."""

from __future__ import annotations

from labgen.lazy import re

_END = re.compile(r"(?<![.!?])[.!?]++[\"'”’»)\]*_]*+(?=\s)|[。！？]++[」』”]*+|\n[ \t]*+\n")
_WORD = re.compile(r"[^\W\d_]{2,}")

FEWEST_WORDS = 3
"""What has fewer words than that is a heading, a number or an abbreviation, and counts as no sentence."""


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Where the sentences of a text begin and end (characters, the end exclusive), in order; without white space.

    Ends of sentences are marks before white space, and blank lines; so an abbreviation ends one too. It is a measure,
    not an analysis.
    """
    ends = [*(match.end() for match in _END.finditer(text)), len(text)]
    spans, start = [], 0
    for end in ends:
        piece = text[start:end]
        if len(_WORD.findall(piece)) >= FEWEST_WORDS:
            spans.append((start + len(piece) - len(piece.lstrip()), start + len(piece.rstrip())))
        start = end
    return spans
