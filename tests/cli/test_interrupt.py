"""Ctrl-C and SIGTERM: what is paid for is kept, and what is there can be written."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from faulty_server import FaultyServer, make_taxonomy
from forked_commands import ForkedCommand
from workbench import Labgen


def start(here: Path, server: FaultyServer, *options: str) -> ForkedCommand | subprocess.Popen[str]:
    """A build that has had some replies, and is under way."""
    make_taxonomy(here / "taxonomy")
    arguments = ["generate", "--base-url", server.base_url, "--model", "labgen-rehearsal", "--concurrency", "4"]
    process = Labgen(here).start(*arguments, *options, OPENAI_API_KEY="k", NO_COLOR="1")
    end = time.monotonic() + 60
    while rows(here) < 5 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    assert process.poll() is None
    return process


def rows(here: Path) -> int:
    """Rows so far, as the run's state in the work folder says."""
    try:
        state = json.loads((here / ".labgen/status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return sum(branch["rows"] for branch in state["branches"])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_write_what_is_there(tmp_path: Path, number: signal.Signals) -> None:
    """The command that it prints asks nothing, and writes a dataset of these rows, marked as incomplete."""
    with FaultyServer(delay_sec=0.04) as server:
        process = start(tmp_path, server, "--samples", "60")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and not out
        assert "run the same command again" in err and not (tmp_path / "dataset").exists()
        assert json.loads((tmp_path / ".labgen/status.json").read_text(encoding="utf-8"))["ended"] == "Stopped by you"
        printed = next(line.strip() for line in err.splitlines() if line.strip().startswith("labgen generate"))
        assert shlex.split(printed)[-2:] == ["--max-calls", "0"] and "--samples 60" in printed
        asked = len(server.bodies)
        written = Labgen(tmp_path)(*shlex.split(printed)[1:], OPENAI_API_KEY="k")
        assert written.status == 1 and len(server.bodies) == asked, written.err
    funnel = json.loads((tmp_path / "dataset/funnel.json").read_text(encoding="utf-8"))
    assert sum(leaf["states"].get("accepted", 0) for leaf in funnel["leaves"].values()) >= 5
    assert "ncomplete" in (tmp_path / "dataset/README.md").read_text(encoding="utf-8")


def test_on_interrupt_write_writes_it_at_once(tmp_path: Path) -> None:
    """With money in the end, and a state that says how it ended."""
    with FaultyServer(delay_sec=0.04) as server:
        process = start(tmp_path, server, "--samples", "60", "--on-interrupt", "write", "--json")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    summary = json.loads(out)
    assert process.returncode == 1 and summary["folder"] == "dataset" and not summary["complete"], err
    assert summary["remaining"]["rows"] > 0 and summary["spent"]["calls"] > 0
    state = json.loads((tmp_path / ".labgen/status.json").read_text(encoding="utf-8"))
    assert state["ended"] == "Stopped by you"


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Although calls are in flight that a slow server does not answer; what was paid for is kept."""
    with FaultyServer(delay_sec=0.04) as server:
        process = start(tmp_path, server, "--samples", "60")
        server.delay_sec = 50.0
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert process.poll() is None  # it waits for calls in flight
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGINT
        status = Labgen(tmp_path)("status")
        assert status.status == 1 and "stopped without a word" in status.out
    assert Labgen(tmp_path)("ledger", "verify").status == 0
