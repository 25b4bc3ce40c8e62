"""The step that has a passage told anew, so that it answers a question which was accepted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from labgen.filters.base import SlotContext, ended
from labgen.flows.draw import ask_document, document_of, typical_document
from labgen.flows.steps import WholeSlot
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.records import Candidate
from labgen.teacher.asker import CandidateEnds


@dataclass(frozen=True)
class Rewrite(WholeSlot):
    """Adds a document to a slot of the kind `rewrite`, on the first of its pairs that got this far.

    Source: none; rewrites that are conditioned on questions are measured in arXiv 2603.23562. Ours is asked for a
    question that the judges let pass, and is then checked sentence by sentence as every document is.
    """

    prompts: tuple[Prompt, ...] = ()
    asks: ClassVar[bool] = True

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """A document of half the passage."""
        return {prompt.name: typical_document(slot) for prompt in self.prompts}

    async def __call__(self, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
        """The pairs as they were, and the document, or why there is none."""
        pair = next((candidate for candidate in candidates if candidate.state is None), None)
        if slot.asker.slot.kind != "rewrite" or pair is None:
            return candidates
        own, position = slot.for_one(), max(candidate.position for candidate in candidates) + 1
        chunk = pair.context or ""
        try:
            reading = await ask_document(self.prompts[0], own, chunk=chunk, question=pair.instruction)
        except CandidateEnds as end:
            nothing = Candidate(
                pair.leaf, pair.slot, position, context=pair.context, source=pair.source,
                seed_examples=pair.seed_examples, kind="rewrite",
            )  # fmt: skip
            return [*candidates, ended(nothing, end)]
        made = document_of(reading, own, position=position)
        # What the question came from is part of its history.
        return [*candidates, replace(made, calls=(*pair.calls, *reading.calls))]
