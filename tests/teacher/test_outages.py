"""What is laid to an endpoint and what to a call: when attempts are spent, and when a run stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from labgen.errors import NoConnection, RateLimited, TeacherDown, TeacherMisconfigured, TeacherUnavailable
from labgen.ledger.replies import Ledger, reply_row
from labgen.records import Call, Message, Reply
from labgen.teacher import standstill
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import DEAD_AFTER, Pressure
from labgen.teacher.retries import Patience
from labgen.teacher.scripted import ScriptedBackend

SLEPT_SEC = 0.6

Script = Callable[[Call], Reply | str | Exception]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """An open ledger without ballast."""
    with closing(Ledger(tmp_path, ballast_bytes=0)) as opened:
        yield opened


def call(words: str) -> Call:
    """A call that says so."""
    return Call("m", (Message("user", words),), 10, 0.0, 0)


def endpoint(script: Script, name: str = "one", *, cap: int = 16) -> Endpoint:
    """An endpoint that answers by a script."""
    return Endpoint(name, ScriptedBackend(script), Pressure(cap, now=asyncio.get_running_loop().time))


def client_to(ledger: Ledger, *endpoints: Endpoint, **settings: Any) -> TeacherClient:
    """A client without pauses between attempts."""
    notice = settings.pop("notice", lambda words: None)
    patience = Patience(**{"max_attempts": 4, "first_backoff_sec": 0.0, **settings})
    return TeacherClient({"m": Replicas(endpoints)}, ledger, patience, notice=notice)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; nothing here takes long."""
    asyncio.run(asyncio.wait_for(work, 20.0))


def test_calls_that_fail_again_and_again_are_no_outage(ledger: Ledger) -> None:
    """At the end of a run nothing else may be left: their attempts run out, the run goes on."""

    def script(asked: Call) -> str | Exception:
        return TeacherUnavailable("HTTP 500") if "bad" in asked.messages[0].content else "fine"

    async def work() -> None:
        only = endpoint(script)
        client = client_to(ledger, only, outage_sec=0.05)
        assert (await client.ask(call("good"))).text == "fine"
        replies = await asyncio.gather(*(client.ask(call(f"bad {number}")) for number in range(DEAD_AFTER - 1)))
        assert {reply.failure for reply in replies} == {"exhausted"}
        assert not only.pressure.down
        assert client.traffic.sent == 1 + 4 * (DEAD_AFTER - 1)
        await client.close()

    run(work())


def test_many_calls_that_fail_at_their_first_attempt_are_an_outage(ledger: Ledger) -> None:
    """It is probed, no further attempt is spent on it, and it ends with an answer."""
    asked_so_far = [0]

    def script(asked: Call) -> str | Exception:
        asked_so_far[0] += 1
        return TeacherUnavailable("HTTP 500") if asked_so_far[0] <= DEAD_AFTER + 1 else "fine"

    async def work() -> None:
        only = endpoint(script)
        client = client_to(ledger, only, max_attempts=2)
        replies = await asyncio.gather(*(client.ask(call(str(number))) for number in range(12)))
        assert {reply.text for reply in replies} == {"fine"}
        assert not only.pressure.down and client.traffic.sent == DEAD_AFTER + 1 + 12
        await client.close()

    run(work())


def test_where_nobody_listens_no_attempt_is_spent(ledger: Ledger) -> None:
    """Not even by a single call."""
    asked_so_far = [0]

    def script(asked: Call) -> str | Exception:
        asked_so_far[0] += 1
        return NoConnection("refused") if asked_so_far[0] < 6 else "fine"

    async def work() -> None:
        client = client_to(ledger, endpoint(script), max_attempts=1)
        assert (await client.ask(call("x"))).text == "fine"
        await client.close()

    run(work())


