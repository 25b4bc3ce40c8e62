"""The test of a leaf's judges, which comes before its slots: a leaf whose judges are not fit is not drawn from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

from labgen.filters.calibration import Calibration, put_to_test
from labgen.generate.context import RunContext
from labgen.generate.slot_run import FIRST, asker_for
from labgen.outcomes.thresholds import Range
from labgen.plan.leaf_plan import LeafPlan
from labgen.teacher.asker import Asker


class JudgesTest:
    """One leaf's test. It runs beside the leaf's first slot, which waits for it; the leaf has no other slot until then.

    Attributes:
        begun: whether it was ever started; never where judges are not tested.
        ranges: where its thresholds could stand, in a run that notes it.
    """

    def __init__(self, plan: LeafPlan, run: RunContext) -> None:
        self._plan, self._run = plan, run
        self._outcome: asyncio.Future[Calibration] | None = None
        self.ranges: Mapping[str, Range] = {}

    @property
    def begun(self) -> bool:
        """Whether it was started, or done before."""
        return self._outcome is not None

    @property
    def fit(self) -> bool:
        """Whether the leaf may be drawn from as far as it likes: not tested, or over and passed."""
        outcome = self._outcome
        if outcome is None:
            return True
        over = outcome.done() and not outcome.cancelled() and outcome.exception() is None
        return over and not self.stops(outcome.result())

    @property
    def result(self) -> Calibration | None:
        """How the judges did, once that is known; None where they are not tested. Raises: what stopped it."""
        return self._outcome.result() if self._outcome else None

    def begin(self, on_done: Callable[[], None]) -> None:
        """Start it, where judges are tested and that was not done yet; `on_done` is called when it is over."""
        if self._outcome is not None or not self._run.config.calibration.enabled:
            return

        def over(task: asyncio.Future[Calibration]) -> None:
            if not task.cancelled():
                task.exception()  # Retrieved here, since the slot that waits for it may have been withdrawn.
            on_done()

        self._outcome = asyncio.create_task(self.take())
        self._outcome.add_done_callback(over)

    def take_over(self, calibration: Calibration | None, ranges: Mapping[str, Range] | None = None) -> None:
        """Go on from a test that was taken before; None where there was none. `ranges`: what it rests on."""
        if calibration:
            self._note(ranges or {})
            self._outcome = asyncio.get_running_loop().create_future()
            self._outcome.set_result(calibration)

    async def over(self) -> bool:
        """Wait until it is; whether the leaf may be drawn from. What stopped it is no error here."""
        if self._outcome:
            await asyncio.wait([self._outcome])
        return self.fit

    async def passed(self) -> bool:
        """Wait for it; whether the leaf may be drawn from."""
        return self._outcome is None or not self.stops(await asyncio.shield(self._outcome))

    def stops(self, calibration: Calibration) -> bool:
        """Whether the leaf's judges are too weak for it to be drawn from.

        The rehearsal's judges are tested and reported like any, but nobody trains on what they let through: a rehearsal
        goes on, and shows what it is for.
        """
        return bool(calibration.problem) and not calibration.rehearsal

    def cancel(self) -> None:
        """Withdraw what is still on its way."""
        if self._outcome:
            self._outcome.cancel()

    async def take(self) -> Calibration:
        """Put the leaf's judges to the test now."""
        config = self._run.config
        judges = self._run.bound(self._plan.flow).judges
        noted = self._run.noted.part() if self._run.noted else None
        thresholds = noted.thresholds if noted else config.thresholds
        found = await put_to_test(self._plan, judges, self.asker(), thresholds, config.calibration)
        self._note(noted.ranges() if noted else {})
        return found

    def _note(self, ranges: Mapping[str, Range]) -> None:
        self.ranges = ranges
        if self._run.noted:
            self._run.noted.count_part(ranges)

    def asker(self) -> Asker:
        """For questions that belong to no slot of the leaf; they come before its slots."""
        priority = (FIRST, self._plan.order, -1)
        return replace(asker_for(self._plan, self._run, 0), priority=priority, draw_priority=())
