"""The endpoints of one logical model, and the calls that wait for a place at one of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import field

from labgen.errors import LabgenError
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.backends import Backend
from labgen.teacher.pressure import Pressure
from labgen.teacher.stated import Stated
from labgen.teacher.trouble import Trouble

LOOK_SEC = 10.0
"""Longest wait for what an endpoint says of itself: one that is busy may say it late, and its calls are due."""


@dataclass(eq=False, slots=True)
class Endpoint:
    """One address that serves a model. `name` is for messages and never holds a key.

    `retired` says why it gets no more calls in this run; empty while it does. `known` says that it has answered in an
    earlier run. `look` asks what it says of itself, with None for nothing yet; it is called before the first call.
    """

    name: str
    backend: Backend
    pressure: Pressure
    weight: float = 1.0
    retired: str = ""
    known: bool = False
    look: Callable[[], Awaitable[Stated | None]] | None = None
    trouble: Trouble = field(default_factory=Trouble)

    def __post_init__(self) -> None:
        if self.look:
            self.pressure.hold()


@dataclass(slots=True)
class Silence:
    """How long replicas have answered nothing while they were asked. Clock times in seconds.

    `asked_sec` is when a call was sent of late with none beside it.
    """

    last_answer_sec: float = float("-inf")
    since_sec: float | None = None
    asked_sec: float = float("-inf")

    def end(self, now_sec: float) -> None:
        """An answer came."""
        self.last_answer_sec, self.since_sec = now_sec, None

    def shift(self, seconds: float) -> None:
        """The run itself stood still for so long, and asked nobody."""
        self.last_answer_sec += seconds
        self.asked_sec += seconds
        if self.since_sec is not None:
            self.since_sec += seconds

    def lasts(self, now_sec: float, latency_sec: float) -> float:
        """Seconds of silence, now that a call which took so long had no answer either."""
        if self.since_sec is None:
            self.since_sec = max(now_sec - latency_sec, self.last_answer_sec)
        return now_sec - self.since_sec


class Replicas:
    """Replicas of one logical model: the least loaded one gets the next call.

    Waiting calls go in order of priority (smallest first, then order of arrival), so that a leaf's work stays together.
    Before the first call the endpoints are asked what they say of themselves. `changed` is called when one has said so.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self.silence = Silence()
        self._waiters: list[tuple[tuple[int, ...], int, asyncio.Future[Endpoint], Endpoint | None]] = []
        self._ticket = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None
        self._looks: dict[Endpoint, asyncio.Task[None]] = {}
        self._looked = not any(endpoint.look for endpoint in self.endpoints)
        self.changed: Callable[[], None] = lambda: None

    @property
    def demand(self) -> int:
        """Calls in flight and waiting."""
        return sum(endpoint.pressure.in_flight for endpoint in self.endpoints) + len(self._waiters)

    @property
    def capacity(self) -> int:
        """Calls that may be in flight at present, all endpoints together."""
        return sum(endpoint.pressure.places for endpoint in self.endpoints if not endpoint.retired)

    @property
    def known(self) -> bool:
        """Whether any of them has answered, in this run or in one that the ledger remembers."""
        return any(endpoint.known or endpoint.pressure.answered for endpoint in self.endpoints)

    @property
    def waiting(self) -> int:
        """Calls that wait for a place (count)."""
        return sum(not entry[2].done() for entry in self._waiters)

    @property
    def all_down(self) -> bool:
        """Whether none of them answers at present."""
        return all(endpoint.retired or endpoint.pressure.down for endpoint in self.endpoints)

    @property
    def wait_sec(self) -> float:
        """Seconds until the first of them lets a call through, as far as is known."""
        return min((each.pressure.wait_sec for each in self.endpoints if not each.retired), default=0.0)

    def others(self, than: Endpoint) -> bool:
        """Whether another endpoint could take a call that this one failed."""
        return any(
            endpoint is not than and not endpoint.retired and not endpoint.pressure.down for endpoint in self.endpoints
        )

    async def acquire(self, priority: tuple[int, ...], avoid: Endpoint | None = None) -> Endpoint:
        """Wait for a place; give it back with `release`.

        Args:
            avoid: the endpoint that failed the call last: taken only where no other has a place.
        """
        if not self._looked:
            await self._look_at_all()
        if not self._waiters:
            endpoint = self._choose(avoid)
            if endpoint:
                endpoint.pressure.enter()
                return endpoint
        future: asyncio.Future[Endpoint] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, (priority, next(self._ticket), future, avoid))
        self._let_in()
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release(future.result())
            raise

    def release(self, endpoint: Endpoint) -> None:
        """Give a place back."""
        endpoint.pressure.leave()
        if endpoint.pressure.held and endpoint.pressure.answered and self._looks[endpoint].done():
            self._look_at(endpoint)  # it was not there, or loading, when it was looked at first
        self._let_in()

    def look(self) -> None:
        """Ask the endpoints what they say of themselves, which otherwise the first call does that needs a place."""
        for endpoint in self.endpoints:
            if endpoint.look and endpoint not in self._looks:
                self._look_at(endpoint)

    async def close(self) -> None:
        """Wait no longer for what endpoints say of themselves."""
        for task in self._looks.values():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _look_at_all(self) -> None:
        """Hear what the endpoints say of themselves; whoever comes meanwhile waits for the same answers."""
        self.look()
        await asyncio.wait(self._looks.values())
        self._looked = True

    def _look_at(self, endpoint: Endpoint) -> None:
        self._looks[endpoint] = asyncio.create_task(self._look(endpoint, again=endpoint in self._looks))

    async def _look(self, endpoint: Endpoint, *, again: bool) -> None:
        assert endpoint.look
        stated = None
        with suppress(TimeoutError, LabgenError):  # what is wrong, its first call says
            async with asyncio.timeout(LOOK_SEC):
                stated = await endpoint.look()
        if stated or again:
            endpoint.pressure.settle(stated.slots if stated else None)
            self._let_in()
            self.changed()

    def _choose(self, avoid: Endpoint | None) -> Endpoint | None:
        if len(self.endpoints) == 1:
            return self.endpoints[0] if self.endpoints[0].pressure.open else None
        free = [endpoint for endpoint in self.endpoints if endpoint.pressure.open and not endpoint.retired]
        if not free:
            return None
        return min(free, key=lambda endpoint: (endpoint is avoid, endpoint.pressure.in_flight / endpoint.weight))

    def _let_in(self) -> None:
        while self._waiters:
            if self._waiters[0][2].done():
                heapq.heappop(self._waiters)
                continue
            endpoint = self._choose(self._waiters[0][3])
            if endpoint is None:
                self._set_alarm()
                return
            endpoint.pressure.enter()
            heapq.heappop(self._waiters)[2].set_result(endpoint)

    def _set_alarm(self) -> None:
        # Where a place is free, a pause is what keeps it empty, even one that has ended since it was looked at.
        pauses = [
            endpoint.pressure.wait_sec
            for endpoint in self.endpoints
            if endpoint.pressure.has_place and not endpoint.retired
        ]
        if not pauses:
            return
        if self._alarm:
            self._alarm.cancel()
        # A hair later than asked: a timer that fires early would only set itself again.
        self._alarm = asyncio.get_running_loop().call_later(min(pauses) + 0.001, self._let_in)
