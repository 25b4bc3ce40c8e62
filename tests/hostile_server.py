"""A server on loopback that answers each call with bytes as they are told, without end if they have none."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

Pieces = Callable[[], Iterator[bytes]]
"""Gives an answer piece by piece, from its status line on."""


def answer(*pieces: bytes, status: str = "200 OK", headers: str = "", kind: str = "application/json") -> bytes:
    """An answer whose end is the connection's."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + b"".join(pieces)


class HostileServer:
    """Serves in a thread.

    Attributes:
        sent_bytes: what was taken from it, over all answers.
        asked: requests (count); heads: their headers.
    """

    def __init__(self, pieces: Pieces) -> None:
        self.pieces = pieces
        self.sent_bytes = self.asked = 0
        self.heads: list[str] = []
        self.port = 0
        self._ready = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> HostileServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

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
