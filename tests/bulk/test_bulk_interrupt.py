"""Ctrl-C in a run in rounds: batches go on, and what is there can be written."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer, Faults
from workbench import Labgen


def state_of(labgen: Labgen) -> dict[str, Any]:
    """The run's state in its work folder; empty before there is one."""
    try:
        return dict(json.loads((labgen.folder / ".labgen/status.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


@pytest.mark.parametrize("on_interrupt", ["stop", "write"])
def test_a_run_in_rounds_is_stopped_in_good_order(labgen: Labgen, taxonomy: Path, on_interrupt: str) -> None:
    """It says what to do, or writes what is there; the next run pays for nothing twice and ends it."""
    price = {"prompt_per_million": 1.0, "completion_per_million": 2.0, "currency": "EUR"}
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"bulk": {"poll_sec": 0.05}, "price": price}))
    with BatchServer(Faults(in_progress_sec=0.5)) as server:
        asked = ("--base-url", server.base_url, "--samples", "6", "--model", "labgen-rehearsal")
        run = labgen.start("bulk", "run", *asked, "--on-interrupt", on_interrupt)
        end = time.monotonic() + 60.0
        while time.monotonic() < end and not any(b["rows"] for b in state_of(labgen).get("branches", ())):
            time.sleep(0.02)
        status = labgen("status", "--json").json
        assert status["verb"] == "bulk run" and status["phase"].startswith(("round", "finding"))
        assert status["spending"]["cost"] > 0 and status["spending"]["currency"] == "EUR"
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
        assert run.returncode == 1, err
        if on_interrupt == "stop":
            assert (
                "labgen generate --samples 6 --base-url" in err and "--max-calls 0" in err and "go on meanwhile" in err
            )
            assert not (labgen.folder / "dataset").exists()
        else:
            assert "Stopped by you" in out and (labgen.folder / "dataset/funnel.json").exists()
        server.faults.in_progress_sec = 0.0
        done = labgen("bulk", "run", *asked, "--json")
        assert done.status == 0 and done.json["complete"], done.err
        assert not server.paid_twice()
    assert labgen("status").status == 0
