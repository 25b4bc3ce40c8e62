"""The slots of a leaf's outcome, each with what it rests on: where a threshold moved, only some have to be drawn anew.

A slot comes to the same while its own thresholds decide the same and the slots before it brought the same for it not to
resemble; its replies are those of the outcome. So a moved threshold costs the slots that it decides, not their leaf.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_in_leaf import Seen
from labgen.generate.blocks import Block, unpack, unpack_seen
from labgen.generate.context import RunContext
from labgen.generate.leaf_run import LeafRun
from labgen.generate.slot_run import SlotResult
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.thresholds import Range, all_within, pack_ranges, unpack_ranges
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State
from labgen.records.changed import changed
from labgen.teacher.traffic import Origin

Ranges = Mapping[str, Range]


@dataclass(frozen=True, slots=True)
class KeptSlot:
    """What a slot rests on, and how much of its leaf's outcome is its own.

    Attributes:
        candidates, seen: how many it brought; spent: keys of the calls made for it, in order.
        ranges: where its own thresholds could stand, packed.
    """

    candidates: int
    seen: int
    spent: tuple[bytes, ...]
    ranges: bytes

    @classmethod
    def of(cls, slot: SlotResult) -> KeptSlot:
        """That of a slot."""
        return cls(len(slot.candidates), len(slot.seen), slot.spent, pack_ranges(slot.ranges))


@dataclass(frozen=True, slots=True)
class KeptSlots:
    """What the slots of a leaf's outcome rest on, in order.

    Attributes:
        shared: where the thresholds could stand that decide for all of them.
        test: where those of the judges' test could stand.
        origins: where the reply to each call comes from, the test's included.
    """

    slots: tuple[KeptSlot, ...]
    shared: Ranges
    test: Ranges
    origins: Mapping[bytes, Origin]


class KnownSlots:
    """The slots of an outcome that was kept under other thresholds, as a leaf's run may take them over.

    Args:
        kept: what they rest on.
        calibration: how the leaf's judges did then; None where they were not tested.
        blocks: their candidates, and what they had seen.
        run: what the leaf is drawn with; it notes what its thresholds decide.
    """

    def __init__(
        self,
        plan: LeafPlan,
        kept: KeptSlots,
        calibration: Calibration | None,
        blocks: Iterable[Block],
        run: RunContext,
    ) -> None:
        self._kept, self._calibration = kept, calibration
        self._thresholds = run.noted.plain if run.noted else run.config.thresholds
        self._taken_over: list[bytes] = []
        self._next: SlotResult | None = None
        self._going_on = all_within(self._thresholds, kept.shared)
        self._results = iter(_results(plan.leaf.path, kept.slots, blocks) if self._going_on else ())
        if self._going_on and run.noted:
            run.noted.take_over(kept.shared)

    async def next(self, leaf: LeafRun) -> SlotResult | None:
        """The leaf's next slot, where it is known what it comes to; else it has to be drawn, and told with `drawn`.

        Before its first slot the test of the leaf's judges is taken over, or taken.
        """
        self._next = next(self._results, None) if self._going_on else None
        if (
            self._next is None
            or not await self._judges_fit(leaf)
            or not all_within(self._thresholds, self._next.ranges)
        ):
            return None
        self._taken_over += self._next.spent
        return self._next

    async def _judges_fit(self, leaf: LeafRun) -> bool:
        """Whether the leaf may be drawn from, as it was then. The test is taken over where it would come out alike."""
        test = self._calibration
        if test and leaf.test.stops(test):
            self._going_on = False  # its first slot was not drawn
            return False
        if test and not leaf.test.begun and all_within(self._thresholds, self._kept.test):
            leaf.test.take_over(test, self._kept.test)
            self._taken_over += test.calls
        leaf.test.begin(lambda: None)
        self._going_on = await leaf.test.over()
        return self._going_on

    def drawn(self, results: Iterable[SlotResult]) -> None:
        """The next slot was drawn, and came to this: what follows it is known only where it brought the same."""
        before = self._next.seen if self._next else None
        self._going_on = self._going_on and all(result.seen == before for result in results)

    def taken_over(self) -> list[tuple[bytes, Origin]]:
        """The calls of what was taken over since this was asked last, in order, and where their replies come from."""
        calls, self._taken_over = self._taken_over, []
        return [(call, self._kept.origins[call]) for call in calls]


def _results(path: str, slots: Iterable[KeptSlot], blocks: Iterable[Block]) -> list[SlotResult]:
    """What each slot of a leaf came to."""
    all_candidates, all_seen = list[Candidate](), list[Seen]()
    for block in blocks:
        all_candidates += unpack(path, block)
        all_seen += unpack_seen(block)
    candidates, seen = iter(all_candidates), iter(all_seen)
    return [
        SlotResult(
            tuple(map(_not_counted_yet, islice(candidates, slot.candidates))),
            tuple(islice(seen, slot.seen)),
            slot.spent,
            unpack_ranges(slot.ranges),
        )
        for slot in slots
    ]


def _not_counted_yet(candidate: Candidate) -> Candidate:
    """A candidate as it was before its leaf took it in: one that had passed, without a state."""
    passed = candidate.state in (State.ACCEPTED, State.SURPLUS)
    return changed(candidate, state=None, reason="") if passed else candidate