def test_calls_that_wait_in_line_are_not_in_flight_at_any_of_several_endpoints(ledger: Ledger) -> None:
    """The most that were in flight at once is what the endpoints had together."""

    class Line:
        open = True

        def set(self, places: int) -> None:
            pass

        def take_back(self, *, for_good: bool) -> None:
            pass

    async def work() -> None:
        async def ask(asked: Call) -> Reply:
            await asyncio.sleep(0.02)
            return Reply("fine")

        several = [endpoint(lambda asked: "fine", name, cap=16) for name in ("one", "two")]
        for each in several:
            each.backend.ask = ask  # type: ignore[method-assign]
            each.pressure.hand_over_to(Line())
        assert all(each.pressure.ahead for each in several)
        client = client_to(ledger, *several)
        await asyncio.gather(*(client.ask(call(str(number))) for number in range(100)))
        assert client.traffic.peak_in_flight == 32
        await client.close()

    run(work())


def test_a_reply_that_its_sender_kept_before_it_ended_is_not_asked_for_again(ledger: Ledger) -> None:
    """The process that sends may be gone before it has said what it got."""

    def ends(asked: Call) -> Reply | str | Exception:
        ledger.insert([reply_row(asked, Reply("kept", prompt_tokens=7))])
        gone = TeacherUnavailable("it is gone")
        gone.maybe_paid = True
        return gone

    async def work() -> None:
        client = client_to(ledger, endpoint(ends))
        assert (await client.ask(call("one"))).text == "kept"
        assert (client.traffic.sent, client.traffic.answered, client.traffic.retries) == (1, 1, 0)
        assert client.traffic.prompt_tokens == 7
        await client.close()

    run(work())


@pytest.mark.parametrize("error", [NoConnection("refused"), TeacherUnavailable("HTTP 500"), RateLimited("HTTP 429")])
def test_an_endpoint_that_never_answers_stops_the_run(ledger: Ledger, error: Exception) -> None:
    """With its name and the last problem."""

    async def work() -> None:
        client = client_to(ledger, endpoint(lambda asked: error, "http://there/v1"), outage_sec=0.3)
        with pytest.raises(TeacherDown, match=rf"http://there/v1: no answer for .*{error}"):
            await asyncio.gather(*(client.ask(call(str(number))) for number in range(12)))
        await client.close()

    run(work())


def test_a_replica_that_is_gone_costs_no_attempt_and_no_answer(ledger: Ledger) -> None:
    """The other one takes the calls, however slow its first answer is."""

    async def work() -> None:
        gone = endpoint(lambda asked: NoConnection("refused"), "gone")
        slow = endpoint(lambda asked: "fine", "slow")
        quick = slow.backend.ask

        async def ask(asked: Call) -> Reply:
            await asyncio.sleep(0.1)
            return await quick(asked)

        slow.backend.ask = ask  # type: ignore[method-assign]
        client = client_to(ledger, gone, slow, max_attempts=1, outage_sec=0.01)
        replies = await asyncio.gather(*(client.ask(call(str(number))) for number in range(12)))
        assert {reply.text for reply in replies} == {"fine"}
        await client.close()

    run(work())


def test_what_only_the_user_can_mend_ends_the_run_where_it_is_the_only_endpoint(ledger: Ledger) -> None:
    """And retires the endpoint where another one can go on."""

    async def work() -> None:
        wrong: Script = lambda asked: TeacherMisconfigured("wrong key")  # noqa: E731
        with pytest.raises(TeacherMisconfigured):
            await client_to(ledger, endpoint(wrong)).ask(call("x"))
        turns = iter(["fine"])
        expired = endpoint(lambda asked: next(turns, None) or TeacherMisconfigured("key expired"), "expired")
        other, said = endpoint(lambda asked: "fine", "other"), list[str]()
        client = client_to(ledger, expired, other, notice=said.append)
        replies = await asyncio.gather(*(client.ask(call(str(number))) for number in range(12)))
        assert {reply.text for reply in replies} == {"fine"}
        assert expired.retired == "key expired" and len(said) == 1 and "expired gets no more calls" in said[0]

    run(work())


