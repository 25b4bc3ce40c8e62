"""The beginning of a build: whatever the ledger alone makes of its leaves."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import field
from functools import cached_property
from typing import Protocol, Self

from labgen.export.collect import Collector
from labgen.generate.engine import Progress
from labgen.generate.leaf_outcomes import LeafOutcome
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import Past
from labgen.generate.resume import Replayed
from labgen.generate.yields import YieldSeen
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.store import OutcomeStore
from labgen.plan.leaf_plan import LeafPlan
from labgen.progress.watch import RunWatch
from labgen.teacher.traffic import Traffic
from labgen.verbs.session import Session

PROGRESS_SEC = 0.5


@dataclass(frozen=True)
class Begun:
    """A build for which all is done that the ledger alone allows, or on its way there.

    Attributes:
        unfinished: leaf to plan, for those that are not done.
        pasts: leaf to what its first slots came to, for those that were replayed and are not done.
        yields: what the leaves that are done have shown.
    """

    progress: Progress
    unfinished: dict[str, LeafPlan]
    pasts: dict[str, Past]
    traffic: Traffic = field(default_factory=Traffic)
    yields: YieldSeen = field(default_factory=YieldSeen)

    @property
    def left(self) -> list[LeafPlan]:
        """The leaves that are not done, in build order."""
        return sorted(self.unfinished.values(), key=lambda plan: plan.order)

    def add(self, plan: LeafPlan, leaf: Replayed) -> None:
        """A leaf came to this."""
        path, came_to = plan.leaf.path, leaf.progress
        self.traffic.kept_from.update(leaf.kept_from)
        self.progress.candidates += leaf.candidates
        self.progress.accepted += came_to.accepted
        self.progress.leaves_done += came_to.done
        if not came_to.done:
            self.pasts[path] = leaf.past
            return
        if came_to.fruitful:
            self.yields.add(plan.flow.name, came_to.drawn, came_to.passed)
        del self.pasts[path], self.unfinished[path]

    def add_further(self, plan: LeafPlan, leaf: Replayed) -> None:
        """A leaf that was done was taken further, and came to this."""
        self.traffic.kept_from.update(leaf.kept_from)
        self.progress.candidates += leaf.candidates
        self.progress.accepted += leaf.progress.accepted - plan.wanted
        if not leaf.progress.done:
            self.progress.leaves_done -= 1
            self.pasts[plan.leaf.path], self.unfinished[plan.leaf.path] = leaf.past, plan


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
    # Where nothing is kept, there is no need to look for it; where other packages take part, the engine looks.
    known = () if session.replay.others_take_part else plans
    pasts = {plan.leaf.path: Past(LeafProgress(plan.wanted)) for plan in known}
    begun = Begun(Progress.of(plans), {plan.leaf.path: plan for plan in plans}, pasts)
    if workers.begin():
        load_arrow()
    told_sec = time.monotonic()

    def meanwhile() -> bool:
        nonlocal told_sec
        if (now := time.monotonic()) - told_sec >= PROGRESS_SEC:
            told_sec = now
            if watch:
                watch.look("reading the ledger", collector.progress, begun.traffic)
        return collector.move_on() or further.take()

    with _Further(session, collector, store, begun, look_ahead=look_ahead) as further:
        for place, outcome in workers.results(meanwhile):
            plan, leaf = plans[place], outcome.tell(store)
            collector.take_replayed(plan.leaf.path, leaf)
            begun.add(plan, leaf)
            meanwhile()
        if known and len(begun.unfinished) < len(plans):
            for path in list(begun.unfinished) if look_ahead else ():
                collector.give_up(path)
            while collector.move_on() or further.take():
                pass
    return begun


class _Further:
    """Takes leaves further of which the look across leaves left too few rows, as far as the ledger alone does.

    It needs no other leaf than those before, so that it is done as soon as a leaf's turn has come: nothing after it can
    be brought in before.
    """

    def __init__(
        self, session: Session, collector: Collector, store: OutcomeStore, begun: Begun, *, look_ahead: bool
    ) -> None:
        self._session, self._collector, self._store = session, collector, store
        self._begun, self._look_ahead = begun, look_ahead
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
        self._collector.take_replayed(path, leaf)
        self._begun.add_further(plan, leaf)
        if self._look_ahead and not leaf.progress.done:
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
