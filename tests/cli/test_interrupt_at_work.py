"""Ctrl-C ends a run that is at something long, and so does not look for the wish."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import asyncio, os, signal, sys
from labgen.cli.interrupt import interruptible
from labgen.progress.stop import StoppedByUser, StopWish

async def work(busy):
    await asyncio.sleep(0.1)
    os.kill(os.getpid(), signal.SIGINT)
    while busy:
        pass  # as a long computation does: nothing else gets a turn
    await asyncio.sleep(3600)

wish = StopWish()
try:
    with interruptible(wish, print):
        print(asyncio.run(wish.run(work(sys.argv[1] == "busy"), lambda: None)))
except StoppedByUser:
    print("stopped where it was")
"""


def ended(how: str) -> str:
    """What a run says that is told to stop."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, timeout=60, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_run_that_computes_is_stopped_where_it_is() -> None:
    """The first Ctrl-C is enough."""
    assert "stopped where it was" in ended("busy")


def test_a_run_that_waits_stops_in_good_order() -> None:
    """It looks for the wish, and is not cut off."""
    said = ended("waiting")
    assert "None" in said and "stopped where it was" not in said
