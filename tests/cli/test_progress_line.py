"""Progress is shown to whoever listens; a run never depends on it."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest

from labgen.cli.progress import Moment, ProgressLine, Rates, progress_words
from labgen.generate.engine import Progress
from labgen.teacher.traffic import Traffic


class Gone(io.StringIO):
    """A pipe whose reader has gone."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def write(self, words: str) -> int:
        """As the system says it."""
        self.tried += 1
        raise BrokenPipeError(32, "Broken pipe")


def test_a_message_that_nobody_reads_any_more_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`labgen generate 2>&1 | head -1` builds on, and does not try again."""
    gone = Gone()
    monkeypatch.setattr(sys, "stderr", gone)
    line = ProgressLine()
    line.say("one")
    tried = gone.tried
    assert tried
    line.say("two")
    line.close()
    assert gone.tried == tried


def test_a_program_without_standard_error_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a service without a terminal may be started: `2>&-`."""
    monkeypatch.setattr(sys, "stderr", None)
    line = ProgressLine()
    line.say("one")
    line.close()


def line_at(rates: Rates, seen: Moment, wanted: int = 100) -> str:
    """The line of a run that is so far, with nothing from the ledger."""
    rates.note(seen)
    client = SimpleNamespace(in_flight=seen.under_way, problem="")
    progress = Progress(leaves=4, accepted=seen.rows, wanted=wanted, candidates=seen.rows)
    return progress_words(progress, Traffic(answered=seen.answered, completion_tokens=seen.tokens), client, rates)  # type: ignore[arg-type]


def test_at_three_calls_a_minute_rates_and_time_left_come_out_right() -> None:
    """One row for 4 calls, 100 tokens each: said as calls a minute, and only once something is to be said."""
    rates, shown = Rates(), {}
    for half_sec in range(2 * 3600):
        minute = half_sec / 120
        answered = int(3 * minute)
        shown[half_sec] = line_at(rates, Moment(half_sec / 2, answered // 4, answered, 100 * answered, 4))
    assert "calls/" not in shown[100] and "left" not in shown[100]
    assert "3 calls answered, 4 in flight" in shown[130]
    at_20_min, at_55_min = shown[2400], shown[6600]
    assert "60 calls answered, 4 in flight · 3." in at_20_min and "calls/min, 5 tokens/s" in at_20_min
    assert abs(minutes_left(at_20_min) - (100 - 15) * 4 / 3) <= 12
    assert abs(minutes_left(at_55_min) - (100 - 41) * 4 / 3) <= 8


def minutes_left(line: str) -> float:
    """The time left that a line says."""
    count, unit = line.split("about ")[1].split(" left")[0].split()
    return float(count) * {"s": 1 / 60, "min": 1.0, "h": 60.0}[unit]


def test_a_fast_run_is_told_by_its_last_seconds() -> None:
    """At 20 calls a second, then at 40."""
    rates = Rates()
    for second in range(120):
        answered = 20 * second if second < 60 else 1200 + 40 * (second - 60)
        words = line_at(rates, Moment(float(second), answered // 4, answered, 0, 64), wanted=2000)
    assert "40.0 calls/s" in words and "tokens/s" not in words
    assert "about 2 min left" in words


def test_a_run_that_waits_keeps_little_in_mind() -> None:
    """Hours without an answer are one entry, and the rate falls meanwhile."""
    rates = Rates()
    for second in range(60):
        line_at(rates, Moment(float(second), 0, second, 0, 1))
    before = rates.calls_per_sec
    for second in range(60, 7200):
        line_at(rates, Moment(float(second), 0, 59, 0, 1))
    assert len(rates._seen) < 70
    assert before and rates.calls_per_sec and rates.calls_per_sec < before / 10
