"""Multiple choice out of held-out questions: the right answer among three of the leaf's other answers.

A wrong answer is one that its own evidence bears out at another place of the document, and that nothing in the
question, its evidence or its right answer does: no number of it stands there, and at most `SHARED_WORDS` of its words
that say something. So it is refuted by what bears the right one out, not only different.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from labgen.export.chance import number
from labgen.export.held_out import answer_of, evidence_of, exchanges_of, question_of
from labgen.filters.leaks import Place, overlap
from labgen.lazy.dataclasses import dataclass
from labgen.text.rouge_words import tokenize
from labgen.text.words import COMMON_ENGLISH

WRONG = 3
"""Wrong answers of a question."""

SHARED_WORDS = 0.5
"""Share of a wrong answer's words that say something, above which the right evidence may bear it out as well."""

LETTERS = "ABCD"
_ASK = "Answer with the letter of the right answer alone."


@dataclass(frozen=True)
class _Answer:
    """An answer of a leaf, with what tells whether it is wrong for another question."""

    text: str
    question: str
    places: tuple[Place, ...]
    evidence: frozenset[str]
    words: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", frozenset(tokenize(self.text)))

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> _Answer:
        pieces, places = evidence_of(row)
        return cls(
            answer_of(row), question_of(row), places, frozenset(word for each in pieces for word in tokenize(each))
        )

    @property
    def telling(self) -> frozenset[str]:
        return frozenset(word for word in self.words if not word.isdigit() and word not in COMMON_ENGLISH)

    def refutes(self, other: _Answer) -> bool:
        """Whether another answer of the leaf is wrong for this one's question, by this one's evidence."""
        if not (self.places and other.places) or not other.telling | other.numbers:
            return False
        if any(overlap(one, two) for one in self.places for two in other.places):
            return False
        borne_out = self.evidence | self.words | frozenset(tokenize(self.question))
        shared = len(other.telling & borne_out)
        return (
            not other.numbers & borne_out
            and shared <= SHARED_WORDS * len(other.telling)
            and not other.words <= borne_out
            and not self.words <= other.words
            and frozenset(tokenize(self.question)) != frozenset(tokenize(other.question))
        )

    @property
    def numbers(self) -> frozenset[str]:
        return frozenset(word for word in self.words if any(char.isdigit() for char in word))


def choice_rows(
    recall: Sequence[Mapping[str, Any]],
    reading: Sequence[Mapping[str, Any]],
    trained: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    seed: int,
) -> list[dict[str, Any]]:
    """A row for each held-out question that three wrong answers are found for.

    Args:
        recall, reading: held-out rows, with leaf and evidence; trained: leaf to its training rows.
    Returns: rows of `held_out_schema("choice")`, in the order of the questions. Wrong answers are held-out ones where
        there are enough of a like length, so that being trained on does not tell them from the right one.
    """
    held = [*recall, *reading]
    by_leaf: dict[str, list[_Answer]] = {}
    for row in held:
        by_leaf.setdefault(row["leaf"], []).append(_Answer.of(row))
    trained_on = {leaf: [exchanges_of(row)[0] for row in trained.get(leaf, ()) if row["source"]] for leaf in by_leaf}
    known = {leaf: [_Answer.of(row) for row in rows] for leaf, rows in trained_on.items()}
    made = []
    for row in held:
        right = _Answer.of(row)
        wrong = _wrong(right, by_leaf[row["leaf"]], known[row["leaf"]])
        if len(wrong) == WRONG:
            made.append(_row(row, right.text, wrong, seed))
    return made


def _wrong(right: _Answer, held: Iterable[_Answer], trained: Iterable[_Answer]) -> list[str]:
    """Up to `WRONG` wrong answers that also differ from each other; those of the nearest length first."""
    found: list[_Answer] = []
    for pool in (held, trained):
        ranked = sorted(pool, key=lambda answer: (abs(len(answer.text) - len(right.text)), answer.text))
        for answer in ranked:
            if len(found) == WRONG:
                break
            if right.refutes(answer) and all(each.words != answer.words for each in found):
                found.append(answer)
    return [answer.text for answer in found]


def _row(row: Mapping[str, Any], right: str, wrong: Sequence[str], seed: int) -> dict[str, Any]:
    order = sorted(wrong, key=lambda text: number(seed, f"wrong answer of {row['id']}", text))
    place = number(seed, "place of the right answer", row["id"]) % (WRONG + 1)
    choices = [*order[:place], right, *order[place:]]
    asked = row["messages"][0]["content"]
    listed = "\n".join(f"{letter}. {text}" for letter, text in zip(LETTERS, choices, strict=True))
    return {
        **row,
        "id": hashlib.sha256(f"choice\0{row['id']}".encode()).hexdigest()[: len(row["id"])],
        "messages": [
            {"role": "user", "content": f"{asked}\n\n{listed}\n\n{_ASK}"},
            {"role": "assistant", "content": LETTERS[place]},
        ],
        "question": question_of(row),
        "choices": choices,
        "answer": place,
        "of": row["id"],
    }
