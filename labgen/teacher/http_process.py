"""HTTP in a process of its own, where the machine has a core for it: what goes there, and what comes back.

Writing a request, sending it, taking in the answer and writing it into the ledger are half of what a call costs. The
process holds connections, and what it found that endpoints lack; pressure, budget and retries stay with its parent, so
that there is one of each. A reply is in the ledger before the parent hears of it; where it could not be written, the
parent writes it, and says what is wrong. The process is forked off as workers are (see `labgen.generate.workers`), and
ends with its parent, however that ends. Where it has ended, the parent asks by itself.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from labgen.errors import LedgerError, TeacherUnavailable
from labgen.lazy.dataclasses import dataclass
from labgen.records import Call, Reply, Schema
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.http_serving import serve_http
from labgen.teacher.process_wire import Wire, received_reply, sent_call
from labgen.teacher.quirks import Notes, noted
from labgen.teacher.stated import Stated

if TYPE_CHECKING:
    from labgen.teacher.http import HttpBackend

WORTH_A_PROCESS = 32
"""Calls in flight, all endpoints together, from which on there is a process for them: fewer keep no core busy."""

SCHEMAS_KNOWN = 256
"""Schemas that are sent once and known by their numbers from then on; further ones are sent with each call."""


class HttpProcess:
    """The process, from its parent's side. Until it has begun, and where it has ended, all is asked in the parent.

    As a context manager, it ends the process.
    """

    def __init__(self) -> None:
        self.running = False
        self._process: BaseProcess
        self._wire: Wire
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._places: dict[int, _Place] = {}
        self._numbers = itertools.count()
        self._schemas: dict[int, tuple[Schema, int]] = {}

    def __enter__(self) -> Self:
        return self

    def begin(self, *, at_once: bool = False) -> None:
        """Fork the process off, before anything is opened that it must not hold; nothing where it has begun.

        Args:
            at_once: whether it is sure to be needed: then it loads what it needs while its parent gets ready.
        """
        if not self.running:
            with suppress(OSError, ImportError):  # where the system has no further process to give, there is none
                self._fork(at_once)

    def _fork(self, at_once: bool) -> None:
        ours, theirs = socket.socketpair()
        self._process = get_context("fork").Process(target=serve_http, args=(theirs, ours, at_once), daemon=True)
        self._process.start()
        theirs.close()
        self._wire = Wire(ours, self._take, self._gone)
        self.running = True

    def __exit__(self, *ended: object) -> None:
        if hasattr(self, "_wire"):
            self.running = False
            self._wire.close()
            self._process.kill()
            self._process.join()

    @asynccontextmanager
    async def keeping(self, folder: Path) -> AsyncIterator[None]:
        """Meanwhile the process writes the replies that it gets into the ledger of a work folder."""
        if self.running:
            self._wire.send(("keep", folder))
        try:
            yield
        finally:
            if self.running:
                with suppress(TeacherUnavailable):
                    await self.do("let go", 0)

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return self._process.pid

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """While an event loop runs: what comes back is taken in there."""
        if not self.running:
            yield
            return
        self._wire.attach()
        try:
            yield
        finally:
            self._places.clear()
            self._wire.detach()

    def open(
        self,
        spec: EndpointSpec,
        here: Callable[[], HttpBackend],
        *,
        pause: Callable[[float], None],
        notice: Callable[[str], None],
        resent: Callable[[], None],
        notes: Notes | None,
    ) -> ElsewhereBackend:
        """An endpoint that is asked in the process.

        Args:
            here: what asks it in this process, should the other one end.
            pause, notice, resent, notes: see `HttpBackend` and `Quirks`; they are told in this process.
        """
        number = next(self._numbers)
        self._places[number] = _Place(pause, notice, resent, notes)
        known = None if notes is None else noted(spec.name, spec.send_model, notes)
        self._wire.send(("open", number, spec, known))
        return ElsewhereBackend(self, number, here)

    async def do(self, what: str, place: int, *given: Any) -> Any:
        """Have something done there. Raises: what that raises; TeacherUnavailable: the process ended meanwhile."""
        number = next(self._numbers)
        done = self._asked[number] = asyncio.get_running_loop().create_future()
        self._wire.send((what, number, place, *given))
        try:
            return await done
        finally:
            if self._asked.pop(number, None) and self.running:
                self._wire.send(("cancel", number))

    def tell(self, what: str, place: int, *given: Any) -> None:
        """Say something that nobody waits for."""
        self._wire.send((what, place, *given))

    def schema(self, schema: Schema | None) -> Any:
        """A schema as it is sent: its number where the process knows it."""
        if schema is None:
            return None
        if id(schema) in self._schemas:
            return self._schemas[id(schema)][1]
        if len(self._schemas) < SCHEMAS_KNOWN:
            number = len(self._schemas)
            self._schemas[id(schema)] = schema, number  # kept, so that no other one gets its address
            self._wire.send(("schema", number, schema))
            return number
        return schema

    def _take(self, messages: Iterable[Any]) -> None:
        for kind, number, value in messages:
            if kind in ("done", "raised"):
                asked = self._asked.pop(number, None)
                if asked and not asked.done():
                    (asked.set_result if kind == "done" else asked.set_exception)(value)
            elif number in self._places:
                self._places[number].told(kind, value)

    def _gone(self) -> None:
        self.running = False
        asked, self._asked = self._asked, {}
        for each in asked.values():
            if not each.done():
                problem = TeacherUnavailable("the process that sends requests has ended")
                problem.maybe_paid = True  # what it sent may have been answered
                each.set_exception(problem)


@dataclass(frozen=True, slots=True)
class _Place:
    """What an endpoint's back end tells of in the parent."""

    pause: Callable[[float], None]
    notice: Callable[[str], None]
    resent: Callable[[], None]
    notes: Notes | None

    def told(self, kind: str, value: Any) -> None:
        if kind == "pause":
            self.pause(value)
        elif kind == "notice":
            self.notice(value)
        elif kind == "resent":
            self.resent()
        elif self.notes is not None:
            with suppress(LedgerError):  # as `Quirks` does
                self.notes.set_note(*value)


