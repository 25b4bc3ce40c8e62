"""Equations and sums of a text, recomputed: which do not come out.

Made to be right when it speaks. A sum is wrong only if no way to read it is right (1.000 is a thousand or one, 15% is
0.15 or 15, a result may be rounded or cut at the digits shown), and what may be something other than a sum is passed:
letters, dates, ranges, ratios, conversions of units, what a text calls wrong itself, what stands in quotation marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.sum_tokens import Token, clauses, hide_code
from labgen.text.sum_values import NotReckoned, Value, read_number, reckon

_HAS_SUM = re.compile(r"=|[≈≃≅≒]|\\approx|\\simeq|\bequals\b|\bis equal to\b")
_PASSED_LINES = re.compile(
    r"""\b(?:wrong(?:ly)?|incorrect(?:ly)?|false(?:ly)?|mistake\w*|errors?|erroneous\w*|untrue|not|cannot|never|fallacy|
    impossible|suppose|assum\w+|pretend\w*|puzzles?|riddles?|pattern|if|instead|joke|typo|mod|modul[oa]\w*|modular|clock|
    o'clock|binary|bit(?:s|wise)?|boolean|xor|hex(?:adecimal)?|octal|base|ratio|odds|scale|proportion|falsch\w*|nicht|
    faux|guess\w*|estimat\w+|magic|operator|concatenat\w+|string\w*|should|would|matri\w+|vector\w*|sets?|select|case|while|return|assert)\b|n['’]t\b|
    [✗✘❌]|≡|_{2,}|^[ \t>*]*\(?[A-Ha-h][.)][ \t]""",
    re.IGNORECASE | re.VERBOSE,
)
_BEFORE = frozenset(
    re.findall(
        r"\S+",
        """of half twice thrice double triple minus plus times by from less than sqrt root log ln lg sin cos tan sec
    csc cot exp base max min abs square squared cube power divided multiplied subtract and or to between over
    mod gcd lcm floor ceil round choose dozen hundred thousand million billion score x versus vs""",
    )
)
_AFTER = frozenset(
    re.findall(
        r"\S+",
        """times plus minus x of mod modulo million billion thousand hundred trillion dozen k bn mn and or to und oder
    bis et over divided multiplied squared cubed by""",
    )
)
_REMAINDER = re.compile(
    r"[ \t]*(?P<quotient>\d{1,12})[ \t]*+(?:[,;(][ \t]*+)?(?:with[ \t]++)?(?:an?[ \t]++)?"
    r"(?:(?:R|r|rem\.?|[Rr]est)(?=[ \t.\d])|"
    r"[Rr]emainder)\.?:?[ \t]*(?:of[ \t]+)?(?P<rest>\d{1,12})"
)
_ASKED = re.compile(r"[^\n.!?;,]{0,60}\?")
_SAYINGS = frozenset({"1+1=3", "2+2=5", "2+2=3", "2+2=22", "1+1=11", "0.999=1"})
_NEARLY = Fraction(1, 20)
_LOOSELY = Fraction(1, 100)
_MOST_TOKENS = 200


@dataclass(frozen=True, slots=True)
class WrongSum:
    """An equation that does not come out.

    Attributes:
        text: it, as written; start, end: its place, in characters.
        left: what its left side comes to, for people.
    """

    text: str
    start: int
    end: int
    left: str


def find_wrong_sums(text: str) -> Iterator[WrongSum]:
    """The equations of a text that do not come out, in order; see this module on what is passed.

    Deterministic; time grows with the text's length.
    """
    if not _HAS_SUM.search(text):
        return
    hidden, at = hide_code(text), 0
    for line in hidden.split("\n"):
        if _HAS_SUM.search(line) and not _PASSED_LINES.search(line):
            for clause in clauses(line, at):
                yield from (each for each in _in_clause(clause, text) if not _ASKED.match(text, each.end))
        at += len(line) + 1


def _in_clause(clause: list[Token], text: str) -> Iterator[WrongSum]:
    sides: list[list[Token]] = [[]]
    signs: list[Token] = []
    for token in clause:
        if token.kind == "equals":
            signs.append(token)
            sides.append([])
        else:
            sides[-1].append(token)
    if len(clause) > _MOST_TOKENS:
        return
    sides[0], begins = _left_side(sides[0], text)
    sides[-1], ends = _right_side(sides[-1])
    whole = [bool(side) for side in sides]
    whole[0], whole[-1] = begins, ends
    for place, sign in enumerate(signs):
        last = place + 1 == len(signs)
        if whole[place] and last and (found := _remainder(sides[place], sign, text)) is not None:
            if found:
                yield _wrong(sides[place], sides[place + 1], text, found)
            continue
        if not (whole[place] and whole[place + 1]):
            continue
        earlier = [side for good, side in zip(whole[:place], sides[:place], strict=True) if good]
        if sign.glued and sides[place][-1].unit:
            continue  # the next of `a=2 b=3`
        if left := _difference(sides[place], sides[place + 1], sign.value == "~", [*earlier[:1], *earlier[-2:]]):
            yield _wrong(sides[place], sides[place + 1], text, left)


def _wrong(left: Sequence[Token], right: Sequence[Token], text: str, found: str) -> WrongSum:
    start, end = left[0].start, right[-1].end
    return WrongSum(text[start:end], start, end, found)


def _left_side(tokens: list[Token], text: str) -> tuple[list[Token], bool]:
    """The signs that a first side ends with, and whether a sum may begin with them."""
    at = len(tokens)
    while at and tokens[at - 1].kind in ("number", "op", "open", "close", "frac", "raised"):
        at -= 1
    side, before = tokens[at:], tokens[at - 1] if at else None
    while side and side[0].kind == "open" and _unclosed(side):
        side, before = side[1:], None
    if not side or side[0].kind in ("close", "raised") or (side[0].kind == "op" and side[0].value not in "-−"):
        return side, False
    if side[0].kind == "op" and not (side[1:] and side[1].glued and before is None):
        return side, False  # a dash, or a minus that takes from a word
    if before is None:
        return side, True
    ratio = any(token.value == ":" for token in side)
    if before.kind != "word" or ratio or side[0].kind == "open" or (at > 1 and tokens[at - 2].kind in ("number", "op")):
        return side, False
    word = before.value.lower()
    lone = all(token.kind != "op" for token in side)
    return side, len(word) > 1 and word not in _BEFORE and not lone and not side[0].glued


def _unclosed(side: list[Token]) -> bool:
    depth = 0
    for token in side:
        depth += (token.kind == "open") - (token.kind == "close")
        if not depth:
            return False
    return True


def _right_side(tokens: list[Token]) -> tuple[list[Token], bool]:
    """The signs that a last side begins with, and whether the sum may end there."""
    taken = 0
    for point in ".,":
        try:
            taken = max(taken, reckon(tokens, point, 100)[1])
        except NotReckoned:
            continue
    side, rest = tokens[:taken], tokens[taken:]
    return side, bool(side) and _may_end(rest)


def _may_end(rest: list[Token]) -> bool:
    if not rest or rest[0].kind in ("close", "stop"):
        return not (len(rest) > 1 and rest[1].kind in ("op", "raised"))
    words = [token.value.lower() for token in rest[:3] if token.kind == "word"]
    if rest[0].kind == "open":
        return len(rest) > 1 and rest[1].kind == "word" and len(words[0]) > 1
    if (
        rest[0].kind != "word"
        or words[0] in _AFTER
        or (len(rest[0].value) == 1 and rest[0].value not in "mgshlLaAVWNJKCF")
    ):
        return False
    following = rest[1:3]
    return not any(token.kind in ("number", "bad") for token in following) and not (
        following and following[0].kind == "op"
    )


def _remainder(left: list[Token], sign: Token, text: str) -> str | None:
    """For a division with a remainder: what it comes to where that is not it, empty where it is. None: it is none."""
    match = _REMAINDER.match(text, sign.end)
    if match is None or [token.kind for token in left] != ["number", "op", "number"] or left[1].value not in "/:":
        return None
    numbers = [read_number(left[place].value, ".") for place in (0, 2)]
    if any(number is None or number[1] for number in numbers):
        return ""
    whole, by = (int(number[0]) for number in numbers if number)
    quotient, rest = int(match["quotient"]), int(match["rest"])
    if not by or quotient * by + rest == whole:
        return ""
    return f"{whole // by} remainder {whole % by}"


def _difference(left: list[Token], right: list[Token], nearly: bool, earlier: list[list[Token]]) -> str:
    """What the left side comes to, where the right is something else; empty where it is the same or may be."""
    readings = list(_readings(left, right))
    if not readings or all(one.lone and other.lone for one, other in readings):
        return ""
    if any(_same(one, other, nearly) for one, other in readings) or _is_passed(left, right, readings):
        return ""
    # In 5 + 3 = 8 × 2 = 16 the next step goes on with the result, and rounded steps go on from what was not rounded.
    others = [reading for side in earlier for reading in _readings(side, right)]
    steps = list(_readings(left, right[:1])) if right[0].kind == "number" and len(right) > 1 else []
    if any(_same(one, other, nearly) for one, other in (*others, *steps)):
        return ""
    return _shown(readings[0][0])


def _readings(left: Sequence[Token], right: Sequence[Token]) -> Iterator[tuple[Value, Value]]:
    """Both sides' values, for every way to read points, commas, spaces and percent signs."""
    lefts = [left]
    if left[0].kind == "number" and " " in left[0].value:
        lefts.append([replace(left[0], value=left[0].value.rpartition(" ")[2]), *left[1:]])
    of_percent = any(token.percent for token in (*left, *right))
    for side in lefts:
        for point in ".,":
            for per_left, per_right in ((100, 100), (1, 1), (100, 1), (1, 100)) if of_percent else ((100, 100),):
                if per_left == 1 and not all(token.percent for token in side if token.kind == "number"):
                    continue
                try:
                    one, one_end = reckon(side, point, per_left)
                    other, other_end = reckon(right, point, per_right)
                except NotReckoned:
                    continue
                if one_end == len(side) and other_end == len(right):
                    yield one, other


def _same(one: Value, other: Value, nearly: bool) -> bool:
    """Whether two sides are the same number, up to rounding."""
    if one.lone and not other.lone:
        one, other = other, one
    off, size = abs(one.number - other.number), max(abs(one.number), abs(other.number))
    if nearly and off <= size * _NEARLY:
        return True
    if not other.lone:
        loose = bool(one.decimals or other.decimals)
        return off <= one.error + other.error or (loose and off <= size * _LOOSELY)
    digit = _last_digit(other, nearly)
    # What has no end, or more digits than are shown, may have been cut there or taken up.
    if one.divided or other.decimals:
        return off < digit + one.error and (off == 0 or one.error > 0 or (one.number / digit).denominator > 1)
    return off <= digit / 2 + one.error


def _last_digit(value: Value, nearly: bool) -> Fraction:
    """What the last digit shown is worth; of 400 that is only nearly right, a hundred."""
    digit = Fraction(1, 10**value.decimals)
    if nearly and not value.decimals and value.number:
        while value.number % (digit * 10) == 0:
            digit *= 10
    return digit


def _is_passed(left: list[Token], right: list[Token], readings: list[tuple[Value, Value]]) -> bool:
    """Whether an equation that does not come out may well be something else than a wrong sum."""
    tokens = [*left, *right]
    numbers = [token for token in tokens if token.kind == "number"]
    if all(set(number.value) <= set("01") for number in numbers):
        return True  # binary digits
    written = "".join(token.value for token in left) + "=" + "".join(token.value for token in right)
    lone_slash = len(left) == 3 and left[1].value == "/" and left[2].glued
    if written.replace("−", "-") in _SAYINGS or (lone_slash and right[-1].kind == "number" and right[-1].unit):
        return True
    if any(token.value == ":" for token in tokens) and (len(left) != 3 or len(right) != 1 or right[0].unit):
        return True
    if any(one.lone for one, _ in readings) and any(number.unit for number in numbers):
        return True
    return _ranges(left, right[0].glued) or _ranges(right, False) or _mixed(left, right)


def _ranges(tokens: list[Token], tight: bool) -> bool:
    """Whether a hyphen may say "to" instead of "less": 5-10, 1990–1995. `tight`: there are no spaces elsewhere."""
    for before, sign, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if sign.kind != "op" or sign.value not in "-–" or before.kind != "number" or after.kind != "number":
            continue
        values = [read_number(token.value, ".") for token in (before, after)]
        if (
            values[0] is None
            or values[1] is None
            or values[0] < values[1]
            or (sign.glued and after.glued and not tight)
        ):
            return True
    return False


def _mixed(left: list[Token], right: list[Token]) -> bool:
    """Whether units are mixed or changed, or percent added to what is none."""
    numbers = [token for token in left if token.kind == "number"]
    added = any(token.kind == "op" and token.value in "+-−–" for token in (*left, *right))
    shares = [token.percent for token in numbers]
    if added and any(shares) and not all(shares):
        return True
    units = {_plain_unit(token.unit) for token in numbers if token.unit}
    given = {_plain_unit(token.unit) for token in right if token.kind == "number" and token.unit}
    if added or len(right) > 1:
        return len(units | given) > 1
    parts = {part for unit in given for part in re.split(r"/| per ", unit)}
    return (len(units) > 1 and not given) or (bool(units) and bool(given) and not parts <= units)


def _plain_unit(unit: str) -> str:
    words = unit.lower().rstrip(".").split()
    word = words[-1] if words else unit
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word.removesuffix("s").removesuffix("e") if len(word) > 3 else word


def _shown(value: Value) -> str:
    number = value.number
    if number.denominator == 1:
        return str(number.numerator) if abs(number) < 10**30 else "another number"
    if not -(10**15) < number < 10**15:
        return "another number"
    return f"{float(number):.10g}"
