"""How long an answer is waited for: as long as its endpoint shows that it works.

A slow reply is no lost one. Replies are streamed where the endpoint can, so every byte, of whichever call, shows that
it works; while it does, calls that it has queued wait as well. Given up is a call of an endpoint that has been silent
for too long, and one that the endpoint has evidently lost, since many that were sent after it have long been answered.
What silence is too long grows with what the endpoint has been heard after, and doubles with each call that is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from labgen.lazy.dataclasses import dataclass

LONGER_THAN_HEARD = 3.0
"""Silence of so many times the longest one that an answer followed upon is not yet too long."""
OVERTAKEN_MIN, OVERTAKEN_PER_CALL = 30, 3
"""Later calls that were answered before a silent one counts as lost: at least, and for each call in flight (count)."""
LONGEST_SEC = 6 * 3600.0
"""No silence that a limit grows to is longer."""


@dataclass(eq=False, slots=True)
class Wait:
    """One call that an answer is waited for. Clock times in seconds.

    Attributes:
        number: calls sent to the endpoint before it (count).
        heard_sec: when its last byte came, or it was sent.
        quiet_sec: its longest silence so far.
        answered: calls answered when it was sent (count); earlier: those in flight then that were answered since, or
            may yet be (count).
        ended: whether it was answered.
    """

    number: int
    heard_sec: float
    answered: int
    earlier: int
    quiet_sec: float = 0.0
    ended: bool = False


class Listening:
    """What one endpoint lets be heard, over all its calls.

    Args:
        timeout_sec: silence that is too long, before anything has been heard.
        now: clock in seconds.
    """

    def __init__(self, timeout_sec: float, now: Callable[[], float]) -> None:
        self.timeout_sec = timeout_sec
        self._now = now
        self._sent = self._answered = 0
        self._heard_sec = float("-inf")
        self._longest_sec = 0.0
        self._doubled_at = 0
        self._waits: set[Wait] = set()

    @property
    def allowed_sec(self) -> float:
        """Silence that is not yet too long."""
        return min(LONGEST_SEC, max(self.timeout_sec, LONGER_THAN_HEARD * self._longest_sec))

    def begin(self) -> Wait:
        """A call is sent."""
        wait = Wait(self._sent, self._now(), self._answered, len(self._waits))
        self._sent += 1
        self._waits.add(wait)
        return wait

    def heard(self, wait: Wait, piece: bytes = b"-") -> None:
        """A call's next bytes came.

        Empty lines say nothing. A comment, which holds a connection open, says that somebody is there, and not that
        this very call is worked on.
        """
        words = piece.strip()
        if not words:
            return
        now_sec = self._now()
        if words.startswith(b":"):
            self._heard_sec = now_sec
            return
        wait.quiet_sec = max(wait.quiet_sec, now_sec - wait.heard_sec)
        wait.heard_sec = self._heard_sec = now_sec

    def answered(self, wait: Wait) -> None:
        """A call has its whole answer."""
        self._longest_sec = max(self._longest_sec, wait.quiet_sec)
        self._answered += 1
        wait.ended = True

    def end(self, wait: Wait) -> None:
        """A call is over, however it ended."""
        self._waits.discard(wait)
        if not wait.ended:
            for other in self._waits:
                other.earlier -= wait.number < other.number

    def _overtaken(self, wait: Wait) -> int:
        """Calls sent after another, and answered before it (count): those answered since, but for earlier ones."""
        waiting = sum(other.number < wait.number and not other.ended for other in self._waits)
        return self._answered - wait.answered - (wait.earlier - waiting)

    def given_up(self, wait: Wait) -> None:
        """A call was given up: those sent from now on get twice the time."""
        if wait.number >= self._doubled_at:
            self.timeout_sec = min(LONGEST_SEC, 2.0 * self.timeout_sec)
            self._doubled_at = self._sent

    def patience_sec(self, wait: Wait) -> float:
        """Seconds for which a call is waited for yet, as things are; 0 where it is to be given up."""
        now_sec, allowed_sec = self._now(), self.allowed_sec
        own_sec = allowed_sec - (now_sec - wait.heard_sec)
        if own_sec > 0.0:
            return own_sec
        if self._overtaken(wait) >= max(OVERTAKEN_MIN, OVERTAKEN_PER_CALL * len(self._waits)):
            return 0.0
        return max(0.0, allowed_sec - (now_sec - self._heard_sec))

    def watch(self, wait: Wait, limit: asyncio.Timeout) -> Callable[[], None]:
        """Have `limit` expire when a call is to be given up. Returns: what ends the watch."""
        loop = asyncio.get_running_loop()
        alarm: asyncio.TimerHandle

        def look() -> None:
            nonlocal alarm
            left_sec = self.patience_sec(wait)
            if left_sec > 0.0:
                alarm = loop.call_later(left_sec + 0.001, look)
                return
            self.given_up(wait)
            limit.reschedule(loop.time())

        alarm = loop.call_later(self.patience_sec(wait), look)

        def stop() -> None:
            alarm.cancel()  # whichever is set by then

        return stop
