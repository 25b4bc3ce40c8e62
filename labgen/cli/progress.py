"""Progress on stderr: one line that is rewritten on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from dataclasses import dataclass

import click

from labgen.generate.engine import Progress
from labgen.teacher.client import TeacherClient
from labgen.teacher.traffic import Traffic

PLAIN_EVERY_SEC = 10.0
WINDOW_SEC = 15.0
"""Rates are over so much time at least, where there were enough calls in it."""
WINDOW_CALLS = 20
"""Rates are over so many answered calls at least, however long they took."""
TELLING_CALLS = 5
"""No rate rests on fewer answered calls than that."""
TELLING_ROWS = 8
"""The time left is not said before so many rows came after the first ones."""


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
    """How fast a run goes, from the calls that were answered lately; a slow run's rates reach further back.

    What a row takes in calls is seen from the first rows on: what came before them (the judges' tests of many leaves at
    once, draws whose rows are yet to come) is no row's price.
    """

    def __init__(self) -> None:
        self._first_rows: Moment | None = None
        self._seen: deque[Moment] = deque()

    def note(self, now: Moment) -> None:
        """Take in the state at a time."""
        last = self._seen[-1] if self._seen else None
        if last and now.rows > last.rows:
            self._first_rows = self._first_rows or now
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
        first, now = self._seen[0], self._seen[-1]
        if now.answered - first.answered < TELLING_CALLS or now.sec <= first.sec:
            return None
        return (now.calls - first.calls) / (now.sec - first.sec)

    @property
    def tokens_per_sec(self) -> float | None:
        """Tokens written a second, in the same calls; None where that can't be said."""
        first, now, calls = self._seen[0], self._seen[-1], self.calls_per_sec
        tokens = (now.tokens - first.tokens) / max(1, now.answered - first.answered)
        return calls * tokens if calls and tokens else None

    def left_sec(self, missing: int) -> float | None:
        """Seconds until so many further rows are there; None where that can't be said."""
        first, now, calls = self._first_rows, self._seen[-1], self.calls_per_sec
        if first is None or not calls or now.rows - first.rows < TELLING_ROWS:
            return None
        return missing * (now.calls - first.calls) / (now.rows - first.rows) / calls


class ProgressLine:
    """Shows how far a run is; see `Rates` for what its rates rest on.

    Where nobody listens any more (a terminal that was closed, a pipe that was cut), the run goes on in silence.
    """

    def __init__(self) -> None:
        self._deaf = sys.stderr is None
        self._live = not self._deaf and sys.stderr.isatty()
        self._printed_sec = time.monotonic()
        self._rates = Rates()
        self._open = False

    def show(self, progress: Progress, traffic: Traffic, client: TeacherClient | None) -> None:
        """Show the state of a run, where it is time to; without a client, nothing is asked yet."""
        now = time.monotonic()
        if client:
            seen = Moment(now, progress.accepted, traffic.answered, traffic.completion_tokens, client.in_flight)
            self._rates.note(seen)
        if not self._live and now - self._printed_sec < PLAIN_EVERY_SEC:
            return
        self._printed_sec = now
        line = progress_words(progress, traffic, client, self._rates)
        if self._live:
            self._write("\r\x1b[2K" + line[: _columns() - 1])
            self._open = True
        else:
            self._write(line + "\n")

    def say(self, words: str) -> None:
        """Print a message on a line of its own."""
        self.close()
        self._write(words + "\n")

    def close(self) -> None:
        """End the line that is being rewritten."""
        if self._open:
            self._write("\r\x1b[2K")
            self._open = False

    def _write(self, words: str) -> None:
        if self._deaf:
            return
        try:
            click.echo(words, nl=False, err=True)
        except OSError:
            self._deaf = True


def progress_words(progress: Progress, traffic: Traffic, client: TeacherClient | None, rates: Rates) -> str:
    """The line. Without a client, nothing is asked yet."""
    parts = [f"{progress.accepted}/{progress.wanted} rows", f"leaves {progress.leaves_done}/{progress.leaves}"]
    if client:
        left_sec = rates.left_sec(progress.wanted - progress.accepted)
        parts += [f"about {_duration(left_sec)} left"] if left_sec else []
        parts += [f"{traffic.answered} calls answered, {client.in_flight} in flight", *_rates(rates)]
    if progress.candidates:
        parts.append(f"yield {progress.accepted / progress.candidates:.0%}")
    parts += [f"{traffic.from_ledger} from the ledger"] if traffic.from_ledger else []
    if client and client.problem:
        parts.append(f"waiting: {client.problem}"[:100])
    return " · ".join(parts)


def _rates(rates: Rates) -> list[str]:
    calls, tokens = rates.calls_per_sec, rates.tokens_per_sec
    if calls is None:
        return []
    pace = f"{calls:.1f} calls/s" if calls >= 1.0 else f"{60.0 * calls:.1f} calls/min"
    return [f"{pace}, {tokens:.0f} tokens/s" if tokens else pace]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 20)).columns
