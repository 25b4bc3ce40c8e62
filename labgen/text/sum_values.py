"""What a run of numbers and operators comes to, exactly, with what rounding of its numbers may have done to it.

A small grammar, read by recursive descent: sums of products of powers of numbers, parentheses and LaTeX fractions.
Nothing is evaluated but that, and every number, exponent and depth is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.sum_tokens import Token

MOST_DIGITS = 30
MOST_EXPONENT = 64
_MOST_DEPTH = 20
_MOST_BITS = 4000
_GROUPED = {
    ".": re.compile(r"\d{1,3}(?:([, '’\u00a0\u202f])\d{3}(?:\1\d{3}){0,9}|(?:,\d{2}){0,9},\d{3})(?:\.\d{1,30})?"),
    ",": re.compile(r"\d{1,3}([. '’\u00a0\u202f])\d{3}(?:\1\d{3}){0,9}(?:,\d{1,30})?"),
}
_PLAIN = {".": re.compile(r"(?:0|[1-9]\d*)?(?:\.\d+)?"), ",": re.compile(r"(?:0|[1-9]\d*)(?:,\d+)?")}


class NotReckoned(Exception):
    """These signs are no sum that can be recomputed."""


@dataclass(frozen=True, slots=True)
class Value:
    """What signs come to.

    Attributes:
        number: exactly, as the numbers are written; error: how far off it may be where they were rounded themselves.
        divided: whether something was divided, so that no decimal need be exact.
        decimals: digits after the point that the last number has (count).
        operators: how many there were; lone: whether it is a number and nothing else.
    """

    number: Fraction
    error: Fraction = Fraction(0)
    divided: bool = False
    decimals: int = 0
    operators: int = 0

    @property
    def lone(self) -> bool:
        """A number and nothing else."""
        return not self.operators


def read_number(digits: str, point: str) -> tuple[Fraction, int] | None:
    """A number and how many decimals it has; None where it is none with `point` (`.` or `,`) before its decimals."""
    if len(digits) > MOST_DIGITS:
        return None
    if not (_PLAIN[point].fullmatch(digits) or _GROUPED[point].fullmatch(digits)) or digits.startswith("00"):
        return None
    whole, _, rest = digits.partition(point)
    return Fraction(f"{re.sub(r'[^0-9]', '', whole) or '0'}.{rest or '0'}"), len(rest)


def reckon(tokens: Sequence[Token], point: str, per: int) -> tuple[Value, int]:
    """Read the longest sum that the signs begin with.

    Args:
        point: what stands before decimals, `.` or `,`; per: what a percent sign divides by (100, or 1 for "points").
    Returns: its value, and how many signs it takes up.
    Raises: NotReckoned: they begin with none, or with one that is too large or divides by nothing.
    """
    reader = _Reader(tokens, point, per)
    try:
        return reader.sum(0), reader.at
    except (ZeroDivisionError, OverflowError):
        raise NotReckoned from None


class _Reader:
    def __init__(self, tokens: Sequence[Token], point: str, per: int) -> None:
        self._tokens, self._point, self._per = tokens, point, per
        self.at = 0

    def sum(self, depth: int) -> Value:
        """`a + b - c`."""
        value = self._product(depth)
        while sign := self._operator("+", "-", "−", "–"):
            right = self._product(depth)
            number = value.number + right.number if sign == "+" else value.number - right.number
            value = self._made(value, right, number, value.error + right.error, False)
        return value

    def _product(self, depth: int) -> Value:
        value = self._signed(depth)
        while sign := self._operator("*", "of", "/", ":"):
            right = self._signed(depth)
            a, b = abs(value.number), abs(right.number)
            if sign in ("*", "of"):
                error = a * right.error + b * value.error + value.error * right.error
                value = self._made(value, right, value.number * right.number, error, False)
                continue
            if b <= right.error:
                raise NotReckoned
            error = (a * right.error + b * value.error) / (b * (b - right.error))
            value = self._made(value, right, value.number / right.number, error, True)
        return value

    def _signed(self, depth: int) -> Value:
        if self._operator("-", "−", "–"):
            value = self._power(depth)
            return Value(-value.number, value.error, value.divided, value.decimals, value.operators)
        return self._power(depth)

    def _power(self, depth: int) -> Value:
        base = self._atom(depth)
        raised = self._peek("raised")
        if raised is not None:
            self.at += 1
            return self._raise(base, int(raised.value[:5]))
        if not self._operator("^"):
            return base
        braced = self._peek("open")
        self.at += braced is not None
        minus = bool(self._operator("-", "−"))
        exponent = self._take("number")
        if braced is not None:
            self._take("close")
        if not re.fullmatch(r"\d{1,4}", exponent.value) or exponent.percent or self._operator("^"):
            raise NotReckoned
        return self._raise(base, -int(exponent.value) if minus else int(exponent.value))

    def _raise(self, base: Value, exponent: int) -> Value:
        bits = max(base.number.numerator.bit_length(), base.number.denominator.bit_length())
        if abs(exponent) > MOST_EXPONENT or bits * abs(exponent) > _MOST_BITS or (exponent < 0 and not base.number):
            raise NotReckoned
        number = base.number**exponent
        error = abs(number) * abs(exponent) * base.error / abs(base.number) * 2 if base.number else base.error
        return Value(number, error, base.divided or exponent < 0, base.decimals, base.operators + 1)

    def _atom(self, depth: int) -> Value:
        if depth > _MOST_DEPTH:
            raise NotReckoned
        if self._peek("frac"):
            self.at += 1
            above, below = self._group(depth), self._group(depth)
            if abs(below.number) <= below.error:
                raise NotReckoned
            return self._made(above, below, above.number / below.number, above.error / abs(below.number), True)
        if self._peek("open"):
            return self._group(depth)
        token = self._take("number")
        read = read_number(token.value, self._point)
        if read is None:
            raise NotReckoned
        number, decimals = read
        # A price is exact; 3.14 and 0.667 may have been cut to what is shown.
        rounded = decimals > 1 and token.unit[:1] not in ("$", "€", "£", "¥", "₹", "¢", "₽", "₩")
        error = Fraction(1, 2 * 10**decimals) if rounded else Fraction(0)
        per = self._per if token.percent else 1
        return Value(number / per, error / per, False, decimals + (2 if per == 100 else 0))

    def _group(self, depth: int) -> Value:
        self._take("open")
        value = self.sum(depth + 1)
        self._take("close")
        return value

    def _made(self, left: Value, right: Value, number: Fraction, error: Fraction, divided: bool) -> Value:
        if max(number.numerator.bit_length(), number.denominator.bit_length()) > _MOST_BITS:
            raise NotReckoned
        decimals, operators = max(left.decimals, right.decimals), left.operators + right.operators + 1
        return Value(number, error, divided or left.divided or right.divided, decimals, operators)

    def _peek(self, kind: str) -> Token | None:
        token = self._tokens[self.at] if self.at < len(self._tokens) else None
        return token if token is not None and token.kind == kind else None

    def _operator(self, *signs: str) -> str:
        token = self._peek("op")
        if token is None or token.value not in signs:
            return ""
        self.at += 1
        return token.value

    def _take(self, kind: str) -> Token:
        token = self._peek(kind)
        if token is None:
            raise NotReckoned
        self.at += 1
        return token
