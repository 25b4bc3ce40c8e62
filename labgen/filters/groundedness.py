"""Evidence as strings: whether a quotation stands in a passage, and what in an answer stands nowhere."""

from __future__ import annotations

import unicodedata
from array import array
from functools import lru_cache

from labgen.filters.evidence_form import BROKEN, EvidenceForm, evidence_form
from labgen.filters.figures import unsupported_figures
from labgen.lazy import re
from labgen.text.markdown_marks import find_marks
from labgen.text.unspaced import hides_words

__all__ = ["find_evidence", "unsupported_figures"]

_QUOTES = dict.fromkeys(map(ord, "'‘’‚‛`´′ʼ＇"), "'") | dict.fromkeys(map(ord, '"“”„‟«»″＂「」『』'), '"')
_WORDS = re.compile(r"[^\s\u200b\ufeff]+")
_OUTER = " '\"….,;:-"
_BROKEN_END = re.compile(r"[^\W\d_][-\u2010\u00ad] [^\W\d_]")
_MOST_PLACES = 200
"""Places that are looked at for one quotation. More mean a passage of one thing over and over."""
_LAST_WORD = re.compile(r"(?:^|[^\w'’])([^\W\d_](?:[^\W_]|['’])*+)[*_`~]* $")
_NEGATIONS = frozenset(
    """
    not no never nobody none nothing neither nor without hardly barely scarcely seldom rarely cannot cant
    nicht kein keine keinen keinem keiner keines nie niemals niemand nichts ohne weder kaum
    ne pas jamais sans aucun aucune ni nunca sin ningún ninguno ninguna jamás tampoco
    mai senza nessun nessuno nessuna neppure nem sem nenhum nenhuma
    """.split()  # noqa: SIM905 (a list of so many strings would fill the screen)
)
_DENYING = frozenset(("non", "un", "anti", "not", "no", "in", "im", "dis"))


def find_evidence(quote: str, passage: str) -> tuple[int, int] | None:
    """Where a quotation stands in a passage, or None.

    Found is what a person would call the same words: spacing, case, quotation marks, dashes, ligatures, composed or
    decomposed letters, and words broken at the end of a line may differ, and the passage's Markdown marks, footnote
    marks and links' addresses may be left out. No word, figure, sign, apostrophe or other punctuation may differ, no
    word or number may be cut in two, and no negation may stand right before what is quoted. Quotation marks and stops
    around the whole quotation are not part of it.

    Returns: `(start, end)`, character offsets into `passage` as given; the first occurrence as written, else the first.
    """
    wanted = _trim(" ".join(_WORDS.findall(quote)).translate(_QUOTES).casefold())[1]
    if not any(char.isalnum() for char in wanted):
        return None
    text, offsets = _normalise(passage)
    for at in _places(wanted, text):
        end = at + len(wanted)
        within = _cuts(text, at) or _cuts(text, end) or _follows_hyphen(text, at) or _BROKEN_END.match(text, end - 1)
        if not within and not _denied(text, at):
            return offsets[at], _end(passage, offsets[end - 1])
    return _find_as_read(quote, passage)


def _find_as_read(quote: str, passage: str) -> tuple[int, int] | None:
    """The same with the marks of both read: those of the quotation first as what they say, then as marks."""
    source, marks = _form(passage), find_marks(quote)
    for form in (evidence_form(quote), evidence_form(quote, marks)) if marks else (evidence_form(quote),):
        cut, wanted = _trim(form.text)
        if not any(char.isalnum() for char in wanted):
            continue
        for at in _places(wanted, source.text):
            end = at + len(wanted)
            within = _parts(source, at, passage) or _parts(source, end)
            if _agrees(form, cut, source, at, len(wanted)) and not within and not _denied(source.text, at):
                return source.offsets[at], _end(passage, source.ends[end - 1] - 1)
    return None


