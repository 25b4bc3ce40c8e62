"""The final answer of a response, where a rule can tell it and check another response against it.

Four kinds: a number, a choice among lettered options, a few exact words, JSON of a shape. Answers are read from the end
of a text, where an answer stands; what has none of these forms has no final answer. Nothing here is evaluated, and no
text takes more than linear time.
"""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass

NUMBER, CHOICE, EXACT_WORDS, JSON_SHAPE = "number", "choice", "exact_words", "json_shape"

CHECKERS = (JSON_SHAPE, CHOICE, NUMBER, EXACT_WORDS)
"""Names of the checkers, in the order in which they are tried."""

MOST_CHARS = 100_000
"""Longer texts have no final answer."""
TAIL_CHARS = 400
"""An answer stands in so many characters at the end of a text."""
MOST_WORDS = 4
MOST_WORD_CHARS = 60
MOST_DIGITS = 30
_MOST_DEPTH = 20

_NUMBER = r"[-−]?(?:\d{1,3}(?:,\d{3}){1,8}|\d{1,30})(?:\.\d{1,15})?(?![\d,]*\d)"
_SIGNED = re.compile(rf"(?<![\w.,-])[$€£]?({_NUMBER})")
_STATED = re.compile(
    rf"(?:\b(?:answer|result|total)(?: is)?|=|####|\\boxed\{{)[ \t]{{0,3}}[:=]?[ \t]{{0,3}}(?:\\boxed\{{)?[*$€£]{{0,3}}"
    rf"({_NUMBER})",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"[$€£]?({_NUMBER})[ ]?(?:%|°?[A-Za-z/]{{1,12}})?[.!]?")
_OPTION = re.compile(r"^[ \t]*\(?([A-H])[).:][ \t]+\S", re.MULTILINE)
_CHOSEN = re.compile(r"\(?([A-H])\)?(?:[).:](?:[ \t].{0,200})?)?")
_STATED_CHOICE = re.compile(r"\b(?:answer|option|choice)(?: is)?[: \t*]{1,4}\(?([A-H])\b", re.IGNORECASE)
_LABEL = re.compile(r"^(?:final answer|the answer is|answer)[ \t]*:?[ \t]*", re.IGNORECASE)
_FENCE = re.compile(r"\A```(?:json)?[ \t]*\n(.*)\n```\Z", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"\w+")
_TRUTH = frozenset({"yes", "no", "true", "false"})
_OUTER = " \t\r\n.!?,;:*_`\"'“”‘’()[]"


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """What a response comes to. `checker` is one of `CHECKERS`, `answer` what it holds another response against."""

    checker: str
    answer: str


def final_answer(instruction: str, response: str) -> FinalAnswer | None:
    """The final answer of a response; None where no rule can tell it.

    Args:
        instruction: all that is asked, with the text that it is on. Few words count as an answer where they stand in it
            (a label to choose, a name to find): a title that somebody made up is right in many other words, too.
    """
    if len(response) > MOST_CHARS:
        return None
    if (shape := _json_shape(response)) is not None:
        return FinalAnswer(JSON_SHAPE, shape)
    if options_of(instruction) and (letter := read_choice(response)):
        return FinalAnswer(CHOICE, letter) if letter in options_of(instruction) else None
    if (number := _own_number(response)) is not None:
        return FinalAnswer(NUMBER, _plain(number))
    words = read_words(response)
    return FinalAnswer(EXACT_WORDS, words) if words and _stands_in(words, instruction) else None


def agrees(checker: str, answer: str, response: str) -> bool:
    """Whether a response comes to an answer, as a checker has it. Raises: ValueError: there is no such checker."""
    if checker not in CHECKERS:
        raise ValueError(f"there is no checker `{checker}`. There are: {', '.join(CHECKERS)}")
    if len(response) > MOST_CHARS:
        return False
    if checker == NUMBER:
        said, wanted = last_number(response), _decimal(answer)
        return said is not None and said == wanted
    if checker == CHOICE:
        return read_choice(response) == answer
    if checker == EXACT_WORDS:
        return read_words(response) == answer
    return _has_shape(_read_json(response), json.loads(answer))


def options_of(instruction: str) -> tuple[str, ...]:
    """The letters of the options that an instruction lists, two or more from A on; none where it lists none."""
    letters = _OPTION.findall(instruction[:MOST_CHARS])
    return tuple(letters) if len(letters) > 1 and letters == list("ABCDEFGH"[: len(letters)]) else ()


