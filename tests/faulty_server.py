"""The rehearsal teacher behind a server that misbehaves as told, on loopback; and a small taxonomy to build."""

from __future__ import annotations

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from click.testing import CliRunner, Result
from threaded_server import ThreadedServer

from labgen.cli import app
from labgen.records import Call, Message
from labgen.teacher.rehearsal.wire import RequestRefused, answer, models

KEY = "sk-test-0123456789abcdef"


@dataclass
class Fault:
    """What to answer instead of a reply.

    `drop` closes the connection, `cut` closes it in the middle of the body, `stall_sec` answers nothing for so long.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    drop: bool = False
    cut: bool = False
    stall_sec: float = 0.0


def refusal(status: int, message: str = "no", code: str | None = None, **headers: str) -> Fault:
    """An error in OpenAI's form; header names are given with underscores."""
    body = json.dumps({"error": {"message": message, "code": code}}).encode()
    return Fault(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


Behave = Callable[[int, dict[str, Any]], Fault | None]
"""From the number of the request and its body to a fault; None has the rehearsal teacher answer."""


class FaultyServer(ThreadedServer):
    """Serves `/v1` in a thread. `bodies` are the requests, in order; `answered` those that got a reply.

    Args:
        listed, props: what it says of itself at `/v1/models` and at `/props`; None: as the rehearsal does, and nothing.
        delay_sec: wait before each reply.

    Attributes:
        asked: paths of what was asked for with GET; most_at_once: requests with a body under way at a time.
        hold: where there is one, no body is answered before it is set.
        unready: times that it says to be loading yet when it is asked for its list (count).
    """

    def __init__(
        self,
        behave: Behave = lambda number, body: None,
        port: int = 0,
        *,
        listed: dict[str, Any] | None = None,
        props: dict[str, Any] | None = None,
        delay_sec: float = 0.0,
    ) -> None:
        super().__init__(port)
        self.behave = behave
        self.listed = models() if listed is None else listed
        self.props = props
        self.delay_sec = delay_sec
        self.unready = 0
        self.hold: threading.Event | None = None
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.answered: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.headers: list[dict[str, str]] = []
        self.queries: list[dict[str, str]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        application = web.Application(client_max_size=2**26)
        application.router.add_post("/v1/{path:.*}", self._answer)
        application.router.add_get("/v1/models", self._models)
        application.router.add_get("/{path:.*}", self._props)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            yield runner.addresses[0][1]
        finally:
            await runner.cleanup()

    async def _models(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if self.unready:
            self.unready -= 1
            raise web.HTTPServiceUnavailable
        return web.json_response(self.listed)

    async def _props(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path != "/props" or self.props is None:
            raise web.HTTPNotFound
        return web.json_response(self.props)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.delay_sec)
            if self.hold:
                await asyncio.to_thread(self.hold.wait, 60)
            return await self._reply(request)
        finally:
            self.at_once -= 1

    async def _reply(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        number = len(self.bodies)
        self.bodies.append(body)
        self.paths.append(request.path)
        self.keys.add(request.headers.get("Authorization", ""))
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.queries.append(dict(request.query))
        fault = self.behave(number, body)
        if fault is None:
            try:
                found = answer({**body, "model": "labgen-rehearsal"}, chat=request.path.endswith("/chat/completions"))
            except RequestRefused as error:
                return web.json_response(error.body(), status=error.status)
            self.answered.append(body)
            return web.json_response(found)
        if fault.stall_sec:
            await asyncio.sleep(fault.stall_sec)
        if fault.drop or fault.cut:
            response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
            if fault.cut:
                await response.prepare(request)
                await response.write(b'{"choices": [{"mess')
            assert request.transport
            request.transport.close()
            return response
        return web.Response(
            status=fault.status, body=fault.body, headers=fault.headers, content_type=fault.content_type
        )


def llama_cpp(slots: int, context_tokens: int = 4096, **more: Any) -> dict[str, Any]:
    """What llama.cpp says of itself, as arguments of a `FaultyServer`."""
    entry = {"id": "real-model", "object": "model", "owned_by": "llamacpp", "meta": {"n_ctx": context_tokens}}
    props = {"total_slots": slots, "default_generation_settings": {"n_ctx": context_tokens}, **more}
    return {"listed": {"object": "list", "data": [entry]}, "props": props}


def make_call(text: str = "Hello", *, model: str = "m", seed: int = 0, **more: Any) -> Call:
    """A small call."""
    messages = more.pop("messages", (Message("system", "Be kind."), Message("user", text)))
    return Call(model, messages, max_tokens=20, temperature=0.5, seed=seed, **more)


BUNDLED = Path(__file__).parents[1] / "taxonomy"
LEAVES = ("compositional_skills/extraction/action_items", "compositional_skills/language/german/redewendungen")
"""A grounded skill and one without context, which cost few calls."""


def make_taxonomy(root: Path, leaves: tuple[str, ...] = LEAVES) -> Path:
    """Some leaves of the bundled taxonomy."""
    for leaf in leaves:
        shutil.copytree(BUNDLED / leaf, root / leaf)
    return root


def run(*arguments: object) -> Result:
    """Run labgen as a person does, in this process; exceptions other than labgen's own are raised."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def dataset_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a dataset, by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
