"""What stands in a document and nobody reads: data URIs, keys and certificates, hex and base64, minified code.

It is left out before a document is cut into passages. What is left keeps its place, so offsets go on counting on the
document's own text.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

PICTURE, KEY, ENCODED, MINIFIED = "embedded data", "a key or certificate", "hex or base64", "minified code"

LEAST_TOKEN_CHARS = 200
"""A run of base64 or hex without a space in it is left out from this length."""

LEAST_LINE_CHARS = 40
LEAST_LINES = 4
"""Lines of base64 or hex alone are left out from this length and number. A hash or a signature stays."""

LEAST_MINIFIED_CHARS = 1000

_DATA_URI = re.compile(
    r"!?\[[^\[\]\n]{0,300}\]\(\s*<?data:[^\s,<>()]{0,100},[^\s<>()]{100,}>?(?:[ \t]+\"[^\"\n]{0,300}\")?\s*\)"
    r"|\bdata:[a-z]+/[^\s,<>()\"']{0,100},[^\s<>()\"']{100,}"
)
_ARMOUR = re.compile(r"[ \t>|]*-----(BEGIN|END) [A-Z0-9 ]{1,60}-----[ \t\r]*")
_ARMOURED = re.compile(r"[ \t>|]*+(?:[A-Za-z0-9+/=]*+|[A-Za-z-]{1,30}: [^\n]{0,200})[ \t\r]*+")
_TOKEN = re.compile(rf"[A-Za-z0-9+/_=-]{{{LEAST_TOKEN_CHARS},}}")
_HEX = re.compile(r"[0-9a-fA-F]+")
_ENCODED_LINE = re.compile(rf"[ \t>|\"']*+([A-Za-z0-9+/_-]{{{LEAST_LINE_CHARS},}}+={{0,2}})[\"',;\\+ \t\r]*+")
_DUMP_LINE = re.compile(r"[ \t>|]*(?:[0-9a-fA-F]{4,16}:?[ \t]+)?(?:(?:0x)?[0-9a-fA-F]{2,8}[ \t,:]{1,3}){7,}[^\n]{0,80}")
_MOST_DUMP_CHARS = 400
_LEAST_DISTINCT = 12
_NOT_A_LINE_END = re.compile(r"[^\n]")


@dataclass(frozen=True, slots=True)
class Aside:
    """A span of a document that is left out: characters `start` to `end`; `kind` says in words what it is."""

    kind: str
    start: int
    end: int


def find_not_prose(text: str) -> tuple[Aside, ...]:
    """The spans of a text to leave out, in order, without overlap. The work grows with the text's length."""
    found = [Aside(PICTURE, *match.span()) for match in _DATA_URI.finditer(text)]
    found += _lines(text)
    found += [Aside(ENCODED, *match.span()) for match in _TOKEN.finditer(text) if _is_encoded(match.group())]
    return _without_overlap(found)


def blanked(text: str, left_out: Sequence[Aside]) -> str:
    """`text` of the same length and lines, with white space for what is left out. Its structure stays as it is."""
    pieces, start = [], 0
    for span in left_out:
        pieces += [text[start : span.start], _NOT_A_LINE_END.sub(" ", text[span.start : span.end])]
        start = span.end
    return "".join([*pieces, text[start:]])


def spans_between(text: str, start: int, end: int, left_out: Sequence[Aside]) -> Iterator[tuple[int, int]]:
    """The spans that are left of `text[start:end]`; where something was cut away they have no outer white space."""
    first = bisect_right(left_out, start, key=lambda span: span.end)
    within = list(takewhile(lambda span: span.start < end, islice(left_out, first, None)))
    if not within:
        yield start, end
        return
    for low, high in zip([start, *(span.end for span in within)], [*(span.start for span in within), end], strict=True):
        piece = text[low : max(low, high)]
        if bare := piece.strip():
            place = low + len(piece) - len(piece.lstrip())
            yield place, place + len(bare)


def _without_overlap(found: list[Aside]) -> tuple[Aside, ...]:
    kept: list[Aside] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
        elif span.end > kept[-1].end:
            kept[-1] = Aside(kept[-1].kind, kept[-1].start, span.end)
    return tuple(kept)


def _lines(text: str) -> Iterator[Aside]:
    """What takes whole lines: keys, blocks of encoded lines, and minified lines."""
    armour, block, encoded = -1, -1, 0
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        mark = _ARMOUR.fullmatch(line) if "-----" in line else None
        if mark is not None:
            if mark.group(1) == "END" and armour >= 0:
                yield Aside(KEY, armour, end)
            armour = start if mark.group(1) == "BEGIN" else -1
        elif armour >= 0 and not _ARMOURED.fullmatch(line):
            armour = -1
        if _is_encoded_line(line):
            block, encoded = (block if encoded else start), encoded + 1
        else:
            if encoded >= LEAST_LINES:
                yield Aside(ENCODED, block, start - 1)
            encoded = 0
        if len(line) >= LEAST_MINIFIED_CHARS and _is_minified(line):
            yield Aside(MINIFIED, start, end)
        start = end + 1
    if encoded >= LEAST_LINES:
        yield Aside(ENCODED, block, len(text))


def _is_encoded_line(line: str) -> bool:
    if len(line) < LEAST_LINE_CHARS // 2:
        return False
    match = _ENCODED_LINE.fullmatch(line)
    if match:
        return _is_encoded(match.group(1))
    return len(line) <= _MOST_DUMP_CHARS and _DUMP_LINE.fullmatch(line) is not None


def _is_encoded(token: str) -> bool:
    """Whether a run of letters and digits is data and not a very long word or path."""
    some = token[:4000]
    if not any(char.isdigit() for char in some):
        return False
    if _HEX.fullmatch(some):
        return len(set(some)) >= _LEAST_DISTINCT - 4
    upper = sum(char.isupper() for char in some)
    lower = sum(char.islower() for char in some)
    # Paths and identifiers have few capitals, and separators between their words.
    return len(set(some)) >= _LEAST_DISTINCT and min(upper, lower) > len(some) / 6 and some.count("-") < len(some) / 20


def _is_minified(line: str) -> bool:
    """Whether a long line is code or data that was written for programs: hardly a space, and much punctuation."""
    count = Counter(line)
    spaces = sum(count[char] for char in " \t\u00a0\u3000")
    blocks = sum(count[char] for char in "{}[];")
    marks = blocks + sum(count[char] for char in "(),:=\"'")
    return spaces < len(line) / 12 and blocks > len(line) / 50 and marks > len(line) / 10
