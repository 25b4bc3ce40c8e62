"""How a build goes on where an earlier one was: each leaf is taken from the ledger as far as all that it asks was paid.

So an unchanged leaf costs no call, a killed run loses none, and an edited taxonomy pays only for what is new; the price
of a build is reckoned with the same. Where the ledger holds much, several processes share the leaves.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from labgen.config.whole import Config
from labgen.filters.available import FilterSet
from labgen.filters.duplicates_in_leaf import Seen
from labgen.generate.blocks import Block, pack, unpack_seen
from labgen.generate.context import RunContext
from labgen.generate.known_slots import KeptSlot, KeptSlots, KnownSlots
from labgen.generate.leaf_outcomes import LeafOutcome, LeafOutcomes, MadeOutcome, Near
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.slot_run import SlotResult
from labgen.generate.spool import BLOCK_CANDIDATES
from labgen.generate.workers import Workers, spare_processes
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger
from labgen.outcomes.store import OutcomeStore
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import Call, Candidate, Reply
from labgen.teacher.client import Asking
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.traffic import CallOutcome, Origin, Watch

T = TypeVar("T")

Paid = Callable[[Sequence[tuple[Call, Reply]]], None]
"""Told of calls that were taken from the ledger, and their replies."""

REPLAYED, REOPENED = "replayed", "reopened"
"""Kinds of outcomes that are kept: of a leaf by itself, and beyond the slots that filled it first."""

WORTH_SHARING = 2000
"""Replies in the ledger from which on several processes look at it: before that, they would take longer to start."""


async def replay_slots(
    leaf: LeafRun, client: LedgerOnly, retired: Callable[[SlotResult], None], known: KnownSlots | None = None
) -> Past:
    """Retire a leaf's slots one by one, up to the first that asks what is not paid for.

    Args:
        client: that of the leaf's run; what it has `paid` is what the slot at hand took.
        retired: given what each slot came to, as it is retired.
        known: what slots are known to come to, of a leaf that has drawn nothing yet.
    Returns: what they came to, after what the leaf had come to before.
    """
    client.begin()
    seen = list(leaf.seen)
    while not leaf.progress.done:
        if known and (found := await known.next(leaf)):
            results = [leaf.take_known(found)]
        else:
            slot = leaf.issue(lambda: None)
            await asyncio.wait([slot.task])
            if client.missing:
                # Whatever a package's code may have made of that: the slot has not come to anything yet.
                break
            results = leaf.retire()
            if known:
                known.drawn(results)
        for result in results:
            seen += result.seen
            retired(result)
            client.paid.clear()
    leaf.cancel()
    return Past(leaf.progress, tuple(seen))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the ledger alone makes of a leaf.

    Attributes:
        progress: what its retired slots came to, up to the first that asks what is not paid for.
        candidates: of these slots (count); blocks: they themselves, and what they have seen.
        kept_from: where the replies come from that were taken from the ledger for them.
        used: keys of these replies, each once; only where they were read just now.
        before: what slots before these had seen, of a leaf that is taken further.
        slots: what they rest on; only where that was noted just now.
    """

    progress: LeafProgress
    candidates: int
    blocks: tuple[Block, ...]
    kept_from: Counter[Origin]
    used: tuple[bytes, ...] = ()
    before: tuple[Seen, ...] = ()
    slots: KeptSlots | None = None

    @property
    def past(self) -> Past:
        """All that further slots depend on. It is read from the blocks: whoever goes no further needs none of it."""
        return Past(self.progress, (*self.before, *(seen for block in self.blocks for seen in unpack_seen(block))))


def unheard(paid: Sequence[tuple[Call, Reply]]) -> None:
    """Nobody is told."""


