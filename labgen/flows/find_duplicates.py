"""The step at which near-duplicates within a leaf are found: of two that are alike, the one of the earlier slot stays.

Source: self-instruct (arXiv 2212.10560) and LAB compare an instruction with all that were kept before it. Ours compares
it with all that came as far as this step, whatever judges say of them later, so that no result depends on timing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from labgen.filters.available import FilterSet
from labgen.filters.base import SlotContext
from labgen.flows.steps import WholeSlot
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Candidate


@dataclass(frozen=True)
class FindDuplicates(WholeSlot):
    """Ends what is too close to a seed example, or to what an earlier slot brought."""

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """None where near-duplicates are not looked for."""
        return self if filters.find_duplicates else None

    async def __call__(self, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
        """Wait for the slot's turn, and look at its candidates one after the other."""
        index = slot.asker.slot.index
        await slot.duplicates.turn(index)
        try:
            settled = []
            for candidate in candidates:
                looked_at, seen = slot.duplicates.look_at(candidate) if candidate.state is None else (candidate, None)
                settled.append(looked_at)
                if seen:
                    slot.seen.append(seen)
            return settled
        finally:
            # Whatever goes wrong here, later slots must not wait for it.
            slot.duplicates.end_turn(index)
