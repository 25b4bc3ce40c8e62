"""Ctrl-C and SIGTERM: the first one is a wish that the run stop in good order, the second one ends it at once."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import click
from click.core import ParameterSource

from labgen.cli.file_options import SETTING_OF
from labgen.progress.stop import StoppedByUser, StopWish
from labgen.text.printable import without_credentials

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SHOW_CURSOR = "\x1b[?25h"
DEAF_SEC = 1.5
"""A run that has not looked for the wish for so long is at something long, and is stopped where it is."""
REPEATED = (*SETTING_OF, "config", "leaf_patterns", "base", "replace", "strict")
"""Options that say what is built, and so belong to the command that only writes what there is of it."""


@contextmanager
def interruptible(wish: StopWish, note: Callable[[str], None]) -> Iterator[None]:
    """Turn signals into a wish while something runs.

    Args:
        note: told what happens now, in words.
    Raises: StoppedByUser: the run did not look for the wish, and was stopped where it was.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are others' business
        return

    def hear(number: int, frame: FrameType | None) -> None:
        if wish.wished:
            _end_at_once(number)
        wish.say()
        if not wish.heeded:
            raise KeyboardInterrupt
        if hasattr(signal, "SIGALRM"):  # not on Windows
            before[signal.SIGALRM] = signal.signal(signal.SIGALRM, look)
            signal.setitimer(signal.ITIMER_REAL, DEAF_SEC)
        what = "then the dataset of what is there is written" if wish.write else "they are paid for"
        note(f"Stopping: the calls in flight are waited for, {what}. Ctrl-C again ends it at once.")

    def look(number: int, frame: FrameType | None) -> None:
        if not wish.seen:
            raise KeyboardInterrupt

    before: dict[int, Any] = {number: signal.signal(number, hear) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedByUser("stopped") from None
    finally:
        if hasattr(signal, "SIGALRM") and signal.SIGALRM in before:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_at_once(number: int) -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, f"\r\n{SHOW_CURSOR}".encode())
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def stopped_words(ctx: click.Context) -> str:
    """What is said of a run that was stopped and wrote nothing: how to go on, and how to write what is there."""
    return (
        "Stopped. Every reply is kept: run the same command again to go on.\n"
        f"To write the dataset of what is there, asking nothing:\n    {writing_command(ctx)}"
    )


def writing_command(ctx: click.Context) -> str:
    """The command that writes what there is, with the options that were typed and matter to it."""
    words = ["labgen", "generate"]
    for param in ctx.command.params:
        name = param.name or ""
        typed = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if not typed or name not in REPEATED:
            continue
        value = ctx.params[name]
        if name == "config":
            value = value.path if value is not None else None
        if isinstance(value, bool):
            words.append(param.opts[0] if value else param.secondary_opts[0])
            continue
        values = value if isinstance(value, tuple) else (value,)
        for each in values:
            if each is not None:
                words += [param.opts[0], without_credentials(str(each))]
    return shlex.join([*words, "--max-calls", "0"])