def test_a_long_wait_that_an_endpoint_asks_for_is_told_once_and_kept_to(ledger: Ledger) -> None:
    """Nothing is sent until it is over, whatever else waits."""

    def script(asked: Call) -> Exception:
        return RateLimited("HTTP 429: slow down", retry_after_sec=180.0)

    async def work() -> None:
        said: list[str] = []
        only = endpoint(script, cap=2)
        client = client_to(ledger, only, notice=said.append)
        tasks = [asyncio.create_task(client.ask(call(str(number)))) for number in range(8)]
        await asyncio.sleep(0.2)
        assert client.traffic.sent <= 2 and not client.finished
        assert len(said) == 1 and "asks for a wait of 3 min, until 20" in said[0]
        for task in tasks:
            task.cancel()
        await client.close()

    run(work())


def test_a_wait_of_many_minutes_ends_the_run_unless_another_endpoint_answers(ledger: Ledger) -> None:
    """As at the end of a budget: what is there is kept, and the run says until when."""

    def script(asked: Call) -> Exception:
        return RateLimited("HTTP 429: daily limit", retry_after_sec=7200.0)

    async def work() -> None:
        client = client_to(ledger, endpoint(script, "one"), endpoint(lambda asked: "fine", "two"))
        replies = await asyncio.gather(*(client.ask(call(str(number))) for number in range(8)))
        assert [reply.text for reply in replies] == ["fine"] * 8 and not client.finished
        await client.close()
        alone = client_to(ledger, endpoint(script))
        task = asyncio.create_task(alone.ask(call("alone")))
        await alone.changed.wait()
        assert alone.finished and "lets nothing through until 20" in alone.traffic.stopped
        task.cancel()
        await alone.close()

    run(work())


@pytest.mark.parametrize("answered", [False, True])
def test_time_in_which_the_run_stood_still_is_no_outage(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, answered: bool
) -> None:
    """As where it was stopped by a signal, or the laptop slept: the call then under way fails, and is sent again."""
    monkeypatch.setattr(standstill, "BEAT_SEC", 0.02)
    monkeypatch.setattr(standstill, "LONGEST_BEAT_SEC", 0.3)
    asked_so_far = [0]

    def script(asked: Call) -> str | Exception:
        if asked.messages[0].content == "before":
            return "fine"
        asked_so_far[0] += 1
        if asked_so_far[0] <= 2:
            time.sleep(SLEPT_SEC)  # as the whole process would, with its event loop
        return NoConnection("refused") if asked_so_far[0] <= 3 else "fine"

    async def work() -> None:
        client = client_to(ledger, endpoint(script), outage_sec=0.5, never_answered_sec=0.5)
        if answered:
            assert (await client.ask(call("before"))).text == "fine"
        begun_sec, begun_ran_sec = time.monotonic(), client.ran_sec
        assert (await client.ask(call("it"))).text == "fine"
        assert client.traffic.sent == 4 + answered
        # Nor does it make the run look slow.
        stood_sec = time.monotonic() - begun_sec - (client.ran_sec - begun_ran_sec)
        assert stood_sec > SLEPT_SEC
        await client.close()

    run(work())


def test_an_outage_in_which_the_run_was_asking_goes_on_counting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before a standstill and after it."""
    monkeypatch.setattr(standstill, "BEAT_SEC", 0.02)
    monkeypatch.setattr(standstill, "LONGEST_BEAT_SEC", 0.3)
    asked_so_far = [0]

    def script(asked: Call) -> str | Exception:
        asked_so_far[0] += 1
        if asked_so_far[0] == 3:
            time.sleep(SLEPT_SEC)
        return NoConnection("refused")

    async def work() -> None:
        client = client_to(ledger, endpoint(script), outage_sec=0.2, first_backoff_sec=0.05)
        with pytest.raises(TeacherDown, match="no answer for 0 s"):
            await client.ask(call("it"))
        assert asked_so_far[0] > 3
        await client.close()

    run(work())
