"""Work on many items, shared out among processes where the machine has more than one core to do it.

Nothing travels to a worker: it is forked off and knows all that its parent knew. What it makes of an item travels back.
What a worker can't do, for whatever reason, the parent does itself, so that an error is raised where it can be told.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Self, TypeVar

R = TypeVar("R")

Work = Callable[[], AbstractContextManager[Callable[[int], R]]]
"""Opens what the work needs, once in a process; gives what is done with an item's number."""

MOST_PROCESSES = 4
"""With more, the parent, who takes in what they make, would be what all wait for."""


def spare_processes() -> int:
    """How many workers are worth having here: 0 where the work had better be done in this process.

    Forking is safe where no other thread of this process may hold a lock that its copy would wait for, and cheap on
    Linux; elsewhere workers would have to load everything anew.
    """
    if not sys.platform.startswith("linux") or threading.active_count() > 1:
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(cores, MOST_PROCESSES) if cores > 1 else 0


class Workers(Generic[R]):
    """Processes that wait for the word to begin on items 0 to `count` - 1, which they take in that order.

    They are forked on entering, so that they share nothing that is opened afterwards, a lock least of all. With the
    parent they end, however it ends.

    Args:
        work: what is done; its results must be picklable.
        processes: how many; 0 does the work in this process.
    """

    def __init__(self, work: Work[R], count: int, *, processes: int) -> None:
        self._work = work
        self._count = count
        self._processes = min(processes, count)
        self._running: dict[Connection, Any] = {}
        self._begun = False

    def __enter__(self) -> Self:
        # Where the system has no further process to give, those that there are do it, or the parent.
        if self._processes:
            with suppress(OSError):
                self._fork()
        return self

    def _fork(self) -> None:
        context = get_context("fork")
        taken = context.Value("q", 0)
        for _ in range(self._processes):
            ours, theirs = context.Pipe()
            # A worker that kept its parent's ends open would never learn that the parent is gone.
            inherited = [*self._running, ours]
            arguments = (self._work, self._count, taken, theirs, inherited)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            self._running[ours] = process

    def __exit__(self, *ended: object) -> None:
        for connection in list(self._running):
            self._end(connection)

    def begin(self) -> bool:
        """Give the word to begin, where it was not given.

        Returns: whether anybody else is at work, so that this process has time until the first result comes.
        """
        if not self._begun:
            for connection in list(self._running):
                with suppress(OSError):
                    connection.send(None)
        self._begun = True
        return bool(self._running)

    def results(self, meanwhile: Callable[[], bool] = lambda: False) -> Iterator[tuple[int, R]]:
        """Each item's number and what came of it, in the order in which they are done. To be called once.

        Args:
            meanwhile: called while no result is waiting, for as long as it says that it did something.
        Raises: whatever the work raises.
        """
        self.begin()
        left = set(range(self._count))
        while self._running:
            ready: list[Any] = wait(list(self._running), timeout=0.0)
            if not ready:
                if meanwhile():
                    continue
                ready = wait(list(self._running))
            for sender in ready:
                message = self._receive(sender)
                if message is not None:
                    left.discard(message[0])
                    yield message
        if left:
            with self._work() as do:
                for item in sorted(left):
                    yield item, do(item)

    def _receive(self, connection: Any) -> tuple[int, R] | None:
        """What a worker made, or None where it has ended."""
        try:
            return connection.recv()  # type: ignore[no-any-return]
        except (EOFError, OSError):
            self._end(connection)
            return None

    def _end(self, connection: Connection) -> None:
        process = self._running.pop(connection)
        connection.close()
        process.kill()
        process.join()


def _serve(work: Work[Any], count: int, taken: Any, parent: Connection, inherited: list[Connection]) -> None:
    """A worker's whole life. Whatever goes wrong ends it in silence: the parent does what is left."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in inherited:
        connection.close()
    with suppress(Exception), ExitStack() as stack:
        parent.recv()
        do = stack.enter_context(work())
        while (item := _next(taken)) < count:
            parent.send((item, do(item)))


def _next(taken: Any) -> int:
    with taken.get_lock():
        item: int = taken.value
        taken.value += 1
    return item
