"""One slot on its way: what it asks with, what it came to, and its fold over the steps of the leaf's flow."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import field

from labgen.filters.base import SlotContext
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf, Seen
from labgen.flows.obey_marks import obey_marks
from labgen.generate.context import RunContext
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.thresholds import Range
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.seed_sampling import make_slot
from labgen.records import Candidate
from labgen.records.changed import changed
from labgen.teacher.asker import Asker

FIRST, THEN = 0, 1
"""Rank of waiting calls: what much else waits for (draws, a leaf's test of its judges), then all other calls.

The longest chains of calls so begin first, also at a run's end, where nothing else would fill the teacher meanwhile.
"""


@dataclass(frozen=True, slots=True)
class SlotResult:
    """What a slot came to.

    Attributes:
        seen: what later slots of the leaf must not resemble; spent: keys of the calls made for it, in order.
        ranges: where its thresholds could stand, in a run that notes it.
    """

    candidates: tuple[Candidate, ...] = ()
    seen: tuple[Seen, ...] = ()
    spent: tuple[bytes, ...] = ()
    ranges: Mapping[str, Range] = field(default_factory=dict)


@dataclass
class SlotRun:
    """A slot that was issued.

    Attributes:
        potential: how many of its candidates may still be accepted (count).
        fruitful: whether its draw is known to have brought something.
        spent: keys of the calls made for it, in order.
    """

    index: int
    potential: float
    fruitful: bool = False
    spent: list[bytes] = field(default_factory=list)
    task: asyncio.Task[SlotResult] = field(init=False)

    async def run(self, plan: LeafPlan, run: RunContext, duplicates: DuplicatesInLeaf) -> SlotResult:
        """Take it through all steps of its flow."""

        def note(candidates: Sequence[Candidate]) -> None:
            self.potential = sum(candidate.state is None for candidate in candidates)
            self.fruitful = any(candidate.instruction for candidate in candidates)

        slot = slot_context(plan, run, self.index, duplicates, self.spent)
        noted = run.noted.part() if run.noted else None
        if noted:
            slot = changed(slot, thresholds=noted.thresholds)
        candidates = await obey_marks(await run.bound(plan.flow).fold(slot, note), slot, run.filters)
        note(candidates)
        # For the slot as a whole, since draws and verdicts are shared, and a flow of another package need not tell.
        answered_by = tuple(sorted(slot.asker.answered_by))
        told = tuple(changed(candidate, answered_by=answered_by) for candidate in candidates)
        return SlotResult(told, tuple(slot.seen), tuple(self.spent), noted.ranges() if noted else {})


def slot_context(
    plan: LeafPlan, run: RunContext, index: int, duplicates: DuplicatesInLeaf, spent: list[bytes]
) -> SlotContext:
    """What the steps of a slot look at and ask with."""
    asker = asker_for(plan, run, index, spent)
    return SlotContext(
        plan,
        example_pairs(plan.leaf, plan.flow),
        example_pairs(plan.leaf, plan.flow, asker.slot.seed_examples),
        asker,
        run.config.thresholds,
        duplicates,
        knowledge=run.config.knowledge,
    )


def asker_for(plan: LeafPlan, run: RunContext, index: int, spent: list[bytes] | None = None) -> Asker:
    """What a slot asks with."""
    return Asker(
        client=run.client,
        prompts=run.prompts,
        generation=run.config.generation,
        teacher=run.teacher,
        judge=run.judge,
        slot=make_slot(plan, index, seed=run.config.seed),
        priority=(THEN, index, plan.order) if run.breadth_first else (THEN, plan.order, index),
        spent=[] if spent is None else spent,
        parameters=run.parameters,
        draw_priority=() if run.breadth_first else (FIRST, plan.order, index),
    )
