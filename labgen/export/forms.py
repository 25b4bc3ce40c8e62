"""The forms in which a knowledge row is trained on: closed book, open book, and among passages of other places."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from labgen.config.dataset import MixConfig
from labgen.export.chance import NUMBERS, number, numbering
from labgen.export.fit import RowLength, evidence_span, excerpt, shrink_to_fit
from labgen.export.rows import CLOSED_BOOK, DISTRACTORS, OPEN_BOOK
from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    import pyarrow as pa

FORMS = (CLOSED_BOOK, OPEN_BOOK, DISTRACTORS)

LEAST_TOKENS = 24
"""A passage with less room than that is not shown at all."""
MARK_TOKENS = 6
"""Tokens around a passage: its number and the blank line after it."""

LEAST_CITED_CHARS = 40
"""Evidence of less, a number or a name, stands in many a passage that does not bear the answer out."""

POOL_PASSAGES = 64
"""Passages of a leaf from which distractors are drawn: about 200 kB, and more than any model would tell apart."""


class Passages:
    """A bounded sample of distinct passages, the same in whatever order they come."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._heap: list[tuple[int, str]] = []

    def add(self, passage: str) -> None:
        """Offer a passage; offering it again changes nothing."""
        entry = (-number(self._seed, "passage", passage), passage)
        if len(self._heap) >= POOL_PASSAGES and entry <= self._heap[0]:
            return
        if entry in self._heap:
            return
        heapq.heappush(self._heap, entry)
        if len(self._heap) > POOL_PASSAGES:
            heapq.heappop(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def others(self, passage: str) -> list[tuple[int, str]]:
        """All but `passage`, each with a number that stands for it."""
        return [entry for entry in self._heap if entry[1] != passage]


@dataclass(frozen=True)
class Forms:
    """What is asked in each form.

    Args:
        mix: how many passages, how often the right one.
        far: passages of all leaves.
        length: how long a row may be.
    """

    mix: MixConfig
    far: Passages
    length: RowLength

    def asked(self, row: Mapping[str, Any], form: str, near: Passages) -> str | None:
        """The user's turn of a row in a form; None where the row then is too long for a trainer.

        Open book: passage, blank line, question. Distractors, after RAFT (arXiv 2403.10131): the right passage among
        `distractor_passages` wrong ones, at a random place, or, with probability 1 - `gold_share`, wrong ones only, so
        that the model also learns to answer from what it knows. RAFT takes distractors from all documents; ours come
        from the same leaf first (`near`), which are the harder ones, and from other leaves where it has too few. One
        that holds the right passage or is part of it, as those of several chunks are, or has the answer's evidence
        itself, is no wrong one; it is taken only where there is no other.

        Where all that is too long, the right passage is shown in part, around the evidence of the answer, then the
        wrong ones in part, then fewer of them, one at least.

        Args:
            row: with `id`, `context` and `messages`, and `verdicts` for distractors and where a length is set.
            near: the passages of the row's leaf.
        """
        question = row["messages"][0]["content"]
        if form == CLOSED_BOOK:
            return question if self._fits(row, question) else None
        wrong = self._wrong(row, near) if form == DISTRACTORS else []
        gold = row["context"] or ""
        shown = form == OPEN_BOOK or number(self.mix.seed, "gold", row["id"]) < self.mix.gold_share * NUMBERS
        place = number(self.mix.seed, "place of gold", row["id"])
        whole = self._below(gold if shown else None, wrong, place, form, question)
        if self._fits(row, whole):
            return whole
        room = self.length.room(_turns(row, question)) if row["messages"] else 0
        for count in range(len(wrong), 0, -1) if form == DISTRACTORS else (0,):
            write = self._in_part(row, gold if shown else None, wrong[:count], place, form, question)
            if text := shrink_to_fit(write, lambda text: self._fits(row, text), room):
                return text
        return None

    def _in_part(
        self, row: Mapping[str, Any], gold: str | None, wrong: Sequence[str], place: int, form: str, question: str
    ) -> Callable[[int], str | None]:
        """Passages that share so many tokens; None where one of them is too long, or next to nothing would be left."""
        count, shown = self.length.count, len(wrong) + (gold is not None)

        def write(room: int) -> str | None:
            share = room // max(1, shown) - MARK_TOKENS
            if share < LEAST_TOKENS:
                return None
            right = excerpt(gold, evidence_span(row), share, count) if gold is not None else None
            others = [excerpt(each, (0, 0), share, count) for each in wrong]
            if (gold is not None and right is None) or None in others:
                return None
            return self._below(right, [each for each in others if each], place, form, question)

        return write

    def _below(self, gold: str | None, wrong: Sequence[str], place: int, form: str, question: str) -> str:
        if form == OPEN_BOOK:
            return f"{gold}\n\n{question}"
        passages = list(wrong)
        if gold is not None:
            passages.insert(place % (len(passages) + 1), gold)
        return "\n\n".join([*(f"[{at}] {text}" for at, text in enumerate(passages, start=1)), question])

    def _wrong(self, row: Mapping[str, Any], near: Passages) -> list[str]:
        """The wrong passages that a row is shown among; at most `distractor_passages`."""
        gold = row["context"] or ""
        begin, end = evidence_span(row)
        cited = gold[begin:end] if end - begin >= LEAST_CITED_CHARS else gold
        pools = near.others(gold), self.far.others(gold)
        wrong = self._first(row, pools, lambda text: text not in gold and cited not in text)
        return wrong or self._first(row, pools, lambda text: True)

    def _first(
        self, row: Mapping[str, Any], pools: Iterable[list[tuple[int, str]]], may_be: Callable[[str], bool]
    ) -> list[str]:
        """Of those that may be, the first in the row's own order, of one pool before any of the next."""
        passages: list[str] = []
        of = numbering(self.mix.seed, f"distractor {row['id']}")
        for pool in pools:
            # Ranked by the passage's number, not its text: hashing 64 passages for every row would be most of the work.
            ranked = (text for _, text in sorted((of(str(key)), text) for key, text in pool))
            fresh = (text for text in ranked if text not in passages and may_be(text))
            passages += list(islice(fresh, self.mix.distractor_passages - len(passages)))
        return passages

    def _fits(self, row: Mapping[str, Any], asked: str) -> bool:
        return self.length.max_tokens is None or self.length.fits(_turns(row, asked))


def passages_apart(asked: str, form: str, context: str) -> tuple[tuple[str, ...], str]:
    """The passages that a user's turn shows in a form, whole or in part, and the question below them.

    Args:
        asked: as `Forms.asked` gives it. Where it is not quite that, there may be fewer passages; no text is lost.
        context: the row's own passage, for a question of several paragraphs.
    """
    if form == OPEN_BOOK:
        if context and asked.startswith(f"{context}\n\n"):
            return (context,), asked[len(context) + 2 :]
        passage, _, question = asked.rpartition("\n\n")
        return ((passage,) if passage else ()), question
    if form != DISTRACTORS or not asked.startswith("[1] "):
        return (), asked
    shown, _, question = asked.rpartition("\n\n")
    passages: list[str] = []
    while (mark := f"\n\n[{len(passages) + 2}] ") in shown:
        passage, _, shown = shown.partition(mark)
        passages.append(passage)
    passages.append(shown)
    return (passages[0].removeprefix("[1] "), *passages[1:]), question


def in_form(rows: pa.Table, form: str, near: Sequence[Passages], forms: Forms) -> pa.Table:
    """Rows in a form that they fit into; their ids, answers, passages (`context`) and sources stay what they were.

    Args:
        rows: of `rows.row_schema()`.
        near: the passages of each row's leaf.
    """
    import pyarrow as pa

    if form == CLOSED_BOOK:
        return rows
    by_evidence = form == DISTRACTORS or forms.length.max_tokens is not None
    looked_at = ["id", "context", "messages", *(["verdicts"] if by_evidence else [])]
    given = rows.select(looked_at).to_pylist()
    turns = [_turns(row, forms.asked(row, form, own) or "") for row, own in zip(given, near, strict=True)]
    for name, values in (("form", [form] * len(turns)), ("messages", turns)):
        place, field = rows.schema.get_field_index(name), rows.schema.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    return rows


def _turns(row: Mapping[str, Any], asked: str) -> list[dict[str, str]]:
    first, *rest = row["messages"]
    return [{**first, "content": asked}, *rest]
