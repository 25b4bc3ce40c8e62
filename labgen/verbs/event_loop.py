"""Verbs where an event loop runs already, as in a notebook, and verbs that are awaited.

A verb runs event loops of its own, one after another, and there can be but one in a thread. So where one runs, the verb
takes another thread; a verb that is awaited always does.
"""

from __future__ import annotations

import asyncio
import ctypes
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar

from labgen.errors import machine_trouble

P = ParamSpec("P")
R = TypeVar("R")


def outside_event_loop(verb: Callable[P, R]) -> Callable[P, R]:
    """A verb that can be called wherever an event loop runs: it goes on in another thread, which is waited for.

    The caller's loop stands still meanwhile; `awaited` lets it go on. An interrupt (Ctrl-C, a notebook's stop) reaches
    the verb, which ends as it would on a command line.
    """

    @wraps(verb)
    def call(*args: P.args, **named: P.kwargs) -> R:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return verb(*args, **named)
        running = _InThread(partial(verb, *args, **named))
        try:
            return running.result.result()
        except KeyboardInterrupt:
            if not running.result.done():
                running.interrupt()
                running.result.exception()  # a second interrupt ends the wait
            raise

    return call


async def awaited(verb: Callable[P, R], *args: P.args, **named: P.kwargs) -> R:
    """Run a verb in a thread of its own while the caller's event loop goes on.

    Where the task that awaits is cancelled, the verb is interrupted, and what it has under way comes to its end first:
    no reply that was paid for is lost.
    """
    running = _InThread(partial(verb, *args, **named))
    result = asyncio.wrap_future(running.result)
    try:
        return await asyncio.shield(result)
    except asyncio.CancelledError:
        running.interrupt()
        await asyncio.wait([result])
        result.exception()  # that it was interrupted is no news
        raise


def run_to_end(work: Coroutine[Any, Any, R]) -> R:
    """`asyncio.run`, also in a thread that `outside_event_loop` or `awaited` began: an interrupt cancels the work.

    Raises: KeyboardInterrupt: interrupted; the work was cancelled and has ended. What the work raises.
    """
    thread = _thread.get()
    if thread is None or thread.ident != threading.get_ident():
        return asyncio.run(_quietly(work))

    async def stoppable() -> R:
        task = asyncio.current_task()
        assert task is not None
        with thread.asking(asyncio.get_running_loop(), task):
            return await _quietly(work)

    try:
        return asyncio.run(stoppable())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _quietly(work: Coroutine[Any, Any, R]) -> R:
    """Do some work, and leave out of what asyncio itself says where a machine lacks something, which is said once."""

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not machine_trouble(context.get("exception")):
            loop.default_exception_handler(context)

    asyncio.get_running_loop().set_exception_handler(handle)
    return await work


class _Asking:
    """While something is asked: how to cancel it."""

    def __init__(self, thread: _InThread[Any], cancel: Callable[[], object]) -> None:
        self._in, self._cancel = thread, cancel

    def __enter__(self) -> None:
        with self._in.lock:
            self._in.cancel = self._cancel
        if self._in.interrupted:
            self._cancel()

    def __exit__(self, *ended: object) -> None:
        with self._in.lock:
            self._in.cancel = None


class _InThread(Generic[R]):
    """Work in a thread of its own, with the context of whoever began it; `result` is done when the thread is."""

    def __init__(self, work: Callable[[], R]) -> None:
        self.result: Future[R] = Future()
        self.lock = threading.Lock()
        self.cancel: Callable[[], object] | None = None
        self.interrupted = False
        context = copy_context()
        self._started = threading.Thread(target=context.run, args=(self._run, work), name="labgen verb")
        self._started.start()

    @property
    def ident(self) -> int | None:
        """The thread's number."""
        return self._started.ident

    def _run(self, work: Callable[[], R]) -> None:
        _thread.set(self)
        try:
            found = work()
        except BaseException as error:
            self.result.set_exception(error)
        else:
            self.result.set_result(found)

    def asking(self, loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> _Asking:
        """While replies may come in, an interrupt cancels `task`, which waits for what was sent."""
        return _Asking(self, lambda: loop.call_soon_threadsafe(task.cancel))

    def interrupt(self) -> None:
        """End the work as Ctrl-C would in the main thread.

        Between two event loops, KeyboardInterrupt is raised at the next thing that the thread does in Python: what it
        does then can be done again.
        """
        with self.lock:
            self.interrupted = True
            if self.cancel:
                self.cancel()
            elif self.ident is not None and not self.result.done():
                raised = ctypes.py_object(KeyboardInterrupt)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), raised)


_thread: ContextVar[_InThread[Any] | None] = ContextVar("labgen_verb_thread", default=None)
