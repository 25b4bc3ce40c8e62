"""How many calls one endpoint is given at a time.

The limit grows while the endpoint answers and shrinks in proportion to the share of answers that say "too much" (429,
503), as data-center TCP does (RFC 8257): a steady sprinkle of refusals costs almost nothing, a wall of them halves
the limit. Replies that become much slower shrink it, too, as long as that makes them faster again: where it does not,
it is not our calls that they wait for. An endpoint that does not answer at all is probed with one call at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

SLOW_START = 256
"""Calls in flight that a run begins with, where the cap allows: what one inference server usually batches (vLLM 256
or more)."""

CALM_SHARE = 0.1
"""Share of refusals in a window above which the limit no longer grows with each reply, which doubles it per window."""

SLOWER_HOLD = 3.0
SLOWER_DECREASE = 6.0
"""Replies this many times slower (per token) than the best seen hold the limit, or lower it."""

FASTER = 0.75
"""Lowered to a half, the limit falls further only where replies take no more than this share of the time since."""

FASTEST_PACE_SEC = 0.003
"""A token; what is faster than a model writes for one reader is not called slow for being slower than that."""

HELD = 4
"""Calls in flight at most while it is not known yet what an endpoint says of its slots."""

AHEAD_SHARE, MOST_AHEAD = 1 / 4, 64
"""Calls handed over beyond its places to whoever holds them in line, as a share of the places, and at most (count)."""

QUEUED = 1
"""Calls sent beyond an endpoint's slots, so that a slot that becomes free is taken at once."""

DEAD_AFTER = 8
"""Failures to connect in a row, with no answer between them, after which an endpoint counts as down."""

PROBE_SEC = (0.5, 5.0)
"""Pause between probes of an endpoint that is down: shortest and longest."""


class WaitingLine(Protocol):
    """Whoever sends calls, and holds those in line for which there is no place, so that the next one is sent at once.

    The way to and from it may take long beside a reply: where another process sends.
    """

    @property
    def open(self) -> bool:
        """Whether it is there."""

    def set(self, places: int) -> None:
        """Say how many calls may be with the endpoint at a time."""

    def take_back(self, *, for_good: bool) -> None:
        """Have none sent of those that wait, which are then `NotSent`; `for_good`: nor of any that come later."""


