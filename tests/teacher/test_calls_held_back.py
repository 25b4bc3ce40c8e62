"""Until a run has shown that there is hope, most of what it asks is held back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from faulty_server import make_call

from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience


class Noting:
    """Notes what it is asked, and answers at once."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, call: Call) -> Reply:
        self.asked.append(call.messages[-1].content)
        return Reply("fine")

    async def close(self) -> None:
        """Nothing to give up."""


Work = Callable[[TeacherClient, list[str]], Coroutine[Any, Any, None]]


@pytest.fixture
def with_client(tmp_path: Path) -> Callable[[Work], None]:
    """Does some work with a client that holds back, given the words of the calls that its endpoint was asked."""

    async def do(work: Work, ledger: Ledger) -> None:
        backend = Noting()
        endpoint = Endpoint("one", backend, Pressure(8, now=asyncio.get_running_loop().time))
        client = TeacherClient({"m": Replicas([endpoint])}, ledger, Patience(1))
        client.hold(lambda call: call.messages[-1].content != "3")
        await work(client, backend.asked)
        await client.close()

    def run(work: Work) -> None:
        with closing(Ledger(tmp_path)) as ledger:
            asyncio.run(do(work, ledger))

    return run


async def settle() -> None:
    """As many turns as calls need to be answered."""
    await asyncio.sleep(0.05)


def test_only_what_is_asked_first_is_sent_then_so_many_then_all(with_client: Callable[[Work], None]) -> None:
    """In the order in which it was asked."""

    async def work(client: TeacherClient, asked: list[str]) -> None:
        calls = [asyncio.create_task(client.ask(make_call(str(number)))) for number in range(6)]
        client.let_some_go(4)
        await settle()
        assert not asked and client.demand == 6  # nothing had to be asked first
        await client.ask_first(make_call("first"))
        await settle()
        assert asked == ["first", "0", "1", "2", "4"]  # the other may not
        client.let_go()
        assert [(await call).text for call in calls] == ["fine"] * 6
        assert asked == ["first", "0", "1", "2", "4", "3", "5"]
        await client.ask(make_call("later"))
        assert asked[-1] == "later"

    with_client(work)


def test_a_call_that_is_held_back_goes_once_it_is_asked_first(with_client: Callable[[Work], None]) -> None:
    """It is sent once, and whoever waits for it has the reply."""

    async def work(client: TeacherClient, asked: list[str]) -> None:
        held = asyncio.create_task(client.ask(make_call("the same")))
        await settle()
        assert not asked
        assert (await client.ask_first(make_call("the same"))).text == (await held).text == "fine"
        assert asked == ["the same"]

    with_client(work)


def test_what_nobody_waits_for_any_more_takes_no_others_place(with_client: Callable[[Work], None]) -> None:
    """Nor is it sent."""

    async def work(client: TeacherClient, asked: list[str]) -> None:
        calls = [asyncio.create_task(client.ask(make_call(str(number)))) for number in range(3)]
        await settle()
        calls[0].cancel()
        await settle()
        client.let_some_go(1)
        await client.ask_first(make_call("first"))
        await settle()
        assert asked == ["first", "1"] and client.demand == 1

    with_client(work)


def test_a_client_that_is_closed_sends_nothing_that_it_held_back(with_client: Callable[[Work], None]) -> None:
    """Whoever waits is cancelled."""

    async def work(client: TeacherClient, asked: list[str]) -> None:
        held = asyncio.create_task(client.ask(make_call("held")))
        await settle()
        await client.close()
        await asyncio.wait([held])
        assert held.cancelled() and not asked

    with_client(work)
