"""The forms in which a knowledge row is trained on: closed book, open book, and among passages of other places."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from labgen.config import MixConfig
from labgen.export.chance import NUMBERS, number
from labgen.export.rows import CLOSED_BOOK, DISTRACTORS, OPEN_BOOK

if TYPE_CHECKING:
    import pyarrow as pa

FORMS = (CLOSED_BOOK, OPEN_BOOK, DISTRACTORS)

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


def in_form(rows: pa.Table, form: str, mix: MixConfig, near: Sequence[Passages], far: Passages) -> pa.Table:
    """Knowledge rows in a form; their ids, questions, answers, passages (`context`) and sources stay what they were.

    Open book: passage, blank line, question. Distractors, after RAFT (arXiv 2403.10131): the right passage among
    `distractor_passages` wrong ones, at a random place, or, with probability 1 - `gold_share`, wrong ones only, so
    that the model also learns to answer from what it knows. RAFT takes distractors from all documents; ours come
    from the same leaf first (`near`), which are the harder ones, and from other leaves (`far`) where it has too few.

    Args:
        rows: of `rows.row_schema()`.
        near, far: the passages of each row's leaf, and all leaves'.
    """
    import pyarrow as pa

    if form == CLOSED_BOOK:
        return rows
    ids, golds, turns = (rows[name].to_pylist() for name in ("id", "context", "messages"))
    for row_id, gold, messages, own in zip(ids, golds, turns, near, strict=True):
        shown = gold or "" if form == OPEN_BOOK else _among_others(row_id, gold or "", mix, own, far)
        messages[0]["content"] = f"{shown}\n\n{messages[0]['content']}"
    for name, values in (("form", [form] * len(ids)), ("messages", turns)):
        place, field = rows.schema.get_field_index(name), rows.schema.field(name)
        rows = rows.set_column(place, field, pa.array(values, field.type))
    return rows


def _among_others(row_id: str, gold: str, mix: MixConfig, near: Passages, far: Passages) -> str:
    passages: list[str] = []
    for pool in (near.others(gold), far.others(gold)):
        # Ranked by the passage's number, not its text: hashing 64 passages for every row would be most of the work.
        ranked = sorted((number(mix.seed, f"distractor {row_id}", str(key)), text) for key, text in pool)
        fresh = [text for _, text in ranked if text not in passages]
        passages += fresh[: mix.distractor_passages - len(passages)]
    if number(mix.seed, "gold", row_id) < mix.gold_share * NUMBERS:
        passages.insert(number(mix.seed, "place of gold", row_id) % (len(passages) + 1), gold)
    return "\n\n".join(f"[{place}] {text}" for place, text in enumerate(passages, start=1))