class Pressure:
    """The adaptive limit of one endpoint. Knows no sockets and no event loop.

    Args:
        cap: calls in flight at most (count, >= 1).
        requests_per_minute, tokens_per_minute: hard limits, None for none.
        now: clock in seconds.

    Attributes:
        held: whether it is given few calls, see `hold`.
        slots: calls that the endpoint says it works on at a time; 0 where it does not say.
        line: where calls wait for a place, told of every change; None where each is sent as it comes.
    """

    def __init__(
        self,
        cap: int,
        *,
        now: Callable[[], float],
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.cap = cap
        self.limit = float(min(cap, SLOW_START))
        self.in_flight = 0
        self.peak_in_flight = 0
        self.down = False
        self.answered = 0
        self.held = False
        self.slots = 0
        self.line: WaitingLine | None = None
        self._told_places = 0
        self._now = now
        self._request_sec = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._token_sec = 60.0 / tokens_per_minute if tokens_per_minute else 0.0
        self._free_at_sec = float("-inf")
        self._slow_start = True
        self._window_good = 0
        self._window_bad = 0
        self._refused_share = 0.0
        self._refused_in_a_row = 0
        self._failed_in_a_row = 0
        self._probe_sec = PROBE_SEC[0]
        self._pace_sec = 0.0
        self._best_pace_sec = float("inf")
        self._lowered_from = 0.0
        self._lowered_at_pace_sec = float("inf")
        self._first_lowering = False

    @property
    def wait_sec(self) -> float:
        """Seconds until a call may go as far as pauses and hard limits are concerned, 0 for at once."""
        return max(0.0, self._free_at_sec - self._now())

    @property
    def slower(self) -> float:
        """How many times as long as at their best its replies take, token by token; 1 where that is not known, or
        where they are faster than a model writes.
        """
        return max(1.0, self._pace_sec / max(self._best_pace_sec, FASTEST_PACE_SEC)) if self._pace_sec else 1.0

    @property
    def open(self) -> bool:
        """Whether one more call may be sent now."""
        return self.has_place and not self.wait_sec

    @property
    def has_place(self) -> bool:
        """Whether one more call may be handed over, pauses left aside."""
        return self.in_flight < self._most_sent + self.ahead

    @property
    def _most_sent(self) -> int:
        return 1 if self.down else self.places

    @property
    def ahead(self) -> int:
        """Calls that may be handed over beyond its places, to wait in line there (count).

        None where each call has its time (limits by the minute), nor where the endpoint holds calls in line itself.
        """
        timed = self._request_sec or self._token_sec
        if not self.line or not self.line.open or self.held or self.slots or self.down or timed:
            return 0
        return min(MOST_AHEAD, int(self.places * AHEAD_SHARE))

    @property
    def sent(self) -> int:
        """Calls that are with the endpoint, as far as is known: not those that wait in line."""
        return min(self.in_flight, self.places) if self.ahead else self.in_flight

    @property
    def places(self) -> int:
        """Calls that may be in flight while the endpoint answers."""
        most = max(1, int(self.limit))
        return min(most, HELD) if self.held else most

    def hand_over_to(self, line: WaitingLine) -> None:
        """Have calls wait in line there for a place."""
        self.line = line
        self._tell_line()

    def end(self) -> None:
        """Send nothing more: what waits in line is taken back."""
        self._take_back(for_good=True)

    def hold(self) -> None:
        """Give it few calls until `settle` says what it can take."""
        self.held = True

    def settle(self, slots: int | None) -> None:
        """It is known what the endpoint says of itself: the calls that it works on at a time, None for nothing."""
        self.held = False
        if slots:
            self.slots = slots
            self.cap = min(self.cap, slots + QUEUED)
            self.limit = float(self.cap)
        self._tell_line()

    def enter(self) -> None:
        """One more call is sent, or handed over to be."""
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.sent)
        if self._request_sec:
            self._reserve(self._request_sec)

    def leave(self) -> None:
        """A call came back, however it ended."""
        self.in_flight -= 1

    def pause(self, seconds: float) -> None:
        """Send nothing for so long; a longer pause already begun stays."""
        self._free_at_sec = max(self._free_at_sec, self._now() + seconds)
        self._take_back(for_good=False)  # another endpoint may have a place

    def succeeded(self, latency_sec: float, prompt_tokens: int, completion_tokens: int) -> None:
        """A reply came."""
        self.answered += 1
        self._failed_in_a_row = self._refused_in_a_row = 0
        if self.down:
            self.down, self._probe_sec = False, PROBE_SEC[0]
            self._tell_line()
        if self._token_sec:
            self._reserve(self._token_sec * (prompt_tokens + completion_tokens))
        self._note_pace(latency_sec, completion_tokens)
        self._window_good += 1
        if self._slow_start and self.slower < SLOWER_HOLD:
            # One more for each reply, as in RFC 5681: places need not wait for a whole window to be doubled.
            self.limit = min(float(self.cap), self.limit + 1.0)
            self._tell_line()
        self._close_window()

    def heard(self) -> None:
        """It said something of one call, be it no: it is there."""
        self._failed_in_a_row = 0
        self.down = False
        self._tell_line()

    def timed_out(self) -> None:
        """A call was given up: so many at a time are more than it can finish."""
        self._slow_start = False
        self.limit = max(1.0, min(self.limit, self.in_flight) / 2.0)
        self._tell_line()

    def refused(self, retry_after_sec: float | None) -> None:
        """The endpoint said that it is too much. A wall of refusals is waited out, a single one is not."""
        self._failed_in_a_row = 0
        self._refused_in_a_row += 1
        self._window_bad += 1
        if self._refused_in_a_row > max(2, self.limit / 4):
            self.pause(retry_after_sec if retry_after_sec is not None else PROBE_SEC[0])
        self._close_window()

    def unreachable(self, *, telling: bool = True) -> None:
        """No connection, a server error, or no answer in time.

        Args:
            telling: whether it says something of the endpoint. A call that failed before may itself be the cause, and
                at the end of a run nothing else may be left to ask.
        """
        if not telling and not self.down:
            return
        self._failed_in_a_row += 1
        if self.down and self.wait_sec:
            return  # Sent before it was known to be down: no news, and no reason to wait longer.
        if self._failed_in_a_row >= DEAD_AFTER or self.down:
            self.down = True
            self._tell_line()
            self.pause(self._probe_sec)
            self._probe_sec = min(self._probe_sec * 1.5, PROBE_SEC[1])

    def _reserve(self, seconds: float) -> None:
        self._free_at_sec = max(self._free_at_sec, self._now()) + seconds

    def _close_window(self) -> None:
        outcomes = self._window_good + self._window_bad
        if outcomes < max(4, int(self.limit)):
            return
        share = self._window_bad / outcomes
        self._window_good = self._window_bad = 0
        self._refused_share = 0.5 * self._refused_share + 0.5 * share
        slower = self.slower
        if share > CALM_SHARE:
            self._slow_start = False
        if share:
            self.limit *= 1.0 - self._refused_share / 2.0
        elif slower > SLOWER_DECREASE:
            self._slow_start = False
            self._lower()
        if slower < SLOWER_HOLD and share <= CALM_SHARE:
            self._lowered_at_pace_sec = float("inf")
            self.limit += not self._slow_start
        self.limit = min(float(self.cap), max(1.0, self.limit))
        self._tell_line()

    def _tell_line(self) -> None:
        """Tell whoever holds calls in line of the places, where that is news."""
        if self.line and self._most_sent != self._told_places:
            self._told_places = self._most_sent
            self.line.set(self._most_sent)

    def _take_back(self, *, for_good: bool) -> None:
        if self.line:
            self.line.take_back(for_good=for_good)

    def _lower(self) -> None:
        """Take a tenth off the limit, as long as that helps."""
        if self._pace_sec <= FASTER * self._lowered_at_pace_sec:
            self._first_lowering = self._lowered_at_pace_sec == float("inf")
            self._lowered_from, self._lowered_at_pace_sec = self.limit, self._pace_sec
        elif self._first_lowering:
            # A queue that was still filling up when it was seen first is known by how slow it got.
            self._lowered_at_pace_sec = max(self._lowered_at_pace_sec, self._pace_sec)
        # On its slots it works at the same time, however slowly.
        least = max(self._lowered_from / 2.0, float(self.slots))
        self.limit = max(self.limit * 0.9, min(self.limit, least))

    def _note_pace(self, latency_sec: float, completion_tokens: int) -> None:
        # Every reply also pays for its prompt and its way: 32 tokens' worth keeps short verdicts comparable with texts.
        pace = latency_sec / (completion_tokens + 32)
        self._pace_sec = pace if not self._pace_sec else 0.95 * self._pace_sec + 0.05 * pace
        self._best_pace_sec = min(self._best_pace_sec, self._pace_sec)
