"""What was paid for is kept: the ledger, and the client that asks for nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import ContextTooLong, LedgerError, TeacherRefused, TeacherUnavailable
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.packed_replies import reply_of
from labgen.ledger.replies import Ledger, reply_row
from labgen.records import Call, Message, Reply, Schema
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience
from labgen.teacher.scripted import ScriptedBackend


def call(words: str = "hello", **changes: Any) -> Call:
    """A call whose key follows from the words."""
    return replace(Call("m", (Message("user", words),), 10, 0.0, 0, leaf="a/leaf", step="respond"), **changes)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine; nothing here takes long."""
    asyncio.run(asyncio.wait_for(work, 20.0))


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    """An open ledger without ballast."""
    with closing(Ledger(tmp_path, ballast_bytes=0)) as opened:
        yield opened


class Gate:
    """A backend that answers only when let; keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.open = asyncio.Event()

    async def ask(self, call: Call) -> Reply:
        """The reply, once the gate is open."""
        self.calls.append(call)
        await self.open.wait()
        return Reply(f"to {call.messages[0].content}")

    async def close(self) -> None:
        """Nothing to give up."""


def client_to(backend: Any, ledger: Ledger, *, cap: int = 4, max_attempts: int = 3) -> TeacherClient:
    """A client with one endpoint."""
    endpoint = Endpoint("test", backend, Pressure(cap, now=asyncio.get_running_loop().time))
    return TeacherClient({"m": Replicas([endpoint])}, ledger, Patience(max_attempts, first_backoff_sec=0.0))


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(
    reply=st.builds(
        Reply,
        TEXT,
        TEXT,
        st.integers(0, 2**40),
        st.integers(0, 2**40),
        st.sampled_from(["", "too_long", "refused"]),
        TEXT,
    )
)
def test_a_kept_reply_is_the_reply(reply: Reply) -> None:
    """Any text, any counts."""
    row = reply_row(call(), reply)
    key, _model, _leaf, _step, failure, prompt_tokens, completion_tokens, _call, kept = row
    assert key == call().key
    assert reply_of((kept, failure, prompt_tokens, completion_tokens)) == reply  # type: ignore[arg-type]


def test_what_was_put_is_there_for_the_next_process_with_the_words_that_asked(tmp_path: Path) -> None:
    """And what was not put is not."""
    reply = Reply("¡hola!", "length", 3, 5)

    async def work() -> None:
        with closing(Ledger(tmp_path)) as opened:
            await opened.put(call(), reply)
            assert opened.get(call().key) == reply and opened.contains(call().key)

    run(work())
    with closing(Ledger(tmp_path, read_only=True)) as later:
        assert later.get(call().key) == reply
        assert later.get(call("other").key) is None
        entry = later.entry(call().key)
        assert entry and (entry.leaf, entry.step, entry.call) == ("a/leaf", "respond", call().canonical)


def test_replies_of_one_moment_share_a_transaction(ledger: Ledger) -> None:
    """Whoever put one of them goes on once all of them are in the file."""

    async def work() -> None:
        commits: list[str] = []
        ledger._db.set_trace_callback(lambda words: commits.append(words) if words == "COMMIT" else None)
        await asyncio.gather(*(ledger.put(call(str(number)), Reply("x")) for number in range(50)))
        assert len(commits) == 1
        with closing(sqlite3.connect(ledger.path)) as other:
            assert other.execute("SELECT count(*) FROM replies").fetchone() == (50,)

    run(work())


def test_the_first_reply_to_a_call_stays(ledger: Ledger) -> None:
    """Rows may have been made from it."""

    async def work() -> None:
        await ledger.put(call(), Reply("first"))
        await ledger.put(call(), Reply("second"))
        assert ledger.get(call().key) == Reply("first")

    run(work())


def test_leaf_step_and_priority_are_no_part_of_a_call_and_everything_else_is() -> None:
    """A reply is found whoever asks, and only for the very same words and parameters."""
    assert call(leaf="b", step="judge", priority=(9,)).key == call().key
    others = [
        call("Hello"),
        call(model="n"),
        call(max_tokens=11),
        call(temperature=0.1),
        call(seed=1),
        call(top_p=0.9),
        call(stop=("x",)),
        call(schema=Schema()),
        call(messages=(Message("system", "hello"),)),
    ]
    assert len({each.key for each in [call(), *others]}) == len(others) + 1


KILLED = """
import asyncio, os, sys
from pathlib import Path
from labgen.records import Call, Message, Reply
from labgen.ledger.replies import Ledger