def _trim(text: str) -> tuple[int, str]:
    """What is left without stops and quotation marks around it, and how many were before it."""
    start, end = 0, len(text)
    while (
        start < end and text[start] in _OUTER and not (text[start] in ".,-" and text[start + 1 : start + 2].isdigit())
    ):
        start += 1
    while end > start and text[end - 1] in _OUTER:
        end -= 1
    return start, text[start:end]


def _places(wanted: str, text: str) -> list[int]:
    places: list[int] = []
    at = text.find(wanted)
    while at >= 0 and len(places) < _MOST_PLACES:
        places.append(at)
        at = text.find(wanted, at + 1)
    return places


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


@lru_cache(maxsize=256)
def _form(passage: str) -> EvidenceForm:
    return evidence_form(passage, find_marks(passage))


def _agrees(quote: EvidenceForm, cut: int, source: EvidenceForm, at: int, length: int) -> bool:
    """Whether hyphens within the quotation are the passage's, and what it says aside is said aside there too."""
    for place in range(1, length) if quote.hyphens or source.hyphens else ():
        ours, theirs = quote.hyphens.get(cut + place), source.hyphens.get(at + place)
        if ours != theirs and BROKEN not in (ours, theirs):
            return False
    return all(words <= source.asides.get(at + place - cut, frozenset()) for place, words in quote.asides.items())


def _parts(source: EvidenceForm, at: int, passage: str = "") -> bool:
    """Whether a place is within a word or number. With the passage: as the beginning of what is quoted."""
    hyphen = source.hyphens.get(at)
    if hyphen:
        before = re.search(r"[^\W\d_]{0,5}$", source.text[max(0, at - 5) : at])
        return hyphen == BROKEN or bool(before and before.group() in _DENYING)
    if passage and 0 < at < len(source.text) and source.text[at - 1] == "-":
        sign = passage[source.offsets[at - 1]]
        return source.text[at].isdigit() and sign != "—" and source.offsets[at - 1] + 1 == source.offsets[at]
    return _cuts(source.text, at)


def _denied(text: str, at: int) -> bool:
    """Whether the word before a place turns what follows into its opposite: left out, nothing of it is said."""
    before = _LAST_WORD.search(text, max(0, at - 24), at)
    return bool(before and (before[1] in _NEGATIONS or before[1].endswith(("n't", "n’t"))))


def _follows_hyphen(text: str, at: int) -> bool:
    """Whether the sign or other half of a number, "non-", or the first half of a broken word stands before a place."""
    if text[at : at + 1].islower() and _BROKEN_END.match(text, max(0, at - 3)):
        return True
    if not 0 < at < len(text) or text[at - 1] not in "-−–‐‑":
        return False
    before = re.search(r"[^\W\d_]{0,5}$", text[max(0, at - 6) : at - 1])
    return text[at].isdigit() or bool(before and before.group() in _DENYING)


def _cuts(text: str, at: int) -> bool:
    """Whether a place is within a spaced word or a number ("art" is not evidence from "party", nor 5 from 1.5)."""
    if not 0 < at < len(text):
        return False
    before, after = text[at - 1], text[at]
    if after.isdigit() and (before in "^<>≤≥≠±≈" or (before in ".,:/" and not text[at - 2 : at - 1].isalpha())):
        return before not in ",:/" or text[at - 2 : at - 1].isdigit()
    if before.isdigit() and (after in "%‰^" or (after in ".,:/-–−" and text[at + 1 : at + 2].isdigit())):
        return True
    if after == "'" and text[at + 1 : at + 2] == "t" and not text[at + 2 : at + 3].isalnum():
        return before.isalpha()  # "can" is not evidence from "can't"
    if unicodedata.combining(after):
        return True
    if not (before.isalnum() or unicodedata.combining(before)) or not after.isalnum():
        return False
    return not (hides_words(before) or hides_words(after))


def _end(passage: str, last: int) -> int:
    """Just past the last character, with the marks that belong to it."""
    end = last + 1
    while end < len(passage) and unicodedata.combining(passage[end]):
        end += 1
    return end
