"""`labgen status` tells how far a run is, and where that can't be relied on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import make_taxonomy, run

from labgen.errors import UsageError
from labgen.progress.run_state import BranchState, RunState
from labgen.progress.status_file import NAME, freshness, read_status, write_status
from labgen.teacher.waits import RunWait


def a_state(**more: object) -> RunState:
    """That of this process, a moment old."""
    state = RunState("generate", "asking", time.time() - 60, time.time(), platform.node(), os.getpid())
    return replace(state, branches=(BranchState("knowledge", 3, 10),), **more)  # type: ignore[arg-type]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    """Whole, in place of the one before it, and nothing else is left."""
    first, then = a_state(), a_state(answered=7)
    assert write_status(tmp_path, first) and write_status(tmp_path, then)
    assert read_status(tmp_path) == then and [path.name for path in tmp_path.iterdir()] == [NAME]


def test_an_endpoints_own_words_stay_out_of_the_file(tmp_path: Path) -> None:
    """They may repeat what was asked; the cause is there."""
    write_status(tmp_path, a_state(waits=(RunWait("load", "refused", "http://one/v1", "you asked: a secret"),)))
    assert "secret" not in (tmp_path / NAME).read_text(encoding="utf-8")
    found = read_status(tmp_path)
    assert found and found.waits == (RunWait("load", "refused", "http://one/v1"),)


def test_a_build_leaves_its_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the money that it cost; `status` then ends with 0. Of a folder without a run it says so."""
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    assert run("status").return_value == 1
    (tmp_path / "labgen.yaml").write_text(
        "price: {currency: EUR, prompt_per_million: 1.0, completion_per_million: 2.0}\n"
    )
    built = run("generate", "--samples", "3", "--json")
    status = run("status")
    assert status.return_value == 0 and "all is done" in status.output and "time left" not in status.output
    data = json.loads(run("status", "--json").stdout)
    spent = json.loads(built.stdout)["spent"]
    assert spent["currency"] == "EUR" and spent["cost"] > 0
    assert data["spending"]["cost"] == pytest.approx(spent["cost"], abs=1e-6) and not data["running"]
    assert sum(branch["rows"] for branch in data["branches"]) == 6
    watched = run("status", "--watch", "--json")
    assert json.loads(watched.stdout)["ended"] == "all is done"


def test_it_says_when_a_run_is_gone_held_or_elsewhere(tmp_path: Path) -> None:
    """By the process that wrote it, and by the time that went by."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert freshness(a_state()).words == "" and freshness(a_state()).alive
    dead = freshness(a_state(pid=gone.pid))
    assert not dead.alive and "stopped without a word" in dead.words
    held = freshness(a_state(updated=time.time() - 7200))
    assert held.alive and held.words.startswith("stale: it last said something 2 h ago")
    elsewhere = freshness(a_state(updated=time.time() - 7200, host="another", pid=gone.pid))
    assert elsewhere.alive and "it runs on another" in elsewhere.words
    assert not freshness(a_state(ended="all is done")).alive


@pytest.mark.parametrize("text", ["", "{}", '{"verb": 1}', "x" * 2_000_000])
def test_a_file_that_is_no_state_is_told(tmp_path: Path, text: str) -> None:
    """Whoever wrote it."""
    (tmp_path / NAME).write_text(text)
    with pytest.raises(UsageError, match="no state of a run"):
        read_status(tmp_path)


def test_a_work_folder_that_can_not_be_written_stops_no_run(tmp_path: Path) -> None:
    """A full or read-only disk: the run itself says what is wrong with it."""
    assert not write_status(tmp_path / "missing", a_state())


def test_an_output_that_holds_ascii_alone_is_told_all(tmp_path: Path) -> None:
    """What it can't hold is spelled as JSON spells it."""
    assert write_status(tmp_path, a_state(ended="done – at last ✓ 🎉"))
    command = [sys.executable, "-m", "labgen", "status", "--work", str(tmp_path)]
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    found = subprocess.run(command, env=ascii_only, capture_output=True, text=True, timeout=60)
    assert not found.stderr and found.stdout.isascii()
    assert json.loads(f'"{found.stdout.split("ended  ")[1].strip()}"') == "done – at last ✓ 🎉"
