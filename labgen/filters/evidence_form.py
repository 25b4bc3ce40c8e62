"""A text in the form in which evidence is compared: what two people would write in two ways is written in one."""

from __future__ import annotations

import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import field
from re import VERBOSE, Match
from re import compile as pattern

from labgen.lazy.dataclasses import dataclass
from labgen.text.markdown_marks import Mark
from labgen.text.unspaced import is_unspaced

FIRM, BROKEN = "-", "\n"
"""A hyphen or dash between two letters; a hyphen at the end of a line, which may stand for none."""

_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_QUOTES = "'‘’‚‛`´′ʼ＇\"“”„‟«»‹›″＂「」『』"
_SINGLE, _PRIMES = frozenset("'‘’‚‛`´ʼ＇"), {"′": "'", "″": '"'}
_PIECE = pattern(
    rf"""
      (?P<plain>[A-Za-z0-9]+)
    | (?P<dash>[\s\u200b\ufeff]*+[{_DASHES}]+[\s\u200b\ufeff]*+)
    | (?P<space>[\s\u200b\ufeff]+)
    | (?P<quote>[{_QUOTES}])
    | (?P<soft>[\u00ad\u2060]+(?:[ \t]*\n[ \t]*)?)
    | (?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+)
    | (?P<lowered>[₀₁₂₃₄₅₆₇₈₉]+)
    | (?P<ascii>[\x00-\x7f](?![\u0300-\u036f]))
    | (?P<other>(?s:.)[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1dc0-\u1dff\u20d0-\u20ff]*)
    """,
    VERBOSE,
)
_LEVEL = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ₀₁₂₃₄₅₆₇₈₉", "0123456789+-n0123456789")
_LETTERS = {"æ": "ae", "œ": "oe"}


@dataclass(slots=True)
class EvidenceForm:
    """What is compared, and where it comes from.

    Attributes:
        text: words in lower case, decomposed, one space between them, without quotation marks; dashes are hyphens.
        offsets, ends: for each of its characters the span in the text that was given.
        hyphens: places in `text` where a hyphen between two letters was left out, and of which kind it was.
        asides: places in `text` where words are not shown (a link's address, a footnote's mark), and those words.
    """

    text: str = ""
    offsets: array[int] = field(default_factory=lambda: array("I"))
    ends: array[int] = field(default_factory=lambda: array("I"))
    hyphens: dict[int, str] = field(default_factory=dict)
    asides: dict[int, frozenset[str]] = field(default_factory=dict)


def evidence_form(text: str, marks: Sequence[Mark] = ()) -> EvidenceForm:
    """A text, read without its marks, in the form in which evidence is compared. Linear in its length."""
    return _Writer(text, marks).write()


