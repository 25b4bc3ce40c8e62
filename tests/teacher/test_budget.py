"""A budget is never exceeded, and a run that reaches it ends in order."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer, dataset_bytes, make_call, make_taxonomy, refusal, run
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import ConfigError
from labgen.records import Reply
from labgen.teacher.budget import Budget, Limits

MODEL = "labgen-rehearsal"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy and short waits."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    Path("labgen.yaml").write_text("samples: 3\nteacher: {first_backoff_sec: 0.01, concurrency: 16}\n"
                                   "price: {prompt_per_million: 2, completion_per_million: 6}\n")  # fmt: skip
    return tmp_path


def generate(server: FaultyServer, *more: object) -> Any:
    return run("generate", "--base-url", server.base_url, "--model", MODEL, "--json", *more)


def usage(server: FaultyServer) -> tuple[int, int]:
    """Prompt and reply tokens of all that the server answered."""
    from labgen.teacher.rehearsal.wire import answer

    found = [answer(body, chat=True)["usage"] for body in server.answered]
    return sum(each["prompt_tokens"] for each in found), sum(each["completion_tokens"] for each in found)


def test_a_run_stops_before_it_exceeds_its_calls_and_the_next_goes_on(here: Path) -> None:
    """Whatever the number: status 1, an incomplete dataset, and in the end the bytes of an unlimited run."""
    with FaultyServer() as server:
        assert generate(server, "--output", "all", "--work", "w-all").return_value == 0
        expected, total = dataset_bytes(Path("all")), len(server.bodies)
        done = 0
        while done < total:
            server.bodies.clear()
            result = generate(server, "--max-calls", 10)
            data = json.loads(result.stdout)
            assert len(server.bodies) <= 10
            assert data["budget"]["calls"] == len(server.bodies)
            if data["complete"]:
                break
            done += len(server.bodies)
            assert result.return_value == 1
            assert data["budget"]["reached"]
            assert data["remaining"]["leaves"] > 0
            assert json.loads(Path("dataset/manifest.json").read_text())["complete"] is False
        assert dataset_bytes(Path("dataset")) == expected


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_tokens_and_money_are_never_exceeded(here: Path, share: float) -> None:
    """Calls in flight are reckoned with at the most that they can cost."""
    with FaultyServer() as server:
        generate(server, "--output", "all", "--work", "w-all")
        prompt, completion = usage(server)
        price = (2 * prompt + 6 * completion) / 1e6
        server.answered.clear()
        result = generate(server, "--max-tokens", int((prompt + completion) * share), "--work", "w-tokens")
        assert result.return_value == 1
        assert 0 < sum(usage(server)) <= (prompt + completion) * share
        assert json.loads(result.stdout)["budget"]["tokens"] == sum(usage(server))
        server.answered.clear()
        result = generate(server, "--max-cost", price * share, "--work", "w-cost")
        assert result.return_value == 1
        prompt, completion = usage(server)
        assert 0 < (2 * prompt + 6 * completion) / 1e6 <= price * share


def test_what_may_have_been_paid_counts_and_what_was_refused_does_not(here: Path) -> None:
    """A broken reply was written all the same; a 429 was not."""
    faults = [Fault(cut=True), refusal(429, Retry_After="0"), None, None]
    with FaultyServer(lambda number, body: faults[number % 4]) as server:
        generate(server, "--max-calls", 12)
        refused = sum(number % 4 == 1 for number in range(len(server.bodies)))
        assert len(server.bodies) - refused <= 12


def test_a_complete_dataset_is_never_replaced_by_an_incomplete_one(here: Path) -> None:
    """The run says so, and keeps what it paid for."""
    with FaultyServer() as server:
        generate(server)
        before = dataset_bytes(Path("dataset"))
        result = generate(server, "--samples", 8, "--max-calls", 5)
    assert result.return_value == 1
    assert dataset_bytes(Path("dataset")) == before
    assert json.loads(result.stdout)["folder"] is None
    assert "holds a complete build, and this one is incomplete" in result.stderr


def test_what_remains_is_said_in_words(here: Path) -> None:
    """Spent, allowed, rows missing, and how to go on."""
    with FaultyServer() as server:
        result = run("generate", "--base-url", server.base_url, "--model", MODEL, "--max-calls", 4)
    assert "The budget is reached (4 of 4 calls spent" in result.stdout
    assert "6 rows of 2 leaves remain" in result.stdout
    assert "labgen plan" in result.stdout


def test_a_limit_of_nothing_asks_nothing(here: Path) -> None:
    """What the ledger answers is free."""
    with FaultyServer() as server:
        generate(server)
        count = len(server.bodies)
        assert generate(server, "--max-calls", 0).return_value == 0
        assert generate(server, "--max-calls", 0, "--samples", 9, "--output", "more").return_value == 1
        assert len(server.bodies) == count


def test_money_needs_prices(here: Path) -> None:
    """Without them the option would promise what it can't keep."""
    Path("labgen.yaml").unlink()
    with pytest.raises(ConfigError, match=r"--max-cost needs prices.*price:"):
        run("generate", "--max-cost", "1")


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20), st.booleans()), max_size=30),
    st.integers(0, 40),
    st.integers(0, 3000),
)
def test_no_order_of_events_exceeds_the_limits(asked: list[tuple[int, int, bool]], calls: int, tokens: int) -> None:
    """Calls of any length, answered in any order, some of them withdrawn."""

    async def ask(budget: Budget, number: int, prompt: int, completion: int, withdrawn: bool) -> None:
        call = make_call("x" * prompt, seed=number, priority=(number % 3,))
        bill = await budget.open(call, lambda: None)
        try:
            await asyncio.sleep(0)
            if not withdrawn:
                bill.pay(call, Reply("y", "stop", prompt, completion))
        finally:
            bill.close()
        assert budget.spent.calls <= calls
        assert budget.spent.tokens <= tokens

    async def run_all() -> None:
        budget = Budget(Limits(max_calls=calls, max_tokens=tokens))
        tasks = [asyncio.create_task(ask(budget, number, *each)) for number, each in enumerate(asked)]
        for _ in range(200):
            await asyncio.sleep(0)
        waiting = [task for task in tasks if not task.done()]
        assert len(waiting) == budget.waiting
        assert bool(waiting) == budget.reached
        for task in waiting:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert not [found for found in results if isinstance(found, AssertionError)]

    asyncio.run(run_all())