class ElsewhereBackend:
    """One endpoint, asked in the other process for as long as there is one."""

    def __init__(self, process: HttpProcess, place: int, here: Callable[[], HttpBackend]) -> None:
        self._process, self._place, self._make_here = process, place, here
        self._here: HttpBackend | None = None

    async def ask(self, call: Call) -> Reply:
        """Answer one call, once. Raises: as `HttpBackend.ask`."""
        if not self._process.running:
            return await self._asked_here().ask(call)
        reply = await self._process.do("ask", self._place, sent_call(call, self._process.schema(call.schema)))
        return received_reply(reply)

    @property
    def open(self) -> bool:
        """See `labgen.teacher.pressure.WaitingLine`."""
        return self._process.running

    def set(self, places: int) -> None:
        """See `labgen.teacher.pressure.WaitingLine`."""
        if self._process.running:
            self._process.tell("places", self._place, places)

    def take_back(self, *, for_good: bool) -> None:
        """See `labgen.teacher.pressure.WaitingLine`."""
        if self._process.running:
            self._process.tell("take back", self._place, for_good)

    async def stated(self) -> Stated | None:
        """What the server says of itself; None while it says nothing."""
        if not self._process.running:
            return await self._asked_here().stated()
        try:
            stated: Stated | None = await self._process.do("stated", self._place)
        except TeacherUnavailable:
            return None
        return stated

    async def close(self) -> None:
        """Close the connections."""
        if self._here:
            await self._here.close()
        if self._process.running:
            with suppress(TeacherUnavailable):
                await self._process.do("close", self._place)

    def _asked_here(self) -> HttpBackend:
        self._here = self._here or self._make_here()
        return self._here
