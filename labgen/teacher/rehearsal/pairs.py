"""Judging a pair of instruction and response by what they share, measured against the examples' own pairs."""

from __future__ import annotations

from itertools import pairwise

from labgen.lazy import re
from labgen.teacher.rehearsal.request import Example
from labgen.teacher.rehearsal.sentences import STOP_WORDS, content, numbers, split_words, stems
from labgen.teacher.rehearsal.wholeness import breaks_off

_SUM = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?) ?([-+*×x/÷−]) ?(\d+(?:\.\d+)?) ?= ?\$?(-?\d+(?:\.\d+)?)(?![\d.]*\d)")
_ITEM = re.compile(r"^[ \t]*(\d{1,3})[.)][ \t]", re.MULTILINE)
_SENTENCE = re.compile(r"[a-z][.!?](?:\s|$)")
USUAL_SHARE = 0.85
"""Share of the examples that must do a thing before a response that does not is held against it."""
LABEL_WORDS = 8
"""Answers of at most so many words are labels, where the examples have some answers more than once."""
FEW_EXAMPLES = 2
"""Fewer examples than this show no habit."""


def judge_pair(examples: tuple[Example, ...], query: str, reply: str) -> tuple[int, str]:
    """LAB's score, 1 to 3, and the reason in a sentence."""
    if not reply.strip():
        return 1, "there is no response"
    asked, said = _flat(query), _flat(reply)
    own = [_flat(example.response) for example in examples if _flat(example.instruction) == asked]
    if said in own:
        return 3, "the answer that the examples give"
    fault = (
        _damaged(own, said)
        or _others(examples, said)
        or _miscounted(reply)
        or _figures(examples, query, reply)
        or _elsewhere(examples, query, reply)
        or ("the response breaks off" if _broken_off(examples, query, reply) else "")
    )
    if fault:
        return 1, fault
    lengths = sorted(len(example.response) for example in examples)
    usual = sorted(_coverage(example.instruction, example.response) for example in examples)
    if usual and (_coverage(query, reply) < usual[0] or len(reply) * 2 < lengths[len(lengths) // 2]):
        return 2, "right but bare"
    return 3, "right, complete and in the manner of the examples"


def _broken_off(examples: tuple[Example, ...], query: str, reply: str) -> bool:
    """Whether a response breaks off. One that picks from the instruction's words ends in one of them, whole."""
    last, asked = split_words(reply)[-1:], split_words(query)
    if not last or _SENTENCE.search(reply):
        return breaks_off(reply, tuple(example.response for example in examples))
    listed, counts = reply.count("\n") > 1, last[0].lower() not in STOP_WORDS
    if counts and last[0] in asked and (listed or len(split_words(reply)) <= LABEL_WORDS // 2):
        return False
    fragment = listed and counts and len(last[0]) > 1 and any(word.startswith(last[0]) for word in asked)
    return fragment or breaks_off(reply, tuple(example.response for example in examples))


def _flat(text: str) -> str:
    return " ".join(text.lower().split())


def _damaged(own: list[str], said: str) -> str:
    """Whether the response is an example's own answer to this instruction with its end or its figures changed."""
    for answer in own:
        if answer.startswith(said):
            return "the response breaks off"
        if re.sub(r"\d+", "0", answer) == re.sub(r"\d+", "0", said):
            return "its figures are not the right ones"
    return ""


def _others(examples: tuple[Example, ...], said: str) -> str:
    """Whether the response is that of an example, whose instruction asks something else."""
    given = [_flat(example.response) for example in examples]
    if said not in given:
        return ""
    repeated = len(set(given)) < len(given)
    if repeated and (given.count(said) > 1 or len(split_words(said)) <= LABEL_WORDS):
        # A class label: several instructions may well have it for an answer.
        return ""
    return "it is the answer to another instruction"


def _miscounted(reply: str) -> str:
    if (wrong := wrong_sum(reply)) is not None:
        return f"{wrong} is not right"
    marks = [int(mark) for mark in _ITEM.findall(reply)]
    if len(marks) > 2 and any(after not in (before + 1, 1) for before, after in pairwise(marks)):
        return "its list is wrongly numbered"
    return ""


def _figures(examples: tuple[Example, ...], query: str, reply: str) -> str:
    """Whether the response breaks a habit of the examples about taking over the instruction's figures."""
    rows = [(set(numbers(example.instruction)), set(numbers(_unlisted(example.response)))) for example in examples]
    asked, said = set(numbers(query)), set(numbers(_unlisted(reply)))
    speaking = [row for row in rows if row[0] and row[1]]
    if len(speaking) < FEW_EXAMPLES:
        return ""
    if asked and said - asked and all(figures <= given for given, figures in speaking):
        return "its figures are not those of the instruction"
    if asked - said and len(speaking) > FEW_EXAMPLES and all(given <= figures for given, figures in rows):
        return "it leaves out figures of the instruction"
    return ""


def _unlisted(text: str) -> str:
    return _ITEM.sub("", text)


def _elsewhere(examples: tuple[Example, ...], query: str, reply: str) -> str:
    """Whether the response takes up none of what sets its instruction apart, where the examples' do."""
    if len(examples) < FEW_EXAMPLES:
        return ""
    instructions = [content(example.instruction) for example in examples]
    asked = content(query)
    apart = _apart(asked, instructions)
    if not apart or apart & stems(reply):
        return ""
    habit = [
        bool(own & stems(example.response))
        for number, example in enumerate(examples)
        if (own := _apart(instructions[number], [*instructions[:number], *instructions[number + 1 :], asked]))
    ]
    if len(habit) >= FEW_EXAMPLES and sum(habit) >= USUAL_SHARE * len(habit):
        return "it has nothing to do with the instruction"
    return ""


def _apart(own: frozenset[str], others: list[frozenset[str]]) -> frozenset[str]:
    """Words that fewer than half of the other instructions have."""
    return frozenset(word for word in own if 2 * sum(word in other for other in others) < len(others))


def _coverage(query: str, reply: str) -> float:
    """Share of the instruction's content words that the response takes up."""
    asked = content(query)
    return len(asked & stems(reply)) / len(asked) if asked else 1.0


def wrong_sum(text: str) -> str | None:
    """The first sum in a text that does not come out, such as `2 + 2 = 5`."""
    for match in _SUM.finditer(text):
        left, right, given = float(match[1]), float(match[3]), float(match[4])
        sign = match[2]
        if sign in "/÷":
            if right == 0:
                continue
            value = left / right
        else:
            value = {"+": left + right, "-": left - right, "−": left - right}.get(sign, left * right)
        if abs(value - given) > max(0.51, abs(value) * 0.01):
            return match[0]
    return None
