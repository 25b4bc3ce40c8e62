"""The engine: keeps the teacher busy with slots of many leaves, and retires them in order.

There is no barrier between steps, slots or leaves. Leaves are begun in order and kept together (a server's prefix cache
sees the same beginnings again and again); a further leaf is begun as soon as those before it have as many slots on
their way as they are expected to need.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labgen.generate.context import Kit
from labgen.generate.leaf_run import LeafRun, Past
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State
from labgen.teacher.client import Door

HEADROOM = 1.25
"""Calls kept waiting for each call in flight, so that a place that becomes free is taken at once."""


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


class Engine:
    """One run over planned leaves.

    Args:
        plans: in build order.
        on_retired: what becomes of candidates.
        pasts: leaf path to what its first slots came to, where they were replayed; a leaf goes on from there, and its
            past is taken out.
        progress: counts of a build that is on its way already; None for one that begins.
        should_stop: asked between steps; a true answer ends the run early (a budget that is spent).
    """

    def __init__(
        self,
        plans: Sequence[LeafPlan],
        kit: Kit,
        door: Door,
        on_retired: Retired,
        *,
        pasts: dict[str, Past] | None = None,
        progress: Progress | None = None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.progress = progress or Progress.of(plans)
        self._pasts = pasts or {}
        self._waiting = deque(plans)
        self._kit = kit
        self._door = door
        self._on_retired = on_retired
        self._should_stop = should_stop
        self._open: list[LeafRun] = []
        self._events: asyncio.Queue[LeafRun | None] = asyncio.Queue()
        door.on_settled = self._note_settled

    async def run(self) -> bool:
        """Run until every leaf is done, or until it is told to stop.

        Returns: whether every leaf was done.
        Raises: LabgenError: the teacher or the ledger can't go on; what was retired up to then stays retired.
        """
        try:
            while not self._should_stop():
                await self._issue()
                if not self._open and not self._waiting:
                    return True
                for leaf in await self._next_events():
                    self._retire(leaf)
            return False
        finally:
            for leaf in self._open:
                leaf.cancel()

    async def _next_events(self) -> list[LeafRun]:
        """Wait until something happened; returns the leaves that have slots done."""
        events = [await self._events.get()]
        while not self._events.empty():
            events.append(self._events.get_nowait())
        return [leaf for leaf in dict.fromkeys(events) if leaf is not None]

    def _note_settled(self) -> None:
        # The run is to end, or a place at the teacher became free and too few calls wait to fill the next ones.
        if self._events.empty() and (self._should_stop() or self._door.demand < self._door.capacity):
            self._events.put_nowait(None)

    async def _issue(self) -> None:
        for leaf in list(self._open):
            await self._issue_leaf(leaf, self._room)
        while self._waiting and self._room() > 0:
            leaf = LeafRun(self._waiting.popleft(), self._kit)
            if past := self._pasts.pop(leaf.plan.leaf.path, None):
                leaf.go_on_from(past)
            self._open.append(leaf)
            await self._issue_leaf(leaf, self._room)
        if not self._waiting:
            # Nothing else is left to begin: places that would stay free may as well shorten the end.
            for leaf in list(self._open):
                await self._issue_leaf(leaf, self._free_places, eager=True)

    async def _issue_leaf(self, leaf: LeafRun, room: Callable[[], int], *, eager: bool = False) -> None:
        """Start slots of a leaf for as long as there is room and it is expected to need them."""
        while room() > 0 and leaf.wants_slot(eager=eager):
            await leaf.issue(self._events)
            self._retire(leaf)

    def _room(self) -> int:
        """Slots that may be started now: enough calls waiting for every place, and memory stays flat.

        Once every leaf has begun, what is needed is begun at once: a slot is a chain of calls, and what begins late
        ends late, when nothing else fills the teacher any more.
        """
        target = int(self._door.capacity * HEADROOM) + 4
        flat = 2 * target - self._live_slots
        all_at_once = not self._waiting and self._kit.draws_first
        return flat if all_at_once else min(target - self._door.demand, flat)

    def _free_places(self) -> int:
        """Places at the teacher that no call is waiting for, nor a slot that may be about to call."""
        return self._door.capacity - max(self._door.demand, self._live_slots)

    @property
    def _live_slots(self) -> int:
        return sum(leaf.live_slots for leaf in self._open)

    def _retire(self, leaf: LeafRun) -> None:
        if leaf.done:
            return
        candidates = leaf.retire()
        self.progress.candidates += len(candidates)
        self.progress.accepted += sum(candidate.state is State.ACCEPTED for candidate in candidates)
        if candidates:
            self._on_retired(leaf, candidates)
        if leaf.done:
            self.progress.ahead += leaf.spent_ahead()
            leaf.cancel()
            self.progress.leaves_done += 1
            self._open.remove(leaf)
            self._on_retired(leaf, [])
