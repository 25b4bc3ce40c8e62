"""Whatever an endpoint says beside a reply, the paid reply is kept, nothing waits for ever, and no key is repeated."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer, make_call
from hostile_server import HostileServer

from labgen.errors import LabgenError, TeacherMisconfigured, TeacherUnavailable
from labgen.ledger.packed_replies import unpack_reply
from labgen.ledger.replies import Ledger
from labgen.records import Reply
from labgen.teacher.call_log import CallLog
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.http import HttpBackend
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience

SECRET = "mysecretKEY1234567890abcdef"


def reply_body(text: str = "hello", **changes: Any) -> bytes:
    """A reply in the API's form."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps(
        {"choices": [choice | changes.pop("choice", {})], "usage": {"completion_tokens": 4}, **changes}
    ).encode()


def ask(fault: Fault, work: Path, key: str = SECRET) -> tuple[Reply | LabgenError, int]:
    """Ask once through the client, with ledger and log; returns what came of it and how often it was sent."""

    async def through(server: FaultyServer) -> Reply | LabgenError:
        backend = HttpBackend(server.base_url, key, timeout_sec=5.0, connections=4)
        ledger = Ledger(work)
        with CallLog(work / "log.jsonl") as log:
            models = {"m": Replicas([Endpoint("e", backend, Pressure(4, now=time.monotonic))])}
            client = TeacherClient(models, ledger, Patience(2, first_backoff_sec=0.0), watch=log.watch)
            try:
                return await asyncio.wait_for(client.ask(make_call()), 20.0)
            except LabgenError as error:
                return error
            finally:
                await client.close()
                ledger.close()

    with FaultyServer(lambda number, body: fault) as server:
        return asyncio.run(through(server)), len(server.bodies)


def kept(work: Path) -> bytes:
    """All that was written to the work folder, replies uncompressed."""
    ledger = Ledger(work, read_only=True)
    replies = b"".join(unpack_reply(row[0]) for row in ledger.query("SELECT reply FROM replies"))
    ledger.close()
    return replies + b"".join(path.read_bytes() for path in work.iterdir())


@pytest.mark.parametrize(
    "usage",
    ["1e30", "Infinity", "NaN", "-5000", '"many"', "[1]", "null", "9223372036854775808", "true"],
)
def test_an_odd_count_of_tokens_costs_no_reply(usage: str, tmp_path: Path) -> None:
    """It is paid for: kept, once, with a count that is none below zero and none beyond what a ledger holds."""
    body = reply_body(usage={"prompt_tokens": "?"}).replace(b'"?"', usage.encode())
    reply, sent = ask(Fault(body=body), tmp_path)
    assert isinstance(reply, Reply) and reply.text == "hello" and sent == 1
    assert 0 <= reply.prompt_tokens <= 1
    ledger = Ledger(tmp_path, read_only=True)
    assert ledger.get(make_call().key) == reply
    ledger.close()


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=reply_body("half a character \ud800")),
        Fault(body=reply_body(choice={"finish_reason": "\ud800"})),
        Fault(400, json.dumps({"error": {"message": "maximum context length \ud800"}}).encode()),
    ],
)
def test_half_a_character_anywhere_is_no_reason_to_fail(fault: Fault, tmp_path: Path) -> None:
    """JSON can spell what Unicode can't: the reply, or the refusal, is kept all the same."""
    reply, sent = ask(fault, tmp_path)
    assert isinstance(reply, Reply) and sent == 1
    ledger = Ledger(tmp_path, read_only=True)
    assert ledger.get(make_call().key) == reply
    ledger.close()


