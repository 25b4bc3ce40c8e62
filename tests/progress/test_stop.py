"""A wish to stop is heeded at once, whoever says it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable

import pytest

from labgen.progress import stop
from labgen.progress.stop import StopWish


def by_signal(wish: StopWish) -> None:
    """Say it from a signal's handler."""
    signal.signal(signal.SIGTERM, lambda number, frame: wish.say())
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


def by_thread(wish: StopWish) -> None:
    """Say it from another thread."""
    threading.Timer(0.1, wish.say).start()


@pytest.mark.parametrize("says", [by_signal, by_thread])
def test_a_run_that_is_to_stop_does_not_wait_until_it_looks_again(
    monkeypatch: pytest.MonkeyPatch, says: Callable[[StopWish], None]
) -> None:
    """Every call that is sent meanwhile is paid for."""
    monkeypatch.setattr(stop, "LOOK_SEC", 3_600.0)
    wish, looks, before = StopWish(), list[None](), signal.getsignal(signal.SIGTERM)

    async def work() -> None:
        says(wish)
        await asyncio.Event().wait()

    async def run() -> None:
        assert await asyncio.wait_for(wish.run(work(), lambda: looks.append(None)), 30.0) is None

    try:
        asyncio.run(run())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert wish.seen and looks
