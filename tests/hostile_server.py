"""A server on loopback that answers each call with bytes as they are told, without end if they have none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

from threaded_server import ThreadedServer

Pieces = Callable[[], Iterator[bytes]]
"""Gives an answer piece by piece, from its status line on."""


def answer(*pieces: bytes, status: str = "200 OK", headers: str = "", kind: str = "application/json") -> bytes:
    """An answer whose end is the connection's."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + b"".join(pieces)


class HostileServer(ThreadedServer):
    """See the module.

    Attributes:
        sent_bytes: what was taken from it, over all answers.
        asked: requests (count); heads: their headers.
    """

    def __init__(self, pieces: Pieces) -> None:
        super().__init__()
        self.pieces = pieces
        self.sent_bytes = self.asked = 0
        self.heads: list[str] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0) as server:
            yield server.sockets[0].getsockname()[1]

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            await reader.readexactly(int(length.partition(b":")[2]))
            self.asked += 1
            self.heads.append(head.decode("latin-1"))
            for piece in self.pieces():
                writer.write(piece)
                await writer.drain()
                self.sent_bytes += len(piece)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def without_end(first: bytes, more: bytes) -> Pieces:
    """Some bytes, and then others over and over."""

    def pieces() -> Iterator[Any]:
        yield first
        while True:
            yield more

    return pieces
