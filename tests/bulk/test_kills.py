"""`kill -9` at any moment of a run in rounds: the same bytes, and nothing paid twice."""

from __future__ import annotations

import json
import random
import time
from contextlib import closing
from pathlib import Path

import pytest
from batch_server import BatchServer, Faults
from workbench import Labgen, digest, longest_conversation

from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.ledger.run_lock import run_lock

KILLS = 5


@pytest.mark.parametrize("turns", [1, 2])
def test_killed_again_and_again(turns: int, labgen: Labgen, taxonomy: Path) -> None:
    """Between and inside upload, wait, fetch and read, also of two-turn rows; `scripts/check_bulk.py` does it often."""
    settings = {"bulk": {"poll_sec": 0.05}, "leaves": [{"match": "**", "turns": turns}]}
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    wanted = ("--samples", "6", "--model", "labgen-rehearsal")
    assert labgen("generate", *wanted[:2], "--work", "online-work", "--output", "online").status == 0
    dice = random.Random(16)
    with BatchServer(Faults(in_progress_sec=0.3)) as server:
        asked = ("bulk", "run", "--base-url", server.base_url, *wanted, "--output", "bulk")
        for number in range(KILLS):
            run = labgen.start(*asked)
            end = time.monotonic() + 20.0
            while len(server.batches) <= number and run.poll() is None and time.monotonic() < end:
                time.sleep(0.01)
            time.sleep(dice.uniform(0.0, 0.5))
            run.kill()
            run.communicate()
        done = labgen(*asked, "--json")
        assert done.status == 0, done.err
        assert not server.paid_twice()
    assert digest(labgen.folder / "bulk") == digest(labgen.folder / "online")
    assert longest_conversation(labgen.folder / "bulk") == 2 * turns
    with closing(Ledger(labgen.folder / ".labgen")) as ledger:
        assert not ParkedCalls(ledger).count()
        assert not ParkedCalls(ledger).batches()


def test_a_batch_that_was_made_and_not_noted_is_found_again(labgen: Labgen, taxonomy: Path) -> None:
    """The moment between the endpoint's taking it on and the ledger's learning of it."""
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"bulk": {"poll_sec": 0.02}}))
    with BatchServer() as server:
        asked = ("--base-url", server.base_url, "--samples", "6", "--model", "labgen-rehearsal")
        assert labgen("bulk", "submit", *asked).status == 0
        with closing(Ledger(labgen.folder / ".labgen")) as ledger:
            ledger.query("UPDATE batches SET batch_id = ''")
        done = labgen("bulk", "run", *asked, "--output", "bulk", "--json")
        assert done.status == 0, done.err
        assert not server.paid_twice()
        assert done.json["bulk"]["rounds"][0]["files"] == 0  # it was the submitted one that was waited for


def test_a_file_of_which_no_batch_was_made_is_asked_anew(labgen: Labgen, taxonomy: Path) -> None:
    """Nothing was paid for it, and it does not stay on the endpoint."""
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"bulk": {"poll_sec": 0.02}}))
    with BatchServer() as server:
        asked = ("--base-url", server.base_url, "--samples", "6", "--model", "labgen-rehearsal")
        assert labgen("bulk", "submit", *asked).status == 0
        with closing(Ledger(labgen.folder / ".labgen")) as ledger:
            ledger.query("UPDATE batches SET batch_id = '', file_id = 'file-gone'")
        before = len(server.batches)
        assert labgen("bulk", "status", *asked[:2], *asked[4:]).out == "No batch is under way.\n"
        done = labgen("bulk", "run", *asked, "--output", "bulk", "--json")
        assert done.status == 0, done.err
        assert len(server.batches) > before


def test_rounds_by_hand(labgen: Labgen, taxonomy: Path) -> None:
    """`submit`, `status`, `fetch`, `cancel`: a round is handed over, watched, read and given up."""
    with BatchServer(Faults(in_progress_sec=0.5)) as server:
        model = ("--base-url", server.base_url, "--model", "labgen-rehearsal")
        submitted = labgen("bulk", "submit", *model, "--samples", "6")
        assert submitted.status == 0, submitted.err
        (state,) = labgen("bulk", "status", *model, "--json").json
        assert state["status"] in ("validating", "in_progress")
        assert labgen("bulk", "fetch", *model, "--json").json["batches_under_way"] == 1
        again = labgen("bulk", "write", "by-hand", *model, "--samples", "6", "--json")
        assert (again.json["calls"], again.json["in_batches"]) == (0, state["calls"])
        while labgen("bulk", "status", *model, "--json").json[0]["status"] != "completed":
            time.sleep(0.05)
        fetched = labgen("bulk", "fetch", *model, "--json").json
        assert fetched["outcomes"] == {"read": state["calls"]}
        assert fetched["batches_under_way"] == 0
        server.faults.in_progress_sec = 30.0
        assert labgen("bulk", "submit", *model, "--samples", "6").status == 0
        cancelled = labgen("bulk", "cancel", *model)
        assert "cancel" in cancelled.out
        # A batch that its endpoint no longer knows is given up by name.
        with closing(Ledger(labgen.folder / ".labgen")) as ledger:
            if ParkedCalls(ledger).batches():
                ledger.query("UPDATE batches SET batch_id = 'batch-gone'")
        gone = labgen("bulk", "status", *model)
        if gone.status:
            assert "labgen bulk cancel --forget" in gone.err
        assert labgen("bulk", "cancel", "--forget", *model).status == 0
        assert labgen("bulk", "status", *model).out == "No batch is under way.\n"