def read_choice(response: str) -> str:
    """The letter that a response chooses; empty where it chooses none."""
    lines = [line.strip() for line in response[-TAIL_CHARS:].strip().splitlines() if line.strip()]
    if not lines:
        return ""
    if found := _CHOSEN.fullmatch(lines[0] if len(lines) == 1 else lines[-1].strip("*")):
        return found[1]
    stated = _STATED_CHOICE.findall(lines[-1])
    return stated[-1].upper() if stated else ""


def last_number(response: str) -> Decimal | None:
    """The number that a response ends in: the one it states as its answer, else the last one of its last line."""
    if (stated := _own_number(response)) is not None:
        return stated
    lines = response[-TAIL_CHARS:].strip().splitlines()
    found = _SIGNED.findall(lines[-1]) if lines else []
    return _decimal(found[-1]) if found else None


def _own_number(response: str) -> Decimal | None:
    """The number that a response is, or that its last line states as the answer and ends in."""
    lines = [line.strip().strip("*") for line in response[-TAIL_CHARS:].strip().splitlines() if line.strip()]
    if not lines:
        return None
    if len(lines) == 1 and len(response) <= TAIL_CHARS and (whole := _WHOLE.fullmatch(lines[0])):
        return _decimal(whole[1])
    stated = list(_STATED.finditer(lines[-1]))
    if not stated or _SIGNED.search(lines[-1], stated[-1].end()):
        return None
    return _decimal(stated[-1][1])


def read_words(response: str) -> str:
    """The few words that a response is, or that stand after `Answer:` in its last line, in one spelling."""
    lines = [line.strip() for line in response.strip().splitlines() if line.strip()]
    if not lines or (len(lines) > 1 and not _LABEL.match(lines[-1])):
        return ""
    words = _LABEL.sub("", lines[-1]).strip(_OUTER).casefold().split()
    text = " ".join(words)
    return text if 0 < len(words) <= MOST_WORDS and len(text) <= MOST_WORD_CHARS else ""


def _stands_in(words: str, instruction: str) -> bool:
    """Whether words are yes, no, true or false, or stand in an instruction in this order."""
    if words in _TRUTH:
        return True
    asked = " ".join(_WORD.findall(instruction[:MOST_CHARS].casefold()))
    return f" {' '.join(_WORD.findall(words))} " in f" {asked} "


def _plain(number: Decimal) -> str:
    """A number in one spelling: `1,200.50` and `1200.5` are the same."""
    if not number:
        return "0"
    # Not `normalize`, which rounds to the digits of the context.
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text.replace(",", "").replace("−", "-"))
    except InvalidOperation:
        return None


def _read_json(response: str) -> Any:
    """The JSON that a response is, in a code block or bare; None where it is none."""
    text = response.strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    if not text.startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _json_shape(response: str) -> str | None:
    """The JSON Schema of the object, or list of objects, that a response is; None where it is none."""
    value = _read_json(response)
    rows = value if isinstance(value, list) else [value]
    if not rows or not all(isinstance(row, dict) and row for row in rows):
        return None
    return json.dumps(_shape(value, 0), ensure_ascii=False, sort_keys=True)


def _shape(value: Any, depth: int) -> dict[str, Any]:
    kind = _kind(value)
    if depth >= _MOST_DEPTH:
        return {"type": kind}
    if isinstance(value, dict):
        fields = {name: _shape(each, depth + 1) for name, each in value.items()}
        return {"type": kind, "properties": fields, "required": sorted(fields)}
    if isinstance(value, list):
        shapes = [_shape(each, depth + 1) for each in value]
        same = bool(shapes) and all(shape == shapes[0] for shape in shapes)
        return {"type": kind, **({"items": shapes[0]} if same else {})}
    return {"type": kind}


def _has_shape(value: Any, shape: dict[str, Any], depth: int = 0) -> bool:
    if _kind(value) != shape["type"]:
        return False
    if depth > _MOST_DEPTH:
        return True
    if isinstance(value, dict):
        fields = shape.get("properties", {})
        return set(value) == set(fields) and all(
            _has_shape(each, fields[name], depth + 1) for name, each in value.items()
        )
    if isinstance(value, list) and "items" in shape:
        return all(_has_shape(each, shape["items"], depth + 1) for each in value)
    return True


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = ((bool, "boolean"), (int | float, "number"), (str, "string"), (dict, "object"), (list, "array"))
    return next(name for kind, name in kinds if isinstance(value, kind))