def test_a_body_nested_without_end_is_a_bad_reply(tmp_path: Path) -> None:
    """Not the end of the run."""
    reply, sent = ask(Fault(body=b"[" * 200_000), tmp_path)
    assert isinstance(reply, Reply) and reply.failure == "exhausted" and sent == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault(body=reply_body(f"Your key is {SECRET}.")),
        Fault(body=reply_body(choice={"finish_reason": SECRET})),
        Fault(body=reply_body(usage={"prompt_tokens": SECRET})),
        Fault(body=b'{"choices": "' + SECRET.encode() + b'\xff"}'),
        Fault(body=reply_body(), headers={"x-request-id": f"Bearer {SECRET}"}),
        Fault(500, f"no {SECRET}".encode(), {"x-request-id": SECRET}),
        Fault(400, b"context window " + b"." * 275 + SECRET.encode()),
        Fault(401, b"." * 290 + SECRET.encode()),
        Fault(418, SECRET.encode()),
    ],
)
def test_a_key_that_an_endpoint_repeats_is_nowhere_to_be_found(fault: Fault, tmp_path: Path) -> None:
    """Neither in the reply nor in messages, ledger or log; not even its beginning, where words are cut short."""
    found, _ = ask(fault, tmp_path)
    assert SECRET[:8] not in str(found)
    assert SECRET[:8].encode() not in kept(tmp_path)


@pytest.mark.parametrize("before", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: ", b""])
def test_a_key_that_comes_back_where_no_key_can_stand_is_nowhere_to_be_found(before: bytes) -> None:
    """In a head that is none, as from what says all that it hears once more: the bytes are not repeated."""

    async def through(server: HostileServer) -> None:
        backend = HttpBackend(f"http://127.0.0.1:{server.port}/v1", SECRET, timeout_sec=5.0, connections=1)
        try:
            await backend.ask(make_call())
        finally:
            await backend.close()

    echo = before + f"Authorization Bearer {SECRET}\r\n\r\n".encode()
    with HostileServer(lambda: iter([echo])) as server, pytest.raises(TeacherUnavailable) as told:
        asyncio.run(through(server))
    assert "can't be read as HTTP" in str(told.value) and told.value.maybe_paid
    assert SECRET[:8] not in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("proxy", [f"://u:{SECRET}@h", f"http://u:{SECRET}@h:99999"])
def test_a_proxy_that_is_no_address_is_told_without_its_password(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the environment's, and for the user to mend."""
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async def through() -> None:
        backend = HttpBackend("http://nobody.invalid/v1", "", timeout_sec=5.0, connections=1)
        try:
            await backend.ask(make_call())
        finally:
            await backend.close()

    with pytest.raises(TeacherMisconfigured, match="HTTP_PROXY") as told:
        asyncio.run(through())
    assert SECRET not in str(told.value)


def test_what_a_local_server_takes_for_a_key_is_no_secret(tmp_path: Path) -> None:
    """A word such as `EMPTY` may stand in replies, and hides nothing of an error."""
    reply, _ = ask(Fault(body=reply_body("The set is EMPTY.")), tmp_path, key="EMPTY")
    assert isinstance(reply, Reply) and reply.text == "The set is EMPTY."
    refused, _ = ask(Fault(400, b"maximum context length"), tmp_path / "other", key="x")
    assert isinstance(refused, Reply) and refused.failure == "too_long"


@pytest.mark.parametrize("key", ["secret\nkey12345", "secret\u2026key12345"])
def test_a_key_that_no_header_can_carry_is_said_so_without_it(key: str, tmp_path: Path) -> None:
    """Most come of copying: a line break, a typographic mark."""
    found, sent = ask(Fault(), tmp_path, key=key)
    assert isinstance(found, TeacherMisconfigured) and sent == 0
    assert "Copy it anew" in str(found) and "12345" not in str(found)


def test_a_reply_that_the_ledger_can_not_hold_keeps_nobody_waiting(tmp_path: Path) -> None:
    """Whoever put it is told, and the ledger takes the next one."""

    async def put() -> None:
        with pytest.raises(OverflowError):
            await asyncio.wait_for(ledger.put(make_call("a"), Reply("a", prompt_tokens=2**70)), 20.0)
        await ledger.put(make_call("b"), Reply("b"))

    ledger = Ledger(tmp_path)
    asyncio.run(put())
    assert ledger.get(make_call("b").key) == Reply("b")
    ledger.close()
