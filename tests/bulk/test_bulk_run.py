"""A build in rounds comes to the very bytes of one that asks call by call, whatever its batch API does meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from batch_dialects import Azure, Dialect, Groq, Together
from batch_server import OTHER_MODEL, BatchServer, Faults
from workbench import Labgen, built_once, digest, longest_conversation

from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger

ASKED = ("--model", "labgen-rehearsal", "--samples", "6")


@pytest.fixture
def online(taxonomy: Path) -> dict[str, str]:
    """What a build comes to that asks call by call."""
    return digest(built_once(*ASKED[2:]) / "dataset")


@pytest.fixture
def server() -> Iterator[BatchServer]:
    """A batch API without faults yet."""
    with BatchServer() as running:
        yield running


class AzureV1(Azure):
    """Azure at an address that ends in `/openai/v1`."""

    endpoints = ("/v1/chat/completions",)


def settings(labgen: Labgen, **bulk: Any) -> None:
    """Write labgen.yaml: batches are looked at all the time."""
    (labgen.folder / "labgen.yaml").write_text(json.dumps({"bulk": {"poll_sec": 0.02, **bulk}}))


def run(labgen: Labgen, server: BatchServer, *options: str) -> Any:
    """One `labgen bulk run`."""
    return labgen("bulk", "run", "--base-url", server.base_url, *ASKED, "--output", "bulk", "--json", *options)


FAULTS: dict[str, tuple[Callable[[], Faults], dict[str, int]]] = {
    "none": (Faults, {}),
    "expires after half": (lambda: Faults(expiring_batches=2), {"expired": 1}),
    "lines in any order, doubled and foreign": (
        lambda: Faults(shuffled=True, doubled=True, foreign=True),
        {"known already": 3, "of no call known here": 3},
    ),
    "half lines": (lambda: Faults(broken_lines=3, cut_files=2), {"not of the format": 5}),
    "another model's replies": (lambda: Faults(other_models=4), {}),
    "errors of lines": (lambda: Faults(line_statuses=[500, 429, 503]), {"to be asked again": 3}),
    "a line turned down once": (lambda: Faults(line_statuses=[400]), {"turned down": 1}),
    "a quota in three forms": (lambda: Faults(quota_refusals=2, quota_form="429"), {}),
    "a quota that fails the batch": (lambda: Faults(quota_refusals=2, quota_form="failed"), {}),
    "a quota as a plain refusal": (lambda: Faults(quota_refusals=2, quota_form="400"), {}),
    "a quota that a file is too large for": (lambda: Faults(quota_lines=7), {}),
    "an upload that fails": (lambda: Faults(upload_errors=2), {}),
    "a batch whose making is not told": (lambda: Faults(lost_creates=2), {}),
    "downloads cut": (lambda: Faults(cut_downloads=2), {}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_same_bytes_and_nothing_paid_twice(
    name: str, labgen: Labgen, online: dict[str, str], server: BatchServer
) -> None:
    """Every line of every file is accounted for, and no call has an answer twice that could be read."""
    settings(labgen)
    make, expected = FAULTS[name]
    server.faults = make()
    done = run(labgen, server)
    assert done.status == 0, done.err
    assert digest(labgen.folder / "bulk") == online
    assert not server.paid_twice()
    assert done.json["calls"]["answered"] == 0  # nothing was asked one by one
    outcomes: dict[str, int] = {}
    for each in done.json["bulk"]["rounds"]:
        assert sum(each["outcomes"].values()) == each["lines"]
        for outcome, count in each["outcomes"].items():
            outcomes[outcome] = outcomes.get(outcome, 0) + count
    assert all(outcomes.get(outcome, 0) >= count for outcome, count in expected.items()), outcomes
    assert outcomes["read"] == len(server.answered) - sum(1 for name in server.spoiled if name not in server.answered)
    with closing(Ledger(labgen.folder / ".labgen")) as ledger:
        assert not ParkedCalls(ledger).count()
        assert not ParkedCalls(ledger).batches()


@pytest.mark.parametrize("dialect", [AzureV1, Groq, Together])
def test_every_providers_ways(dialect: type[Dialect], labgen: Labgen, online: dict[str, str]) -> None:
    """Azure's paths, Groq's pages and Together's jobs, also where the making of a batch is not told."""
    names = {AzureV1: "azure", Groq: "groq", Together: "together"}
    settings(labgen, provider=names[dialect])
    with BatchServer(Faults(lost_creates=1), dialect=dialect()) as server:
        done = run(labgen, server)
        assert done.status == 0, done.err
        assert not server.paid_twice()
    assert digest(labgen.folder / "bulk") == online


