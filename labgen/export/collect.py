"""What becomes of retired candidates: leaf after leaf into the funnel and the dataset, while the teacher goes on.

Leaves retire in any order; a dataset and the look across leaves want them in one. So the candidates of a leaf whose
turn has not come wait, and each time something is retired a handful moves on. When the last reply has come, little is
left to do, unless the first leaves end last.

A leaf that is full by itself is full only when its turn has come and its rows were held against those of the leaves
before it: a row that is dropped then has its place taken by a surplus one, and where there is none the leaf is drawn
from again, from its next slot on. So `samples` rows are what the dataset has, and what becomes of a candidate depends
on slots and leaves before it alone, never on timing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from labgen.export.coverage import CoverageCount
from labgen.export.funnel import Funnel
from labgen.export.rows import LeafInfo
from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import Replayed
from labgen.generate.spool import Spool
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State
from labgen.records.changed import changed

LEAF_FULL = "leaf_already_full"
AHEAD = "ahead_of_other_leaves"
"""Why a row waits that a budget has paid for and that would make its leaf larger than others; a later run takes it."""
REPAIRED = "repaired"
"""What the funnel says of rows that were saved: their first response had failed."""
FAILED_BEFORE = "rows were too close to earlier leaves', and an earlier draw has had no reply"
"""Why a leaf ends short that can't be drawn from further: the next run asks that draw again."""


class Written(Protocol):
    """What candidates are brought into, leaf by leaf: a dataset, most often."""

    def add(self, candidate: Candidate, leaf: LeafInfo) -> Sequence[Mapping[str, Any]]:
        """Take a candidate in its final state. Returns: rows beside the dataset's own that are made of it."""

    def end_leaf(self, leaf: LeafInfo) -> None:
        """Nothing more comes of a leaf."""