class _Writer:
    def __init__(self, text: str, marks: Sequence[Mark]) -> None:
        self._out: list[str] = []
        self._length, self._last = 0, ""
        self._space = -1
        self._open = {"'": False, '"': False}
        self._form = EvidenceForm()
        self._asides: list[tuple[int, str]] = []
        self._next_aside = 0
        self._read(text, marks)

    def _read(self, text: str, marks: Sequence[Mark]) -> None:
        """The text without its marks, and for each of its characters where it begins and ends in the text given."""
        pieces: list[str] = []
        self._starts, self._ends = array("I"), array("I")
        at = 0
        for mark in (*marks, Mark(len(text), len(text))):
            pieces += (text[at : mark.start], mark.shown)
            self._starts.extend(range(at, mark.start))
            self._ends.extend(range(at + 1, mark.start + 1))
            hidden = text[mark.start : mark.end]
            if _hides_words(hidden, mark.shown):
                self._asides.append((len(self._starts), " ".join(hidden.split())))
            self._starts.extend([mark.start] * len(mark.shown))
            self._ends.extend([mark.end] * len(mark.shown))
            at = mark.end
        self._raw = "".join(pieces)

    def write(self) -> EvidenceForm:
        for piece in _PIECE.finditer(self._raw):
            kind, chars = piece.lastgroup, piece.group()
            if kind in ("plain", "ascii"):
                self._put(chars.lower(), piece)
            elif kind == "space":
                self._note_asides(piece.start(), self._length)
                self._space = piece.start()
            elif kind == "dash":
                self._dash(piece)
            elif kind == "quote":
                self._quote(piece)
            elif kind == "raised":
                self._put("" if self._last == "^" else "^", piece, first=True)
                self._put(chars.translate(_LEVEL), piece)
            elif kind == "lowered":
                self._put("_" if self._last.isdigit() else "", piece, first=True)
                self._put(chars.translate(_LEVEL), piece)
            elif kind == "other":
                self._put(_plain_form(chars), piece, whole=True)
        self._note_asides(len(self._raw), self._length)
        self._form.text = "".join(self._out)
        return self._form

    def _put(self, chars: str, piece: Match[str], *, first: bool = False, whole: bool = False) -> None:
        """Write `chars` for a piece: one for each of its own, for its first one, or all of them for the whole."""
        if not chars:
            return
        start, end = piece.span()
        if self._space >= 0:
            if self._length and not (is_unspaced(self._last) and is_unspaced(chars[0])):
                self._append(" ", self._space, self._space + 1)
            self._space = -1
        self._note_asides(start, self._length)
        if first or whole:
            for char in chars:
                self._append(char, start, end if whole else start + 1)
            return
        self._out.append(chars)
        self._form.offsets.extend(self._starts[start:end])
        self._form.ends.extend(self._ends[start:end])
        self._length, self._last = self._length + len(chars), chars[-1]

    def _append(self, char: str, start: int, end: int) -> None:
        self._out.append(char)
        self._form.offsets.append(self._starts[start])
        self._form.ends.append(self._ends[end - 1])
        self._length, self._last = self._length + 1, char

    def _note_asides(self, upto: int, place: int) -> None:
        while self._next_aside < len(self._asides) and self._asides[self._next_aside][0] <= upto:
            words = self._asides[self._next_aside][1]
            self._form.asides[place] = self._form.asides.get(place, frozenset()) | {words}
            self._next_aside += 1

    def _dash(self, piece: Match[str]) -> None:
        chars, after = piece.group(), self._raw[piece.end() : piece.end() + 1]
        body = chars.strip()
        spaced_before = chars[0] not in _DASHES or self._space >= 0
        spaced_after = chars[-1] not in _DASHES
        if _is_letter(self._last) and self._space < 0 and after.isalpha():
            broken = spaced_after and not spaced_before and body in "-\u2010" and ("\n" in chars or after.islower())
            self._form.hyphens[self._length] = BROKEN if broken else FIRM
            self._note_asides(piece.start(), self._length)
            return
        begin = piece.start() + chars.index(body[0])
        if spaced_before and not spaced_after and after.isdigit() and body != "—":
            self._space = piece.start() if self._space < 0 else self._space  # a number's own sign
        else:
            self._space = -1
        if self._space >= 0 and self._length:
            self._append(" ", self._space, self._space + 1)
        self._space = -1
        self._note_asides(piece.start(), self._length)
        self._append("-", begin, begin + 1)

    def _quote(self, piece: Match[str]) -> None:
        """Quotation marks are left out; apostrophes, and the primes of feet and inches, are not."""
        char, before = piece.group(), self._raw[piece.start() - 1 : piece.start()] if piece.start() else ""
        after = self._raw[piece.end() : piece.end() + 1]
        between = before.isalnum() and after.isalnum()
        if char in _PRIMES or between:
            self._put(_PRIMES.get(char, "'" if char in _SINGLE else '"'), piece)
        elif char in self._open:
            if before.isdigit() and not self._open[char]:
                self._put(char, piece)
            else:
                self._open[char] = not self._open[char]


def _hides_words(hidden: str, seen: str) -> bool:
    if seen.strip() or hidden.startswith(("&", "<su", "</su")):
        return False
    return any(char.isalnum() for char in hidden)


def _is_letter(char: str) -> bool:
    return bool(char) and (char.isalpha() or bool(unicodedata.combining(char)))


def _plain_form(chars: str) -> str:
    """One character with its accents: decomposed, folded, ligatures and widths undone; fractions stay."""
    if unicodedata.decomposition(chars[0]).startswith(("<compat>", "<wide>", "<narrow>", "<font>", "<noBreak>")):
        chars = unicodedata.normalize("NFKC", chars[0]) + chars[1:]
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", chars).casefold())
    return _LETTERS.get(folded, folded)
