"""What becomes of retired candidates: leaf after leaf into the funnel and the dataset, while the teacher goes on.

Leaves retire in any order; a dataset and the look across leaves want them in one. So the candidates of a leaf whose
turn has not come wait, and each time something is retired a handful moves on. When the last reply has come, little is
left to do, unless the first leaves end last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labgen.export.dataset import DatasetWriter
from labgen.export.funnel import Funnel
from labgen.export.rows import LeafInfo
from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import Replayed
from labgen.generate.spool import Spool
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate


class Collector:
    """Takes what the leaves of a build yield, in whatever order they do, and brings it in leaf by leaf.

    Args:
        plans: in build order.
        leaves: what the dataset says of each, by path.
        across: the look for near-duplicates across leaves; None for none.

    Attributes:
        funnel: every candidate brought in so far.
        calibrations: leaf to how its judges did in their test; empty where they were not tested.
    """

    def __init__(
        self,
        plans: Sequence[LeafPlan],
        leaves: Mapping[str, LeafInfo],
        spool: Spool,
        writer: DatasetWriter,
        across: DuplicatesAcrossLeaves | None,
    ) -> None:
        self.funnel = Funnel()
        self.calibrations: dict[str, Calibration] = {}
        self._plans, self._leaves = plans, leaves
        self._spool, self._writer, self._across = spool, writer, across
        self._done: set[str] = set()
        self._place = -1
        for plan in plans:
            self.funnel.open(plan.leaf.path, plan.wanted)
        self._begin_next()

    def take(self, leaf: LeafRun, candidates: Sequence[Candidate]) -> None:
        """Take what was retired of a leaf, in slot order, and move a handful on. Raises: OutputError: no space."""
        path = leaf.plan.leaf.path
        self._spool.append(path, candidates)
        self._note(path, leaf.progress)
        self.move_on()

    def take_replayed(self, path: str, leaf: Replayed) -> None:
        """Take what was replayed of a leaf, before anything else of it; it moves on later. Raises: as `take`."""
        for block in leaf.blocks:
            self._spool.append_block(path, block)
        self._note(path, leaf.past.progress)

    def _note(self, path: str, progress: LeafProgress) -> None:
        self.funnel.close(path, calls=progress.calls, stopped=progress.stopped)
        if progress.calibration:
            self.calibrations[path] = progress.calibration
        if progress.done:
            self._done.add(path)

    def finish(self, why_early: str = "") -> None:
        """Bring in the rest; leaves that are not done, in a run that ended early, with what they have.

        Args:
            why_early: said of these leaves, where it is for a reason that holds for each.
        """
        for plan in self._plans:
            if why_early and plan.leaf.path not in self._done:
                tally = self.funnel.leaves[plan.leaf.path]
                self.funnel.close(plan.leaf.path, calls=tally.calls, stopped=why_early)
        self._done.update(plan.leaf.path for plan in self._plans)
        while self._place < len(self._plans):
            self.move_on()

    def move_on(self) -> bool:
        """Bring in the next handful of the leaf whose turn it is, or turn to the next leaf where it is over.

        Returns: whether there was a handful. Raises: OutputError: no space.
        """
        while self._place < len(self._plans):
            leaf = self._leaves[self._plans[self._place].leaf.path]
            if batch := self._spool.take(leaf.path):
                for candidate in batch:
                    settled = self._across.look_at(candidate) if self._across else candidate
                    self.funnel.add(settled)
                    self._writer.add(settled, leaf)
                return True
            if leaf.path not in self._done:
                return False
            self._writer.end_leaf(leaf)
            self._begin_next()
        return False

    def _begin_next(self) -> None:
        self._place += 1
        if self._across and self._place < len(self._plans):
            self._across.begin(self._plans[self._place])
