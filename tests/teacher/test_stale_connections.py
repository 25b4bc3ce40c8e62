"""A server may close a connection after a reply without saying so, as llama.cpp does: nobody pays for that."""

from __future__ import annotations

import asyncio
import json

from faulty_server import make_call

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
