"""How much of a leaf's documents its rows come from: passages drawn from, passages with rows, sentences cited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, Chunk, State
from labgen.text.sentences import sentence_spans


@dataclass(frozen=True, slots=True)
class Coverage:
    """Counts of a leaf, or of several.

    Attributes:
        passages: that its documents were cut into; drawn: those that a draw worked from; with_rows: those of which a
            row was accepted.
        sentences: in the passages; cited: those that stand as evidence in an accepted row, in whole or in part.
    """

    passages: int = 0
    drawn: int = 0
    with_rows: int = 0
    sentences: int = 0
    cited: int = 0

    def __add__(self, other: Coverage) -> Coverage:
        if not other.passages:
            return self
        return Coverage(
            self.passages + other.passages,
            self.drawn + other.drawn,
            self.with_rows + other.with_rows,
            self.sentences + other.sentences,
            self.cited + other.cited,
        )

    @property
    def words(self) -> str:
        """In words; '' where there are no documents."""
        if not self.passages:
            return ""
        cited = f"{self.cited / self.sentences:.0%} of their sentences are" if self.sentences else "no sentence is"
        return (
            f"{self.drawn:,} of {self.passages:,} passages drawn from, {self.with_rows:,} with rows; {cited} evidence "
            "of an answer"
        )

    def to_json(self) -> dict[str, int]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Coverage:
        """The inverse of `to_json`."""
        return cls(**{name: int(data[name]) for name in asdict(cls())})


NOT_FROM_DOCUMENTS = Coverage()
"""That of a leaf without documents."""


class CoverageCount:
    """Counts one leaf's candidates against its passages."""

    def __init__(self, plan: LeafPlan) -> None:
        self._chunks = plan.chunks
        self._by_start = {_place(chunk, chunk.source.start): number for number, chunk in enumerate(plan.chunks)}
        self._by_end = {_place(chunk, chunk.source.end): number for number, chunk in enumerate(plan.chunks)}
        self._spans: dict[int, list[tuple[int, int]]] = {}
        self._cited: set[tuple[int, int]] = set()
        self._with_rows: set[int] = set()
        self._drawn: set[int] = set()

    def add(self, candidate: Candidate) -> None:
        """Count a candidate in its final state."""
        shown = self._shown(candidate)
        self._drawn.update(number for number, _ in shown)
        for number, at in shown if candidate.state is State.ACCEPTED else ():
            self._with_rows.add(number)
            for start, end in self._evidence(candidate):
                for place, (first, last) in enumerate(self._sentences(number)):
                    if start - at < last and end - at > first:
                        self._cited.add((number, place))

    def result(self, slots: int) -> Coverage:
        """What it comes to, of a leaf with so many retired slots: these go through all passages before one twice."""
        sentences = sum(len(self._sentences(number)) for number in range(len(self._chunks)))
        # A draw of which nothing could be read says of no passage that it is from it.
        drawn = max(min(slots, len(self._chunks)), len(self._drawn))
        return Coverage(len(self._chunks), drawn, len(self._with_rows), sentences, len(self._cited))

    def _shown(self, candidate: Candidate) -> list[tuple[int, int]]:
        """The passages that a candidate was drawn from, each with its place in the context (characters)."""
        source, context = candidate.source, candidate.context or ""
        if source is None:
            return []
        ends = (
            self._by_start.get((source.repo, source.commit, source.file, source.start)),
            self._by_end.get((source.repo, source.commit, source.file, source.end)),
        )
        numbers = dict.fromkeys(number for number in ends if number is not None)
        found = ((number, context.find(self._chunks[number].text)) for number in numbers)
        return [(number, at) for number, at in found if at >= 0]

    def _evidence(self, candidate: Candidate) -> list[tuple[int, int]]:
        pieces = (piece for verdict in candidate.verdicts for piece in verdict.evidence)
        context = candidate.context or ""
        return [
            (piece.start, piece.end)
            for piece in pieces
            if piece.start >= 0 and _stands(context, piece.text, piece.start)
        ]

    def _sentences(self, number: int) -> Sequence[tuple[int, int]]:
        if number not in self._spans:
            self._spans[number] = sentence_spans(self._chunks[number].text)
        return self._spans[number]


def _stands(context: str, text: str, start: int) -> bool:
    """Whether evidence is words of the context; some filters point into question or answer instead."""
    return context.startswith(text, start)


def _place(chunk: Chunk, at: int) -> tuple[str, str, str, int]:
    return chunk.source.repo, chunk.source.commit, chunk.source.file, at
