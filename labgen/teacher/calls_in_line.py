"""The calls of one endpoint where they are sent: so many are with it, and the others wait in line for a place."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field

from labgen.errors import NotSent
from labgen.lazy.dataclasses import dataclass

TAKEN_BACK = "taken back before it was sent"


@dataclass
class CallsInLine:
    """Those that are with the endpoint, and those that wait, in order.

    Attributes:
        places: calls that may be with it at a time; busy: that are.
        over: whether none is sent any more.
    """

    places: int = 1
    busy: int = 0
    over: bool = False
    waiting: deque[asyncio.Future[None]] = field(default_factory=deque)

    @contextmanager
    def place(self) -> Iterator[None]:
        """While a call has a place, which `turn` has given it."""
        try:
            yield
        finally:
            self.busy -= 1
            self.move_on()

    async def turn(self) -> float:
        """Wait for a place. Returns: how long that took (seconds). Raises: NotSent: it was taken back."""
        if self.over:
            raise NotSent(TAKEN_BACK)
        if self.busy < self.places and not self.waiting:
            self.busy += 1
            return 0.0
        begun_sec = time.monotonic()
        turn = asyncio.get_running_loop().create_future()
        self.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.busy -= 1
                self.move_on()
            raise
        return time.monotonic() - begun_sec

    def set(self, places: int) -> None:
        """See `labgen.teacher.pressure.WaitingLine`."""
        self.places = places
        self.move_on()

    def take_back(self, for_good: bool) -> None:
        """See `labgen.teacher.pressure.WaitingLine`."""
        self.over = self.over or for_good
        waiting, self.waiting = self.waiting, deque()
        for turn in waiting:
            if not turn.done():
                turn.set_exception(NotSent(TAKEN_BACK))

    def move_on(self) -> None:
        """Give free places to those who have waited longest."""
        while self.waiting and self.busy < self.places:
            turn = self.waiting.popleft()
            if not turn.done():
                self.busy += 1
                turn.set_result(None)