def test_another_address_does_not_lose_batches(labgen: Labgen, taxonomy: Path) -> None:
    """Settings that name another endpoint are refused while batches are under way at the first one."""
    with BatchServer() as server:
        asked = ("--samples", "6", "--model", "labgen-rehearsal")
        assert labgen("bulk", "submit", "--base-url", server.base_url, *asked).status == 0
        done = labgen("bulk", "run", "--base-url", "http://127.0.0.1:9/v1", *asked)
        assert done.status == 2
        assert "is under way at" in done.err


def test_what_is_forgotten_needs_no_endpoint(labgen: Labgen, taxonomy: Path) -> None:
    """Batches are given up also where settings name another model, or where none was made of a file."""
    with BatchServer(Faults(in_progress_sec=30.0)) as server:
        place = ("--base-url", server.base_url)
        asked = (*place, "--model", "labgen-rehearsal", "--samples", "6")
        assert labgen("bulk", "submit", *asked).status == 0
        other = labgen("bulk", "cancel", "--forget", *place, "--model", "another")
        assert other.status == 0, other.err
        assert "no longer name `labgen-rehearsal`" in other.out
        assert labgen("bulk", "submit", *asked).status == 0
        for column in ("batch_id", "file_id"):
            with closing(Ledger(labgen.folder / ".labgen")) as ledger:
                ledger.query(f"UPDATE batches SET {column} = ''")
        unmade = labgen("bulk", "cancel", "--forget", *asked[:4])
        assert unmade.status == 0, unmade.err
        assert "no batch was made of it" in unmade.out
        # Of a batch that was made and not noted the endpoint is asked.
        assert labgen("bulk", "submit", *asked).status == 0
        with closing(Ledger(labgen.folder / ".labgen")) as ledger:
            ledger.query("UPDATE batches SET batch_id = ''")
        assert "cancelled and given up" in labgen("bulk", "cancel", "--forget", *asked[:4]).out


def test_a_batch_that_a_quota_kept_from_beginning_is_told(labgen: Labgen, taxonomy: Path) -> None:
    """`fetch` says that nothing came of it, and why."""
    with BatchServer(Faults(quota_refusals=1, quota_form="failed")) as server:
        model = ("--base-url", server.base_url, "--model", "labgen-rehearsal")
        assert labgen("bulk", "submit", *model, "--samples", "6").status == 0
        while labgen("bulk", "status", *model, "--json").json[0]["status"] != "failed":
            time.sleep(0.05)
        fetched = labgen("bulk", "fetch", *model)
        assert "not begun (token_limit_exceeded" in fetched.err
        assert "The next round has its calls." in fetched.err


def test_a_batch_that_has_ended_is_read_when_all_are_cancelled(labgen: Labgen, taxonomy: Path) -> None:
    """The endpoint refuses to stop it, and what it has answered was paid for."""
    with BatchServer() as server:
        model = ("--base-url", server.base_url, "--model", "labgen-rehearsal")
        assert labgen("bulk", "submit", *model, "--samples", "6").status == 0
        while labgen("bulk", "status", *model, "--json").json[0]["status"] != "completed":
            time.sleep(0.05)
        cancelled = labgen("bulk", "cancel", *model)
        assert cancelled.status == 0, cancelled.err
        assert ": completed" in cancelled.out
        assert cancelled.out.split()[-2:] == ["read", "20"]


def test_rounds_by_hand_keep_what_a_killed_engine_has_answered(labgen: Labgen, taxonomy: Path) -> None:
    """`submit` reads the replies of a `run --on command` that was killed, as `run` does, before it clears up."""
    with BatchServer() as server:
        model = ("--base-url", server.base_url, "--model", "labgen-rehearsal")
        assert labgen("bulk", "write", "round", *model, "--samples", "6").status == 0
        (file,) = (labgen.folder / "round").glob("*.jsonl")
        key = json.loads(file.read_text().splitlines()[0])["custom_id"]
        replies = labgen.folder / ".labgen" / "bulk" / "replies"
        replies.mkdir(parents=True)
        body = {"model": "labgen-rehearsal", "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}]}
        line = {"custom_id": key, "response": {"status_code": 200, "body": body}, "error": None}
        (replies / file.name).write_text(json.dumps(line) + "\n")
        submitted = labgen("bulk", "submit", *model, "--samples", "6")
        assert submitted.status == 0, submitted.err
        assert "1 replies of a run that was stopped are read." in submitted.err
        with closing(Ledger(labgen.folder / ".labgen")) as ledger:
            assert ledger.contains(bytes.fromhex(key))


def test_another_run_s_files_are_left_alone(labgen: Labgen, taxonomy: Path) -> None:
    """A second run in one work folder is refused before it touches what the first one has under way."""
    under_way = labgen.folder / ".labgen" / "bulk" / "labgen-rehearsal-0001.jsonl"
    under_way.parent.mkdir(parents=True)
    under_way.touch()
    with run_lock(labgen.folder / ".labgen"):
        for verb in (("submit",), ("run",), ("write", "memory://round")):
            done = labgen("bulk", *verb, "--base-url", "http://127.0.0.1:9/v1", "--model", "m", "--samples", "6")
            assert done.status != 0
            assert under_way.exists()


def test_a_build_one_by_one_tells_of_batches_under_way(labgen: Labgen, taxonomy: Path) -> None:
    """Their calls would be paid for twice."""
    with BatchServer(Faults(in_progress_sec=30.0)) as server:
        asked = ("--base-url", server.base_url, "--model", "labgen-rehearsal", "--samples", "2")
        assert labgen("bulk", "submit", *asked).status == 0
        assert "20 calls are in batches that have not been read" in labgen("generate", *asked).err


def test_a_round_is_not_submitted_to_nobody(labgen: Labgen, taxonomy: Path) -> None:
    """Without an endpoint `submit` says what to name, and waits for nothing."""
    done = labgen("bulk", "submit", "--samples", "6")
    assert done.status == 2
    assert "--base-url and --model" in done.err
