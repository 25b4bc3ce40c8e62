"""HTTP in a process of its own changes nothing but who sends: replies, errors and notes are the same."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from faulty_server import KEY, Fault, FaultyServer, make_call, refusal

from labgen.config.models import HTTP
from labgen.errors import LedgerError, NotSent, TeacherError, TeacherUnavailable
from labgen.ledger.replies import Ledger
from labgen.records import Reply, Schema
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.http import HttpBackend
from labgen.teacher.http_process import SCHEMAS_KNOWN, ElsewhereBackend, HttpProcess
from labgen.teacher.quirks import Quirks

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are forked on Linux only")


class Memory:
    """Notes on endpoints, kept here."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def note(self, name: str) -> str | None:
        return self.kept.get(name)

    def set_note(self, name: str, value: str) -> None:
        self.kept[name] = value


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpProcess]:
    """The process, forked before any server's thread is there."""
    monkeypatch.setenv("LABGEN_TEST_KEY", KEY)
    with HttpProcess() as made:
        made.begin()
        assert made.running
        yield made


class Told:
    """What an endpoint's back end tells of."""

    def __init__(self) -> None:
        self.notices: list[str] = []
        self.pauses: list[float] = []
        self.resent = 0
        self.notes = Memory()

    def note_resent(self) -> None:
        self.resent += 1


def ask(
    process: HttpProcess, base_url: str, *calls: Any, told: Told | None = None, work_folder: Path | None = None
) -> list[Any]:
    """Ask calls one after the other, in the process or, where it has ended, here; errors are returned.

    Args:
        work_folder: where the process keeps what it gets; None for nowhere.
    """
    told = told or Told()
    spec = EndpointSpec("m", "", HTTP, base_url, "LABGEN_TEST_KEY", 1.0, 4, 0.3)
    quirks = Quirks(spec.name, "", notice=told.notices.append, notes=told.notes)

    heard: dict[str, Any] = {"pause": told.pauses.append, "notice": told.notices.append, "resent": told.note_resent}

    def here() -> HttpBackend:
        return HttpBackend.of(spec, quirks, **heard)

    async def run() -> list[Any]:
        with process.at_work():
            backend = process.open(spec, here, notes=told.notes, **heard) if process.running else here()
            if work_folder:
                async with process.keeping(work_folder):
                    return [(await asyncio.gather(backend.ask(call), return_exceptions=True))[0] for call in calls]
            try:
                return [(await asyncio.gather(backend.ask(call), return_exceptions=True))[0] for call in calls]
            finally:
                await backend.close()

    return asyncio.run(run())


@pytest.mark.parametrize(
    "fault",
    [
        None,
        refusal(429, "slow down", retry_after="7"),
        refusal(400, "something odd", x_request_id="abc"),
        refusal(400, "This model's maximum context length is 10 tokens"),
        refusal(401, f"wrong key {KEY}"),
        Fault(stall_sec=2.0),
        Fault(cut=True),
        Fault(body=b"[]"),
    ],
    ids=["answered", "429", "400", "too long", "401", "stalled", "cut", "no reply"],
)
def test_what_comes_of_a_call_is_the_same_from_either_process(process: HttpProcess, fault: Fault | None) -> None:
    """A reply to the last word, an error with all that is decided by."""
    nobody = HttpProcess()
    with FaultyServer(lambda number, body: fault) as server:
        call = make_call(schema=Schema(type="object"))
        (there,), (here,) = ask(process, server.base_url, call), ask(nobody, server.base_url, call)
    assert type(there) is type(here)
    if isinstance(here, Reply):
        assert there == here
    else:
        assert isinstance(here, TeacherError)
        assert str(there) == str(here)
        assert vars(there) == vars(here)
        assert there.maybe_paid == here.maybe_paid
    assert server.bodies[0] == server.bodies[1]
    assert list(server.bodies[0]) == list(server.bodies[1])
    assert server.keys == {f"Bearer {KEY}"}


