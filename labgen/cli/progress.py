"""Progress on stderr: one line that is rewritten on a terminal, plain lines now and then elsewhere."""

from __future__ import annotations

import sys
import time

import click

from labgen.generate.engine import Progress
from labgen.teacher.client import TeacherClient
from labgen.teacher.traffic import Traffic

PLAIN_EVERY_SEC = 10.0
RATE_WINDOW_SEC = 15.0


class ProgressLine:
    """Shows how far a run is. `rows` and `calls` rates are over the last seconds, as is the time left.

    Where nobody listens any more (a terminal that was closed, a pipe that was cut), the run goes on in silence.
    """

    def __init__(self) -> None:
        self._deaf = sys.stderr is None
        self._live = not self._deaf and sys.stderr.isatty()
        self._begun_sec = self._printed_sec = time.monotonic()
        self._seen: list[tuple[float, int, int]] = []
        self._open = False

    def show(self, progress: Progress, traffic: Traffic, client: TeacherClient | None) -> None:
        """Show the state of a run, where it is time to; without a client, nothing is asked yet."""
        now = time.monotonic()
        self._seen.append((now, progress.accepted, traffic.answered))
        while now - self._seen[0][0] > RATE_WINDOW_SEC and len(self._seen) > 2:
            self._seen.pop(0)
        if not self._live and now - self._printed_sec < PLAIN_EVERY_SEC:
            return
        self._printed_sec = now
        line = self._words(progress, traffic, client, now)
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

    def _words(self, progress: Progress, traffic: Traffic, client: TeacherClient | None, now: float) -> str:
        first, span = self._seen[0], max(now - self._seen[0][0], 1e-9)
        rows_per_sec = (progress.accepted - first[1]) / span
        calls_per_sec = (traffic.answered - first[2]) / span
        parts = [
            f"{progress.accepted}/{progress.wanted} rows",
            f"leaves {progress.leaves_done}/{progress.leaves}",
            f"yield {progress.accepted / progress.candidates:.0%}" if progress.candidates else "yield -",
            *([f"{calls_per_sec:.1f} calls/s, {client.in_flight} in flight"] if client else []),
            *([f"{traffic.from_ledger} from the ledger"] if traffic.from_ledger else []),
        ]
        missing = progress.wanted - progress.accepted
        if rows_per_sec > 0 and missing > 0:
            parts.append(f"about {_duration(missing / rows_per_sec)} left")
        if client and client.problem:
            parts.append(f"waiting: {client.problem}"[:100])
        return " · ".join(parts)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size((100, 20)).columns
