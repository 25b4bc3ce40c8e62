"""Ctrl-C and SIGTERM: what is paid for is kept, and what is there can be written."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_server import FaultyServer, make_taxonomy

LABGEN = [sys.executable, "-c", "from labgen.cli import main; main()"]


def start(here: Path, server: FaultyServer, *options: str) -> subprocess.Popen[str]:
    """A build that has had some replies, and is under way."""
    make_taxonomy(here / "taxonomy")
    arguments = ["generate", "--base-url", server.base_url, "--model", "labgen-rehearsal", "--concurrency", "4"]
    process = subprocess.Popen(
        [*LABGEN, *arguments, *options],
        cwd=here,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"OPENAI_API_KEY": "k", "NO_COLOR": "1"},
    )
    end = time.monotonic() + 60
    while rows(here) < 5 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
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
    with FaultyServer(delay_sec=0.1) as server:
        process = start(tmp_path, server, "--samples", "60")
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 1 and not out
        assert "run the same command again" in err and not (tmp_path / "dataset").exists()
        printed = next(line.strip() for line in err.splitlines() if line.strip().startswith("labgen generate"))
        assert shlex.split(printed)[-2:] == ["--max-calls", "0"] and "--samples 60" in printed
        asked = len(server.bodies)
        words = shlex.split(printed)[1:]
        written = subprocess.run([*LABGEN, *words], cwd=tmp_path, text=True, capture_output=True, timeout=60)
        assert written.returncode == 1 and len(server.bodies) == asked, written.stderr
    funnel = json.loads((tmp_path / "dataset/funnel.json").read_text(encoding="utf-8"))
    assert sum(leaf["states"].get("accepted", 0) for leaf in funnel["leaves"].values()) >= 5
    assert "ncomplete" in (tmp_path / "dataset/README.md").read_text(encoding="utf-8")


def test_on_interrupt_write_writes_it_at_once(tmp_path: Path) -> None:
    """With money in the end, and a state that says how it ended."""
    with FaultyServer(delay_sec=0.1) as server:
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
    with FaultyServer(delay_sec=0.1) as server:
        process = start(tmp_path, server, "--samples", "60")
        server.delay_sec = 50.0
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        assert process.poll() is None  # it waits for calls in flight
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
        assert process.returncode == -signal.SIGINT
        status = subprocess.run([*LABGEN, "status"], cwd=tmp_path, text=True, capture_output=True, timeout=60)
        assert status.returncode == 1 and "stopped without a word" in status.stdout
    verify = subprocess.run([*LABGEN, "ledger", "verify"], cwd=tmp_path, text=True, capture_output=True, timeout=60)
    assert verify.returncode == 0
