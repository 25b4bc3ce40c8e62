"""What a run waits for is told by its cause, in words that fit a line of a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from labgen.errors import NoConnection, RateLimited, TeacherError, TeacherStarting, TeacherUnavailable
from labgen.ledger.replies import Ledger
from labgen.records import Call, Message, Reply
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience
from labgen.teacher.scripted import ScriptedBackend
from labgen.teacher.waits import SLOW_SEC, RunWait, waits_of

LONGEST_WORDS = 72
"""What a terminal of 80 columns has room for beside the label."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An open ledger without ballast."""
    with closing(Ledger(tmp_path, ballast_bytes=0)) as opened:
        yield opened


def a_call(number: int) -> Call:
    """One call of many."""
    return Call("m", (Message("user", f"call {number}"),), 10, 0.0, 0)


def seen_while(
    ledger: Ledger,
    script: Callable[[Call], Reply | str | Exception],
    *,
    calls: int,
    limits: Limits | None = None,
    later_sec: float = 0.0,
) -> tuple[RunWait, ...]:
    """What a client that asks so many calls at once says that it waits for, after a fifth of a second."""

    async def work() -> tuple[RunWait, ...]:
        now = asyncio.get_running_loop().time
        endpoint = Endpoint("http://one/v1", ScriptedBackend(script), Pressure(16, now=now))
        patience = Patience(4, first_backoff_sec=0.001, outage_sec=30.0)
        client = TeacherClient({"m": Replicas([endpoint])}, ledger, patience, budget=Budget(limits) if limits else None)
        tasks = [asyncio.create_task(client.ask(a_call(number))) for number in range(calls)]
        await asyncio.sleep(0.2)
        found = waits_of(client, now() + later_sec)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return found

    return asyncio.run(asyncio.wait_for(work(), 30.0))


def failing(error: Callable[[], TeacherError]) -> Callable[[Call], Exception]:
    """A script of one error."""
    return lambda asked: error()


@pytest.mark.parametrize(
    ("error", "cause", "words", "answering"),
    [
        (lambda: RateLimited("HTTP 429: too many"), "load", "calls refused (429, 503)", True),
        (lambda: TeacherStarting("HTTP 503: loading"), "loading", "loads its model", False),
        (lambda: NoConnection("refused"), "outage", "can't connect", False),
        (lambda: TeacherUnavailable("HTTP 500: oh"), "errors", "server errors", True),
    ],
)
def test_each_cause_is_told_from_the_others(
    ledger: Ledger, error: Callable[[], TeacherError], cause: str, words: str, answering: bool
) -> None:
    """With the endpoint's name and its last words beside it."""
    calls = 1 if cause == "errors" else 16
    (wait,) = seen_while(ledger, failing(error), calls=calls)
    assert wait.cause == cause and words in wait.words and wait.answering == answering
    assert wait.endpoint == "http://one/v1" and wait.detail == str(error())
    assert len(f"{wait.cause}: {wait.words}") <= LONGEST_WORDS


def test_nothing_is_said_of_an_endpoint_that_answers(ledger: Ledger) -> None:
    """Nor of one that has nothing to do."""
    assert seen_while(ledger, lambda asked: "fine", calls=16) == ()
    assert seen_while(ledger, lambda asked: "fine", calls=0, later_sec=1000.0) == ()


def test_a_server_that_says_nothing_is_slow(ledger: Ledger) -> None:
    """Not at once, and not an outage: it may still answer."""

    class Silent(ScriptedBackend):
        async def ask(self, call: Call) -> Reply:
            await asyncio.sleep(0.5)
            return Reply("fine", "stop")

    async def work() -> tuple[tuple[RunWait, ...], tuple[RunWait, ...]]:
        now = asyncio.get_running_loop().time
        endpoint = Endpoint("one", Silent(lambda asked: "fine"), Pressure(4, now=now))
        client = TeacherClient({"m": Replicas([endpoint])}, ledger, Patience(4))
        tasks = [asyncio.create_task(client.ask(a_call(number))) for number in range(4)]
        await asyncio.sleep(0.1)
        found = waits_of(client, now()), waits_of(client, now() + SLOW_SEC + 20.0)
        await asyncio.gather(*tasks)
        return found

    soon, late = asyncio.run(work())
    assert soon == () and [wait.cause for wait in late] == ["slow"] and not late[0].answering
    assert "4 calls in flight, none answered for 30 s" in late[0].words


def test_calls_that_wait_for_budget_are_told(ledger: Ledger) -> None:
    """Money that calls in flight hold."""

    class Held(ScriptedBackend):
        async def ask(self, call: Call) -> Reply:
            await asyncio.sleep(0.5)
            return Reply("fine", "stop")

    async def work() -> tuple[RunWait, ...]:
        now = asyncio.get_running_loop().time
        endpoint = Endpoint("one", Held(lambda asked: "fine"), Pressure(4, now=now))
        client = TeacherClient({"m": Replicas([endpoint])}, ledger, Patience(4), budget=Budget(Limits(max_calls=3)))
        tasks = [asyncio.create_task(client.ask(a_call(number))) for number in range(5)]
        await asyncio.sleep(0.1)
        found = waits_of(client, now())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return found

    (wait,) = asyncio.run(work())
    assert (wait.cause, wait.words) == ("budget", "2 calls wait until it is known what those in flight cost")


def test_a_servers_words_are_shown_as_data(ledger: Ledger) -> None:
    """Without control characters, credentials and line ends."""
    words = "\x1b[31mHTTP 429 at http://me:secret@host/v1?key=k\nslow"
    (wait,) = seen_while(ledger, failing(lambda: RateLimited(words)), calls=16)
    assert "secret" not in wait.detail and "key=k" not in wait.detail and wait.detail.isprintable()


def test_without_limits_a_budget_counts_what_was_spent(ledger: Ledger) -> None:
    """It holds nobody up."""

    async def work() -> Budget:
        now = asyncio.get_running_loop().time
        endpoint = Endpoint("one", ScriptedBackend(lambda asked: "fine"), Pressure(4, now=now))
        budget = Budget(Limits())
        client = TeacherClient({"m": Replicas([endpoint])}, ledger, Patience(4), budget=budget)
        await asyncio.gather(*(client.ask(a_call(number)) for number in range(9)))
        return budget

    budget = asyncio.run(work())
    assert budget.spent.calls == 9 and budget.spent.tokens > 9 and not budget.reached and budget.share_left == 1.0
