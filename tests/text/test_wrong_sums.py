"""Wrong sums are found in every notation, and nothing that may be right is ever called wrong."""

from __future__ import annotations

import string
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.wrong_sums import find_wrong_sums

small = st.integers(2, 99)


def wrong(text: str) -> list[str]:
    """The wrong sums of a text, each of which stands where it says."""
    found = list(find_wrong_sums(text))
    assert all(text[each.start : each.end] == each.text for each in found)
    return [each.text for each in found]


def dotted(number: int) -> str:
    """1.000"""
    return f"{number:,}".replace(",", ".")


NOTATIONS: dict[str, Callable[[int, int, int], str]] = {
    "times_letter": lambda a, b, off: f"So {a} x {b} = {a * b + off}.",
    "times_sign": lambda a, b, off: f"{a}×{b}={a * b + off}",
    "star": lambda a, b, off: f"1. **{a} * {b} = {a * b + off}**",
    "dot": lambda a, b, off: f"We get {a} · {b} = {a * b + off}, as asked.",
    "division_sign": lambda a, b, off: f"{a * b} ÷ {b} = {a + off}",
    "slash": lambda a, b, off: f"Each gets {a * b} / {b} = {a + off} apples.",
    "colon": lambda a, b, off: f"{a * b} : {b} = {a + off}",
    "sum": lambda a, b, off: f"- {a} + {b} + {a} = {a + b + a + off}",
    "minus": lambda a, b, off: f"{a + b} − {b} = {a + off}",
    "hyphen": lambda a, b, off: f"{a + b} - {b} = {a + off}",
    "thousands": lambda a, b, off: f"{a * 1000:,} + {b * 1000:,} = {(a + b) * 1000 + off:,}",
    "spaced_thousands": lambda a, b, off: f"{a} 000 + {b} 000 = {f'{(a + b) * 1000 + off:,}'.replace(',', ' ')}",
    "dotted_thousands": lambda a, b, off: f"{dotted(a * 1000)} + {b} = {dotted(a * 1000 + b + off)}",
    "decimals": lambda a, b, off: f"{a}.5 + {b}.5 = {a + b + 1 + off}",
    "decimal_commas": lambda a, b, off: f"{a},5 + {b},5 = {a + b + 1 + off}",
    "rounded": lambda a, b, off: f"{a} / {b} ≈ {a / b + off:.2f}",
    "cut": lambda a, b, off: f"{a} / {b} = {a * 100 // b / 100 + off:.2f}",
    "units": lambda a, b, off: f"{a} kg + {b} kg = {a + b + off} kg",
    "currency": lambda a, b, off: f"${a} + ${b} = ${a + b + off}",
    "chain": lambda a, b, off: f"x = {a} × {b} + {a} = {a * b} + {a} = {a * b + a + off}",
    "fractions": lambda a, b, off: f"1/{a} + 1/{b} = {a + b + off}/{a * b}",
    "percent": lambda a, b, off: f"{a}% of {b * 100} = {a * b + off}",
    "parentheses": lambda a, b, off: f"({a} + {b}) × 3 = {(a + b) * 3 + off}",
    "power": lambda a, b, off: f"{a}^2 + {b}² = {a**2 + b**2 + off}",
    "latex": lambda a, b, off: rf"$${a} \times {b} = {a * b + off}$$",
    "latex_fraction": lambda a, b, off: rf"\(\frac{{{a * b}}}{{{b}}} = {a + off} \text{{ km}}\)",
    "remainder": lambda a, b, off: f"{a * (b + 1) + 1} ÷ {b + 1} = {a + off} R 1",
    "words": lambda a, b, off: f"The answer: {a} plus {b} equals {a + b + off}",
}


@pytest.mark.parametrize("notation", NOTATIONS)
@given(a=small, b=small)
def test_right_sums_pass(notation: str, a: int, b: int) -> None:
    """In every notation."""
    assert wrong(NOTATIONS[notation](a, b, 0)) == []


