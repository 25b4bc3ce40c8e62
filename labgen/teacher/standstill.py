"""Time in which the run itself stood still: stopped by a signal, or on a machine that slept.

Nobody was asked meanwhile, so it is no outage of an endpoint's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Self

BEAT_SEC = 1.0
"""How often a run that waits for answers notes that it runs."""
LONGEST_BEAT_SEC = 4.0
"""Where that comes later than this, the run stood still since; a busy machine is not as late."""


class Standstill:
    """Notes, while entered, where the event loop did not run. To be entered in one, as often as there are calls.

    Args:
        shift: told of the seconds of each standstill, once.

    Attributes:
        total_sec: all of them so far.
    """

    def __init__(self, shift: Callable[[float], None]) -> None:
        self.total_sec = 0.0
        self._shift = shift
        self._entered = 0
        self._seen_sec = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._entered += 1
        if self._entered == 1:
            self._seen_sec = time.monotonic()
            self._timer = asyncio.get_running_loop().call_later(BEAT_SEC, self._beat)
        return self

    def __exit__(self, *ended: object) -> None:
        self._entered -= 1
        if not self._entered and self._timer:
            self._timer.cancel()

    def ran_sec(self) -> float:
        """A clock that stands still with the run (seconds since some time)."""
        if self._entered:
            self.look()
        return time.monotonic() - self.total_sec

    def look(self) -> None:
        """Note whether there was one just now; to be called before anything is made of how late it is."""
        now_sec = time.monotonic()
        late_sec = now_sec - self._seen_sec
        self._seen_sec = now_sec
        if late_sec > LONGEST_BEAT_SEC:
            self.total_sec += late_sec - BEAT_SEC
            self._shift(late_sec - BEAT_SEC)

    def _beat(self) -> None:
        self.look()
        self._timer = asyncio.get_running_loop().call_later(BEAT_SEC, self._beat)
