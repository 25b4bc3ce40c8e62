"""How fast a run goes, from what was answered lately."""

from __future__ import annotations

from collections import deque

from labgen.lazy.dataclasses import dataclass

WINDOW_SEC = 15.0
"""Rates are over so much time at least, where there were enough calls in it."""
WINDOW_CALLS = 20
"""Rates are over so many answered calls at least, however long they took."""
TELLING_CALLS = 5
"""No rate rests on fewer answered calls than that."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a run had done at a time. `under_way` are calls that were sent and not answered yet (counts)."""

    sec: float
    rows: int = 0
    answered: int = 0
    tokens: int = 0
    under_way: int = 0

    @property
    def calls(self) -> float:
        """Calls that the teacher had worked off: those under way are taken to be half done."""
        return self.answered + 0.5 * self.under_way


class Rates:
    """How fast a run goes; a slow run's rates reach further back."""

    def __init__(self) -> None:
        self._seen: deque[Moment] = deque()

    def note(self, now: Moment) -> None:
        """Take in the state at a time."""
        last = self._seen[-1] if self._seen else None
        # What stands still is one entry: a run may wait for hours.
        if last and len(self._seen) > 1 and (last.rows, last.answered) == (now.rows, now.answered):
            self._seen.pop()
        self._seen.append(now)
        while len(self._seen) > 2 and self._long_enough(since=self._seen[1]):
            self._seen.popleft()

    def _long_enough(self, since: Moment) -> bool:
        now = self._seen[-1]
        return now.sec - since.sec >= WINDOW_SEC and now.answered - since.answered >= WINDOW_CALLS

    @property
    def calls_per_sec(self) -> float | None:
        """Calls worked off a second; None where too few were answered to say."""
        if not self._seen:
            return None
        first, now = self._seen[0], self._seen[-1]
        if now.answered - first.answered < TELLING_CALLS or now.sec <= first.sec:
            return None
        return (now.calls - first.calls) / (now.sec - first.sec)

    @property
    def tokens_per_sec(self) -> float | None:
        """Tokens written a second, in the same calls; None where that can't be said."""
        calls = self.calls_per_sec
        if not calls:
            return None
        first, now = self._seen[0], self._seen[-1]
        tokens = (now.tokens - first.tokens) / max(1, now.answered - first.answered)
        return calls * tokens if tokens else None
