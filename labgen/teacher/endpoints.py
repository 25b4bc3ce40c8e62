"""The endpoints of one logical model, and the calls that wait for a place at one of them."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from labgen.teacher.backends import Backend
from labgen.teacher.pressure import Pressure


@dataclass(eq=False, slots=True)
class Endpoint:
    """One address that serves a model. `name` is for messages and never holds a key.

    `retired` says why it gets no more calls in this run; empty while it does. `known` says that it has answered in an
    earlier run.
    """

    name: str
    backend: Backend
    pressure: Pressure
    weight: float = 1.0
    retired: str = ""
    known: bool = False


@dataclass(slots=True)
class Silence:
    """How long replicas have answered nothing while they were asked. Clock times in seconds."""

    last_answer_sec: float = float("-inf")
    since_sec: float | None = None

    def end(self, now_sec: float) -> None:
        """An answer came."""
        self.last_answer_sec, self.since_sec = now_sec, None

    def lasts(self, now_sec: float, latency_sec: float) -> float:
        """Seconds of silence, now that a call which took so long had no answer either."""
        if self.since_sec is None:
            self.since_sec = max(now_sec - latency_sec, self.last_answer_sec)
        return now_sec - self.since_sec


class Replicas:
    """Replicas of one logical model: the least loaded one gets the next call.

    Waiting calls go in order of priority (smallest first, then order of arrival), so that a leaf's work stays together.
    """

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        self.endpoints = tuple(endpoints)
        self.silence = Silence()
        self._waiters: list[tuple[tuple[int, ...], int, asyncio.Future[Endpoint], Endpoint | None]] = []
        self._ticket = itertools.count()
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def demand(self) -> int:
        """Calls in flight and waiting."""
        return sum(endpoint.pressure.in_flight for endpoint in self.endpoints) + len(self._waiters)

    @property
    def capacity(self) -> int:
        """Calls that may be in flight at present, all endpoints together."""
        return sum(max(1, int(endpoint.pressure.limit)) for endpoint in self.endpoints if not endpoint.retired)

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
        self._let_in()

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
