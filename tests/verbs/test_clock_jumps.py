"""The clock is set while labgen works, or between two runs: nothing is lost, and nothing waits for what never comes.

What waits or measures a span uses the monotonic clock, which nobody sets; the clock on the wall is for people.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from unittest import mock

import pytest
from batch_server import BatchServer, Faults
from faulty_server import Fault, FaultyServer
from workbench import Labgen, digest

import labgen as package
from labgen.progress.status_file import freshness, read_status
from labgen.teacher.rate_limit_headers import rate_limit_pause, retry_after

DAY_SEC = 86_400.0
WALL_CLOCK = re.compile(r"\b(time\.time(_ns)?|date\.today|datetime\.(now|utcnow|today))\b")
MAY_READ_THE_WALL_CLOCK = {
    "progress/status_file.py": "how old another process's words are",
    "progress/watch.py": "the moment of a state, for other processes",
    "teacher/call_log.py": "the moment of a call, for people",
    "teacher/probe_speed.py": "the date of a measurement",
    "teacher/rate_limit_headers.py": "a server's points in time, where it does not say what time it is there",
    "teacher/rehearsal/batches.py": "moments of a batch, for clients",
    "teacher/rehearsal/batch_files.py": "moments of a file, for clients",
    "teacher/retries.py": "until when a wait lasts, for people",
    "verbs/build_time.py": "the date of a measurement",
}


def jumping(seed: int) -> Callable[[], float]:
    """A clock that is days off at each look, before or behind."""
    dice, now = random.Random(seed), time.time
    return lambda: now() + dice.uniform(-30.0, 30.0) * DAY_SEC


def set_back() -> float:
    """A clock whose battery is empty."""
    return 86_400.0


def test_only_what_tells_people_the_time_reads_the_clock_on_the_wall() -> None:
    """Waits, timeouts, rates and the ages of caches don't: a clock that is set would stretch or skip them."""
    root = Path(package.__file__).parent
    reads = {path.relative_to(root).as_posix() for path in root.rglob("*.py") if WALL_CLOCK.search(path.read_text())}
    assert reads == set(MAY_READ_THE_WALL_CLOCK)


def test_builds_while_the_clock_jumps_and_after_it_was_set_back_give_the_same_bytes(
    taxonomy: Path, labgen: Labgen
) -> None:
    """A build on a jumping clock, its continuation in 1970, and `labgen status` between and after."""
    with mock.patch("time.time", jumping(1)):
        assert labgen("generate", "--samples", "2").status == 0
        assert labgen("status").status == 0
    state = read_status(labgen.folder / ".labgen")
    assert state and 0.0 <= state.updated - state.started < 600.0
    for number, path in enumerate((labgen.folder / ".labgen").rglob("*")):
        os.utime(path, (set_back(), set_back() + number % 2 * 100 * 365 * DAY_SEC))  # locks, caches, ledger
    with mock.patch("time.time", set_back):
        first = labgen("generate", "--samples", "4", "--json")
        again = labgen("generate", "--samples", "4", "--json")
        assert labgen("status").status == 0
    assert first.status == again.status == 0
    assert first.json["calls"]["answered"] > 0 and again.json["calls"]["answered"] == 0, first.json
    assert labgen("generate", "--samples", "4", "--output", "undisturbed", "--work", "elsewhere").status == 0
    assert digest(labgen.folder / "dataset") == digest(labgen.folder / "undisturbed")


def test_batches_are_waited_for_on_a_jumping_clock(taxonomy: Path, labgen: Labgen) -> None:
    """They end, none twice, with the bytes of calls one by one."""
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"samples": 2, "bulk": {"poll_sec": 0.02}}))
    with BatchServer(Faults(in_progress_sec=0.05)) as server:
        with mock.patch("time.time", jumping(2)):
            ended = labgen("bulk", "run", "--base-url", server.base_url, "--model", "labgen-rehearsal")
        assert ended.status == 0, ended.err
        assert not server.paid_twice()


def test_a_wait_until_a_date_is_reckoned_by_the_clock_of_whoever_names_it(labgen: Labgen, taxonomy: Path) -> None:
    """A machine whose clock is days behind does not wait for days."""
    server_sec = time.time() + 9 * DAY_SEC
    dated = {"date": formatdate(server_sec, usegmt=True)}
    later = formatdate(server_sec + 7, usegmt=True)
    assert retry_after(dated | {"retry-after": later}) == 7.0
    assert retry_after(dated | {"retry-after": formatdate(server_sec - 7, usegmt=True)}) == 0.0
    used_up = dated | {"x-ratelimit-remaining": "0"}
    assert rate_limit_pause(used_up | {"x-ratelimit-reset": later}) == 7.0
    assert rate_limit_pause(used_up | {"x-ratelimit-reset": str(int(server_sec) + 7)}) == pytest.approx(7.0, abs=1.0)
    headers = {"Date": dated["date"], "Retry-After": formatdate(server_sec + 1, usegmt=True)}

    def refuse_one(number: int, body: object) -> object:
        return Fault(429, b"{}", headers) if number == 3 else None

    with FaultyServer(refuse_one) as server:
        ended = labgen("generate", "--samples", "2", "--base-url", server.base_url, "--model", "labgen-rehearsal")
    assert ended.status == 0 and "asks for a wait" not in ended.err, ended.err


def test_the_state_of_a_run_from_the_future_is_told(labgen: Labgen, taxonomy: Path) -> None:
    """The clock was set back since: nobody takes it for fresh, nor for days old."""
    assert labgen("generate", "--samples", "1").status == 0
    state = read_status(labgen.folder / ".labgen")
    assert state
    running = type(state)("generate", "asking", state.started, state.updated, "another machine", 1)
    told = freshness(running, now=lambda: state.updated - DAY_SEC * 3)
    assert told.alive and "3 days ahead of this machine's clock" in told.words
    assert not freshness(running, now=lambda: state.updated + 1.0).words