async def work():
    ledger = Ledger(Path(sys.argv[1]))
    for number in range(10_000):
        await ledger.put(Call("m", (Message("user", str(number)),), 10, 0.0, 0), Reply("x" * 100))
        print(number, flush=True)

asyncio.run(work())
"""


def test_a_reply_that_was_put_outlives_kill_9(tmp_path: Path) -> None:
    """All that the process said it had kept, read by another."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for _ in range(200):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    said = process.communicate(timeout=20)[0].split()
    kept = int(said[-1]) if said else 199
    with closing(Ledger(tmp_path, read_only=True)) as later:
        for number in range(kept + 1):
            assert later.contains(Call("m", (Message("user", str(number)),), 10, 0.0, 0).key), number


def test_a_file_that_is_no_ledger_or_a_newer_one_is_refused_in_words(tmp_path: Path) -> None:
    """With the path and what to do."""
    (tmp_path / LEDGER_NAME).write_text("dear diary, " * 100)
    with pytest.raises(LedgerError, match="labgen ledger verify"):
        Ledger(tmp_path)
    newer = tmp_path / "newer"
    Ledger(newer).close()
    with closing(sqlite3.connect(newer / LEDGER_NAME)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerError, match="newer labgen"):
        Ledger(newer)
    for make in (Path.mkdir, os.mkfifo):  # the first is what a container mounts where there was no file
        other = tmp_path / make.__name__
        other.mkdir()
        make(other / LEDGER_NAME)
        for read_only in (True, False):
            with pytest.raises(LedgerError, match=r"no file.*--work"):
                Ledger(other, read_only=read_only)


def test_the_same_call_from_many_callers_is_sent_once(ledger: Ledger) -> None:
    """And is answered from the ledger from then on."""

    async def work() -> None:
        gate = Gate()
        client = client_to(gate, ledger)
        tasks = [asyncio.create_task(client.ask(call())) for _ in range(5)]
        await settle()
        gate.open.set()
        assert {(await task).text for task in tasks} == {"to hello"}
        assert len(gate.calls) == 1 and client.traffic.sent == 1
        assert client.kept(call()) == Reply("to hello")
        await client.close()

    run(work())


def test_one_of_several_callers_may_give_up(ledger: Ledger) -> None:
    """The others get the reply."""

    async def work() -> None:
        gate = Gate()
        client = client_to(gate, ledger, cap=1)
        blocking = asyncio.create_task(client.ask(call("before")))
        tasks = [asyncio.create_task(client.ask(call())) for _ in range(2)]
        await settle()
        tasks[0].cancel()
        await settle()
        gate.open.set()
        assert (await tasks[1]).text == "to hello" and (await blocking).text == "to before"
        await client.close()

    run(work())


def test_nobody_waits_for_it_any_more(ledger: Ledger) -> None:
    """A call not yet sent is withdrawn and costs nothing; one that is sent is paid for: its reply is kept."""

    async def work() -> None:
        gate = Gate()
        client = client_to(gate, ledger, cap=1)
        sent = asyncio.create_task(client.ask(call("sent")))
        waiting = asyncio.create_task(client.ask(call("waiting")))
        await settle()
        sent.cancel()
        waiting.cancel()
        await settle()
        assert client.demand == 1
        gate.open.set()
        await client.close()
        assert [each.messages[0].content for each in gate.calls] == ["sent"]
        assert client.kept(call("sent")) == Reply("to sent") and client.kept(call("waiting")) is None

    run(work())


def test_a_withdrawn_call_may_be_asked_again(ledger: Ledger) -> None:
    """At once, and also in the very turn in which it was withdrawn."""

    async def work() -> None:
        gate = Gate()
        client = client_to(gate, ledger, cap=1)
        blocking = asyncio.create_task(client.ask(call("before")))
        await settle()
        for turns in (0, 1, 2, 3):
            waiting = asyncio.create_task(client.ask(call()))
            await settle()
            waiting.cancel()
            for _ in range(turns):
                await asyncio.sleep(0)
            again = asyncio.create_task(client.ask(call()))
            await settle()
            assert not again.done(), f"after {turns} turns"
            again.cancel()
            await settle()
        again = asyncio.create_task(client.ask(call()))
        gate.open.set()
        assert (await again).text == "to hello"
        await blocking
        await client.close()

    run(work())