class Collector:
    """Takes what the leaves of a build yield, in whatever order they do, and brings it in leaf by leaf.

    Args:
        plans: in build order.
        leaves: what the dataset says of each, by path.
        across: the look for near-duplicates across leaves; None for none.
        evenly: whether a run that ends early leaves its unfinished leaves filled alike; nothing of these moves on until
            then.

    Attributes:
        funnel: every candidate brought in so far.
        calibrations: leaf to how its judges did in their test; empty where they were not tested.
        progress: leaf to how far it was when something of it was taken last; none of those that have not begun.
        across: the look for near-duplicates across leaves; once all is brought in, it has seen every row.
    """

    def __init__(
        self,
        plans: Sequence[LeafPlan],
        leaves: Mapping[str, LeafInfo],
        spool: Spool,
        writer: Written,
        across: DuplicatesAcrossLeaves | None,
        *,
        evenly: bool = False,
    ) -> None:
        self.funnel = Funnel()
        self.calibrations: dict[str, Calibration] = {}
        self._plans, self._leaves = plans, leaves
        self._spool, self._writer, self.across = spool, writer, across
        self._done: set[str] = set()
        self._place = -1
        self._accepted = 0
        self._left: tuple[int, ...] = ()
        self._may_reopen = True
        self._evenly = evenly
        self.progress: dict[str, LeafProgress] = {}
        self._coverage: CoverageCount | None = None
        self._most: dict[str, int] = {}
        for plan in plans:
            self.funnel.open(plan.leaf.path, plan.wanted)
        self._begin_next()

    def take(self, leaf: LeafRun, candidates: Sequence[Candidate]) -> None:
        """Take what was retired of a leaf, in slot order, and move a handful on. Raises: OutputError: no space."""
        self.take_of(leaf.plan.leaf.path, candidates, leaf.progress)
        self.move_on()

    def take_of(self, path: str, candidates: Sequence[Candidate], progress: LeafProgress) -> None:
        """Take what was retired of a leaf, and how far it is with that; it moves on later. Raises: as `take`."""
        self._spool.append(path, candidates)
        self._note(path, progress)

    def take_replayed(self, path: str, leaf: Replayed) -> None:
        """Take what was replayed of a leaf, before anything else of it; it moves on later. Raises: as `take`."""
        for block in leaf.blocks:
            self._spool.append_block(path, block)
        self._note(path, leaf.progress)

    def _note(self, path: str, progress: LeafProgress) -> None:
        self.funnel.close(path, calls=progress.calls, stopped=progress.stopped)
        self.progress[path] = replace(progress)
        if progress.calibration:
            self.calibrations[path] = progress.calibration
        if progress.done:
            self._done.add(path)

    def _retired_slots(self, path: str) -> int:
        return self.progress[path].slots if path in self.progress else 0

    def finish(self, why_early: str = "") -> None:
        """Bring in the rest; leaves that are not done, in a run that ended early, with what they have.

        Args:
            why_early: said of these leaves, where it is for a reason that holds for each.
        """
        for plan in self._plans:
            if why_early and plan.leaf.path not in self._done:
                tally = self.funnel.leaves[plan.leaf.path]
                self.funnel.close(plan.leaf.path, calls=tally.calls, stopped=why_early)
        if self._evenly:
            self._most = self._even_rows()
        self._done.update(plan.leaf.path for plan in self._plans)
        self._may_reopen = self._evenly = False
        while self._place < len(self._plans):
            self.move_on()

    def move_on(self) -> bool:
        """Bring in the next handful of the leaf whose turn it is, or turn to the next leaf where it is over.

        Returns: whether there was a handful. Raises: OutputError: no space.
        """
        while self._place < len(self._plans):
            leaf = self._leaves[self._plans[self._place].leaf.path]
            if self._evenly and leaf.path not in self._done:
                return False
            if batch := self._spool.take(leaf.path):
                self._expect(batch, leaf.wanted)
                for candidate in batch:
                    settled = self._settle(candidate, leaf.wanted)
                    self.funnel.add(settled)
                    if self._coverage:
                        self._coverage.add(settled)
                    self._writer.add(settled, leaf)
                return True
            if leaf.path not in self._done or self._short:
                return False
            if self._coverage:
                self.funnel.cover(leaf.path, self._coverage.result(self._retired_slots(leaf.path)))
            self._writer.end_leaf(leaf)
            self._begin_next()
        return False

    def _expect(self, batch: Sequence[Candidate], wanted: int) -> None:
        """Let the look across leaves prepare for those that it will be asked about, or most of them."""
        if self.across and self._accepted < wanted:
            self.across.expect(each for each in batch if each.state in (State.ACCEPTED, State.SURPLUS))

    def _settle(self, candidate: Candidate, wanted: int) -> Candidate:
        """A candidate in its final state, by what its own leaf made of it and by the rows of earlier leaves."""
        if candidate.state not in (State.ACCEPTED, State.SURPLUS):
            return candidate
        if self._accepted >= self._most.get(candidate.leaf, wanted):
            reason = LEAF_FULL if self._accepted >= wanted else AHEAD
            return changed(candidate, state=State.SURPLUS, reason=reason)
        settled, reason = candidate, REPAIRED if candidate.repaired else ""
        if candidate.state is not State.ACCEPTED or candidate.reason != reason:
            settled = changed(candidate, state=State.ACCEPTED, reason=reason)
        if self.across:
            settled = self.across.look_at(settled)
        self._accepted += settled.state is State.ACCEPTED
        return settled

    def _even_rows(self) -> dict[str, int]:
        """The most rows of each unfinished leaf, so that all have the same share of what is wanted, to within a row.

        A leaf of which nothing was accepted yet does not hold the others down.
        """
        unfinished = [plan for plan in self._plans if plan.leaf.path not in self._done]
        of = self.progress
        rows = {path: of[path].accepted if path in of else 0 for path in (plan.leaf.path for plan in unfinished)}
        share = min((rows[plan.leaf.path] / plan.wanted for plan in unfinished if rows[plan.leaf.path]), default=1.0)
        return {plan.leaf.path: int(share * plan.wanted) + 1 for plan in unfinished}

    @property
    def _short(self) -> bool:
        """Whether the leaf whose turn it is was full by itself, and is not any more."""
        path = self._plans[self._place].leaf.path
        full = path in self._done and not self.funnel.leaves[path].stopped
        return self._may_reopen and full and self._accepted < self._leaves[path].wanted

    def reopen(self, *, whatever_waits: bool = False) -> tuple[LeafPlan, tuple[int, ...]] | None:
        """The leaf whose turn it is, where it has to be drawn from again: see `labgen.generate.engine.Reopening`."""
        while whatever_waits and self.move_on():
            pass
        if self._place >= len(self._plans) or self._spool.holds(self._plans[self._place].leaf.path) or not self._short:
            return None
        plan = self._plans[self._place]
        self._done.discard(plan.leaf.path)
        self._left += (self._accepted,)
        return plan, self._left

    def give_up(self, path: str) -> None:
        """A leaf that was to be drawn from again can't be, in this run."""
        self._done.add(path)
        self.funnel.close(path, calls=self.funnel.leaves[path].calls, stopped=FAILED_BEFORE)

    def _begin_next(self) -> None:
        self._place += 1
        self._accepted, self._left = 0, ()
        chunks = self._place < len(self._plans) and self._plans[self._place].chunks
        self._coverage = CoverageCount(self._plans[self._place]) if chunks else None
        if self.across and self._place < len(self._plans):
            self.across.begin(self._plans[self._place])
