"""Pressure follows what a server says of itself, and nobody is asked more than the API has without need."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer, llama_cpp, make_taxonomy, run

from labgen.teacher.openai_client import Answer, OpenAIClient
from labgen.teacher.pressure import HELD, Pressure
from labgen.teacher.stated import Stated, ask_stated, read_list

MODEL = "labgen-rehearsal"


def generate(server: FaultyServer, here: Path, *more: object) -> tuple[dict[str, Any], str]:
    """A small build; its counts, and what was said."""
    taxonomy = here / "taxonomy"
    if not taxonomy.exists():
        make_taxonomy(taxonomy)
    where = ("--taxonomy", taxonomy, "--work", here / "work", "--output", here / "dataset")
    result = run("generate", "--json", *where, "--base-url", server.base_url, "--model", MODEL, "--samples", 6, *more)
    return json.loads(result.stdout), result.stderr


def test_a_build_keeps_the_slots_that_llama_cpp_states_busy_and_queues_one_call(tmp_path: Path) -> None:
    """The default of 64 at a time would have 59 of them wait there."""
    with FaultyServer(delay_sec=0.03, **llama_cpp(3)) as server:
        data, said = generate(server, tmp_path)
    assert server.most_at_once == 4
    assert data["calls"]["peak_in_flight"] == 4
    assert "has 3 slots, as it says: at most 4 calls are sent at a time" in said
    assert server.asked == ["/v1/models", "/props"]


def test_who_asks_for_less_is_given_less(tmp_path: Path) -> None:
    """`concurrency` is the most, whatever the server could take."""
    with FaultyServer(delay_sec=0.01, **llama_cpp(8)) as server:
        _, said = generate(server, tmp_path, "--concurrency", 2)
    assert server.most_at_once == 2
    assert "slots" not in said


def test_a_server_that_states_no_slots_is_asked_for_its_list_alone(tmp_path: Path) -> None:
    """One request, and calls as before; `/props` is llama.cpp's own and asked of no one else."""
    with FaultyServer(delay_sec=0.03) as server:
        generate(server, tmp_path)
    assert server.most_at_once > HELD
    assert server.asked == ["/v1/models"]


@pytest.mark.parametrize(
    "props",
    [None, {"role": "router", "total_slots": 4}, {"total_slots": 0}, {"total_slots": "4"}, {"total_slots": 10**9}, []],
    ids=["none", "router", "zero", "words", "absurd", "list"],
)
def test_what_is_no_number_of_slots_changes_nothing(tmp_path: Path, props: Any) -> None:
    """Failure is silent."""
    with FaultyServer(delay_sec=0.03, **(llama_cpp(4) | {"props": props})) as server:
        _, said = generate(server, tmp_path)
    assert server.most_at_once > HELD + 1
    assert "slots" not in said


def test_a_run_that_asks_nothing_does_not_ask_for_slots_either(tmp_path: Path) -> None:
    """The second run takes all from the ledger."""
    with FaultyServer(**llama_cpp(4)) as server:
        generate(server, tmp_path)
        server.asked.clear()
        data, _ = generate(server, tmp_path)
    assert data["calls"]["sent"] == 0
    assert server.asked == []


def test_a_run_that_may_ask_nothing_leaves_the_server_alone(tmp_path: Path) -> None:
    """Its budget is for what is there, with much still to be asked."""
    with FaultyServer(**llama_cpp(4)) as server:
        data, _ = generate(server, tmp_path, "--max-calls", 0)
    assert data["calls"]["sent"] == 0 and not data["complete"]
    assert server.asked == []


def test_a_server_that_was_still_loading_is_asked_again_once_it_answers(tmp_path: Path) -> None:
    """Few calls are sent until then, and no more than slots and one afterwards."""
    loading = Fault(503, b'{"error": {"message": "Loading model", "code": 503}}')
    with FaultyServer(delay_sec=0.02, **llama_cpp(2)) as server:
        server.behave = lambda number, body: loading if number < 6 else None
        server.unready = 1
        data, said = generate(server, tmp_path)
    assert server.asked == ["/v1/models", "/v1/models", "/props"]
    assert "has 2 slots" in said
    assert server.most_at_once <= HELD
    assert data["calls"]["answered"] > 10


def test_teacher_and_judge_at_one_server_are_told_once(tmp_path: Path) -> None:
    """The sentence is about the server."""
    with FaultyServer(**llama_cpp(2)) as server:
        _, said = generate(server, tmp_path, "--judge-model", "other")
    assert said.count("has 2 slots") == 1


@pytest.mark.parametrize(
    ("entry", "headers", "stated"),
    [
        ({"id": "m", "owned_by": "vllm", "max_model_len": 2048}, {}, Stated("vllm", None, 2048, ("m",))),
        ({"id": "m", "owned_by": "llamacpp", "meta": {"n_ctx": 512}}, {}, Stated("llamacpp", None, 512, ("m",))),
        ({"id": "m", "meta": None}, {"server": "llama.cpp"}, Stated("llamacpp", None, None, ("m",))),
        ({"id": "alias", "max_model_len": 99}, {}, Stated("", None, 99, ("alias",))),
        ({"id": "m", "max_model_len": True, "context_length": -1, "n_ctx": "9"}, {}, Stated("", None, None, ("m",))),
    ],
    ids=["vllm", "llamacpp", "header", "alias", "nonsense"],
)
def test_the_list_of_models_is_read_as_servers_write_it(
    entry: dict[str, Any], headers: dict[str, str], stated: Stated
) -> None:
    """Context where it stands, in the entry or in its `meta`."""
    assert read_list(Answer(200, headers, json.dumps({"data": [entry]}).encode()), "m") == stated


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'{"data": 3}', b'{"data": [3, null]}', b"<html>"])
def test_what_is_no_list_says_nothing(content: bytes) -> None:
    """Nobody is bothered with it."""
    assert read_list(Answer(200, {}, content), "m") == Stated()


def test_nobody_there_is_told_from_nothing_said() -> None:
    """The first may yet come; the second will not."""

    async def ask(address: str) -> Stated | None:
        client = OpenAIClient(address, "", name="e", timeout_sec=2.0, connections=1)
        try:
            return await ask_stated(client, "m")
        finally:
            await client.close()

    with FaultyServer() as server:
        address = server.base_url
        assert asyncio.run(ask(address)) is not None
        assert asyncio.run(ask(f"{address}/nowhere")) == Stated()
    assert asyncio.run(ask(address)) is None


def test_slots_are_not_taken_away_for_being_slow() -> None:
    """A server that states them works on so many, however long each takes; what it refuses or loses still counts."""
    pressure = Pressure(64, now=lambda: 0.0)
    pressure.settle(4)
    assert pressure.places == 5
    for _ in range(20):
        pressure.succeeded(1.0, 10, 100)
    for _ in range(200):
        pressure.succeeded(1000.0, 10, 100)
    assert pressure.places >= 4
    pressure.enter()
    pressure.timed_out()
    assert pressure.places < 4
