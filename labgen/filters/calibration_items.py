"""The test that judges are put to: true pairs of a leaf's own seeds, and the same pairs with one thing made wrong.

Every defect is one that nobody could overlook who does the judge's work. What could be right after all (the answer to
the very same question, a number in a story, a passage that says the same) is not made a defect of.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from typing import TypeVar

from labgen.filters.near_duplicates import rouge_l
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.plan.example_pairs import ExamplePair

T = TypeVar("T")

TRUE = "true"
ANSWER_EXCHANGED = "answer_exchanged"
CONTEXT_EXCHANGED = "context_exchanged"
NUMBER_ALTERED = "number_altered"
ANSWER_CUT_OFF = "answer_cut_off"
QUESTION_REPEATED = "question_repeated"
INSTRUCTION_CUT_OFF = "instruction_cut_off"
ANSWER_AS_INSTRUCTION = "answer_as_instruction"

DEFECTS = {
    ANSWER_EXCHANGED: "the answer to another question",
    CONTEXT_EXCHANGED: "a passage that does not hold the answer",
    NUMBER_ALTERED: "a figure of the answer altered",
    ANSWER_CUT_OFF: "an answer that ends in the middle",
    QUESTION_REPEATED: "the question in place of the answer; only where a leaf's seeds allow fewer than two others",
    INSTRUCTION_CUT_OFF: "an instruction that ends in the middle",
    ANSWER_AS_INSTRUCTION: "an answer in place of an instruction",
}
"""Kinds of defect and what each is."""

MIN_DEFECTS = 2
ALIKE = 0.7
"""Answers with a higher ROUGE-L may well stand for each other."""
CUT_WORDS, CUT_CHARS = 12, 40
"""Shorter texts (words; characters where there are no spaces) are not cut off: what is left might be whole."""
INSTRUCTION_CUT_WORDS = 8

_FIGURE = re.compile(r"(?<![\w.,:/-])\d{1,9}(?![\w/:-]|[.,]\d)")
_WHOLE_FIGURE = re.compile(r"(?<![\d.,])\d+(?!\d|[.,]\d)")
_DIGITS = re.compile(r"\d+")
_LIST_MARK = re.compile(r"^[ \t>*-]*\d{1,3}\\?[.)]", re.MULTILINE)
_WORD = re.compile(r"\w{4,}|\d+")


@dataclass(frozen=True, slots=True)
class Item:
    """One question to a judge: a pair (or an instruction) and what is wrong with it (`TRUE`: nothing).

    `example` is the seed example that it was made of, which the judge must not be shown.
    """

    kind: str
    example: ExamplePair
    context: str | None
    instruction: str
    response: str

    @property
    def good(self) -> bool:
        """Whether a judge ought to let it pass."""
        return self.kind == TRUE


def pair_items(
    examples: Sequence[ExamplePair], kinds: Sequence[str], *, creative: bool
) -> tuple[list[Item], list[Item]]:
    """True pairs and defective ones, in the order in which they are to be asked; the same for the same seeds.

    The last examples come first, since judges are shown a leaf's first ones. Kinds take turns, each beginning with
    another example.

    Args:
        kinds: the defects wanted.
        creative: whether a figure in an answer may be anything, so that altering one is no defect.
    """
    distinct = list(dict.fromkeys(reversed(examples)))
    true = [Item(TRUE, example, example.context, example.instruction, example.response) for example in distinct]
    makers: dict[str, Callable[[Sequence[ExamplePair]], Iterator[Item]]] = {
        ANSWER_EXCHANGED: _exchange_answers,
        CONTEXT_EXCHANGED: _exchange_contexts,
        NUMBER_ALTERED: _no_items if creative else _alter_numbers,
        ANSWER_CUT_OFF: _cut_answers,
    }
    wanted = [(kind, make) for kind, make in makers.items() if kind in kinds]
    queues = [list(make(_from(distinct, turn))) for turn, (_, make) in enumerate(wanted)]
    defects = _in_turns(queues)
    if len(defects) < MIN_DEFECTS:
        repeated = (replace(item, kind=QUESTION_REPEATED, response=item.instruction) for item in true)
        defects += [item for item, _ in zip(repeated, range(MIN_DEFECTS - len(defects)), strict=False)]
    return true, defects


def instruction_items(examples: Sequence[ExamplePair]) -> tuple[list[Item], list[Item]]:
    """The same for instructions: those of the seeds, and what is no instruction, or half of one."""
    distinct = list({(example.context, example.instruction): example for example in reversed(examples)}.values())
    true = [Item(TRUE, example, example.context, example.instruction, "") for example in distinct]
    cut = [
        replace(item, kind=INSTRUCTION_CUT_OFF, instruction=words)
        for item in true
        if (words := cut_off(item.instruction, INSTRUCTION_CUT_WORDS))
    ]
    answers = [
        replace(item, kind=ANSWER_AS_INSTRUCTION, instruction=item.example.response)
        for item in true
        if len(item.example.response.split()) >= INSTRUCTION_CUT_WORDS and "?" not in item.example.response
    ]
    return true, _in_turns([cut, _from(answers, 1)])


def cut_off(text: str, min_words: int = CUT_WORDS) -> str:
    """The first half of a text, ending within a word; '' where it is too short to be sure that it is broken off."""
    if len(text.split()) < min_words and (len(text) < CUT_CHARS or " " in text):
        return ""
    end = len(text) // 2
    while end < len(text) - 2 and not (text[end - 2 : end + 1].isalpha()):
        end += 1
    return text[:end].rstrip() if text[end - 1 : end + 1].isalpha() else ""


def alter_number(answer: str, elsewhere: str, *, must_stand_in: str | None = None) -> str:
    """The answer with its last figure made another one wherever it stands; '' where there is none to alter.

    Args:
        elsewhere: question and passage; the new figure stands in neither, nor in the answer.
        must_stand_in: a passage that the figure must be in, so that altering it contradicts the passage.
    """
    marks = list(chain.from_iterable(match.span() for match in _LIST_MARK.finditer(answer)))
    standing = None if must_stand_in is None else set(_WHOLE_FIGURE.findall(must_stand_in))
    for match in reversed(list(_FIGURE.finditer(answer))):
        figure = match[0]
        within_mark = bisect_right(marks, match.start()) % 2
        if within_mark or (standing is not None and figure not in standing):
            continue
        number = int(figure) + max(2, int(figure) // 7)
        taken = set(_DIGITS.findall(f"{answer}\n{elsewhere}"))
        while str(number) in taken:
            number += 1
        return re.sub(rf"(?<![\d.,]){figure}(?!\d|[.,]\d)", str(number), answer)
    return ""


def _exchange_answers(examples: Sequence[ExamplePair]) -> Iterator[Item]:
    for number, example in enumerate(examples):
        others = _from(examples, number + 1)
        # An answer from the same passage is the harder one to tell: it is borne out, but answers something else.
        others.sort(key=lambda other: other.context != example.context)
        for other in others:
            same_question = other.context == example.context and _same(other.instruction, example.instruction)
            if not same_question and rouge_l(other.response, example.response) <= ALIKE:
                if _same(other.response, example.response):  # a text of which ROUGE-L sees no word
                    continue
                yield Item(ANSWER_EXCHANGED, example, example.context, example.instruction, other.response)
                break


def _exchange_contexts(examples: Sequence[ExamplePair]) -> Iterator[Item]:
    for number, example in enumerate(examples):
        for other in _from(examples, number + 1):
            if example.context and other.context and not _may_hold(other.context, example):
                yield Item(CONTEXT_EXCHANGED, example, other.context, example.instruction, example.response)
                break


def _may_hold(context: str, example: ExamplePair) -> bool:
    """Whether a passage may bear out an answer as well as the answer's own does.

    Told by the words that the answer adds to the question: they must stand in its own passage (an answer such as "the
    text does not say" is right on many), and not in the other one.
    """
    words = _words(example.response) - _words(example.instruction)
    own, other = (len(words & _words(text)) for text in (example.context or "", context))
    return not words or own < len(words) / 3 or other > own / 2


@lru_cache(maxsize=256)
def _words(text: str) -> frozenset[str]:
    # Every example of a leaf is held against every other.
    return frozenset(_WORD.findall(text.casefold()))


def _alter_numbers(examples: Sequence[ExamplePair]) -> Iterator[Item]:
    for example in examples:
        elsewhere = f"{example.instruction}\n{example.context or ''}"
        altered = alter_number(example.response, elsewhere, must_stand_in=example.context)
        if altered:
            yield Item(NUMBER_ALTERED, example, example.context, example.instruction, altered)


def _cut_answers(examples: Sequence[ExamplePair]) -> Iterator[Item]:
    for example in examples:
        if words := cut_off(example.response):
            yield Item(ANSWER_CUT_OFF, example, example.context, example.instruction, words)


def _no_items(examples: Sequence[ExamplePair]) -> Iterator[Item]:
    return iter(())


def _same(first: str, second: str) -> bool:
    return first.casefold().split() == second.casefold().split()


def _from(things: Sequence[T], start: int) -> list[T]:
    start %= max(1, len(things))
    return [*things[start:], *things[:start]]


def _in_turns(queues: Sequence[list[Item]]) -> list[Item]:
    longest = max(map(len, queues), default=0)
    return [queue[place] for place in range(longest) for queue in queues if place < len(queue)]
