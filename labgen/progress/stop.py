"""A wish to stop: said by whoever hears a signal, heeded by a build between two looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from labgen.errors import LabgenError

T = TypeVar("T")
LOOK_SEC = 0.5
STOPPED = "Stopped by you"
"""Why nothing more is asked in a run that was to stop."""


class StoppedByUser(LabgenError):
    """The user stopped the run. All that was paid for is kept."""


class StopWish:
    """Whether a run is to stop, and what is to become of what there is.

    Attributes:
        write: whether the dataset of what is there is to be written then.
        wished: whether it is to stop; heeded: whether the run looks for that at present.
        seen: whether the run has looked since, and so stops in good order.
    """

    def __init__(self, *, write: bool = False) -> None:
        self.write = write
        self.wished = False
        self.heeded = False
        self.seen = False
        self._wake: Callable[[], object] = lambda: None

    def say(self) -> None:
        """Say it, from a signal's handler or another thread: a run that looks for it stops at once."""
        self.wished = True
        self._wake()

    def check(self) -> None:
        """Raises: StoppedByUser: the run is to stop, and nothing is to be written."""
        if self.wished and not self.write:
            raise StoppedByUser("stopped")

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """While the run looks for the wish."""
        self.heeded = True
        try:
            yield
        finally:
            self.heeded = False

    async def run(self, work: Coroutine[Any, Any, T], look: Callable[[], None]) -> T | None:
        """Do some work to its end, or until it is to stop; calls `look` twice a second meanwhile.

        Returns: what it gives; None where it was stopped. Raises: what it raises.
        """
        loop, said = asyncio.get_running_loop(), asyncio.Event()
        task, saying = asyncio.create_task(work), asyncio.create_task(said.wait())
        self._wake = partial(loop.call_soon_threadsafe, said.set)
        with self.heeding():
            try:
                while not task.done() and not self.wished:
                    await asyncio.wait({task, saying}, timeout=LOOK_SEC, return_when=asyncio.FIRST_COMPLETED)
                    look()
                self.seen = self.wished
                if task.done():
                    return task.result()
                return None
            finally:
                self._wake = lambda: None
                for each in (saying, task):
                    if not each.done():
                        each.cancel()
                        with suppress(asyncio.CancelledError):
                            await each
