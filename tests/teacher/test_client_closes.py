"""A client that is closed sends nothing more, keeps what is on its way, and does not wait for what can't come."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import make_call

from labgen.errors import TeacherMisconfigured, TeacherTimeout
from labgen.ledger.replies import Ledger
from labgen.records import Call, Reply
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience


class Slow:
    """Says, a few turns later, what its call's words say: an error, or a reply."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def ask(self, call: Call) -> Reply:
        """A reply, or the error that was asked for."""
        words = call.messages[-1].content
        self.asked.append(words)
        for _ in range(5 if words == "wrong" else 20):
            await asyncio.sleep(0)
        if words == "wrong":
            raise TeacherMisconfigured("no such model")
        if words == "late":
            raise TeacherTimeout("no reply in time")
        return Reply("fine")

    async def close(self) -> None:
        """Nothing to give up."""


@pytest.mark.parametrize("words", ["late", "good"])
def test_what_is_left_of_a_run_that_failed_asks_nothing_more(words: str, tmp_path: Path) -> None:
    """The other calls of the slot that failed may still be waited for: a second attempt would wait for ever here."""

    async def ask_twice(client: TeacherClient) -> None:
        await client.ask(make_call(words))
        await client.ask(make_call("next"))

    async def work(ledger: Ledger) -> list[str]:
        backend = Slow()
        models = {"m": Replicas([Endpoint("one", backend, Pressure(8, now=asyncio.get_running_loop().time))])}
        client = TeacherClient(models, ledger, Patience(5, first_backoff_sec=0.0), budget=Budget(Limits(max_calls=2)))
        rest = asyncio.create_task(ask_twice(client))
        with pytest.raises(TeacherMisconfigured):
            await client.ask(make_call("wrong"))
        await asyncio.wait_for(client.close(), 20.0)
        await asyncio.wait([rest])
        assert rest.cancelled()
        return backend.asked

    with closing(Ledger(tmp_path)) as ledger:
        assert sorted(asyncio.run(work(ledger))) == sorted(["wrong", words])
        assert (ledger.get(make_call(words).key) is not None) == (words == "good")


def test_a_pause_that_ends_between_two_looks_at_the_clock_keeps_nobody_waiting() -> None:
    """Nobody else is in flight whose return would let the waiting call in."""
    ticks = iter([0.0, 0.5, 0.999])

    async def work() -> None:
        pressure = Pressure(4, now=lambda: next(ticks, 1.0))
        pressure.pause(1.0)
        replicas = Replicas([Endpoint("one", Slow(), pressure)])
        replicas.release(await asyncio.wait_for(replicas.acquire((0,)), 20.0))

    asyncio.run(work())
