"""The engine: keeps the teacher busy with slots of many leaves, and retires them in order.

There is no barrier between steps, slots or leaves. Leaves are begun in order and kept together (a server's prefix cache
sees the same beginnings again and again); a further leaf is begun as soon as those before it have as many slots on
their way as they are expected to need. A leaf begins with what the ledger answers. Under a budget leaves are filled
alike instead: whenever it ends, there is something of each.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

from labgen.generate.blocks import unpack
from labgen.generate.context import RunContext
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.live_leaves import LiveLeaves
from labgen.generate.resume import replay_reopened, replay_slots
from labgen.generate.slot_run import SlotResult
from labgen.generate.yields import YieldSeen
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State
from labgen.teacher.client import Client

HEADROOM = 1.25
"""Calls kept waiting for each call in flight, so that a place that becomes free is taken at once."""

PART_AT_ONCE = 0.25
"""Of the slots that what is left of a budget is good for, so many may be on their way: the last ones are in vain."""

LAST_SLOTS = 2.0
"""Slots for each leaf: once a budget is good for no more, only the leaves that are filled least are drawn from."""

TURNS_TO_ASK = 1
"""Turns of the event loop after which a slot that was started has asked what it asks first."""

TURNS_TO_TEST = 4
"""The same for the test of a leaf's judges, which asks several things at once."""


@dataclass
class Progress:
    """How far a run is. Counts, all of the build so far except `ahead`.

    Attributes:
        ahead: calls spent on slots beyond those that became part of the build; they depend on timing.
    """

    leaves_done: int = 0
    leaves: int = 0
    accepted: int = 0
    wanted: int = 0
    candidates: int = 0
    ahead: int = 0

    @classmethod
    def of(cls, plans: Sequence[LeafPlan]) -> Progress:
        """That of a build that begins."""
        return cls(leaves=len(plans), wanted=sum(plan.wanted for plan in plans))


Retired = Callable[[LeafRun, list[Candidate]], None]
"""Told of a leaf's candidates as they are retired, in slot order, and once more (with none) when the leaf is done."""


class Reopening(Protocol):
    """Whoever holds full leaves against each other, and finds that one has to be drawn from again."""

    def reopen(self, *, whatever_waits: bool = False) -> tuple[LeafPlan, tuple[int, ...]] | None:
        """A leaf that is not full any more, and how many rows it had left each time; None for none at present.

        Args:
            whatever_waits: look at all that was retired before saying that there is none.
        """

    def give_up(self, path: str) -> None:
        """Told of such a leaf that can't be drawn from further."""


