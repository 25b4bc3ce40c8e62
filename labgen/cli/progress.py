"""What a run shows of itself while it goes on, on stderr: a live display on a terminal, else plain or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from labgen.progress.run_words import state_line
from labgen.text.printable import plain

if TYPE_CHECKING:
    from labgen.progress.run_state import RunState

PLAIN_EVERY_SEC = 10.0
JSON_EVERY_SEC = 1.0


class ProgressDisplay:
    """Shows the states that it is told, and messages between them.

    Where nobody listens any more (a terminal that was closed, a pipe that was cut), the run goes on in silence.

    Args:
        form: `live`, `plain`, `json` or `none`; `auto` is `live` on a terminal and `plain` elsewhere.
    """

    def __init__(self, form: str = "auto") -> None:
        self._deaf = sys.stderr is None
        if form == "auto":
            form = "live" if not self._deaf and sys.stderr.isatty() else "plain"
        self._form = form
        self._shown_sec = time.monotonic()
        self._phase = ""
        self._live: Any = None
        self._last: RunState | None = None
        self._note = ""

    def show(self, state: RunState) -> None:
        """Show the state of a run, where it is time to."""
        self._last = state
        now, changed = time.monotonic(), state.phase != self._phase
        if self._form == "live":
            self._guarded(lambda: self._draw(state))
        elif self._form == "plain" and now - self._shown_sec >= PLAIN_EVERY_SEC and not state.ended:
            self._shown_sec = now
            self._write(state_line(state) + "\n")
        elif self._form == "json" and (changed or now - self._shown_sec >= JSON_EVERY_SEC):
            self._shown_sec = now
            self._write(json.dumps(asdict(state), ensure_ascii=False) + "\n")
        self._phase = state.phase

    def say(self, words: str) -> None:
        """Print a message on a line of its own; in JSON lines as an object with the one key `message`."""
        if self._form == "json":
            self._write(json.dumps({"message": words}, ensure_ascii=False) + "\n")
        elif self._live is not None:
            from rich.text import Text

            self._guarded(lambda: self._live.console.print(Text(plain(words))))
        else:
            self._write(plain(words) + "\n")

    def note(self, words: str) -> None:
        """Say something of the run that stays with the display."""
        self._note = words
        if self._form != "live" or self._last is None:
            self.say(words)
        else:
            state = self._last
            self._guarded(lambda: self._draw(state))

    def close(self) -> None:
        """End the display; what it showed last is taken away."""
        if self._live is not None:
            live, self._live = self._live, None
            self._guarded(live.stop)

    def _draw(self, state: RunState) -> None:
        from labgen.cli.run_display import RunDisplay

        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, markup=False, highlight=False, emoji=False)
            self._live = Live(
                console=console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()
        self._live.update(RunDisplay(state, self._note), refresh=True)

    def _write(self, words: str) -> None:
        self._guarded(lambda: click.echo(words, nl=False, err=True))

    def _guarded(self, work: Callable[[], None]) -> None:
        if self._deaf:
            return
        try:
            work()
        except OSError:
            self._deaf = True
            self._live = None
