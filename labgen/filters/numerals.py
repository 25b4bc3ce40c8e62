"""Numbers in texts, whatever their spelling: 1,000 and 1000 and 1 000, 5.2 million, 5 × 10⁶, nineteenth, XIV, 1990s.

A number that can be read in more than one way (`1.000`) has all its readings; two spellings agree when they share one.
"""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterator
from decimal import Decimal

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.super_and_subscripts import SUBSCRIPTS, SUPERSCRIPTS

_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"(?<![^\W\d_])\d(?:[\d.,'’\u00a0\u202f]*\d)?|(?<=[^\W\d_])\d(?:[\d.,]*\d)?")
_GROUPED = re.compile(r"\d{1,3}(?:[,.'’\u00a0\u202f]\d{3})+")
_SPACED_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?: \d{3})+(?!\d)")
_EXPONENT = re.compile(r"[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|\\?\^[({]?[+−-]?\d+[)}]?|<sup>\s*[+−-]?\d+\s*</sup>", re.IGNORECASE)
_TIMES_TEN = re.compile(
    rf"[ \u00a0\u202f]?(?:[x×·⋅]|\\?\*|\\times|\\cdot)[ \u00a0\u202f]?10({_EXPONENT.pattern})", re.IGNORECASE
)
_MOST_EXPONENT = 40
_MOST_DIGITS = 60
_RAISED_DIGITS = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+|[₀₁₂₃₄₅₆₇₈₉]+")
_SCALES = {
    "hundred": 2, "thousand": 3, "k": 3, "million": 6, "mn": 6, "m": 6, "billion": 9, "bn": 9, "b": 9, "trillion": 12,
    "millions": 6, "billions": 9, "thousands": 3, "trillions": 12,
}  # fmt: skip
_SCALE = re.compile(r"[ \u00a0-]?(hundred|thousand|million|billion|trillion)s?\b|(?<=\d)(k|mn|bn|M|B)\b", re.IGNORECASE)
_ONES = re.findall(
    r"\w+",
    """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen""",
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12, "once": 1, "twice": 2,
    "half": 2, "quarter": 4, "single": 1, "both": 2, "double": 2, "triple": 3, "pair": 2, "dozen": 12,
}  # fmt: skip
_CARDINALS = {word: value for value, word in enumerate(_ONES)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_WORD_VALUES = (
    _CARDINALS
    | _ORDINALS
    | {f"{word}th": value for word, value in _CARDINALS.items() if word not in ("one", "two", "three", "five")}
    | {f"{word[:-1]}ieth": value for word, value in _CARDINALS.items() if word.endswith("ty")}
    | {f"{word[:-1]}ies": value for word, value in _CARDINALS.items() if word.endswith("ty")}
)
_NUMBER_WORD = "|".join(
    sorted([*_WORD_VALUES, "hundredth", "hundred", "thousand", "million", "billion", "trillion"], key=len)[::-1]
)
_WORDS = rf"\b(?:{_NUMBER_WORD})(?:(?:[ -]|[ -]and[ -])(?:{_NUMBER_WORD}))*\b"
_LOWER_WORDS = re.compile(_WORDS)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_ANY_SCRIPT = SUPERSCRIPTS | SUBSCRIPTS
_ROMAN = re.compile(r"\b(?=[MDCLXVI]{2,})M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})\b")
_ROMAN_VALUES = {"M": 1000, "D": 500, "C": 100, "L": 50, "X": 10, "V": 5, "I": 1}


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number where it stands: `start` and `end` count characters of `plain_digits(text)`.

    Attributes:
        values: its possible values, as canonical strings.
        scale: the word that scales it (`million`), empty where there is none.
        unscaled: its values without that word.
        spelled: whether it is written in letters.
    """

    text: str
    start: int
    end: int
    values: frozenset[str]
    scale: str = ""
    unscaled: frozenset[str] = frozenset()
    spelled: bool = False


_OTHER_DIGIT = re.compile(r"(?![0-9])\d")


def plain_digits(text: str) -> str:
    """`text` of the same length, every decimal digit of any script as 0 to 9."""
    if text.isascii():
        return text
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit.group())), text)


def find_numerals(text: str) -> Iterator[Numeral]:
    """Numbers written in digits, in order. The text is one that `plain_digits` gave."""
    if not _DIGIT.search(text):
        return  # most texts have none, and that is soon seen
    past = 0
    for match in _DIGITS.finditer(text):
        if match.start() < past:
            continue  # the exponent of the number before
        values = _readings(match.group())
        power = _power(text, match, values)
        if power is not None:
            past = power.end
            yield power
            continue
        scale = _SCALE.match(text, match.end())
        word = (scale.group(1) or scale.group(2)).lower() if scale else ""
        if word and len(match.group()) < 40:
            scaled = frozenset(_canonical(Decimal(value).scaleb(_SCALES[word])) for value in values if _is_plain(value))
            end = scale.end() if scale else match.end()
            yield Numeral(text[match.start() : end], match.start(), end, scaled or values, word, values)
        else:
            yield Numeral(match.group(), match.start(), match.end(), values)


def _power(text: str, match: re.Match[str], values: frozenset[str]) -> Numeral | None:
    """A number with an exponent, whole: `10^6`, `5 × 10⁶`. So neither is ever taken for a number with more digits."""
    if len(match.group()) >= 40:
        return None
    times = _TIMES_TEN.match(text, match.end())
    exponent = times or _EXPONENT.match(text, match.end())
    if exponent is None:
        return None
    power = _exponent(exponent.group(1) if times else exponent.group())
    plain = [Decimal(value) for value in values if _is_plain(value)]
    if abs(power) > _MOST_EXPONENT:
        found = frozenset(f"{value}^{power}" for value in values)
    elif times:
        found = frozenset(_canonical(value.scaleb(power)) for value in plain)
    else:
        found = frozenset(_canonical(value**power) for value in plain if value or power > 0)
    end = exponent.end()
    return Numeral(text[match.start() : end], match.start(), end, found or values, unscaled=values)


def _exponent(text: str) -> int:
    plain = "".join(SUPERSCRIPTS.get(char, char) for char in text).replace("−", "-")
    digits = re.search(r"[+-]?\d+", plain)
    return int(digits.group()[:8]) if digits else 1


def find_spelled(text: str) -> Iterator[Numeral]:
    """Numbers written in English words, in order: `twenty-one`, `two hundred and six`, `nineteenth`."""
    # Several times as fast as without regard to case. Only ASCII letters are lowered, so that every place stays.
    matches = list(_LOWER_WORDS.finditer(text.lower() if text.isascii() else text.translate(_LOWER)))
    if not matches:
        return
    digits = {place for number in find_numerals(text) if number.scale for place in range(number.start, number.end)}
    for match in matches:
        if match.start() in digits:
            continue  # the "million" of "5.2 million"
        words = re.split(r"[ -]+", match.group().lower())
        values = {_canonical(Decimal(value)) for value in _spelled_values(words)}
        start, end = match.span()
        yield Numeral(text[start:end], start, end, frozenset(values), spelled=True)


def all_values(text: str) -> set[str]:
    """Every value that any number in a text may stand for, parts of dates and grouped digits included."""
    text = plain_digits(text)
    values: set[str] = set()
    for number in find_numerals(text):
        values |= number.values | number.unscaled
        values.update(_whole(part) for part in re.findall(r"\d+", number.text))
    for match in _RAISED_DIGITS.finditer(text):  # the 2 of H₂O and of km²
        values.add(_whole("".join(_ANY_SCRIPT[char] for char in match.group())))
    for number in find_spelled(text):
        values |= number.values
        for word in re.split(r"[ -]+", number.text.lower()):
            if word in _WORD_VALUES:
                values.add(str(_WORD_VALUES[word]))
    for match in _SPACED_GROUPS.finditer(text):
        values.add(_whole(match.group().replace(" ", "")))
    values.update(str(_roman(match.group())) for match in _ROMAN.finditer(text) if match.group())
    return values


def _readings(digits: str) -> frozenset[str]:
    """The values that digits with points, commas and thin spaces may have."""
    if digits.isdecimal():
        return frozenset((_whole(digits),))
    plain = re.sub(r"['’\u00a0\u202f]", "", digits)
    readings = {plain}
    grouped = _GROUPED.match(digits)
    if grouped:
        rest = digits[grouped.end() :]
        whole = re.sub(r"\D", "", grouped.group())
        if not rest:
            readings.add(_canonical(Decimal(whole[:_MOST_DIGITS])))
        elif re.fullmatch(r"[.,]\d+", rest):
            readings.add(_canonical(Decimal(f"{whole}.{rest[1:]}"[:_MOST_DIGITS])))
    if re.fullmatch(r"\d+(?:[.,]\d+)?", plain):
        readings.discard(plain)
        readings.add(_canonical(Decimal(plain.replace(",", ".")[:_MOST_DIGITS])))
    return frozenset(readings)


def _whole(digits: str) -> str:
    """`_canonical` of a whole number, by its digits: the first `_MOST_DIGITS` of them."""
    return digits[:_MOST_DIGITS].lstrip("0") or "0"


def _is_plain(value: str) -> bool:
    return bool(re.fullmatch(r"\d+(?:\.\d+)?", value))


def _canonical(value: Decimal) -> str:
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text.lstrip("0")) or "0"


def _spelled_values(words: list[str]) -> set[int]:
    total, current, seen = 0, 0, False
    for word in words:
        if word in ("and", ""):
            continue
        if word in ("hundred", "hundredth"):
            current, seen = (current or 1) * 100, True
        elif word in _SCALES:
            total, current, seen = total + (current or 1) * 10 ** _SCALES[word], 0, True
        else:
            value = _WORD_VALUES[word]
            if current and 20 <= current % 100 <= 90 and current % 10 == 0 and value >= 10:
                current = current * 100 + value if current < 100 else current + value  # twenty twenty
            elif 10 <= current < 20 and value >= 10:
                current = current * 100 + value  # nineteen eighty-four
            else:
                current += value
            seen = True
    return {total + current} if seen else set()


def _roman(text: str) -> int:
    values = [_ROMAN_VALUES[char] for char in text]
    pairs = zip(values, [*values[1:], 0], strict=True)
    return sum(-value if value < following else value for value, following in pairs)
