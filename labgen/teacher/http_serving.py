"""The process that sends a run's calls, from its own side: see `labgen.teacher.http_process` for its parent's."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import LabgenError, LedgerError, TeacherError
from labgen.lazy.dataclasses import dataclass
from labgen.records import Call, Reply, Schema
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.calls_in_line import CallsInLine
from labgen.teacher.process_wire import Wire, received_call, sent_reply
from labgen.teacher.quirks import Quirks

if TYPE_CHECKING:
    from labgen.ledger.replies import Ledger
    from labgen.teacher.http import HttpBackend


def serve_http(end: socket.socket, inherited: socket.socket, at_once: bool) -> None:
    """The process's whole life."""
    # What is sent to all of a run's processes (Ctrl-C, `timeout`, a service that is stopped) is the parent's to heed:
    # it waits for the calls in flight, and ends this process then.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    inherited.close()
    with suppress(Exception):
        if at_once:
            import aiohttp  # noqa: F401 (loading it takes a quarter of the time before a run's first call)

            import labgen.teacher.http  # noqa: F401
        asyncio.run(_Serving(end).serve())


@dataclass
class _Told:
    """What is remembered of an endpoint, in the process: what was known, and what the parent is told."""

    known: dict[str, str]
    tell: Callable[[str, Any], None]

    def note(self, name: str) -> str | None:
        return self.known.get(name)

    def set_note(self, name: str, value: str) -> None:
        self.known[name] = value
        self.tell("note", (name, value))


@dataclass
class _Serving:
    """The process's side."""

    end: socket.socket
    backends: dict[int, HttpBackend] = field(default_factory=dict)
    lines: dict[int, CallsInLine] = field(default_factory=dict)
    schemas: dict[int, Schema] = field(default_factory=dict)
    tasks: dict[int, asyncio.Task[None]] = field(default_factory=dict)
    ledger: Ledger | None = None

    async def serve(self) -> None:
        """Until the parent is gone."""
        over = asyncio.Event()
        self.wire = Wire(self.end, self._take, over.set)
        self.wire.attach()
        await over.wait()
        os._exit(0)  # what is on its way nobody waits for any more

    def _take(self, messages: Iterable[Any]) -> None:
        for kind, number, *given in messages:
            if kind == "keep":
                self._keep(number)
            elif kind == "open":
                self._open(number, *given)
            elif kind == "places":
                self.lines[number].set(*given)
            elif kind == "take back":
                self.lines[number].take_back(*given)
            elif kind == "schema":
                self.schemas[number] = given[0]
            elif kind == "cancel":
                if number in self.tasks:
                    self.tasks[number].cancel()
            else:
                self._begin(number, self._work(kind, *given))

    def _open(self, place: int, spec: EndpointSpec, known: dict[str, str] | None) -> None:
        from labgen.teacher.http import HttpBackend

        def tell(kind: str, value: Any) -> None:
            if place in self.backends:  # what was known before, the parent has said
                self.wire.send((kind, place, value))

        def notice(words: str) -> None:
            tell("notice", words)

        notes = None if known is None else _Told(known, tell)
        merges = spec.merges_system
        quirks = Quirks(spec.name, spec.send_model, notice=notice, notes=notes, merges_system=merges)
        pause, resent = partial(tell, "pause"), partial(tell, "resent", None)
        self.lines[place] = CallsInLine()
        self.backends[place] = HttpBackend.of(spec, quirks, pause=pause, notice=notice, resent=resent)

    def _keep(self, folder: Path) -> None:
        from labgen.ledger.replies import Ledger

        with suppress(LedgerError):  # which the parent meets as well, and says
            self.ledger = Ledger(folder, ballast_bytes=0)

    async def _kept(self, call: Call, reply: Reply) -> bool:
        """Write a reply into the ledger. Returns: whether it is there now."""
        if self.ledger is None:
            return False
        try:
            await self.ledger.put(call, reply)
        except LedgerError:
            return False
        return True

    async def _work(self, what: str, place: int, sent: tuple[Any, ...] = ()) -> Any:
        if what == "let go":
            ledger, self.ledger = self.ledger, None
            return ledger.close() if ledger else None
        backend = self.backends[place]
        if what == "ask":
            call, line = received_call(sent, self.schemas), self.lines[place]
            waited_sec = await line.turn()
            with line.place():
                try:
                    reply = await backend.ask(call)
                except TeacherError as error:
                    if waited_sec:
                        error.waited_sec = waited_sec
                    raise
            return sent_reply(reply, waited_sec, await self._kept(call, reply))
        if what == "stated":
            return await backend.stated()
        del self.lines[place]
        return await self.backends.pop(place).close()

    def _begin(self, number: int, work: Coroutine[Any, Any, Any]) -> None:
        async def done() -> None:
            try:
                self.wire.send(("done", number, await work))
            except LabgenError as error:
                self.wire.send(("raised", number, error))
            except Exception as error:  # which others may not be read there
                self.wire.send(("raised", number, RuntimeError(f"{type(error).__name__}: {error}")))

        task = self.tasks[number] = asyncio.create_task(done())
        task.add_done_callback(lambda task: self.tasks.pop(number))
