"""A server may close a connection after a reply without saying so, as llama.cpp does: nobody pays for that."""

from __future__ import annotations

import asyncio
import json

import pytest
from faulty_server import make_call

from labgen.errors import TeacherUnavailable
from labgen.teacher.http import HttpBackend

EVENTS = "".join(
    f"data: {json.dumps(each)}\n\n"
    for each in (
        {"choices": [{"index": 0, "delta": {"content": "ready"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
    )
).encode() + b"data: [DONE]\n\n"  # fmt: skip
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\n\r\n"
)


def test_a_connection_closed_after_each_streamed_reply_costs_no_attempt() -> None:
    """Each call is sent once, over a connection of its own, and none fails."""
    served = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        served += 1
        writer.write(HEAD + b"%x\r\n" % len(EVENTS) + EVENTS + b"\r\n0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def ask_all() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        backend = HttpBackend(address, "", timeout_sec=5.0, connections=4)
        try:
            for number in range(30):
                assert (await backend.ask(make_call(seed=number))).text == "ready"
            some = [backend.ask(make_call(seed=100 + number)) for number in range(30)]
            assert {reply.text for reply in await asyncio.gather(*some)} == {"ready"}
        finally:
            await backend.close()
            server.close()

    asyncio.run(ask_all())
    assert served == 60


@pytest.mark.parametrize(
    ("answers_first", "begins", "silent_sec", "asked_again"),
    [
        (True, b"", 0.0, True),
        (True, b"", 0.3, False),
        (True, HEAD[:40], 0.0, False),
        (True, HEAD.replace(b"200", b"2OO"), 0.0, False),
        (True, HEAD + b"many\r\n", 0.0, False),
        (False, b"", 0.0, False),
    ],
    ids=[
        "kept open and closed at once",
        "kept open and closed after a while",
        "closed in mid-answer",
        "no HTTP",
        "no length",
        "new",
    ],
)
def test_what_breaks_before_the_server_can_have_read_it_is_sent_again(
    answers_first: bool, begins: bytes, silent_sec: float, asked_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a connection that was kept open alone, and at once alone: else it may have been answered, and paid for."""
    monkeypatch.setattr("labgen.teacher.openai_client.STALE_WITHIN_SEC", 0.15)
    connections = 0
    resent: list[bool] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        answered = connections > 1 or answers_first
        while answered:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
            writer.write(HEAD + b"%x\r\n" % len(EVENTS) + EVENTS + b"\r\n0\r\n\r\n")
            answered = connections > 1
        await reader.read(1)
        writer.write(begins)
        await writer.drain()
        await asyncio.sleep(silent_sec)
        writer.transport.abort()

    async def ask() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            backend = HttpBackend(address, "", timeout_sec=5.0, connections=1, resent=lambda: resent.append(True))
            try:
                if answers_first:
                    await backend.ask(make_call(seed=1))
                if asked_again:
                    assert (await backend.ask(make_call(seed=2))).text == "ready"
                else:
                    with pytest.raises(TeacherUnavailable) as broke:
                        await backend.ask(make_call(seed=2))
                    assert broke.value.maybe_paid
            finally:
                await backend.close()

    asyncio.run(ask())
    assert connections == 1 + asked_again
    assert len(resent) == asked_again
