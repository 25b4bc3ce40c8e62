"""A build whose HTTP has a process of its own: the same bytes, and no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from workbench import Labgen, Teacher, clean_environment, digest

from labgen.teacher.http_process import WORTH_A_PROCESS

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) == 1, reason="no core is free for a process"
)


def _forked(parent: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def _wait(until: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not until() and process.poll() is None:
        time.sleep(0.02)


@pytest.mark.parametrize("who", ["nobody", "child"])
def test_a_build_has_the_same_bytes_with_the_process_without_it_and_where_it_dies(
    taxonomy: Path, labgen: Labgen, teacher: Teacher, who: str
) -> None:
    """And asks each call once, but for those that were under way."""
    asked = ("--samples", "10", "--base-url", teacher.base_url, "--model", "labgen-rehearsal")
    building = labgen.start("generate", *asked, "--concurrency", str(WORTH_A_PROCESS))
    _wait(lambda: teacher.stats()["requests"] > 20, building)
    children = _forked(building.pid)
    assert len(children) == 1
    if who == "child":
        os.kill(children[0], signal.SIGKILL)
    _, err = building.communicate(timeout=60)
    assert building.returncode == 0, err
    assert "Traceback" not in err
    assert teacher.stats()["answered_twice"] <= (WORTH_A_PROCESS if who == "child" else 0)
    alone = labgen("generate", "--samples", "10", "--concurrency", "4", "--output", "alone", "--work", "elsewhere")
    assert alone.status == 0
    assert digest(labgen.folder / "dataset") == digest(labgen.folder / "alone")


WITH_A_LEDGER_THAT_REFUSES = """
import multiprocessing, pathlib
from labgen import cli, errors
from labgen.ledger.replies import Ledger

insert = Ledger.insert

def fails_there(ledger, *rows):
    if multiprocessing.current_process().daemon:
        pathlib.Path("refused").touch()
        raise errors.LedgerError("no room there")
    return insert(ledger, *rows)

Ledger.insert = fails_there
cli.main()
"""


def test_what_the_process_cannot_write_into_the_ledger_its_parent_writes(
    taxonomy: Path, labgen: Labgen, teacher: Teacher
) -> None:
    """Nothing is lost or asked twice, and nobody hears of it."""
    asked = ("generate", "--samples", "5", "--base-url", teacher.base_url, "--model", "labgen-rehearsal")
    command = [sys.executable, "-c", WITH_A_LEDGER_THAT_REFUSES, *asked]
    ran = subprocess.run(
        command, cwd=labgen.folder, env=clean_environment(), capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    assert (labgen.folder / "refused").exists() and "no room" not in ran.stderr
    requests = teacher.stats()["requests"]
    assert teacher.stats()["answered_twice"] == 0
    assert (labgen(*asked).status, teacher.stats()["requests"]) == (0, requests)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_of_a_run_s_processes_loses_no_call_in_flight(
    taxonomy: Path, labgen: Labgen, teacher: Teacher, how: int
) -> None:
    """As `timeout`, a terminal and whatever stops a service send it."""
    asked = ("generate", "--samples", "20", "--base-url", teacher.base_url, "--model", "labgen-rehearsal")
    building = labgen.start(*asked)
    _wait(lambda: teacher.stats()["requests"] > 20, building)
    for each in (*_forked(building.pid), building.pid):
        os.kill(each, how)
    _, err = building.communicate(timeout=60)
    assert building.returncode == 1, err
    assert labgen(*asked).status == 0
    assert teacher.stats()["answered_twice"] == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_process_ends_with_its_parent(taxonomy: Path, labgen: Labgen, teacher: Teacher, how: int) -> None:
    """However that ends; and no word of it."""
    building = labgen.start(
        "generate", "--samples", "50", "--base-url", teacher.base_url, "--model", "labgen-rehearsal"
    )
    _wait(lambda: teacher.stats()["requests"] > 20, building)
    (child,) = _forked(building.pid)
    building.send_signal(how)
    _, err = building.communicate(timeout=60)
    while not _ended(child):
        time.sleep(0.02)
    assert "Traceback" not in err
