"""How far a verb is, below the cell of a notebook that called it.

Nothing here is imported that the notebook has not imported already: elsewhere there is no display, and no cost.
"""

from __future__ import annotations

import importlib
import sys
import time
from html import escape
from typing import Any

from labgen.progress.run_state import RunState
from labgen.progress.run_words import state_line
from labgen.text.printable import plain

SHOWN_EVERY_SEC = 0.5
MOST_NOTICES = 8


def notebook_display() -> NotebookDisplay | None:
    """What shows a bar and what there is to say, where a notebook's kernel runs this; None elsewhere."""
    shell = sys.modules.get("IPython")
    found: Any = shell.get_ipython() if shell is not None else None
    if found is None or not hasattr(found, "kernel"):
        return None
    return NotebookDisplay()


class NotebookDisplay:
    """One output of a cell that is written anew; its text is escaped."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._notices: list[str] = []
        self._state = ""
        self._shown_sec = 0.0

    def say(self, words: str) -> None:
        """Add a notice; of many, the last ones stay."""
        self._notices = [*self._notices, words][-MOST_NOTICES:]
        self._draw()

    def show(self, state: RunState) -> None:
        """Show the state of a run, where it is time to."""
        total, now = state.total, time.monotonic()
        if now - self._shown_sec < SHOWN_EVERY_SEC and total.rows < total.wanted:
            return
        self._shown_sec = now
        bar = f'<progress max="{max(1, total.wanted)}" value="{total.rows}"></progress>'
        self._state = f"<p>{bar} {escape(plain(state_line(state)))}</p>"
        self._draw()

    def _draw(self) -> None:
        output: Any = importlib.import_module("IPython.display")
        notices = "".join(f"<p>{escape(plain(words))}</p>" for words in self._notices)
        page = output.HTML(f"<div>{self._state}{notices}</div>")
        if self._handle is None:
            self._handle = output.display(page, display_id=True)
        else:
            self._handle.update(page)