@pytest.mark.parametrize("notation", NOTATIONS)
@given(a=small, b=small, off=st.integers(3, 60))
def test_wrong_sums_are_found(notation: str, a: int, b: int, off: int) -> None:
    """In every notation. Ones and noughts alone may be binary, and what is only about right may be a twentieth off."""
    text = NOTATIONS[notation](a, b, off)
    if set(text) & set("23456789") and (notation != "rounded" or off * 20 > a / b + off):
        assert wrong(text), text


def test_the_right_result_is_said() -> None:
    """With the words that are wrong."""
    (found,) = find_wrong_sums("Twelve boxes of 7: 12 x 7 = 74 eggs.")
    assert (found.text, found.left) == ("12 x 7 = 74 eggs", "84")


@pytest.mark.parametrize(
    "text",
    [
        "x + 12 + 3 = 16",
        "2x + 3 = 8",
        "f(2) = 3",
        "3 hours = 3 × 60 = 180 minutes",
        "$5 + 50¢ = $5.50",
        "1 m + 20 cm = 120 cm",
        "12:30 + 2:00 = 14:30",
        "0x10 + 1 = 17",
        "1995-1996 = 12 games",
        "90 - 100 = 4 points",
        "1990-01-02 = 5",
        "1011 + 1 = 1100",
        "√16 + 2 = 6",
        "5! + 2 = 122",
        "2H2 + O2 = 2H2O",
        '"3" + "4" = "34"',
        "24/7 = 168 hours",
        "48/2 = <<48/2=24>>24 clips",
        "80 + 15% = 92",
        "3 + __ = 7",
        "90 / 60 = 1 h 30 min",
        "5 ft 6 in + 2 in = 5 ft 8 in",
        "2 + 2 = 5",
        "5 + 4 = 10 would be wrong",
        "If 3 + 4 = 21, then what is the rule?",
        "(A) 3 + 4 = 8",
        "Is 12 x 7 = 74? No, it is 84.",
        "`3 + 4 = 8`",
        "```\n3 + 4 = 8\n```",
        "https://example.com/?q=3+4=8",
        "Step 1: 3 + 4 = 7",
        "5 × 3 = 15 + 2 = 17",
        "3.14 × 5² = 78.54",
        "17 / 5 = 4 buses",
        "12 / 80 × 100 = 15%",
        "cv=32/0 ap=2+3+4 state=1610612802",
        "5 apples + 3 oranges = 9 pieces",
        "version 1.2.3 + 1 = 5",
        "17 % 5 = 2",
        "Mix 1 : 4 = 20%",
        "1 / 0 = 3",
        "9^999999999 = 3",
    ],
)
def test_what_may_be_no_sum_is_passed(text: str) -> None:
    """Or not a wrong one."""
    assert wrong(text) == []


@given(st.text(alphabet=string.digits + " +-*/=().,%^$xX:\\{}²≈~kgm\n'\"!", max_size=200) | st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    """Whatever stands there, the places are right."""
    wrong(text)


@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "1+",
        "1=",
        "1+1=3 ",
        "`",
        "9",
        "9,",
        "1 ",
        "\\frac{",
        "x",
        "1-",
        "2^",
        "2**",
        "1/1/",
        "a.",
        "1+1=3\n",
        "``` \n",
    ],
)
def test_long_texts_are_read_to_their_end(piece: str) -> None:
    """Neither too deep nor too many."""
    wrong(piece * (40_000 // len(piece)) + " = 3\n4 + 4 = 8")


@given(st.fractions(min_value=0, max_value=1000, max_denominator=400), st.integers(0, 6))
def test_any_rounding_of_a_quotient_passes(value: Fraction, digits: int) -> None:
    """To as many digits as are shown."""
    assert wrong(f"{value.numerator} / {value.denominator} = {float(value):.{digits}f}") == []
