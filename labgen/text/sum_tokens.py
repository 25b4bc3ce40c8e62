r"""The signs of sums in running text: numbers with their units, operators, equals signs, and what stands between them.

Plain notation and LaTeX (`12 × 7`, `12 \times 7`, `\frac{1}{2}`). Code and addresses are not looked into. One pass with
one pattern, so that no text costs more than its length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

_CODE = re.compile(r"^[ \t>]*(`{3,}|~{3,}).*?(?:^[ \t>]*\1|\Z)|(`{1,2})(?!`)[^`\n]+\2", re.DOTALL | re.MULTILINE)
_URL = re.compile(r"\b(?:https?://|www\.)\S+")
# "1. ", "(2) ", "- ", "Step 3: " at the beginning of a line number a line and are no part of its sum.
_OPENING = re.compile(
    r"[ \t>]*(?:[-*+•–—][ \t]+)?(?:\*\*|__)?(?:(?:step|line|part|item|no\.?|question|q|#)[ \t]*)?"
    r"(?:\(?\d{1,3}(?:[.)](?=[ \t*])|:(?=\*|[ \t]))[ \t]*)?(?:\*\*[ \t]*)?",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"""
      (?P<skip>\\(?:left|right|boxed|displaystyle|[dt]?space)(?![A-Za-z])|\\[,;:!>\ ()\[\]]|&|\$\$|[ \t\r\f\v]+)
    | (?P<stop>\\\\|\\q?quad(?![A-Za-z])|\.{3,}|…|—|[;,!?"“”‘’«»\[\]|→⇒∴•\u0000])
    | (?P<frac>\\[dt]?frac(?![A-Za-z]))
    | (?P<times>\\(?:times|cdot|ast)(?![A-Za-z])|\\\*|[×·⋅∙✕∗]|(?<=\d)[xX](?=\d))
    | (?P<over>\\div(?![A-Za-z])|[÷∕⁄/])
    | (?P<nearly>\\(?:approx|simeq)(?![A-Za-z])|[≈≃≅≒])
    | (?P<label>\\(?:text|mathrm|textbf|mathbf)\s?\{(?P<said>[^{}\n]{0,40})\})
    | (?P<percent>\\?%)
    | (?P<currency>\\?\$|[€£¥₹¢₽₩])
    | (?P<bad>\\[A-Za-z]+|0[xX][0-9a-fA-F]+|\d+(?::\d+)+
          |\d+(?P<joint>[-/–])\d+(?:(?P=joint)\d+)+|(?<!\*\*)[=<>!:+*/~^|-]{2,}(?<!\*\*)(?<!=[-+~]))
    | (?P<number>\d+(?:(?:[.,'’]|[ \u00a0\u202f](?=\d{3}(?!\d)))\d+)*|(?<![\w.])\.\d+)
    | (?P<raised>⁻?[⁰¹²³⁴-⁹]+)
    | (?P<equals>=|\b(?:equals|is\ equal\ to)\b)
    | (?P<stars>\*\*)
    | (?P<star>\*)
    | (?P<sign>[+−–-])
    | (?P<power>\^)
    | (?P<open>[({])
    | (?P<close>[)}])
    | (?P<about>~)
    | (?P<word>°[CF]?|[^\W\d_][^\W_]*(?:[.'’][^\W_]+)*(?:/[^\W\d_]+)?)
    | (?P<point>[.:'])
    | (?P<other>.)
    """,
    re.VERBOSE,
)
_GOES_ON = re.compile(r"[ \t]*[=+\-−–*×/÷^]")  # after `5!` (a factorial) and `5"` (inches), not after a quotation
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_WORD_SIGNS = {"x": "*", "X": "*", "times": "*", "plus": "+", "minus": "-", "of": "of"}
_ABOUT = frozenset(["about", "approximately", "approx", "roughly", "around", "nearly", "almost", "circa", "ca"])
_GLUED_UNITS = frozenset(
    re.findall(
        r"\S+",
        """kg g mg t km m cm mm ml l L cl dl h s ms min lb lbs oz ft in mi mph kmh km/h m/s kWh Wh W kW V A J N K C F B
    GB MB KB TB Hz kHz MHz GHz kcal cal px pt EUR USD GBP""",
    )
)
_UNIT_LETTERS = frozenset("mgshlLtAVWNJKCFB")
_NO_UNITS = frozenset(
    re.findall(
        r"\S+",
        """a an and or of is are was were to from by with in at on for so then than thus hence which that this per each
    plus minus times over mod modulo squared cubed million billion thousand hundred trillion dozen half double
    twice bn mn k und oder ist sind et ou est y o es""",
    )
)


@dataclass(frozen=True, slots=True)
class Token:
    """One sign: `kind` is `number`, `op`, `open`, `close`, `frac`, `equals`, `word`, `stop` or `bad`.

    Attributes:
        start, end: its place in the text, in characters.
        value: what it says: digits, an operator (one of `+ - * / : ^ of`), a word; of `equals`, `~` where it is about.
        unit: of a number, what is counted or measured; empty where nothing is said.
        percent: whether a percent sign follows.
        glued: whether it follows the sign before without a space.
    """

    kind: str
    start: int
    end: int
    value: str
    unit: str = ""
    percent: bool = False
    glued: bool = False


def hide_code(text: str) -> str:
    """The text, as long as it was, with blanks of one sign in the place of code and addresses."""
    for pattern in (_CODE, _URL):
        text = pattern.sub(lambda match: re.sub(r"[^\n]", "\0", match.group()), text)
    return text


def clauses(line: str, offset: int) -> Iterator[list[Token]]:
    """The runs of signs of one line between which nothing is reckoned, each with an equals sign.

    Args:
        line: a line of a text that `hide_code` gave; offset: where it begins in it, in characters.
    """
    opening = _OPENING.match(line)
    clause: list[Token] = []
    for token in [*_read(line, opening.end() if opening else 0, offset), Token("stop", 0, 0, "")]:
        if token.kind != "stop":
            clause.append(token)
            continue
        if any(each.kind == "equals" for each in clause):
            yield _with_units(clause)
        clause = [token] if token.value in "\"“”‘’«»'" and token.value else []


def _read(line: str, start: int, offset: int) -> Iterator[Token]:
    matches = [match for match in _TOKEN.finditer(line, start) if match.lastgroup != "skip"]
    end = -1
    for place, match in enumerate(matches):
        before, after = matches[place - 1] if place else None, matches[place + 1 : place + 2]
        glued = before is not None and before.end() == match.start()
        glued_after = bool(after) and after[0].start() == match.end()
        kind, value = _kind(match, line, glued, glued_after)
        if kind:
            yield Token(kind, offset + match.start(), offset + match.end(), value, glued=match.start() == end)
            end = match.end()


def _kind(match: re.Match[str], line: str, glued: bool, glued_after: bool) -> tuple[str, str]:
    """Kind and value; an empty kind where the sign says nothing."""
    name, said = match.lastgroup or "other", match.group()
    if name in ("number", "frac", "open", "close", "stop", "bad"):
        marks = said in ("!", "’", '"', "”") and glued and line[match.start() - 1].isdigit()
        return ("bad" if marks and _GOES_ON.match(line, match.end()) else name), said
    if name in ("times", "over", "sign", "power"):
        return "op", {"times": "*", "over": "/", "power": "^"}.get(name, said)
    if name in ("equals", "nearly"):
        return "equals", "=" if name == "equals" else "~"
    if name == "raised":
        return "raised", said.translate(_RAISED)
    if name in ("stars", "star"):
        both = glued and glued_after and (line[match.start() - 1].isalnum() or line[match.start() - 1] == ")")
        free = name == "star" and not glued and not glued_after
        return ("op", "^" if name == "stars" else "*") if both or free else ("", "")
    if name == "point":
        if said == ":" and not glued and not glued_after:
            return "op", ":"
        return ("bad" if said == "'" or glued_after else "stop"), said
    if name == "label":
        inside = match["said"].strip()
        return ("word", inside) if re.fullmatch(r"[^\W\d_][^\d]*", inside) else ("bad" if inside else "", inside)
    if name == "other":
        return ("", said) if said.isspace() else ("bad", said)
    return name, said


def _with_units(clause: list[Token]) -> list[Token]:
    """Units and percent signs put to their numbers, and words that are operators told from other words."""
    found: list[Token] = []
    at = 0
    while at < len(clause):
        token = clause[at]
        if token.kind == "currency" and clause[at + 1 : at + 2] and clause[at + 1].kind == "number":
            number, at = _number(clause, at + 1)
            unit = number.unit or token.value.strip("\\")
            found.append(replace(number, unit=unit, start=token.start, glued=token.glued))
        elif token.kind == "number":
            number, at = _number(clause, at)
            found.append(number)
        else:
            found.append(_between(token, found, clause[at + 1 : at + 2]))
            at += 1
    return [token for token in found if token.kind]


def _between(token: Token, before: list[Token], after: list[Token]) -> Token:
    """What is no number: `x` between two numbers is an operator; a currency sign or raised number may be anything."""
    if token.kind == "word" and token.value in _WORD_SIGNS and before and after:
        left = before[-1].kind in ("number", "close")
        right = after[0].kind in ("number", "open", "currency", "frac")
        part_of = before[-1].percent or (len(before) > 2 and before[-2].value == "/")
        if left and right and (token.value != "of" or part_of):
            return replace(token, kind="op", value=_WORD_SIGNS[token.value])
    about = token.kind == "about" or (token.kind == "word" and token.value.lower() in _ABOUT)
    if about and before and before[-1].kind == "equals":
        before[-1] = replace(before[-1], value="~")
        return replace(token, kind="")
    if token.kind == "currency":
        return replace(token, kind="" if token.value == "$" else "bad")
    return replace(token, kind="bad") if token.kind in ("about", "percent") else token


def _number(clause: list[Token], at: int) -> tuple[Token, int]:
    """The number at a place with its percent sign and unit. Returns: it, and the place after it."""
    number, at = clause[at], at + 1
    following = clause[at : at + 1]
    if following and following[0].kind == "percent":
        return replace(number, percent=True, end=following[0].end), at + 1
    if following and following[0].kind == "currency":
        if following[0].value != "$":
            return replace(number, unit=following[0].value, end=following[0].end), at + 1
        return number, at + 1
    if not following or following[0].kind != "word":
        return number, at
    first = following[0]
    if first.glued and first.value not in _WORD_SIGNS and first.value not in _GLUED_UNITS and first.value[0] != "°":
        return replace(number, kind="bad"), at
    words = [token for token in clause[at : at + 3] if token.kind == "word"]
    run = 0
    while run < len(words) and words[run] is clause[at + run] and _is_unit(words[run]):
        run += 1
    if not run or (run == 1 and first.value in _WORD_SIGNS):
        return number, at
    unit = " ".join(word.value for word in words[:run])
    after = clause[at + run : at + run + 1]
    if run <= 2 and (not after or after[0].kind in ("op", "close", "equals")):
        return replace(number, unit=unit, end=words[run - 1].end), at + run
    return replace(number, unit=first.value), at


def _is_unit(word: Token) -> bool:
    if len(word.value) == 1 and word.value[0] not in "°":
        return word.value in _UNIT_LETTERS
    return word.value.lower() not in _NO_UNITS
