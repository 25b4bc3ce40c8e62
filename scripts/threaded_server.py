"""Servers for tests and checks: each in a thread with an event loop of its own, on loopback, as a context manager."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from contextlib import AbstractAsyncContextManager
from typing import Self


class ThreadedServer(ABC):
    """A server that can be stopped and started again on the port that it had.

    Attributes:
        port: where it listens, or did last; 0 before it is started, where any will do.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._thread: threading.Thread | None = None

    @abstractmethod
    def serving(self) -> AbstractAsyncContextManager[int]:
        """Listens on `port`, while entered; gives the port. Leaving it closes every connection."""

    @property
    def base_url(self) -> str:
        """The address of its API, the same after a restart."""
        return f"http://127.0.0.1:{self.port}/v1"

    def start(self) -> None:
        """Listen. Raises: OSError: it can't."""
        ready, failed = threading.Event(), list[BaseException]()

        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            async with self.serving() as self.port:
                ready.set()
                await self._stop.wait()
            for _ in range(5):
                await asyncio.sleep(0)  # what was closed goes

        def run() -> None:
            try:
                asyncio.run(serve())
            except OSError as error:
                failed.append(error)
            finally:
                ready.set()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        ready.wait()
        if failed:
            raise failed[0]

    def stop(self) -> None:
        """Close the port and every connection, whatever is on its way."""
        if self._thread and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
