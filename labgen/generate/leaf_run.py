"""One leaf on its way through a build: slots run in any order, and are retired in theirs.

What depends on order is decided in two places only: near-duplicates when a slot's turn comes (every earlier slot has
been drawn), and acceptance when a slot is retired (every earlier slot is done). So no result depends on timing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf, Seen
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.slot_run import SlotResult, SlotRun
from labgen.generate.yields import falls_short
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan, per_slot
from labgen.plan.seed_sampling import asked_for
from labgen.records import Candidate


@dataclass(frozen=True, slots=True)
class Past:
    """What a leaf's first slots came to: all that its further slots depend on. `seen` leaves the seeds aside."""

    progress: LeafProgress
    seen: tuple[Seen, ...] = ()


class LeafRun:
    """The slots of one leaf.

    Attributes:
        progress: what the retired slots came to.
        issued: slots issued so far (count).
        seen: what the slots before those that it draws itself have brought.
        spent: keys of the calls made for the slots that were retired, in order.
        test: that of its judges.
    """

    def __init__(self, plan: LeafPlan, run: RunContext) -> None:
        self.plan = plan
        self.progress = LeafProgress(plan.wanted)
        self.issued = 0
        self.seen: tuple[Seen, ...] = ()
        self.spent: list[bytes] = []
        self._run = run
        self._per_call = run.config.generation.instructions_per_call
        self._per_slot = per_slot(plan, self._per_call)
        self.test = JudgesTest(plan, run)
        self._duplicates = DuplicatesInLeaf(plan, run.config.thresholds)
        self._live: dict[int, SlotRun] = {}

    def go_on_from(self, past: Past) -> None:
        """Take up a leaf that has drawn nothing yet where `past` leaves off."""
        self.progress = replace(past.progress)
        self.issued = past.progress.slots
        self.seen = past.seen
        self.test.take_over(past.progress.calibration)
        self._duplicates.go_on_from(past.progress.slots, past.seen)
        if past.progress.fruitful:
            self._run.yields.add(self.plan.flow.name, past.progress.drawn, past.progress.passed)

    @property
    def live_slots(self) -> int:
        """Slots issued and not yet retired."""
        return len(self._live)

    def wants_slot(self, *, eager: bool) -> bool:
        """Whether the slots on their way are expected to fall short of what is wanted; see `falls_short`."""
        progress = self.progress
        if progress.done or not self.test.fit or self.held_back:
            return False
        return falls_short(
            progress.missing,
            self._potential,
            drawn=progress.drawn,
            passed=progress.passed,
            usual=self._run.yields.share(self.plan.flow.name),
            per_slot=self._per_slot,
            eager=eager,
        )

    @property
    def needs_slot(self) -> bool:
        """Whether the slots on their way fall short even if all that may still be accepted of them is."""
        return self.progress.missing > self._potential

    @property
    def _potential(self) -> float:
        """How many candidates of the slots on their way may still be accepted (count)."""
        return sum(slot.potential for slot in self._live.values())

    @property
    def accepted_share(self) -> float:
        """Share of the rows wanted that the leaf has."""
        return self.progress.accepted / self.progress.wanted

    @property
    def filled(self) -> float:
        """Share of the rows wanted that the leaf has or is expected to have once its slots on their way are done."""
        progress = self.progress
        coming = self._potential * self._run.yields.share(self.plan.flow.name)
        return (progress.accepted + coming) / progress.wanted

    @property
    def held_back(self) -> bool:
        """Whether so many slots are on their way, without a draw that brought something, that they may be the last."""
        if self.progress.fruitful or any(slot.fruitful for slot in self._live.values()):
            return False
        return len(self._live) + len(self.progress.barren) >= self._run.config.stop.hopeless_after

    def issue(self, on_done: Callable[[], None]) -> SlotRun:
        """Start the next slot; the leaf's first one starts the test of its judges as well.

        Args:
            on_done: called when the slot is done, and when the test is over.
        """
        slot = SlotRun(self.issued, float(self._asked_for(self.issued)))
        self.issued += 1
        self._live[slot.index] = slot
        self.test.begin(on_done)

        def done(task: asyncio.Task[SlotResult]) -> None:
            if not task.cancelled():
                task.exception()  # Retrieved here: what ends the run ends many slots, and only one is asked why.
            on_done()

        slot.task = asyncio.create_task(self._draw(slot))
        slot.task.add_done_callback(done)
        return slot

    def _asked_for(self, index: int) -> int:
        return asked_for(self.plan, index, seed=self._run.config.seed, per_call=self._per_call)

    async def _draw(self, slot: SlotRun) -> SlotResult:
        if not await self.test.passed():
            return SlotResult()
        return await slot.run(self.plan, self._run, self._duplicates)

    def retire(self) -> list[SlotResult]:
        """Take the slots that are done, in order, up to the first that is not.

        Returns: what each came to, its candidates in their final states.
        Raises: LabgenError: what stopped a slot, where something did.
        """
        retired: list[SlotResult] = []
        while not self.progress.done and self.progress.slots in self._live:
            slot = self._live[self.progress.slots]
            if not slot.task.done():
                break
            retired.append(self._retire(slot.index, slot.task.result()))
            del self._live[slot.index]
        return retired

    def take_known(self, slot: SlotResult) -> SlotResult:
        """Retire the next slot, of which it is known what it comes to, none being on its way.

        Returns: as `retire`.
        """
        index = self.issued
        self.issued += 1
        self._duplicates.go_on_from(self.issued, slot.seen)
        return self._retire(index, slot)

    def _retire(self, index: int, slot: SlotResult) -> SlotResult:
        progress, passed = self.progress, self.progress.passed
        final = replace(slot, candidates=tuple(progress.accept(self._admitted(slot.candidates))))
        if progress.calibration is None and (test := self.test.result):
            progress.note_test(test, stops=self.test.stops(test))
        self.spent += slot.spent
        if self._run.noted:
            self._run.noted.count_part(slot.ranges)
        drawn = self._asked_for(index)
        progress.end_slot(slot.candidates, drawn, len(slot.spent), self._run.config.stop)
        if progress.fruitful:
            # A leaf whose judge is not fit, or of which nothing can be drawn, says nothing of the others' yield.
            self._run.yields.add(self.plan.flow.name, drawn, progress.passed - passed)
        return final

    def _admitted(self, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
        admit = self._run.admit
        if admit is None:
            return candidates
        return [admit(candidate) if candidate.state is None else candidate for candidate in candidates]

    def cancel(self) -> None:
        """Withdraw the slots that are still on their way."""
        for slot in self._live.values():
            slot.task.cancel()
        self._live.clear()
        self.test.cancel()

    def spent_ahead(self) -> int:
        """Calls asked for by slots that never became part of the build."""
        return sum(len(slot.spent) for slot in self._live.values())
