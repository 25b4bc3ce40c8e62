"""A proxy on loopback that notes what was asked, what was answered whole, and how much at once.

It stands between labgen and a real server, so that what labgen costs that server is counted where neither can be wrong
about it. A server that is not there looks to the client as it would without the proxy: the connection breaks.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from threaded_server import ThreadedServer

BREAKS = (aiohttp.ClientError, ConnectionError, asyncio.TimeoutError)
UNKEPT = ("connection", "content-length", "content-encoding", "host", "keep-alive", "transfer-encoding")
"""Headers that belong to one connection, not to what is said over it."""


@dataclass
class Exchange:
    """One request and what came of it. Clock times in seconds.

    Attributes:
        key: hash of what the model was asked, however the request was otherwise worded.
        status: of the answer; 0 where there was none. whole: whether all of it reached the client.
        pieces: events that brought text, each about one token; tokens: as the server counted them, 0 where it did not.
    """

    key: str
    begun_sec: float
    ended_sec: float = 0.0
    status: int = 0
    whole: bool = False
    pieces: int = 0
    tokens: int = 0

    @property
    def generated(self) -> int:
        """Tokens that the server wrote for it."""
        return self.tokens or self.pieces


class RecordingProxy(ThreadedServer):
    """Serves in a thread, as a context manager.

    Args:
        upstream: address of the real server, without `/v1`.

    Attributes:
        exchanges: what was asked under POST, in order of arrival.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__()
        self.upstream = upstream
        self.exchanges: list[Exchange] = []

    @property
    def whole(self) -> list[Exchange]:
        """What was answered whole."""
        return [each for each in list(self.exchanges) if each.whole and each.status == 200]

    def busy_share(self, slots: int) -> float:
        """Share of the server's slots (0 to 1) that had something to do, from the first call to the end of the last."""
        ended = [each for each in self.exchanges if each.ended_sec]
        if not ended:
            return 0.0
        changes = sorted([(each.begun_sec, 1) for each in ended] + [(each.ended_sec, -1) for each in ended])
        busy_sec, now, last_sec = 0.0, 0, changes[0][0]
        for at_sec, change in changes:
            busy_sec += (at_sec - last_sec) * min(now, slots)
            now, last_sec = now + change, at_sec
        span_sec = changes[-1][0] - changes[0][0]
        return busy_sec / (span_sec * slots) if span_sec else 0.0

    def asked_again(self, kills: list[float], grace_sec: float) -> tuple[int, int]:
        """Calls sent again that had been answered whole, in all and but for those that a kill may have cost.

        Args:
            kills: when labgen was killed.
            grace_sec: an answer that was whole so shortly before may not have been taken in.
        """
        answered: dict[str, float] = {}
        again = unexcused = 0
        for each in sorted(self.exchanges, key=lambda each: each.begun_sec):
            ended_sec = answered.get(each.key)
            if ended_sec is not None and ended_sec < each.begun_sec:
                again += 1
                unexcused += not any(0.0 <= kill - ended_sec <= grace_sec for kill in kills)
            if each.whole and each.status == 200:
                answered[each.key] = each.ended_sec
        return again, unexcused

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        application = web.Application(client_max_size=2**26)
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        connections = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connections, timeout=aiohttp.ClientTimeout(None)) as self._session:
            try:
                await web.TCPSite(runner, "127.0.0.1", self.port).start()
                yield runner.addresses[0][1]
            finally:
                await runner.cleanup()

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        exchange = Exchange(_key(body), time.monotonic())
        if request.method == "POST":
            self.exchanges.append(exchange)
        try:
            return await self._relay(request, body, exchange)
        except BREAKS:
            assert request.transport
            request.transport.abort()
            return web.Response()
        finally:
            exchange.ended_sec = time.monotonic()

    async def _relay(self, request: web.Request, body: bytes, exchange: Exchange) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in UNKEPT}
        url = self.upstream + request.path_qs
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in UNKEPT}
            response = web.StreamResponse(status=answer.status, headers=kept)
            exchange.status = answer.status
            await response.prepare(request)
            rest = b""
            async for piece in answer.content.iter_any():
                *lines, rest = (rest + piece).split(b"\n")
                _count(lines, exchange)
                await response.write(piece)
            _count([rest], exchange)
            await response.write_eof()
            exchange.whole = True
            return response


def _key(body: bytes) -> str:
    try:
        asked: Any = json.loads(body or b"{}")
        names = ("model", "messages", "prompt", "seed", "temperature", "max_tokens", "max_completion_tokens")
        body = json.dumps([asked.get(name) for name in names]).encode()
    except (ValueError, AttributeError):
        pass
    return hashlib.sha256(body).hexdigest()


def _count(lines: list[bytes], exchange: Exchange) -> None:
    """Note tokens in lines of an answer: events of a stream, or one object."""
    for line in lines:
        words = line.strip().removeprefix(b"data:").strip()
        if not words.startswith(b"{"):
            continue
        try:
            data = json.loads(words)
        except ValueError:
            continue
        usage = data.get("usage") or {}
        exchange.tokens = max(exchange.tokens, int(usage.get("completion_tokens") or 0))
        for choice in data.get("choices") or ():
            said = choice.get("delta") or choice
            exchange.pieces += any(said.get(name) for name in ("content", "text", "reasoning_content"))