def test_what_an_endpoint_lacks_is_told_once_and_remembered_where_the_ledger_is(process: HttpProcess) -> None:
    """Notices, notes and pauses reach the parent; the next run knows from the start."""
    words, told = "Unrecognized request argument supplied: seed", Told()
    limits = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "2s"}
    with FaultyServer(lambda number, body: refusal(400, words, **limits) if "seed" in body else None) as server:
        replies = ask(process, server.base_url, *(make_call(str(number)) for number in range(3)), told=told)
        assert all(isinstance(reply, Reply) for reply in replies), replies
        assert ["seed" in body for body in server.bodies] == [True, False, False, False]
        assert len([words for words in told.notices if "seed" in words]) == 1
        assert told.pauses and told.pauses[0] > 1.0
        assert [value for name, value in told.notes.kept.items() if name.startswith("lacks")] == ['["seed"]']
        ask(process, server.base_url, make_call("again"), told=told)
        assert "seed" not in server.bodies[-1]


def test_a_note_that_cannot_be_written_down_keeps_nobody_waiting(process: HttpProcess) -> None:
    """The endpoint is asked all the same, from either process; that the disk is full is told where replies are kept."""

    class Full(Memory):
        def set_note(self, name: str, value: str) -> None:
            raise LedgerError("no room")

    for by in (process, HttpProcess()):
        told = Told()
        told.notes = Full()
        with FaultyServer(
            lambda number, body: refusal(400, "unknown field: seed") if "seed" in body else None
        ) as server:
            replies = ask(by, server.base_url, make_call("a"), make_call("b"), told=told)
        assert all(isinstance(reply, Reply) for reply in replies), replies
        assert ["seed" in body for body in server.bodies] == [True, False, False]


def test_what_is_sent_once_more_is_counted_by_the_run(process: HttpProcess) -> None:
    """A connection kept open that breaks at once is no attempt, yet the server may have read what came over it."""
    for by, told in ((process, Told()), (HttpProcess(), Told())):
        with FaultyServer(lambda number, body: Fault(drop=True) if number == 1 else None) as server:
            replies = ask(by, server.base_url, make_call("a"), make_call("b"), make_call("c"), told=told)
        assert all(isinstance(reply, Reply) for reply in replies), replies
        assert (told.resent, len(server.bodies)) == (1, 4)


def test_schemas_are_told_apart_however_many_there_are(process: HttpProcess) -> None:
    """By themselves, not by what lay at the same address before; with their members in order."""
    with FaultyServer() as server:
        calls = (
            make_call(str(number), schema=Schema(properties={f"b{number}": {}, "a": {}}, type="object"))
            for number in range(SCHEMAS_KNOWN + 20)
        )
        ask(process, server.base_url, *calls)
    sent = [list(body["response_format"]["json_schema"]["schema"]["properties"]) for body in server.bodies]
    assert sent == [[f"b{number}", "a"] for number in range(SCHEMAS_KNOWN + 20)]


def test_where_the_process_ends_its_calls_fail_as_maybe_paid_and_the_parent_asks(process: HttpProcess) -> None:
    """What was under way may have been answered; what comes after is asked here."""

    def kill(number: int, body: dict[str, Any]) -> Fault | None:
        if number == 0:
            os.kill(process.pid, signal.SIGKILL)
        return None

    with FaultyServer(kill) as server:
        lost, answered = ask(process, server.base_url, make_call("one"), make_call("two"))
    assert isinstance(lost, TeacherUnavailable)
    assert lost.maybe_paid
    assert isinstance(answered, Reply)