class Taking:
    """Takes the candidates of a leaf's slots as they are retired, and notes what they used.

    Args:
        client: what it has `paid` is what the slot at hand took.
        paid: told of that.
        known: the slots among them that are not drawn anew; None for none.

    Attributes:
        origins: where the replies that they used come from; filled as they are taken.
        slots: what each of them rests on.
    """

    def __init__(self, client: LedgerOnly, paid: Paid = unheard, known: KnownSlots | None = None) -> None:
        self._client, self._paid, self._known = client, paid, known
        self.origins: dict[bytes, Origin] = {}
        self.slots: list[KeptSlot] = []
        self._blocks: list[Block] = []
        self._waiting: list[Candidate] = []
        self._seen: list[Seen] = []
        self._count = 0
        self._kept_from: Counter[Origin] = Counter()

    def take(self, slot: SlotResult) -> None:
        self._count += len(slot.candidates)
        self._waiting += slot.candidates
        self._seen += slot.seen
        if len(self._waiting) >= BLOCK_CANDIDATES:
            self._pack()
        self.slots.append(KeptSlot.of(slot))
        told = [(call.key, Origin.of(call, reply)) for call, reply in self._client.paid]
        told += self._known.taken_over() if self._known else ()
        self.origins.update(told)
        self._kept_from.update(origin for _, origin in told)
        self._paid(self._client.paid)

    def replayed(self, progress: LeafProgress, before: Sequence[Seen] = ()) -> Replayed:
        """What all that was taken comes to; `before`: what slots before had seen."""
        if self._waiting:
            self._pack()
        used = tuple(self.origins)
        return Replayed(progress, self._count, tuple(self._blocks), self._kept_from, used, tuple(before))

    def kept_slots(
        self, leaf: LeafRun, run: RunContext, origins: Mapping[bytes, Origin] | None = None
    ) -> KeptSlots | None:
        """What the slots that were taken rest on, all of a leaf; None where that was not noted.

        Args:
            origins: where the replies come from, where `client` did not give them.
        """
        if run.noted is None:
            return None
        told = self.origins if origins is None else origins
        return KeptSlots(tuple(self.slots), run.noted.ranges(own=True), leaf.test.ranges, told)

    def _pack(self) -> None:
        self._blocks.append(pack(self._waiting, self._seen))
        self._waiting.clear()
        self._seen.clear()


async def replay_leaf(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, paid: Paid = unheard, near: Near[Replayed] | None = None
) -> Replayed:
    """Replay one leaf.

    Args:
        client: that of `run`.
        paid: told of the replies that each slot took.
        near: what was kept of it under other thresholds; None for nothing.
    """
    known = near and KnownSlots(plan, near.slots, near.value.progress.calibration, near.value.blocks, run)
    taking = Taking(client, paid, known)
    leaf = LeafRun(plan, run)
    past = await replay_slots(leaf, client, taking.take, known)
    return replace(taking.replayed(past.progress), slots=taking.kept_slots(leaf, run))


async def replay_further(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, past: Past, left: int, paid: Paid = unheard
) -> Replayed:
    """Take a leaf beyond the slots that filled it, since rows of these were too close to earlier leaves'.

    Args:
        past: what it had come to; left: rows that the look across leaves left of that.
    Returns: what all its slots came to, with the candidates and replies of the further ones.
    """
    taking = Taking(client, paid)
    leaf = LeafRun(plan, run)
    leaf.go_on_from(Past(past.progress.reopened(left), past.seen))
    came_to = await replay_slots(leaf, client, taking.take)
    return taking.replayed(came_to.progress, past.seen)


