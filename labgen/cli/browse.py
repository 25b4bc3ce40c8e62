"""The rows of a dataset on a terminal: a list that can be narrowed, and one row whole beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Footer, Input, Static

from labgen.export.row_list import ListedRow, RowFilter
from labgen.taxonomy.changes import exact_pattern
from labgen.text.printable import one_line, plain

STATE_COLUMNS = 12
LEAF_COLUMNS = 24


class RowListView(ScrollView, can_focus=True):
    """A line for each row. Only the lines that are seen are made, so it takes any number of rows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "move(-1000000000)", "First", show=False),
        Binding("end", "move(1000000000)", "Last", show=False),
    ]
    at: reactive[int] = reactive(0)

    class Moved(Message):
        """Another row is looked at."""

    def __init__(self, rows: Sequence[ListedRow]) -> None:
        super().__init__(id="rows")
        self._rows = rows

    def show(self, rows: Sequence[ListedRow]) -> None:
        """List other rows; the row that was looked at stays so where it is among them."""
        before = self.row
        self._rows = rows
        self.virtual_size = Size(self.size.width, len(rows))
        places = (place for place, row in enumerate(rows) if before and row.id == before.id)
        self.at = next(places, 0)
        self.refresh()
        self._follow()

    @property
    def row(self) -> ListedRow | None:
        """The row that is looked at; None where the list is empty."""
        return self._rows[self.at] if self.at < len(self._rows) else None

    def on_mount(self) -> None:
        """Say how long the list is."""
        self.virtual_size = Size(self.size.width, len(self._rows))

    def action_move(self, by: int) -> None:
        """Look at a row further up or down."""
        self.at = max(0, min(len(self._rows) - 1, self.at + by))
        self._follow()

    def action_page(self, by: int) -> None:
        """Look at a row a page further up or down."""
        self.action_move(by * max(1, self.size.height - 1))

    def _follow(self) -> None:
        if self.at < self.scroll_offset.y:
            self.scroll_to(y=self.at, animate=False, force=True)
        elif self.at >= self.scroll_offset.y + self.size.height:
            self.scroll_to(y=self.at - self.size.height + 1, animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """A line of what is seen."""
        place = y + self.scroll_offset.y
        if place >= len(self._rows):
            return Strip.blank(self.size.width)
        row = self._rows[place]
        leaf = row.leaf if len(row.leaf) <= LEAF_COLUMNS else f"…{row.leaf[1 - LEAF_COLUMNS :]}"
        words = f"{row.state:<{STATE_COLUMNS}} {leaf:<{LEAF_COLUMNS}}  {one_line(row.question)}"
        style = Style(reverse=place == self.at, dim=row.state != "accepted")
        return Strip([Segment(plain(words), style)]).adjust_cell_length(self.size.width, style)


class RowBrowser(App[ListedRow | None]):
    """Rows and rejections to look through; gives the row that was looked at last.

    Args:
        rows: all there are; wanted: what is shown of them at first.
        detail: a row's text, of as many lines as it takes.
    """

    CSS = """
    #rows { height: 1fr; min-height: 4; }
    #detail { height: 2fr; border-top: solid $accent; }
    #told { height: 1; text-style: bold; }
    #find { display: none; }
    .whole #rows { display: none; }
    .finding #find { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "find", "Find"),
        Binding("s", "turn_state", "State"),
        Binding("l", "same('leaf')", "Leaf"),
        Binding("r", "same('reason')", "Reason"),
        Binding("enter", "whole", "Whole"),
        Binding("n", "next(1)", "Next", show=False),
        Binding("p", "next(-1)", "Previous", show=False),
        Binding("escape", "all", "All"),
        Binding("q", "leave", "Quit"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, rows: Sequence[ListedRow], wanted: RowFilter, detail: Callable[[ListedRow], str]) -> None:
        super().__init__()
        self._all, self._first, self._detail = rows, wanted, detail
        self.wanted = wanted
        self._states = ("", *dict.fromkeys(row.state for row in rows))

    def compose(self) -> ComposeResult:
        """What is on the screen."""
        yield Static(id="told")
        yield RowListView([row for row in self._all if self.wanted.fits(row)])
        yield VerticalScroll(Static(id="text", markup=False), id="detail")
        yield Input(id="find", placeholder="words in question, answer or ID")
        yield Footer()

    def on_mount(self) -> None:
        """Begin in the list."""
        self._list.focus()
        self._tell()
        self.on_row_list_view_moved()

    @property
    def _list(self) -> RowListView:
        return self.query_one(RowListView)

    def _narrow(self, wanted: RowFilter) -> None:
        self.wanted = wanted
        self._list.show([row for row in self._all if wanted.fits(row)])
        self._tell()

    def _tell(self) -> None:
        """What is listed, in a line."""
        parts = [("leaf", " ".join(self.wanted.leaf_patterns)), ("state", " ".join(self.wanted.states))]
        parts += [("reason", self.wanted.reason), ("text", self.wanted.text)]
        parts += [("score", " ".join(f"{each.filter}{each.sign}{each.value:g}" for each in self.wanted.scores))]
        shown = len(self._list._rows)
        words = [f"{shown:,} of {len(self._all):,}", *(f"{name} {value}" for name, value in parts if value)]
        self.query_one("#told", Static).update(Text(plain(" · ".join(words)), no_wrap=True, overflow="ellipsis"))

    def on_row_list_view_moved(self) -> None:
        """Show the row that is looked at."""
        row = self._list.row
        self.query_one("#text", Static).update(Text(self._detail(row) if row else "No row fits."))
        self.query_one("#detail").scroll_home(animate=False)

    def action_find(self) -> None:
        """Ask for words; the list is narrowed with every key."""
        self.add_class("finding")
        field = self.query_one("#find", Input)
        field.value = self.wanted.text
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Narrow the list to what was typed so far."""
        self._narrow(replace(self.wanted, text=event.value))

    def on_input_submitted(self) -> None:
        """Back to the list."""
        self.remove_class("finding")
        self._list.focus()

    def action_turn_state(self) -> None:
        """The next state that occurs; after the last one, all."""
        now = self.wanted.states[0] if self.wanted.states else ""
        place = self._states.index(now) if now in self._states else 0
        following = self._states[(place + 1) % len(self._states)]
        self._narrow(replace(self.wanted, states=(following,) if following else ()))

    def action_same(self, part: str) -> None:
        """Only rows with this row's leaf or reason; once more: all again."""
        row = self._list.row
        if part == "leaf":
            leaf = () if self.wanted.leaf_patterns or row is None else (exact_pattern(row.leaf),)
            self._narrow(replace(self.wanted, leaf_patterns=leaf))
        else:
            reason = "" if self.wanted.reason or row is None else row.reason.split(":", 1)[0]
            self._narrow(replace(self.wanted, reason=reason))

    def action_whole(self) -> None:
        """The row alone on the screen; once more: the list again."""
        self.toggle_class("whole")
        (self.query_one("#detail") if self.has_class("whole") else self._list).focus()

    def action_next(self, by: int) -> None:
        """The next row, also where the list is not seen."""
        self._list.action_move(by)

    def action_all(self) -> None:
        """Back to what was asked for at first."""
        self.remove_class("finding", "whole")
        self._list.focus()
        self._narrow(self._first)

    def action_leave(self) -> None:
        """End."""
        self.exit(self._list.row)
