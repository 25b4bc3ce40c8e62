"""Evidence as strings: whether a quotation stands in a passage, and what in an answer stands nowhere."""

from __future__ import annotations

import re
import unicodedata
from array import array
from functools import lru_cache

from labgen.filters.figures import unsupported_figures
from labgen.text.unspaced import hides_words

__all__ = ["find_evidence", "unsupported_figures"]

_QUOTES = dict.fromkeys(map(ord, "'‘’‚‛`´′ʼ＇"), "'") | dict.fromkeys(map(ord, '"“”„‟«»″＂「」『』'), '"')
_WORDS = re.compile(r"[^\s\u200b\ufeff]+")
_OUTER = " '\"…."


def find_evidence(quote: str, passage: str) -> tuple[int, int] | None:
    """Where a quotation stands in a passage, or None.

    Compared after normalisation for spacing, quotation marks and case only: no word, figure or other punctuation may
    differ. Quotation marks and full stops around the whole quotation are not part of it.

    Returns: `(start, end)`, character offsets into `passage` as given; the first occurrence.
    """
    wanted = " ".join(_WORDS.findall(quote)).translate(_QUOTES).casefold().strip(_OUTER)
    if not any(char.isalnum() for char in wanted):
        return None
    text, offsets = _normalise(passage)
    at = text.find(wanted)
    while at >= 0 and not _on_word_bounds(text, at, at + len(wanted)):
        at = text.find(wanted, at + 1)
    if at < 0:
        return None
    return offsets[at], _end(passage, offsets[at + len(wanted) - 1])


@lru_cache(maxsize=256)
def _normalise(passage: str) -> tuple[str, array[int]]:
    """The normalised passage, and for each of its characters the offset in `passage` that it comes from.

    Kept, since a passage is looked at once for each claim on it, by all the slots that are on their way.
    """
    folded = passage.translate(_QUOTES).casefold()
    pieces: list[str] = []
    offsets, space = array("I"), 0
    for word in _WORDS.finditer(passage):
        start, end = word.span()
        if pieces:
            pieces.append(" ")
            offsets.append(space)
        if len(folded) == len(passage):
            pieces.append(folded[start:end])
            offsets.extend(range(start, end))
        else:
            for offset in range(start, end):
                chars = passage[offset].translate(_QUOTES).casefold()
                pieces.append(chars)
                offsets.extend([offset] * len(chars))
        space = end
    return "".join(pieces), offsets


def _on_word_bounds(text: str, start: int, end: int) -> bool:
    """Whether the span cuts no spaced word or number in two ("art" is not evidence from "party")."""
    return not (_joined(text, start) or _joined(text, end))


def _joined(text: str, at: int) -> bool:
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if before in ".," and after.isdigit() and text[at - 2 : at - 1].isdigit():
        return True  # "5 million" is not evidence from "1.5 million"
    if after in ".," and before.isdigit() and text[at + 1 : at + 2].isdigit():
        return True
    if not (before.isalnum() and after.isalnum()):
        return False
    return not (hides_words(before) or hides_words(after))


def _end(passage: str, last: int) -> int:
    """Just past the last character, with the marks that belong to it."""
    end = last + 1
    while end < len(passage) and unicodedata.combining(passage[end]):
        end += 1
    return end