def test_a_reply_is_in_the_ledger_before_the_parent_hears_of_it(process: HttpProcess, tmp_path: Path) -> None:
    """The same row as the parent would write; afterwards the process has nothing of the ledger open."""
    calls = [make_call(str(number), schema=Schema(type="object"), leaf="knowledge/a", step="draw") for number in "abc"]
    with FaultyServer(lambda number, body: refusal(400, "odd") if number == 1 else None) as server:
        replies = ask(process, server.base_url, *calls, work_folder=tmp_path)
    assert [reply.kept for reply in replies if isinstance(reply, Reply)] == [True, True]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.sqlite"]
    with closing(Ledger(tmp_path)) as ledger:
        found = list(ledger.entries([call.key for call in calls]))
        assert [(entry.call, entry.leaf, entry.step) for entry in found] == [
            (call.canonical, call.leaf, call.step) for call in (calls[0], calls[2])
        ]
        assert [entry.reply for entry in found] == [replies[0], replies[2]]


def test_a_reply_that_the_process_cannot_keep_is_left_to_the_parent(process: HttpProcess, tmp_path: Path) -> None:
    """It is no loss, and no error of the call."""
    (tmp_path / "ledger.sqlite").write_bytes(b"something else, and not a database at all. " * 20)
    with FaultyServer() as server:
        (reply,) = ask(process, server.base_url, make_call("a"), work_folder=tmp_path)
    assert isinstance(reply, Reply)
    assert not reply.kept


def ask_at_once(
    process: HttpProcess, base_url: str, count: int, meanwhile: Callable[[ElsewhereBackend], Awaitable[None]]
) -> list[Reply | BaseException]:
    """Ask calls all at once, in the process, with two places; `meanwhile` is done as soon as they are handed over."""
    told = Told()
    spec = EndpointSpec("m", "", HTTP, base_url, "LABGEN_TEST_KEY", 1.0, 4, 10.0)
    heard: dict[str, Any] = {"pause": told.pauses.append, "notice": told.notices.append, "resent": told.note_resent}

    def here() -> HttpBackend:
        raise AssertionError("the process is there")

    async def run() -> list[Reply | BaseException]:
        with process.at_work():
            backend = process.open(spec, here, notes=told.notes, **heard)
            backend.set(2)
            asking = asyncio.gather(
                *(backend.ask(make_call(str(number))) for number in range(count)), return_exceptions=True
            )
            await asyncio.sleep(0.3)
            await meanwhile(backend)
            try:
                return await asking
            finally:
                await backend.close()

    return asyncio.run(run())


def test_calls_without_a_place_wait_in_line_where_they_are_sent(process: HttpProcess) -> None:
    """The endpoint never has more than its places; that a call waited is no time of its reply."""

    async def more_places(backend: ElsewhereBackend) -> None:
        backend.set(3)

    with FaultyServer(delay_sec=0.5) as server:
        replies = ask_at_once(process, server.base_url, 8, more_places)
    assert all(isinstance(reply, Reply) for reply in replies), replies
    waited_sec = sorted(reply.waited_sec for reply in replies if isinstance(reply, Reply))
    assert waited_sec[:2] == [0.0, 0.0] and waited_sec[2] > 0.2 and waited_sec[-1] > 1.0
    assert server.most_at_once == 3


@pytest.mark.parametrize("for_good", [True, False])
def test_what_waits_in_line_can_be_taken_back(process: HttpProcess, *, for_good: bool) -> None:
    """What is under way is waited for, since it is paid for; at a run's end nothing more is sent."""
    later: list[Reply | BaseException] = []

    async def take_back(backend: ElsewhereBackend) -> None:
        backend.take_back(for_good=for_good)
        later.extend(await asyncio.gather(backend.ask(make_call("later")), return_exceptions=True))

    with FaultyServer(delay_sec=0.5) as server:
        replies = ask_at_once(process, server.base_url, 6, take_back)
    assert [type(reply) for reply in replies] == [Reply] * 2 + [NotSent] * 4
    assert [type(reply) for reply in later] == [NotSent if for_good else Reply]
    assert len(server.bodies) == (2 if for_good else 3)
