"""The step at which near-duplicates within a leaf are found: of two that are alike, the one of the earlier slot stays.

Source: self-instruct (arXiv 2212.10560) and LAB compare an instruction with all that were kept before it. Ours compares
it with all that came as far as this step, whatever judges say of them later, so that no result depends on timing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from labgen.filters.available import FilterSet
from labgen.filters.base import SlotContext
from labgen.formats.prompts import Prompt
from labgen.plan.flow import Flow
from labgen.records import Candidate


@dataclass(frozen=True)
class FindDuplicates:
    """Ends what is too close to a seed example, or to what an earlier slot brought."""

    whole_slot: ClassVar[Literal[True]] = True
    asks: ClassVar[bool] = False

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """None."""
        return ()

    def bind(self, flow: Flow, filters: FilterSet) -> FindDuplicates | None:
        """None where near-duplicates are not looked for."""
        return self if filters.find_duplicates else None

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """None: nothing is asked."""
        return {}

    async def __call__(self, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
        """Wait for the slot's turn, and look at its candidates one after the other."""
        index = slot.asker.slot.index
        await slot.duplicates.turn(index)
        settled = []
        for candidate in candidates:
            if candidate.state is not None:
                settled.append(candidate)
                continue
            looked_at, seen = slot.duplicates.look_at(candidate)
            settled.append(looked_at)
            if seen:
                slot.seen.append(seen)
        slot.duplicates.end_turn(index)
        return settled
