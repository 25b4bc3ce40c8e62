"""The one result that a text says it comes to, where it says so in words that can't mean anything else.

Made to be right when it speaks: prose around a number, several results, ranges, estimates and numbers that can be read
in two ways give no result. Nothing is worked out here; what a text says is only read.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

MOST_LINE_CHARS = 300
"""A result stands in a short line; longer ones are prose."""

_UNIT = r"[ \u00a0]?(?P<unit>%|[^\W\d_]{1,20}(?:[ \u00a0]?/[ \u00a0]?[^\W\d_]{1,20}|[²³])?)?"
_SIGN = r"(?P<sign>[-\u2212+]?)(?P<currency>[$€£¥]?)[ ]?"
_FIGURE = r"(?P<figure>\d{1,3}(?:,\d{3})+(?:\.\d{1,30})?|\d{1,30}(?:\.\d{1,30})?)"
_NUMBER = re.compile(rf"{_SIGN}{_FIGURE}(?:[ ]?/[ ]?(?P<under>\d{{1,15}}))?{_UNIT}")
_CHOICE = re.compile(r"(?:option|choice)?[ ]?[(\[]?(?P<letter>[A-Ha-h])[)\]]?", re.IGNORECASE)
_WORD = re.compile(r"(?P<word>yes|no|true|false)", re.IGNORECASE)
_MARKER = re.compile(
    r"(?:^(?:[-*•]\s*)?|[.;,!?]\s+)(?:(?:so|thus|hence|therefore|and|then)\b,?\s+)?(?:the\s+)?(?:final\s+|correct\s+|right\s+)?"
    r"(?:result|answer)(?:\s+is|\s*[:=])\s*(?P<rest>[^\n]{1,80})$",
    re.IGNORECASE,
)
_HASHES = re.compile(r"####\s*(?P<rest>[^\n]{1,80})$")
_BOXED = re.compile(r"\\boxed\{(?P<rest>[^{}\n]{1,80})\}")
_DECORATION = re.compile(r"[*_`$]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}")


@dataclass(frozen=True, slots=True)
class StatedResult:
    """A number with its unit, or a choice.

    Attributes:
        text: as it stands there. number: None for a choice. places: decimals it is given to; None for a fraction.
        unit: lower case, empty where there is none. choice: lower case, empty for a number.
    """

    text: str
    number: Fraction | None = None
    places: int | None = None
    unit: str = ""
    choice: str = ""


def stated_result(text: str) -> StatedResult | None:
    """The result in a text's last line, or all of the text where it is nothing but a result; None for none."""
    boxed = {found["rest"].strip() for found in _BOXED.finditer(text)}
    if boxed:
        return _read(boxed.pop()) if len(boxed) == 1 else None
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines or len(lines[-1]) > MOST_LINE_CHARS:
        return None
    last = _DECORATION.sub("", lines[-1])
    if len(lines) > 1 and (label := _DECORATION.sub("", lines[-2])).endswith(":"):
        last = f"{label[-MOST_LINE_CHARS:]} {last}"
    for pattern in (_HASHES, _MARKER):
        if found := pattern.search(last):
            return _read(found["rest"])
    return _read(lines[0]) if len(lines) == 1 else None


def contradict(one: StatedResult, other: StatedResult) -> bool:
    """Whether two results can't both be right: two choices, or two numbers of the same unit that no rounding joins."""
    if one.choice and other.choice:
        same_kind = (len(one.choice) == 1) == (len(other.choice) == 1)
        return same_kind and one.choice != other.choice
    if one.number is None or other.number is None or one.unit != other.unit or one.number == other.number:
        return False
    return not (_rounds_to(one, other) or _rounds_to(other, one))


def _rounds_to(exact: StatedResult, rounded: StatedResult) -> bool:
    """Whether a number is another one to as many decimals as that has: to the nearest, up, or down."""
    if exact.number is None or rounded.number is None or rounded.places is None:
        return False
    if exact.places is not None and exact.places <= rounded.places:
        return False
    return abs(exact.number - rounded.number) < Fraction(1, 10**rounded.places)


def _read(said: str) -> StatedResult | None:
    said = said.strip().rstrip(".!").strip().strip("*_`\"'“”").strip()
    if number := _NUMBER.fullmatch(said):
        return _number(said, number)
    if found := _CHOICE.fullmatch(said):
        return StatedResult(said, choice=found["letter"].lower())
    if found := _WORD.fullmatch(said):
        return StatedResult(said, choice=found["word"].lower())
    return None


def _number(said: str, found: re.Match[str]) -> StatedResult | None:
    figure = found["figure"]
    if re.fullmatch(r"\d{1,3}\.\d{3}", figure):
        return None  # a thousand, or a little more than one: languages differ
    value = Fraction(Decimal(figure.replace(",", "")))
    places: int | None = len(figure.partition(".")[2])
    if found["under"] is not None:
        under = int(found["under"])
        if not under or found["unit"]:
            return None
        value, places = value / under, None
    if found["sign"] in ("-", "\u2212"):
        value = -value
    unit = (found["currency"] or "") + re.sub(r"\s", "", found["unit"] or "").lower()
    return StatedResult(said, value, places, unit.removesuffix("s"))
