"""A teacher over real HTTP whose faults are chosen request by request: for the tests of faults and `check_faults`.

It runs in a thread. What is answered comes from the request alone; what goes wrong is up to `Fault`, which is told the
request's digest and how often it came: so the same faults meet the same calls in every run, whatever the timing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from typing import Any

from aiohttp import web
from threaded_server import ThreadedServer


@dataclass(frozen=True)
class Request:
    """What a fault is decided from.

    Attributes:
        digest: hash of the body.
        attempt: how often this body came, this time included (1 and up).
        number: 0-based place among all requests; depends on timing.
    """

    digest: bytes
    attempt: int
    number: int

    def dice(self, purpose: str) -> Random:
        """Chances that depend on the request alone."""
        return Random(self.digest + purpose.encode())


Fault = Callable[[Request], str]
"""Names what goes wrong with a request; an empty name: nothing. See `FaultyTeacher._spoil` for the names."""


def no_fault(request: Request) -> str:
    """Nothing goes wrong."""
    return ""


def some_answers(share: float, *kinds: str) -> Fault:
    """A share of answers (every attempt counts for itself) ends as one of the kinds."""

    def fault(request: Request) -> str:
        dice = request.dice(f"attempt {request.attempt}")
        return dice.choice(kinds) if dice.random() < share else ""

    return fault


def some_prompts(share: float, *kinds: str) -> Fault:
    """A share of prompts fails at every attempt."""

    def fault(request: Request) -> str:
        dice = request.dice("prompt")
        return dice.choice(kinds) if dice.random() < share else ""

    return fault


class FaultyTeacher(ThreadedServer):
    """The server, as a context manager. `stop` and `start` again are a restart on the same port.

    Args:
        answer: decoded body to completion object.
        delay_sec: wait before each reply.
        stall_sec: how long a stall lasts; who is still there then is answered.
    """

    def __init__(
        self,
        answer: Callable[[Any], Any],
        *,
        fault: Fault = no_fault,
        delay_sec: float = 0.0,
        stall_sec: float = 3600.0,
    ) -> None:
        super().__init__()
        self.fault = fault
        self.stall_sec = stall_sec
        self.in_flight = 0
        self.requests = 0
        self.answered: Counter[bytes] = Counter()
        self.faults: Counter[str] = Counter()
        self._answer = answer
        self._delay_sec = delay_sec
        self._attempts: Counter[bytes] = Counter()

    @property
    def answered_twice(self) -> int:
        """Good answers beyond the first to the same request."""
        return sum(count - 1 for count in list(self.answered.values()))

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        application = web.Application(client_max_size=2**26)
        application.router.add_post("/v1/chat/completions", self._chat)
        # Clients that are killed and connections that are cut are no news here.
        quiet = logging.getLogger("faulty teacher")
        quiet.setLevel(logging.CRITICAL + 1)
        runner = web.AppRunner(application, access_log=None, logger=quiet, shutdown_timeout=0.01)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port, backlog=1024, reuse_address=True).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _chat(self, http: web.Request) -> web.StreamResponse:
        raw = await http.read()
        digest = blake2b(raw, digest_size=16).digest()
        self._attempts[digest] += 1
        request = Request(digest, self._attempts[digest], self.requests)
        self.requests += 1
        self.in_flight += 1
        try:
            if self._delay_sec:
                await asyncio.sleep(self._delay_sec)
            kind = self.fault(request)
            if kind:
                self.faults[kind] += 1
            if kind == "stall":
                await asyncio.sleep(self.stall_sec)
                if http.transport is None:
                    return web.Response(status=500)
            elif kind:
                return await self._spoil(kind, http, raw)
            found = self._answer(json.loads(raw))
            self.answered[digest] += 1
            return web.json_response(found)
        finally:
            self.in_flight -= 1

    async def _spoil(self, kind: str, http: web.Request, raw: bytes) -> web.StreamResponse:
        """Answer wrongly."""
        if kind == "429":
            error = {"error": {"message": "slow down", "code": "rate_limit"}}
            return web.json_response(error, status=429, headers={"Retry-After": "0.05"})
        if kind in ("500", "503"):
            return web.json_response({"error": {"message": "internal error"}}, status=int(kind))
        if kind == "401":
            return web.json_response({"error": {"message": "Incorrect API key provided"}}, status=401)
        if kind == "404":
            return web.json_response({"error": {"message": "The model `x` does not exist"}}, status=404)
        if kind == "html":
            return web.Response(
                text="<html><body>Sign in to the hotel's network</body></html>", content_type="text/html"
            )
        if kind == "malformed":
            return web.Response(body=b'{"choices": [{"message": {"cont', content_type="application/json")
        if kind == "no choices":
            return web.json_response({"id": "x", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 0}})
        if kind == "trickle":
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(http)
            with contextlib.suppress(ConnectionError):
                while http.transport is not None:
                    await response.write(b"\n")
                    await asyncio.sleep(0.05)
            return response
        if kind == "truncated":
            whole = json.dumps(self._answer(json.loads(raw))).encode()
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            response.content_length = len(whole)
            await response.prepare(http)
            await response.write(whole[: len(whole) // 2])
        with contextlib.suppress(AttributeError):
            http.transport.abort()  # What is left: the connection is dropped.
        return web.Response(status=500)
