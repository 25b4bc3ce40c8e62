"""The state of a run as some lines of a terminal, by `rich`. All text is data: no markup in it is read."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from labgen.progress.run_state import BranchState, RunState
from labgen.progress.run_words import call_words, leaf_words, left_words, spent_words, wait_words
from labgen.text.durations import duration
from labgen.text.printable import one_line

LABEL_CHARS = 7
"""Width of the labels below the bars."""
MOST_WAITS = 3
WHOLE = ("note", "ended")
"""What is said in as many lines as it takes: what to do stands at its end."""


class RunDisplay:
    """A state, drawn at the width that there is. `note` is said of it in place of what it waits for."""

    def __init__(self, state: RunState, note: str = "") -> None:
        self._state, self._note = state, note

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """As `rich` asks for it."""
        yield Group(self._head(), self._bars(), *self._below(options.max_width))

    def _head(self) -> Table:
        state = self._state
        head = Table.grid(expand=True)
        head.add_column(no_wrap=True, overflow="ellipsis")
        head.add_column(justify="right", no_wrap=True)
        words = f"labgen {state.verb} · {state.phase} · {duration(state.updated - state.started)}"
        head.add_row(_text(words, "bold"), _text(left_words(state)))
        return head

    def _bars(self) -> Table:
        bars = Table.grid(padding=(0, 1), expand=True)
        bars.add_column(no_wrap=True)
        bars.add_column(ratio=1)
        for _ in range(3):
            bars.add_column(justify="right", no_wrap=True)
        each = self._state.branches
        for branch in (*each, self._state.total) if len(each) > 1 else each:
            bars.add_row(
                _text(branch.name),
                ProgressBar(total=max(1, branch.wanted), completed=branch.rows),
                _text(f"{branch.rows:,}/{branch.wanted:,} rows"),
                _text(_leaves(branch)),
                _text("" if branch.yield_share is None else f"yield {branch.yield_share:.0%}"),
            )
        return bars

    def _below(self, width: int) -> Iterator[Table]:
        state, chars = self._state, width - LABEL_CHARS
        lines = [("calls", " · ".join(call_words(state)), "")]
        lines.append(("spent", " · ".join(spent_words(state.spending) or _tokens(state)), ""))
        if self._note:
            lines.append(("note", self._note, "bold yellow"))
        lines += [("waits", wait_words(wait), "yellow") for wait in state.waits[:MOST_WAITS]]
        lines += [("", f"  {wait.detail}", "dim") for wait in state.waits[:1] if wait.detail]
        lines += [("worst", leaf_words(leaf, chars // 2), "") for leaf in state.worst]
        table = Table.grid()
        table.add_column(width=LABEL_CHARS, no_wrap=True)
        # Longer words than there is room for are cut; the labels never are.
        table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, chars))
        lines.append(("ended", state.ended, ""))
        before = None
        for label, words, style in lines:
            if words:
                said = _text(words, style)
                if label in WHOLE:
                    said.no_wrap, said.overflow = False, "fold"
                table.add_row(_text("" if label == before else label, "dim"), said)
                before = label
        yield table


def _leaves(branch: BranchState) -> str:
    return f"{branch.leaves_done:,}/{branch.leaves:,} leaves"


def _tokens(state: RunState) -> list[str]:
    spending = state.spending
    if not spending.prompt_tokens + spending.completion_tokens:
        return []
    return [f"{spending.prompt_tokens:,} prompt and {spending.completion_tokens:,} reply tokens"]


def _text(words: str, style: str = "") -> Text:
    return Text(one_line(words, None) if words.strip() == words else f"  {one_line(words, None)}", style=style)