def test_calls_that_can_never_succeed_are_kept_and_those_without_attempts_are_not(ledger: Ledger) -> None:
    """The next run asks again only where another answer is possible."""

    def script(asked: Call) -> Reply | Exception:
        words = asked.messages[0].content
        if words == "long":
            return ContextTooLong("8192 tokens at most")
        return TeacherRefused("policy") if words == "bad" else TeacherUnavailable("HTTP 500")

    async def work() -> None:
        client = client_to(ScriptedBackend(script), ledger, max_attempts=3)
        failures = [(await client.ask(call(words))).failure for words in ("long", "bad", "unlucky")]
        assert failures == ["too_long", "refused", "exhausted"]
        assert [client.kept(call(words)) is not None for words in ("long", "bad", "unlucky")] == [True, True, False]
        assert client.traffic.sent == 1 + 1 + 3
        await client.close()

    run(work())


def test_a_call_counts_as_in_flight_until_its_reply_is_kept(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the calls in flight bound what a kill can lose."""

    async def work() -> None:
        client = client_to(ScriptedBackend(lambda asked: "yes"), ledger)
        in_flight: list[int] = []
        insert = ledger.insert

        def insert_and_look(rows: Any) -> int:
            in_flight.append(client.in_flight)
            return insert(rows)

        monkeypatch.setattr(ledger, "insert", insert_and_look)
        await client.ask(call())
        assert in_flight == [1] and client.in_flight == 0
        await client.close()

    run(work())


def test_a_call_that_nobody_waits_for_is_not_sent_a_second_time(ledger: Ledger) -> None:
    """It was finished because it was paid for; having failed, it was not."""

    async def work() -> None:
        gate = Gate()
        backend = ScriptedBackend(lambda asked: TeacherUnavailable("HTTP 500"))

        async def ask(asked: Call) -> Reply:
            await gate.open.wait()
            return await ScriptedBackend.ask(backend, asked)

        backend.ask = ask  # type: ignore[method-assign]
        client = client_to(backend, ledger)
        task = asyncio.create_task(client.ask(call()))
        await settle()
        task.cancel()
        await settle()
        gate.open.set()
        await settle()
        assert client.demand == 0 and len(backend.calls) == 1
        await client.close()

    run(work())


@given(
    st.lists(st.builds(Message, st.sampled_from(["system", "user"]), st.text()), max_size=3),
    st.text(),
    st.floats(0.0, 2.0),
    st.floats(0.0, 1.0),
    st.lists(st.text(), max_size=2),
    st.none() | st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans()), max_size=3).map(Schema),
)
def test_a_key_is_that_of_the_calls_canonical_json(
    messages: list[Message], model: str, temperature: float, top_p: float, stop: list[str], schema: Schema | None
) -> None:
    """As any JSON library writes it: keys sorted, no spaces, no escapes but what JSON needs."""
    asked = Call(model, tuple(messages), 7, temperature, 3, top_p=top_p, stop=tuple(stop), schema=schema)
    parts: dict[str, Any] = {"model": model, "messages": [[each.role, each.content] for each in messages]}
    parts |= {"max_tokens": 7, "temperature": temperature, "top_p": top_p, "seed": 3}
    parts |= ({"stop": stop} if stop else {}) | ({} if schema is None else {"schema": schema})
    expected = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert asked.canonical == expected
    assert asked.key == hashlib.sha256(expected.encode()).digest()


def test_a_ledger_that_nothing_was_written_to_yet_is_an_empty_one(tmp_path: Path) -> None:
    """The file of a run that was killed at its very first step: to look at, and to go on with."""
    (tmp_path / LEDGER_NAME).touch()
    for read_only in (True, False, True):
        with closing(Ledger(tmp_path, read_only=read_only, ballast_bytes=0)) as opened:
            assert opened.get(call().key) is None
