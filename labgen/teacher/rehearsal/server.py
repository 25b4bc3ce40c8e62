"""The rehearsal teacher over HTTP: `/v1/chat/completions`, `/v1/completions`, `/v1/models`, `/v1/labgen/stats`.

Batches of requests in files are in `labgen.teacher.rehearsal.batches`.

`RehearsalServer` runs in a thread of this process, for a build without an endpoint and for tests; `serve` runs in the
foreground, for `labgen teacher`. Any API key will do, or none.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import blake2b
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from labgen.errors import LabgenError
from labgen.teacher.rehearsal.batches import Batches
from labgen.teacher.rehearsal.responses import as_response
from labgen.teacher.rehearsal.wire import RequestRefused, answer, as_events, models

if TYPE_CHECKING:
    from aiohttp import web

MAX_BODY_BYTES = 64 * 2**20
SHUTDOWN_SEC = 0.5
"""How long replies under way may take once the server is told to stop."""


class RehearsalServer:
    """The rehearsal teacher in a daemon thread with an event loop of its own, as a context manager.

    Args:
        host, port: where to listen; port 0 takes a free one.
        delay_sec: wait before each reply, to try out progress and kills; 0 does not wait.
        tasks: see `labgen.teacher.rehearsal.model.reply`.
    Raises: LabgenError (on entering): the port is in use, or the host is not this machine's.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        delay_sec: float = 0.0,
        tasks: Mapping[str, str] | None = None,
    ) -> None:
        self._host, self._port, self._handlers = host, port, _Handlers(delay_sec, tasks or {})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.base_url = ""

    def __enter__(self) -> Self:
        listening = listen(self._host, self._port)
        self.base_url = _address(listening)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(listening, ready), name="labgen rehearsal teacher", daemon=True
        )
        self._thread.start()
        ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stop is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def stats(self) -> dict[str, int]:
        """What `/v1/labgen/stats` answers."""
        return self._handlers.stats()

    def _run(self, listening: socket.socket, ready: threading.Event) -> None:
        try:
            asyncio.run(self._serve(listening, ready))
        finally:
            ready.set()

    async def _serve(self, listening: socket.socket, ready: threading.Event) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        await _serve_until(self._stop, self._handlers, listening, ready.set)


def serve(
    host: str,
    port: int,
    *,
    delay_sec: float = 0.0,
    tasks: Mapping[str, str] | None = None,
    announce: Callable[[str], None],
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM.

    Args:
        host, port, delay_sec, tasks: as for `RehearsalServer`.
        announce: called with the base URL once the server answers.
    Raises: LabgenError: the port is in use, or the host is not this machine's.
    """
    listening = listen(host, port)

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await _serve_until(stop, _Handlers(delay_sec, tasks or {}), listening, lambda: announce(_address(listening)))

    asyncio.run(run())


async def _serve_until(
    stop: asyncio.Event, handlers: _Handlers, listening: socket.socket, ready: Callable[[], None]
) -> None:
    from aiohttp import web

    runner = web.AppRunner(handlers.application(), access_log=None, shutdown_timeout=SHUTDOWN_SEC)
    await runner.setup()
    try:
        site = web.SockSite(runner, listening, backlog=1024)
        await site.start()
        ready()
        await stop.wait()
        # Connections that were just accepted join the others in the loop's next rounds, to be closed with them; those
        # that met a closed server would leak (CPython issue 109564).
        asyncio.get_running_loop().remove_reader(listening)
        await _some_rounds()
        await site.stop()
    finally:
        await runner.cleanup()
        await _some_rounds()


async def _some_rounds() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; `create_server` sets SO_REUSEADDR, so a restart need not wait for old connections."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use. Choose another with --port, or stop what listens there."
            raise LabgenError(message) from None
        raise LabgenError(f"cannot listen on {host}, port {port} ({error}). Check --host and --port.") from None


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1"


class _Handlers:
    """The handlers, and the count of what they were asked."""

    def __init__(self, delay_sec: float, tasks: Mapping[str, str]) -> None:
        self._delay_sec = delay_sec
        self._tasks = tasks
        self._asked: Counter[bytes] = Counter()
        self.batches = Batches(self.reply, delay_sec)

    def application(self) -> web.Application:
        from aiohttp import web

        application = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_refusing()])
        application.router.add_post("/v1/chat/completions", self._chat)
        application.router.add_post("/v1/completions", self._complete)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/v1/labgen/stats", self._stats)
        self.batches.add_routes(application)
        return application

    def stats(self) -> dict[str, int]:
        """Requests answered, how many of them are distinct bodies, and how many bodies were answered more than once."""
        counts = tuple(self._asked.values())
        return {"requests": sum(counts), "distinct": len(counts), "answered_twice": sum(count > 1 for count in counts)}

    def reply(self, body: dict[str, Any], chat: bool) -> dict[str, Any]:
        """Answer a request of a batch, and count it. Raises: RequestRefused."""
        found = answer(body, chat=chat, tasks=self._tasks)
        self._count(body)
        return found

    def _count(self, body: object) -> None:
        written = json.dumps(body, sort_keys=True, separators=(",", ":")).encode("ascii")
        self._asked[blake2b(written, digest_size=12).digest()] += 1

    async def _chat(self, request: web.Request) -> web.Response:
        return await self._answer(request, chat=True)

    async def _complete(self, request: web.Request) -> web.Response:
        return await self._answer(request, chat=False)

    async def _answer(self, request: web.Request, *, chat: bool) -> web.Response:
        raw = await request.read()
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RequestRefused(400, f"The request body is not JSON: {str(error)[:200]}.") from None
        found = answer(body, chat=chat, tasks=self._tasks)
        if self._delay_sec > 0:
            await asyncio.sleep(self._delay_sec)
        self._count(body)
        if body.get("stream"):
            from aiohttp import web

            return web.Response(body=as_events(found, body), content_type="text/event-stream")
        return as_response(200, found)

    async def _models(self, request: web.Request) -> web.Response:
        return as_response(200, models())

    async def _stats(self, request: web.Request) -> web.Response:
        return as_response(200, self.stats())


def _refusing() -> Any:
    """A middleware that puts every refusal, unknown path and oversized body in OpenAI's error form."""
    from aiohttp import web

    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        try:
            response: web.StreamResponse = await handler(request)
        except RequestRefused as refusal:
            return as_response(refusal.status, refusal.body())
        except web.HTTPException as error:
            if error.status < 400:
                raise
            unknown = RequestRefused(error.status, f"{request.method} {request.path}: {error.reason}.")
            return as_response(unknown.status, unknown.body())
        return response

    return refuse
