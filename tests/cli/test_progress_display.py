"""Progress is shown to whoever listens; a run never depends on it."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from labgen.cli.progress import ProgressDisplay
from labgen.cli.run_display import RunDisplay
from labgen.progress.run_state import BranchState, LeafState, RunSpending, RunState
from labgen.progress.run_words import short_path, state_line
from labgen.teacher.waits import RunWait

HOSTILE = "knowledge/\x1b[31m[bold red]x[/]\u202e/" + "a" * 90
STATE = RunState(
    "generate",
    "asking",
    1000.0,
    1090.0,
    "here",
    1,
    branches=(BranchState("knowledge", 30, 120, 60, 40, 200, 1, 4), BranchState("compositional_skills", 0, 180)),
    worst=(LeafState(HOSTILE, 1, 30, 80, 0.05),),
    answered=1204,
    in_flight=64,
    spending=RunSpending(1204, 900_000, 120_000, 1.24, "EUR", max_cost=5.0),
    calls_per_sec=12.3,
    tokens_per_sec=1450.0,
    left_sec=840.0,
    waits=(
        RunWait(
            "load", "12 of 40 calls refused (429, 503) in 15 s; 8 at once now", "http://x/v1", "slow \x1b[2J[b]down"
        ),
    ),
)


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def write(self, words: str) -> int:
        """As the system says it."""
        self.tried += 1
        raise BrokenPipeError(32, "Broken pipe")


class Terminal(io.StringIO):
    """What says that it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def drawn(state: RunState, width: int = 80, note: str = "") -> list[str]:
    """The lines of the display without colours."""
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, markup=False).print(RunDisplay(state, note))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_message_that_nobody_reads_any_more_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`labgen generate 2>&1 | head -1` builds on, and does not try again."""
    gone = Gone()
    monkeypatch.setattr(sys, "stderr", gone)
    display = ProgressDisplay()
    display.say("one")
    tried = gone.tried
    assert tried
    display.say("two")
    display.close()
    assert gone.tried == tried


def test_a_program_without_standard_error_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service without a terminal may be started: `2>&-`."""
    monkeypatch.setattr(sys, "stderr", None)
    display = ProgressDisplay()
    display.say("one")
    display.show(STATE)
    display.close()


def test_all_that_matters_is_in_80_columns_and_24_lines() -> None:
    """Rows, leaves, yield by branch and in all, rates, money against the budget, time left, waits, worst leaf."""
    lines = drawn(STATE)
    text = "\n".join(lines)
    assert all(len(line) <= 80 for line in lines) and len(lines) < 24
    for words in (
        "about 14 min left",
        "30/120 rows",
        "1/4 leaves",
        "yield 67%",
        "in all",
        "30/300 rows",
        "1,204 calls answered, 64 in flight",
        "12.3 calls/s, 1,450 tokens/s",
        "EUR 1.24 of 5.00 spent",
        "load: 12 of 40 calls refused (429, 503) in 15 s; 8 at once now",
        "1/30 rows, yield 5%, 80 calls",
    ):
        assert words in text, words


def test_what_is_said_of_a_run_keeps_its_end_and_every_line_its_label() -> None:
    """Of a note the end says what to do; a wait that is too long for its line is cut by itself."""
    note = "stopped without a word (killed?): it last said something 3 s ago. Run it again to go on, as it was."
    lines = drawn(replace(STATE, waits=(RunWait("load", "many words " * 20, "http://x/v1"),)), note=note)
    assert note in " ".join(" ".join(lines).split())
    assert {"calls", "spent", "note", "waits", "worst"} <= {line.split(" ")[0] for line in lines}
    assert all(len(line) <= 80 for line in lines)


def test_text_from_outside_is_data_on_a_terminal() -> None:
    """Leaves' names and servers' words: no control character comes through, and markup is shown as it stands."""
    for text in ("\n".join(drawn(STATE, 200)), state_line(STATE)):
        assert not {"\x1b", "\u202e"} & set(text)
    wide = "\n".join(drawn(replace(STATE, worst=(LeafState("a/[bold red]x[/]", 1, 30, 80, 0.05),)), 200))
    assert "[bold red]x[/]" in wide and "[b]down" in wide


def test_messages_and_the_display_share_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message stands above the display with its markup as it is; at the end the cursor is shown again."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    display = ProgressDisplay()
    display.show(STATE)
    display.say("[red]a message[/red] \x1b[2J")
    display.note("Stopping")
    display.close()
    shown = terminal.getvalue()
    assert "[red]a message[/red] \\u001b[2J" in shown and "Stopping" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")


def test_json_lines_are_states_and_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script reads them from stderr; money comes with its currency."""
    out = io.StringIO()
    monkeypatch.setattr(sys, "stderr", out)
    display = ProgressDisplay("json")
    display.show(STATE)
    display.say("a message")
    state, message = map(json.loads, out.getvalue().splitlines())
    assert state["spending"]["cost"] == 1.24 and state["spending"]["currency"] == "EUR"
    assert state["waits"][0]["cause"] == "load" and message == {"message": "a message"}


def test_what_is_not_known_is_not_said() -> None:
    """Before rates and a time rest on something there are none; without prices there is no money."""
    words = state_line(
        replace(
            STATE,
            calls_per_sec=None,
            tokens_per_sec=None,
            left_sec=None,
            left_unknown="not known yet",
            spending=RunSpending(),
        )
    )
    assert "calls/" not in words and "spent" not in words and "time left not known yet" in words
    assert "1.5 calls/min" in state_line(replace(STATE, calls_per_sec=0.025, tokens_per_sec=None))


@pytest.mark.parametrize(
    ("path", "chars", "short"),
    [
        ("knowledge/a/b", 20, "knowledge/a/b"),
        ("knowledge/science/biology/honey_bee", 30, "knowledge/…/biology/honey_bee"),
        ("knowledge/science/biology/honey_bee", 24, "knowledge/…/honey_bee"),
        ("knowledge/science/biology/honey_bee", 10, "…honey_bee"),
    ],
)
def test_paths_keep_their_ends(path: str, chars: int, short: str) -> None:
    """The leaf's own name is what tells it from others."""
    assert short_path(path, chars) == short and len(short) <= chars