class Engine:
    """One run over planned leaves.

    Args:
        plans: in build order.
        client: that of `run`, as what the run is paced by.
        on_retired: what becomes of candidates.
        pasts: leaf path to what its first slots came to, where they were replayed before; the engine itself begins all
            other leaves with what the ledger answers.
        progress: counts of a build that is on its way already; None for one that begins.
        reopening: which leaves have to be drawn from again; None for none ever.
        outcomes: keeps what leaves come to that nothing was drawn from before; None for none.
    """

    def __init__(
        self,
        plans: Sequence[LeafPlan],
        run: RunContext,
        client: Client,
        on_retired: Retired,
        *,
        pasts: dict[str, Past] | None = None,
        progress: Progress | None = None,
        reopening: Reopening | None = None,
        outcomes: LiveLeaves | None = None,
    ) -> None:
        self.progress = progress or Progress.of(plans)
        self._pasts = pasts or {}
        self._reopening = reopening
        self._outcomes = outcomes
        self._waiting = deque(plans)
        self._run = run
        self._client = client
        self._on_retired = on_retired
        self._open: list[LeafRun] = []
        self._ready: dict[LeafRun, None] = {}
        self._retired_slots = 0
        self._most_live: int | None = None  # slots that may be on their way, once every leaf has begun
        self._ledger_only = client.ledger_only()
        self._replaying = replace(run, client=self._ledger_only, yields=YieldSeen())

    async def begin(self) -> None:
        """Start the first slots, of which nothing is retired before `run`. Whoever does not run it ends it."""
        await self._reopen()
        await self._issue()

    def end(self) -> None:
        """Withdraw the slots that are on their way."""
        for leaf in self._open:
            leaf.cancel()

    async def run(self) -> bool:
        """Run until every leaf is done, or until the client has no more to give.

        Returns: whether every leaf was done.
        Raises: LabgenError: the teacher or the ledger can't go on; what was retired up to then stays retired.
        """
        if self._ready:
            self._client.changed.set()  # of what was begun before, some is done, and somebody else may have heard of it
        try:
            while not self._client.finished:
                await self._reopen()
                await self._issue()
                if not self._open and not self._waiting:
                    if not await self._reopen(whatever_waits=True):
                        return True
                    continue
                await self._client.changed.wait()
                self._client.changed.clear()
                ready, self._ready = self._ready, {}
                for leaf in ready:
                    self._retire(leaf)
            return False
        finally:
            self.end()

    async def _issue(self) -> None:
        if self._run.breadth_first:
            await self._issue_breadth_first()
            return
        before = 0
        for leaf in list(self._open):
            await self._issue_leaf(leaf, partial(self._room_of, leaf, before))
            before += leaf.live_slots
        while self._waiting and self._room_for_another() > 0:
            leaf = await self._begin(self._waiting.popleft())
            if not leaf.progress.done:
                self._open.append(leaf)
                await self._issue_leaf(leaf, self._room)
        if not self._waiting:
            # Nothing else is left to begin: places that would stay free may as well shorten the end.
            for leaf in list(self._open):
                await self._issue_leaf(leaf, self._free_places, eager=True)

    async def _issue_breadth_first(self) -> None:
        """Slots one by one, each of the leaf that is filled least, as many as the budget will see finished."""
        while self._waiting:
            leaf = await self._begin(self._waiting.popleft())
            if not leaf.progress.done:
                self._open.append(leaf)
        while self._room() > 0 and self._live_slots < self._slots_in_budget:
            ready = [leaf for leaf in self._open if leaf.wants_slot(eager=False)]
            if self._slots_left < LAST_SLOTS * len(self._open):
                least = min((leaf.accepted_share for leaf in self._open), default=0.0)
                ready = [leaf for leaf in ready if leaf.accepted_share <= least and not leaf.live_slots]
            if not ready:
                break
            await self._issue_slot(min(ready, key=lambda leaf: (leaf.filled, leaf.plan.order)))

    @property
    def _slots_left(self) -> float:
        """How many slots what is left of the budget is good for, by those that it has paid for."""
        left = self._client.budget_left
        return self._retired_slots * left / (1.0 - left) if left < 1.0 else math.inf

    @property
    def _slots_in_budget(self) -> int:
        """Slots that may be on their way: one for each leaf, or a part of those that what is left is good for."""
        return max(len(self._open), int(min(self._slots_left * PART_AT_ONCE, self._client.capacity)))

    async def _begin(self, plan: LeafPlan) -> LeafRun:
        """The next leaf, as far as the ledger alone takes it."""
        path = plan.leaf.path
        past = self._pasts.pop(path) if path in self._pasts else await self._replay(plan)
        unbegun = not past.progress.slots
        leaf = self._outcomes.begin(plan) if self._outcomes and unbegun else LeafRun(plan, self._run)
        leaf.go_on_from(past)
        if leaf.progress.done:
            self.progress.leaves_done += 1
            self._on_retired(leaf, [])
        return leaf

    async def _replay(self, plan: LeafPlan) -> Past:
        leaf = LeafRun(plan, self._replaying)

        def retired(slot: SlotResult) -> None:
            self._client.count_kept(self._ledger_only.paid)
            self._take(leaf, list(slot.candidates))

        return await replay_slots(leaf, self._ledger_only, retired)

    async def _reopen(self, *, whatever_waits: bool = False) -> bool:
        """Take up the leaves that have to be drawn from again, as far as the ledger takes them.

        Returns: whether one is open now.
        """
        while self._reopening and (again := self._reopening.reopen(whatever_waits=whatever_waits)):
            plan, left = again
            self.progress.leaves_done -= 1
            self.progress.accepted -= plan.wanted - left[-1]
            replayed = await replay_reopened(plan, self._replaying, self._ledger_only, left, self._client.count_kept)
            if replayed is None:
                self._reopening.give_up(plan.leaf.path)
                self.progress.leaves_done += 1
                continue
            leaf = LeafRun(plan, self._run)
            leaf.go_on_from(replayed.past)
            for block in replayed.blocks:
                self._take(leaf, unpack(plan.leaf.path, block))
            if leaf.progress.done:
                self.progress.leaves_done += 1
                self._on_retired(leaf, [])
            else:
                self._open.insert(0, leaf)
        return bool(self._open)

    async def _issue_leaf(self, leaf: LeafRun, room: Callable[[], int], *, eager: bool = False) -> None:
        """Start slots of a leaf for as long as there is room and it is expected to need them."""

        # Most leaves want none, which is sooner told of one than how much room there is beside all.
        while leaf.wants_slot(eager=eager) and room() > 0:
            await self._issue_slot(leaf)

    async def _issue_slot(self, leaf: LeafRun) -> None:
        def done() -> None:
            self._ready[leaf] = None
            self._client.changed.set()

        turns = TURNS_TO_ASK if leaf.issued else TURNS_TO_TEST
        leaf.issue(done)
        for _ in range(turns):
            # So that what the slot asks first counts as demand before another one is started.
            await asyncio.sleep(0)

    def _room(self) -> int:
        """Slots that may be started now: enough calls waiting for every place, and memory stays flat.

        Once every leaf has begun, what is needed is begun sooner, two slots for each that ends: a slot is a chain of
        calls, and what begins late ends late, when nothing else fills the teacher any more. Not all at once: draws are
        what a slot costs this machine the most, and the teacher would wait for it.
        """
        return self._room_beside(self._client.demand)

    def _room_of(self, leaf: LeafRun, before: int) -> int:
        """The same of a leaf: a slot that it needs for certain does not wait for what leaves after it have asked.

        Its calls go before theirs, and so leaves end in their order, in which they are brought in: what ends sooner is
        left for the run's end. A slot that it may do without waits, as it may turn out to be paid for nothing.

        Args:
            before: slots that are on their way of the leaves before it (count).
        """
        if not leaf.needs_slot:
            return self._room()
        demand, live = self._client.demand, self._live_slots
        return self._room_beside(demand * (before + leaf.live_slots) // live if live else demand)

    def _room_beside(self, demand: int) -> int:
        """Slots that may be started beside so many calls."""
        target = int(self._client.capacity * HEADROOM) + 4
        flat = 2 * target - self._live_slots
        needed = target - demand
        if not self._waiting and not self._run.breadth_first:
            if self._most_live is None:
                self._most_live = self._live_slots
            needed = max(needed, self._most_live - self._live_slots)
        return min(needed, flat)

    def _room_for_another(self) -> int:
        """The same for the slots of a further leaf. One that waits for its first draw needs no places beside it, but
        none had better stay free meanwhile.
        """
        held_back = any(leaf.held_back for leaf in self._open)
        return min(self._room(), self._free_places()) if held_back else self._room()

    def _free_places(self) -> int:
        """Places at the teacher that no call is waiting for, nor a slot that may be about to call."""
        return self._client.capacity - max(self._client.demand, self._live_slots)

    @property
    def _live_slots(self) -> int:
        return sum(leaf.live_slots for leaf in self._open)

    def _retire(self, leaf: LeafRun) -> None:
        if leaf.progress.done:
            return
        slots = leaf.retire()
        self._retired_slots += len(slots)
        if self._most_live is not None:
            self._most_live += len(slots)
        candidates = [candidate for slot in slots for candidate in slot.candidates]
        if self._outcomes:
            self._outcomes.take(leaf, slots)
        self._take(leaf, candidates)
        if leaf.progress.done:
            self.progress.ahead += leaf.spent_ahead()
            leaf.cancel()
            self.progress.leaves_done += 1
            self._open.remove(leaf)
            self._on_retired(leaf, [])

    def _take(self, leaf: LeafRun, candidates: list[Candidate]) -> None:
        self.progress.candidates += len(candidates)
        self.progress.accepted += sum(candidate.state is State.ACCEPTED for candidate in candidates)
        if candidates:
            self._on_retired(leaf, candidates)
