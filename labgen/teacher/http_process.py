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
import os
import pickle
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from labgen.errors import LabgenError, LedgerError, TeacherError, TeacherUnavailable
from labgen.records import Call, Message, Reply, Schema, Served
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.calls_in_line import CallsInLine
from labgen.teacher.quirks import Notes, Quirks, noted
from labgen.teacher.stated import Stated

if TYPE_CHECKING:
    from labgen.ledger.replies import Ledger
    from labgen.teacher.http import HttpBackend

WORTH_A_PROCESS = 32
"""Calls in flight, all endpoints together, from which on there is a process for them: fewer keep no core busy."""

SCHEMAS_KNOWN = 256
"""Schemas that are sent once and known by their numbers from then on; further ones are sent with each call."""

_HEAD = struct.Struct("!I")
_RECEIVED_BYTES = 2**18


class HttpProcess:
    """The process, from its parent's side. To be entered before anything is opened that it must not hold.

    Args:
        wanted: whether there is to be one; without, all is asked in this process.
        at_once: whether it is sure to be needed: then it loads what it needs while its parent gets ready.
    """

    def __init__(self, *, wanted: bool, at_once: bool = False) -> None:
        self.running = False
        self._wanted, self._at_once = wanted, at_once
        self._process: BaseProcess
        self._wire: _Wire
        self._asked: dict[int, asyncio.Future[Any]] = {}
        self._places: dict[int, _Place] = {}
        self._numbers = itertools.count()
        self._schemas: dict[int, tuple[Schema, int]] = {}

    def __enter__(self) -> Self:
        if self._wanted:
            with suppress(OSError, ImportError):  # where the system has no further process to give, there is none
                self._fork()
        return self

    def _fork(self) -> None:
        ours, theirs = socket.socketpair()
        self._process = get_context("fork").Process(target=_run, args=(theirs, ours, self._at_once), daemon=True)
        self._process.start()
        theirs.close()
        self._wire = _Wire(ours, self._take, self._gone)
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
        reply = await self._process.do("ask", self._place, _sent_call(call, self._process.schema(call.schema)))
        return _reply_of(reply)

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


def _sent_call(call: Call, schema: Any) -> tuple[Any, ...]:
    """A call as plain values, which cost the least to write and to read."""
    messages = [(message.role, message.content) for message in call.messages]
    sampling = (call.max_tokens, call.temperature, call.seed, call.top_p, call.stop)
    return (call.model, messages, *sampling, schema, call.extra_body, call.reasoning, call.leaf, call.step)


def _received_call(sent: tuple[Any, ...], schemas: Mapping[int, Schema]) -> Call:
    model, messages, max_tokens, temperature, seed, top_p, stop, schema, *rest = sent
    schema = schemas[schema] if isinstance(schema, int) else schema
    asked = tuple(Message(*message) for message in messages)
    return Call(model, asked, max_tokens, temperature, seed, top_p, stop, schema, *rest)


def _sent_reply(reply: Reply, waited_sec: float, kept: bool) -> tuple[Any, ...]:
    served = reply.served
    counts = (reply.prompt_tokens, reply.completion_tokens)
    origin = (served.address, served.model, served.fingerprint, served.listed)
    said = (reply.failure, reply.detail, reply.reasoning)
    return (reply.text, reply.finish_reason, *counts, *said, origin, waited_sec, kept)


def _reply_of(sent: tuple[Any, ...]) -> Reply:
    text, end, prompt_tokens, completion_tokens, failure, detail, reasoning, origin, *sending = sent
    served = Served(*origin)
    return Reply(text, end, prompt_tokens, completion_tokens, failure, detail, reasoning, served, *sending)


class _Wire:
    """One end of the socket: lists of messages, one for all that a turn of the event loop has to say.

    Args:
        take: given the messages that came; gone: called when the other end is gone.
    """

    def __init__(self, end: socket.socket, take: Callable[[Iterable[Any]], None], gone: Callable[[], None]) -> None:
        end.setblocking(False)
        self._end, self._take, self._gone = end, take, gone
        self._loop: asyncio.AbstractEventLoop
        self._messages: list[Any] = []
        self._out, self._in = bytearray(), bytearray()

    def attach(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._end, self._read)
        if self._messages:  # the event loop before this one ended in the same turn
            self._loop.call_soon(self._flush)

    def detach(self) -> None:
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)

    def close(self) -> None:
        self._end.close()

    def send(self, message: Any) -> None:
        self._messages.append(message)
        if len(self._messages) == 1:
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        messages, self._messages = self._messages, []
        packed = pickle.dumps(messages, pickle.HIGHEST_PROTOCOL)
        waiting = bool(self._out)
        self._out += _HEAD.pack(len(packed))
        self._out += packed
        if not waiting:
            self._write()

    def _write(self) -> None:
        try:
            del self._out[: self._end.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # that it is gone is read
        if self._end.fileno() < 0:
            return
        if self._out:
            self._loop.add_writer(self._end, self._write)
        else:
            self._loop.remove_writer(self._end)

    def _read(self) -> None:
        try:
            piece = self._end.recv(_RECEIVED_BYTES)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self.detach()
            self._gone()
            return
        self._in += piece
        while len(self._in) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self._in)[0]
            if len(self._in) < end:
                return
            messages = pickle.loads(bytes(self._in[_HEAD.size : end]))  # noqa: S301 (of our own process)
            del self._in[:end]
            self._take(messages)


def _run(end: socket.socket, inherited: socket.socket, at_once: bool) -> None:
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
        self.wire = _Wire(self.end, self._take, over.set)
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
            call, line = _received_call(sent, self.schemas), self.lines[place]
            waited_sec = await line.turn()
            with line.place():
                try:
                    reply = await backend.ask(call)
                except TeacherError as error:
                    if waited_sec:
                        error.waited_sec = waited_sec
                    raise
            return _sent_reply(reply, waited_sec, await self._kept(call, reply))
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
