"""What a run and the process that sends its calls say to each other: lists of plain values over a socket."""

from __future__ import annotations

import asyncio
import pickle
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from labgen.records import Call, Message, Reply, Schema, Served

_HEAD = struct.Struct("!I")
_RECEIVED_BYTES = 2**18


def sent_call(call: Call, schema: Any) -> tuple[Any, ...]:
    """A call as plain values, which cost the least to write and to read."""
    messages = [(message.role, message.content) for message in call.messages]
    sampling = (call.max_tokens, call.temperature, call.seed, call.top_p, call.stop)
    return (call.key, call.model, messages, *sampling, schema, call.extra_body, call.reasoning, call.leaf, call.step)


def received_call(sent: tuple[Any, ...], schemas: Mapping[int, Schema]) -> Call:
    key, model, messages, max_tokens, temperature, seed, top_p, stop, schema, *rest = sent
    schema = schemas[schema] if isinstance(schema, int) else schema
    asked = tuple(Message(*message) for message in messages)
    call = Call(model, asked, max_tokens, temperature, seed, top_p, stop, schema, *rest)
    call.__dict__["key"] = key  # the same, at no price
    return call


def sent_reply(reply: Reply, waited_sec: float, kept: bool) -> tuple[Any, ...]:
    served = reply.served
    counts = (reply.prompt_tokens, reply.completion_tokens)
    origin = (served.address, served.model, served.fingerprint, served.listed)
    said = (reply.failure, reply.detail, reply.reasoning)
    return (reply.text, reply.finish_reason, *counts, *said, origin, waited_sec, kept)


def received_reply(sent: tuple[Any, ...]) -> Reply:
    text, end, prompt_tokens, completion_tokens, failure, detail, reasoning, origin, *sending = sent
    served = Served(*origin)
    return Reply(text, end, prompt_tokens, completion_tokens, failure, detail, reasoning, served, *sending)


class Wire:
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