def test_rows_of_two_turns_and_pairs_come_in_rounds(labgen: Labgen, taxonomy: Path, server: BatchServer) -> None:
    """What is asked next waits for the verdict on the first turn, and a repair for the one that failed."""
    settings = {
        "bulk": {"poll_sec": 0.02},
        "leaves": [{"match": "**", "turns": 2}],
        "preferences": {"repair": True, "responses": 2},
    }
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    assert labgen("generate", *ASKED[2:], "--work", "online-work", "--output", "online").status == 0
    done = run(labgen, server)
    assert done.status == 0, done.err
    assert digest(labgen.folder / "bulk") == digest(labgen.folder / "online")
    assert done.json["calls"]["answered"] == 0 and not server.paid_twice()
    assert longest_conversation(labgen.folder / "bulk") == 4


def test_a_first_round_tries_the_endpoint_out(labgen: Labgen, online: dict[str, str], server: BatchServer) -> None:
    """At most 20 lines; what it says that it does not take is left out, and the large rounds come after."""
    settings(labgen)
    server.faults = Faults(refused_parameter="seed")
    done = run(labgen, server)
    assert done.status == 0, done.err
    assert server.sizes[0] <= 20 and server.sizes[1] <= 20 < server.sizes[2]
    assert "refuses `seed`: it is left out" in done.err
    assert "turned down" not in done.json["bulk"]["rounds"][2]["outcomes"]
    assert not server.paid_twice()


def test_what_it_asks_for_in_vain_ends_the_run(labgen: Labgen, taxonomy: Path, server: BatchServer) -> None:
    """An endpoint that refuses whatever it is sent gets a few lines a few times, and the run says so."""
    settings(labgen)
    server.faults = Faults(refused_parameter="messages")
    done = run(labgen, server)
    assert done.status == 1
    assert done.json["bulk"]["problem"].startswith("3 rounds")
    assert len(server.sizes) == 3
    assert max(server.sizes) <= 20


def test_no_money_ends_the_run(labgen: Labgen, taxonomy: Path, server: BatchServer) -> None:
    """A quota that no waiting helps is told as what it is."""
    settings(labgen)
    server.faults = Faults(quota_refusals=99, quota_form="insufficient_quota")
    done = labgen("bulk", "run", "--base-url", server.base_url, *ASKED, "--output", "bulk")
    assert done.status == 2
    assert "quota" in done.err
    assert not server.answered


def test_a_server_that_restarts(labgen: Labgen, online: dict[str, str], server: BatchServer) -> None:
    """A run waits for it, and takes its batches up again."""
    import threading
    import time

    settings(labgen)
    server.faults = Faults(in_progress_sec=0.5)

    def restart() -> None:
        while not server.batches:
            time.sleep(0.01)
        server.stop()
        time.sleep(0.5)
        server.start()

    thread = threading.Thread(target=restart)
    thread.start()
    done = run(labgen, server)
    thread.join()
    assert done.status == 0, done.err
    assert digest(labgen.folder / "bulk") == online
    assert not server.paid_twice()


def test_the_tail_is_asked_one_by_one(labgen: Labgen, online: dict[str, str], server: BatchServer) -> None:
    """`--finish-online N`: fewer rounds, the same bytes; `generate --bulk` is the same verb."""
    settings(labgen)
    asked = ("--base-url", server.base_url, *ASKED, "--output", "bulk", "--json")
    done = labgen("generate", "--bulk", "--finish-online", "30", *asked)
    assert done.status == 0, done.err
    assert digest(labgen.folder / "bulk") == online
    rounds, asked_online = done.json["bulk"]["rounds"], done.json["bulk"]["calls_online"]
    assert asked_online > 0
    assert all(each["calls"] > 30 or number == 0 for number, each in enumerate(rounds))
    assert not server.paid_twice()


def test_without_an_endpoint_bulk_is_rehearsed(labgen: Labgen, online: dict[str, str]) -> None:
    """The rehearsal teacher answers batches, too."""
    settings(labgen)
    done = labgen("generate", "--bulk", *ASKED[2:], "--output", "bulk")
    assert done.status == 0, done.err
    assert digest(labgen.folder / "bulk") == online
    assert "REHEARSAL" in done.out


def test_budgets_are_for_calls_one_by_one(labgen: Labgen, taxonomy: Path) -> None:
    """What rounds have no use for is refused, not passed over."""
    done = labgen("generate", "--bulk", "--max-calls", "3")
    assert done.status == 2
    assert "--max-calls is for calls that are asked one by one" in done.err
    done = labgen("generate", "--finish-online", "3")
    assert done.status == 2
    assert "--finish-online goes with --bulk" in done.err


def test_names_of_other_models_are_told(labgen: Labgen, taxonomy: Path, server: BatchServer) -> None:
    """Replies under another name than the ones before are not read, and it is said how they could be."""
    settings(labgen)
    assert run(labgen, server, "--leaf", "knowledge/**").status == 0
    server.faults = Faults(other_models=2)
    done = labgen("bulk", "run", "--base-url", server.base_url, *ASKED, "--output", "bulk", "--replace")
    assert done.status == 0, done.err
    assert f"--accept-model {OTHER_MODEL}" in done.out
