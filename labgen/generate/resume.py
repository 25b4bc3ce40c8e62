"""How a build goes on where an earlier one was: each leaf is taken from the ledger as far as all that it asks was paid.

So an unchanged leaf costs no call, a killed run loses none, and an edited taxonomy pays only for what is new; the price
of a build is reckoned with the same. Where the ledger holds much, several processes share the leaves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from labgen.config import Config
from labgen.filters.available import FilterSet
from labgen.generate.context import RunContext
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.spool import BLOCK_CANDIDATES, pack
from labgen.generate.workers import Workers, spare_processes
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import Candidate
from labgen.teacher.client import Asking
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.traffic import CallOutcome, Origin, Watch

T = TypeVar("T")

WORTH_SHARING = 2000
"""Replies in the ledger from which on several processes look at it: before that, they would take longer to start."""


async def replay_slots(leaf: LeafRun, client: LedgerOnly, retired: Callable[[list[Candidate]], None]) -> Past:
    """Retire a leaf's slots one by one, up to the first that asks what is not paid for.

    Args:
        client: that of the leaf's run; what it has `paid` is what the slot at hand took.
        retired: given each slot's candidates, as it is retired.
    Returns: what they came to, after what the leaf had come to before.
    """
    client.begin()
    seen = list(leaf.seen)
    while not leaf.progress.done:
        slot = leaf.issue(lambda: None)
        await asyncio.wait([slot.task])
        if client.missing:
            # Whatever a package's code may have made of that: the slot has not come to anything yet.
            break
        for result in leaf.retire():
            seen += result.seen
            retired(list(result.candidates))
            client.paid.clear()
    leaf.cancel()
    return Past(leaf.progress, tuple(seen))


async def replay_reopened(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, left: Sequence[int], paid: Callable[[], None]
) -> tuple[Past, list[Candidate]] | None:
    """Take a leaf beyond the slots that filled it, since rows of these were too close to earlier leaves'.

    Args:
        client: that of `run`; what it has `paid` is what the slot at hand took.
        left: rows that the look across leaves left each time when the leaf was full, one number or more.
        paid: called for each further slot, as it is retired.
    Returns: what all slots came to, and the candidates of those after the leaf was last full; None where the ledger
        lacks a reply to one of the slots before, which failed.
    """
    past, further = Past(LeafProgress(plan.wanted)), list[Candidate]()

    def take(candidates: list[Candidate]) -> None:
        if reopened == len(left):
            further.extend(candidates)
            paid()

    for reopened in range(len(left) + 1):
        leaf = LeafRun(plan, run)
        if reopened:
            past = Past(past.progress.reopened(left[reopened - 1]), past.seen)
        leaf.go_on_from(past)
        past = await replay_slots(leaf, client, take)
        if not past.progress.done and reopened < len(left):
            return None
    return past, further


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the ledger alone makes of a leaf.

    Attributes:
        past: its retired slots, up to the first that asks what is not paid for.
        candidates: of the retired slots (count); blocks: they themselves, as `pack` writes them.
        kept_from: where the replies come from that were taken from the ledger for them.
    """

    past: Past
    candidates: int
    blocks: tuple[bytes, ...]
    kept_from: Counter[Origin]


async def replay_leaf(plan: LeafPlan, run: RunContext, client: LedgerOnly, watch: Watch | None) -> Replayed:
    """Replay one leaf; `client` is that of `run`."""
    blocks: list[bytes] = []
    waiting: list[Candidate] = []
    count = 0
    kept_from: Counter[Origin] = Counter()

    def take(retired: list[Candidate]) -> None:
        nonlocal count
        count += len(retired)
        waiting.extend(retired)
        while len(waiting) >= BLOCK_CANDIDATES:
            blocks.append(pack(waiting[:BLOCK_CANDIDATES]))
            del waiting[:BLOCK_CANDIDATES]
        kept_from.update(Origin.of(call, reply) for call, reply in client.paid)
        if watch:
            for call, reply in client.paid:
                watch(CallOutcome(call, "ledger", reply=reply))

    past = await replay_slots(LeafRun(plan, run), client, take)
    if waiting:
        blocks.append(pack(waiting))
    if past.progress.done:
        past = Past(past.progress)  # what it has seen is needed only where it goes on
    return Replayed(past, count, tuple(blocks), kept_from)


@dataclass(frozen=True)
class Replay:
    """A build's leaves, ready to be replayed.

    Attributes:
        filters: loaded before there are several processes, so that they share the memory.
        teacher, judge: the models' logical names.
        watch: told of every reply taken from the ledger; there are then no other processes.
    """

    config: Config
    sources: Sources
    filters: FilterSet
    teacher: str
    judge: str
    watch: Watch | None = None

    @property
    def possible(self) -> bool:
        """Whether there is something to replay here. Not where other packages have a part in it: the engine replays
        then.
        """
        return bool(replies_kept(self.config)) and not self.others_take_part

    @property
    def others_take_part(self) -> bool:
        """Whether filters or flows of other packages do, which may be bound to the event loop that they are first
        used in, and to the process.
        """
        return bool(self.filters.installed or any(plan.flow.package for plan in self.sources.plans))

    def workers(self) -> Workers[Replayed]:
        """Workers on the plans of `sources`, by their places; they have nothing to do where that is not possible."""
        leaves = len(self.sources.plans) if self.possible else 0
        return Workers(self._opened, leaves, processes=0 if self.watch else self.processes)

    @contextmanager
    def _opened(self) -> Iterator[Callable[[int], Replayed]]:
        with closing(open_ledger(self.config)) as ledger, one_by_one() as at_once:
            client = LedgerOnly(ledger)
            run = self.context(client)
            yield lambda place: at_once(replay_leaf(self.sources.plans[place], run, client, self.watch))

    def context(self, client: Asking) -> RunContext:
        """What leaves are drawn with, by a client."""
        return RunContext(client, self.sources.prompts, self.config, self.teacher, self.judge, self.filters)

    @property
    def processes(self) -> int:
        """How many workers the ledger's replies are worth.

        None where they might be another package's undoing, nor in a thread beside the main one, as in notebooks: what
        other threads hold at that moment would be held for ever in a process that is forked.
        """
        beside = threading.current_thread() is not threading.main_thread()
        if beside or self.others_take_part or replies_kept(self.config) < WORTH_SHARING:
            return 0
        return spare_processes()


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


def open_ledger(config: Config) -> Ledger:
    """The ledger, for reading alone; an empty one where there is none."""
    return Ledger(config.work_folder, read_only=True)


def replies_kept(config: Config) -> int:
    """About how many replies the ledger holds: never fewer, and 0 only for none."""
    with closing(open_ledger(config)) as ledger:
        return ledger.query("SELECT max(rowid) FROM replies")[0][0] or 0