async def replay_reopened(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, left: Sequence[int], paid: Paid = unheard
) -> Replayed | None:
    """Replay a leaf from its first slot on, and take it further as often as it was reopened.

    Args:
        client: that of `run`.
        left: rows that the look across leaves left each time when the leaf was full, one number or more.
        paid: told of the replies that each slot took after the leaf was last full.
    Returns: as `replay_further`; None where the ledger lacks a reply to one of the slots before, which failed.
    """
    found = await replay_leaf(plan, run, client)
    for time, rows in enumerate(left, 1):
        if not found.progress.done:
            return None
        found = await replay_further(plan, run, client, found.past, rows, paid if time == len(left) else unheard)
    return found


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

    def workers(self) -> Workers[LeafOutcome[Replayed]]:
        """Workers on the plans of `sources`, by their places; they have nothing to do where that is not possible."""
        leaves = len(self.sources.plans) if self.possible else 0
        return Workers(self.opened, leaves, processes=0 if self.watch else self.processes)

    @contextmanager
    def opened(self) -> Iterator[Callable[[int], LeafOutcome[Replayed]]]:
        """Gives what is made of a leaf, by the place of its plan; beside other processes that do the same."""
        with closing(open_ledger(self.config)) as ledger, self.store(read_only=True) as store, one_by_one() as at_once:
            client = LedgerOnly(ledger)
            outcomes = LeafOutcomes(store, self.context(client), ledger)

            make = _making(at_once, lambda plan, run, near: replay_leaf(plan, run, client, self._tell, near))
            yield lambda place: outcomes.of(self.sources.plans[place], make, REPLAYED)

    @contextmanager
    def reopening(self, store: OutcomeStore) -> Iterator[Callable[[LeafPlan, Sequence[int]], Replayed | None]]:
        """Gives what is made of a leaf that is taken further, as `replay_reopened` does; kept and looked up."""
        with closing(open_ledger(self.config)) as ledger, one_by_one() as at_once:
            client = LedgerOnly(ledger)
            outcomes = LeafOutcomes(store, self.context(client), ledger)
            newest: dict[tuple[str, tuple[int, ...]], Replayed] = {}  # one: a leaf's times follow one upon the other

            def upto(plan: LeafPlan, left: Sequence[int], paid: Paid = self._tell) -> Replayed | None:
                if not left:
                    whole = _making(at_once, lambda plan, run, near: replay_leaf(plan, run, client, unheard, near))
                    return outcomes.of(plan, whole, REPLAYED).tell(store)
                earlier = plan.leaf.path, tuple(left[:-1])
                before = newest[earlier] if earlier in newest else upto(plan, left[:-1], unheard)
                if before is None or not before.progress.done:
                    return None
                past, rows = before.past, left[-1]
                further = _making(at_once, lambda plan, run, _: replay_further(plan, run, client, past, rows, paid))
                found = replace(outcomes.of(plan, further, REOPENED, rows, repr(past)).tell(store), before=past.seen)
                newest.clear()
                newest[plan.leaf.path, tuple(left)] = found
                return found

            yield upto

    def store(self, *, read_only: bool = False) -> OutcomeStore:
        """What is kept of what leaves came to. Nothing where every reply is to be told of, or may mean something else
        to another package's code.
        """
        most = 0 if self.watch or self.others_take_part else self.config.outcomes.max_bytes
        return OutcomeStore(self.config.work_folder, max_bytes=most, read_only=read_only)

    def _tell(self, paid: Sequence[tuple[Call, Reply]]) -> None:
        if self.watch:
            for call, reply in paid:
                self.watch(CallOutcome(call, "ledger", reply=reply))

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


class AtOnce(Protocol):
    """Runs a coroutine to its end, and gives what comes of it."""

    def __call__(self, work: Coroutine[Any, Any, T]) -> T: ...


def _making(
    at_once: AtOnce, replay: Callable[[LeafPlan, RunContext, Near[Replayed] | None], Coroutine[Any, Any, Replayed]]
) -> Callable[[LeafPlan, RunContext, Near[Replayed] | None], MadeOutcome[Replayed]]:
    """How a leaf is replayed so that what it comes to can be kept."""
    return lambda plan, run, near: made_of(at_once(replay(plan, run, near)))


def made_of(replayed: Replayed) -> MadeOutcome[Replayed]:
    """What a leaf came to, as it is kept where it is done."""
    used = replayed.used if replayed.progress.done else None
    return MadeOutcome(replace(replayed, used=(), before=(), slots=None), used, replayed.slots)


@contextmanager
def one_by_one() -> Iterator[AtOnce]:
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
