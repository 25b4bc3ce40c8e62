"""Work on many items, shared out among processes where the machine has more than one core to do it.

Nothing travels to a worker: it is forked off and knows all that its parent knew. What it makes of an item travels back.
What a worker can't do, for whatever reason, the parent does itself, so that an error is raised where it can be told.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cache
from multiprocessing import current_process, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, Self, TypeVar

R = TypeVar("R")

ItemWork = Callable[[], AbstractContextManager[Callable[[int], R]]]
"""Opens what the work needs, once in a process; gives what is done with an item's number."""

MOST_PROCESSES = 4
"""With more, the parent, who takes in what they make, would be what all wait for."""

AHEAD = 64
"""Items that a worker has been given at most and not yet handed over: it need not wait for its parent."""


def spare_processes() -> int:
    """How many workers are worth having here: 0 where the work had better be done in this process.

    Forking is safe where no other thread of this process may hold a lock that its copy would wait for, and cheap on
    Linux; elsewhere workers would have to load everything anew.
    """
    alone = threading.active_count() == 1 and not current_process().daemon
    if not sys.platform.startswith("linux") or not alone:
        return 0
    cores = len(os.sched_getaffinity(0))
    return min(cores, MOST_PROCESSES) if cores > 1 else 0


class Workers(Generic[R]):
    """Processes that share out the items 0 to `count` - 1 among them.

    They are forked on entering, so that they share nothing that is opened afterwards, a lock least of all. With the
    parent they end, however it ends.

    Args:
        work: what is done; its results must be picklable.
        processes: how many; 0 does the work in this process.
    """

    def __init__(self, work: ItemWork[R], count: int, *, processes: int) -> None:
        self._work = work
        self._items = deque(range(count))
        self._processes = min(processes, count)
        self._given: dict[Connection, deque[int]] = {}
        self._running: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Self:
        # Where the system has no further process to give, those that there are do it, or the parent.
        with suppress(OSError, ImportError):
            for _ in range(self._processes):
                self._fork()
        return self

    def _fork(self) -> None:
        context = get_context("fork")
        ours, theirs = context.Pipe()
        # A worker that kept its parent's ends open would never learn that the parent is gone.
        process = context.Process(target=_serve, args=(self._work, theirs, [*self._running, ours]), daemon=True)
        process.start()
        theirs.close()
        self._running[ours], self._given[ours] = process, deque()

    def __exit__(self, *ended: object) -> None:
        for connection in list(self._running):
            self._end(connection)

    def begin(self) -> bool:
        """Give every worker something to do, where that was not done yet.

        Returns: whether anybody else is at work, so that this process has time until the first result comes.
        """
        for _ in range(AHEAD):
            for connection in self._given:
                self._give(connection)
        return bool(self._running)

    def results(self, meanwhile: Callable[[], bool] = lambda: False) -> Iterator[tuple[int, R]]:
        """Each item's number and what came of it, in the order in which they are done. To be called once.

        Args:
            meanwhile: called while no result is waiting, for as long as it says that it did something.
        Raises: whatever the work raises.
        """
        self.begin()
        with ExitStack() as stack:
            here = cache(lambda: stack.enter_context(self._work()))
            while self._running:
                for connection in self._ready(meanwhile):
                    given = self._given[connection]
                    received = self._receive(connection)
                    yield from received
                    if not received or not given:
                        self._end(connection)
                    if not received:
                        # It ended on the first of these: if there is an error to be told, it is told now.
                        for item in given:
                            yield item, here()(item)
            while self._items:
                item = self._items.popleft()
                yield item, here()(item)

    def _ready(self, meanwhile: Callable[[], bool]) -> list[Connection]:
        """The workers that have a result, or have ended."""
        running: Any = list(self._running)
        ready: Any = wait(running, timeout=0.0)
        while not ready:
            ready = wait(running, timeout=0.0 if meanwhile() else None)
        return list(ready)

    def _receive(self, connection: Connection) -> list[tuple[int, R]]:
        """What a worker made of its first item, or nothing where it has ended."""
        try:
            result = connection.recv()
        except (EOFError, OSError):
            return []
        item = self._given[connection].popleft()
        self._give(connection)
        return [(item, result)]

    def _give(self, connection: Connection) -> None:
        given, left = self._given[connection], len(self._items)
        # Fewer and fewer at a time: the last items are kept for whoever is idle first.
        if left and len(given) < min(AHEAD, 1 + left // (4 * len(self._running))):
            given.append(self._items.popleft())
            with suppress(OSError):  # it has ended, which is seen when its result is wanted
                connection.send(given[-1])

    def _end(self, connection: Connection) -> None:
        process = self._running.pop(connection)
        connection.close()
        process.kill()
        process.join()


def _serve(work: ItemWork[Any], parent: Connection, inherited: list[Connection]) -> None:
    """A worker's whole life. Whatever goes wrong ends it in silence: the parent does what is left."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for connection in inherited:
        connection.close()
    with suppress(Exception), ExitStack() as stack:
        item = parent.recv()
        do = stack.enter_context(work())
        while True:
            parent.send(do(item))
            item = parent.recv()
