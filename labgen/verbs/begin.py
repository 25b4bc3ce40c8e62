"""The beginning of a build: whatever the ledger alone makes of its leaves."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

from labgen.export.collect import Collector
from labgen.generate.engine import Progress
from labgen.generate.leaf_outcomes import LeafOutcome
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import Past
from labgen.generate.resume import Replayed
from labgen.generate.yields import YieldSeen
from labgen.outcomes.store import OutcomeStore
from labgen.plan.leaf_plan import LeafPlan
from labgen.progress.watch import RunWatch
from labgen.teacher.traffic import Traffic
from labgen.verbs.session import Session

PROGRESS_SEC = 0.5


@dataclass(frozen=True)
class Begun:
    """A build for which all is done that the ledger alone allows.

    Attributes:
        left: the leaves that are not done, in build order.
        pasts: leaf to what its first slots came to, for those that were replayed and are not done.
        yields: what the leaves that are done have shown.
    """

    progress: Progress
    traffic: Traffic
    yields: YieldSeen
    left: list[LeafPlan]
    pasts: dict[str, Past]


class LeavesReplayed(Protocol):
    """What gives the leaves as the ledger makes them, such as `Workers`."""

    def begin(self) -> bool:
        """See `Workers.begin`."""

    def results(self, meanwhile: Callable[[], bool]) -> Iterator[tuple[int, LeafOutcome[Replayed]]]:
        """See `Workers.results`."""


def take_replayed(
    session: Session,
    workers: LeavesReplayed,
    collector: Collector,
    store: OutcomeStore,
    *,
    look_ahead: bool = False,
    watch: RunWatch | None = None,
) -> Begun:
    """Bring in what the ledger alone makes of every leaf.

    Args:
        store: where what leaves came to is kept.
        look_ahead: hold leaves against those before them although these are not done, to see early which will have to
            be drawn from further: what comes of that is no dataset.
    Raises: LedgerError; OutputError: no space.
    """
    plans = session.sources.plans
    progress, traffic, yields = Progress.of(plans), Traffic(), YieldSeen()
    # Where nothing is kept, there is no need to look for it; where other packages take part, the engine looks.
    known = () if session.replay.others_take_part else plans
    pasts = {plan.leaf.path: Past(LeafProgress(plan.wanted)) for plan in known}
    left = {plan.leaf.path: plan for plan in plans}
    if workers.begin():
        load_arrow()
    told_sec = time.monotonic()
    further = _Further(session, collector, store, progress, traffic, pasts, left, look_ahead=look_ahead)

    def meanwhile() -> bool:
        nonlocal told_sec
        if (now := time.monotonic()) - told_sec >= PROGRESS_SEC:
            told_sec = now
            if watch:
                watch.look("reading the ledger", collector.progress, traffic)
        return collector.move_on() or further.take()

    with further:
        for place, outcome in workers.results(meanwhile):
            leaf = outcome.tell(store)
            plan, came_to = plans[place], leaf.progress
            path = plan.leaf.path
            collector.take_replayed(path, leaf)
            progress.candidates += leaf.candidates
            progress.accepted += came_to.accepted
            progress.leaves_done += came_to.done
            traffic.kept_from.update(leaf.kept_from)
            if came_to.done:
                if came_to.fruitful:
                    yields.add(plan.flow.name, came_to.drawn, came_to.passed)
                del pasts[path], left[path]
            else:
                pasts[path] = leaf.past
            meanwhile()
        if known and len(left) < len(plans):
            for path in list(left) if look_ahead else ():
                collector.give_up(path)
            while collector.move_on() or further.take():
                pass
    return Begun(progress, traffic, yields, sorted(left.values(), key=lambda plan: plan.order), pasts)


class _Further:
    """Takes leaves further of which the look across leaves left too few rows, as far as the ledger alone does.

    It needs no other leaf than those before, so that it is done as soon as a leaf's turn has come: nothing after it can
    be brought in before.
    """

    def __init__(
        self,
        session: Session,
        collector: Collector,
        store: OutcomeStore,
        progress: Progress,
        traffic: Traffic,
        pasts: dict[str, Past],
        left: dict[str, LeafPlan],
        *,
        look_ahead: bool,
    ) -> None:
        self._session, self._collector, self._store = session, collector, store
        self._progress, self._traffic, self._pasts, self._left = progress, traffic, pasts, left
        self._look_ahead = look_ahead
        self._opened = ExitStack()

    @cached_property
    def _reopened(self) -> Callable[[LeafPlan, Sequence[int]], Replayed | None]:
        return self._opened.enter_context(self._session.replay.reopening(self._store))

    def take(self) -> bool:
        """Take the leaf further whose turn it is, where it has to be. Returns: whether there was anything to do."""
        if not (again := self._collector.reopen()):
            return False
        plan, rows = again
        path = plan.leaf.path
        leaf = self._reopened(plan, rows)
        if leaf is None:
            self._collector.give_up(path)
            return True
        self._traffic.kept_from.update(leaf.kept_from)
        self._collector.take_replayed(path, leaf)
        self._progress.candidates += leaf.candidates
        self._progress.accepted += leaf.progress.accepted - plan.wanted
        if not leaf.progress.done:
            self._progress.leaves_done -= 1
            self._pasts[path], self._left[path] = leaf.past, plan
            if self._look_ahead:
                self._collector.give_up(path)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._opened.close()


def load_arrow() -> None:
    """Load what datasets are written with, while there is time."""
    for module in ("pyarrow.parquet", "pyarrow.compute"):
        importlib.import_module(module)
