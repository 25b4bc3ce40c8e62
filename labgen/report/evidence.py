"""Where a verdict's evidence stands: in the passage, the question, the answer, or nowhere that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

PARTS = ("context", "question", "answer", "question_2", "answer_2", "reasoning", "raw")
"""Texts that evidence is looked for in, in this order."""

Placed = list[Any]
"""`[text]`, or `[text, part, start, end]` with offsets in UTF-16 units, which a browser counts in; a sixth value, 1,
says that the filter names these words as a fault, not as what bears the answer out."""


def place(piece: Mapping[str, Any], texts: Mapping[str, str]) -> Placed:
    """Where one piece of evidence stands.

    Its own offsets hold in the text that has its words just there. A piece without offsets is one that was looked for
    in the passage and not found: it is shown where the answer or the question says it, as a fault.
    """
    words, start = piece["text"], piece["start"]
    if words and start >= 0:
        for part in PARTS:
            if texts.get(part, "").startswith(words, start):
                return [words, part, *_units(texts[part], start, start + len(words))]
    elif words:
        for part in ("answer", "question", "answer_2", "question_2", "reasoning", "raw"):
            at = texts.get(part, "").find(words)
            if at >= 0:
                return [words, part, *_units(texts[part], at, at + len(words)), 1]
    return [words]


def _units(text: str, start: int, end: int) -> tuple[int, int]:
    return utf16_offset(text, start), utf16_offset(text, end)


def utf16_offset(text: str, offset: int) -> int:
    """The offset of a character in UTF-16 units."""
    return offset if _in_one_plane(text) else len(text[:offset].encode("utf-16-le")) // 2


@lru_cache(maxsize=256)
def _in_one_plane(text: str) -> bool:
    return not text or max(text) <= "\uffff"
