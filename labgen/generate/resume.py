"""A leaf from the ledger alone: its slots one by one, for as long as all that they ask was paid for before.

A build begins with it, so that an unchanged leaf costs no call and an edited taxonomy only what is new; the price of a
build is reckoned with it, and what the ledger may forget.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from labgen.config import Config
from labgen.filters.available import filters_for, looks_for_duplicates
from labgen.filters.base import Filter
from labgen.filters.contamination import load_index
from labgen.filters.installed import any_installed
from labgen.generate.claims import Claim
from labgen.generate.context import Kit
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.spool import BLOCK_CANDIDATES, pack
from labgen.generate.workers import Workers, spare_processes
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import Call, Candidate, Reply
from labgen.teacher.client import Asking, Outcome, Watch
from labgen.teacher.connect import model_names

T = TypeVar("T")

WORTH_SHARING = 2000
"""Replies in the ledger from which on several processes look at it: before that, they would take longer to start."""


class NotPaid(Exception):
    """A call that the ledger does not hold."""


class LedgerOnly:
    """A door that answers from the ledger, and notes what the teacher would have to be asked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.paid: list[tuple[Call, Reply]] = []
        self.missing: dict[bytes, Call] = {}

    def begin(self) -> None:
        """Forget what was asked so far."""
        self.paid.clear()
        self.missing.clear()

    def kept(self, call: Call) -> Reply | None:
        """The kept reply, None where there is none."""
        reply = self._ledger.get(call.key)
        if reply is not None:
            self.paid.append((call, reply))
        return reply

    async def ask(self, call: Call) -> Reply:
        """Nothing to ask. Raises: NotPaid."""
        self.missing[call.key] = call
        raise NotPaid


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the ledger alone makes of a leaf.

    Attributes:
        past: its retired slots, up to the first that asks what is not paid for.
        done: whether that is all of the leaf; stopped: why it then ended short, empty where it did not.
        candidates: of the retired slots (count); blocks: they themselves, as `pack` writes them.
        from_ledger: replies taken from the ledger for them (count).
    """

    past: Past
    done: bool
    stopped: str
    candidates: int
    blocks: tuple[bytes, ...]
    from_ledger: int


async def replay_slots(run: LeafRun, door: LedgerOnly, each: Callable[[list[Candidate]], None]) -> None:
    """Retire a leaf's slots one by one, up to the first that asks what is not paid for.

    Args:
        each: given each slot's candidates, as it is retired.
    """
    events: asyncio.Queue[LeafRun | None] = asyncio.Queue()
    while not run.done and not door.missing:
        retired = run.retired
        await run.issue(events)
        await events.get()
        with suppress(NotPaid):
            candidates = run.retire()
            if run.retired > retired:
                each(candidates)
    run.cancel()


async def replay_leaf(plan: LeafPlan, kit: Kit, door: LedgerOnly, watch: Watch | None) -> Replayed:
    """Replay one leaf; `door` is the kit's own."""
    blocks: list[bytes] = []
    waiting: list[Candidate] = []
    claimed: list[Claim] = []
    count = from_ledger = 0

    def take(retired: list[Candidate]) -> None:
        nonlocal count, from_ledger
        count += len(retired)
        waiting.extend(retired)
        while len(waiting) >= BLOCK_CANDIDATES:
            blocks.append(pack(waiting[:BLOCK_CANDIDATES]))
            del waiting[:BLOCK_CANDIDATES]
        from_ledger += len(door.paid)
        if watch:
            for call, reply in door.paid:
                watch(Outcome(call, "ledger", reply=reply))
        door.paid.clear()

    door.begin()
    run = LeafRun(plan, kit, on_claimed=claimed.append)
    await replay_slots(run, door, take)
    if waiting:
        blocks.append(pack(waiting))
    return Replayed(run.past(() if run.done else claimed), run.done, run.stopped, count, tuple(blocks), from_ledger)


@dataclass(frozen=True)
class Replay:
    """A build's leaves, ready to be replayed.

    Attributes:
        filters: in the order of work; loaded before there are several processes, so that they share the memory.
        watch: told of every reply taken from the ledger; there are then no other processes.
    """

    config: Config
    sources: Sources
    filters: tuple[Filter, ...]
    watch: Watch | None = None

    def workers(self) -> Workers[Replayed]:
        """Workers on the plans of `sources`, by their places.

        They have nothing to do where the ledger is empty, nor where a filter of another package is among the filters,
        which may be bound to the event loop that it is first used in: then the engine meets what is paid on its way.
        """
        leaves = len(self.sources.plans) if replies_kept(self.config) and not any_installed(self.filters) else 0
        return Workers(self._opened, leaves, processes=0 if self.watch else processes_for(self.config, self.filters))

    @contextmanager
    def _opened(self) -> Iterator[Callable[[int], Replayed]]:
        with closing(open_ledger(self.config)) as ledger, one_by_one() as run:
            door = LedgerOnly(ledger)
            kit = kit_for(self.config, self.sources, door, self.filters)
            yield lambda place: run(replay_leaf(self.sources.plans[place], kit, door, self.watch))


@contextmanager
def one_by_one() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Runs coroutines to their ends, hundreds of them on one event loop; no task of one outlives it."""
    with asyncio.Runner() as runner:
        # Its own `run` would set up the handling of Ctrl-C for each, which writes out the last one's result to do so.
        loop = runner.get_loop()

        def run(work: Coroutine[Any, Any, T]) -> T:
            try:
                return loop.run_until_complete(work)
            finally:
                if left := asyncio.all_tasks(loop):
                    for task in left:
                        task.cancel()
                    loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

        yield run


def load_filters(config: Config) -> tuple[Filter, ...]:
    """All filters of a build, in the order of work."""
    return filters_for(config, load_index(config))


def kit_for(config: Config, sources: Sources, door: Asking, filters: tuple[Filter, ...]) -> Kit:
    """What leaves are replayed with."""
    teacher, judge = model_names(config)
    return Kit(door, sources.prompts, config, teacher, judge, filters, looks_for_duplicates(config))


def open_ledger(config: Config) -> Ledger:
    """The ledger, for reading alone; an empty one where there is none."""
    return Ledger(config.work_folder, read_only=True)


def replies_kept(config: Config) -> int:
    """About how many replies the ledger holds: never fewer, and 0 only for none."""
    with closing(open_ledger(config)) as ledger:
        return ledger.query("SELECT max(rowid) FROM replies")[0][0] or 0


def processes_for(config: Config, filters: tuple[Filter, ...]) -> int:
    """How many workers the ledger's replies are worth; none with filters of other packages, which may not stand it."""
    return spare_processes() if replies_kept(config) >= WORTH_SHARING and not any_installed(filters) else 0
