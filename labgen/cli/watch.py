"""Looking again whenever a file changes, for `--watch`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from labgen.errors import LabgenError

EVERY_SEC = 0.4
"""How often the files' times are looked at; a taxonomy of 500 leaves takes some 5 milliseconds."""


def watch(look: Callable[[], int], places: Iterable[Path]) -> int:
    """Look at once, then whenever a file in one of the places changes, comes or goes, until Ctrl-C.

    What cannot be looked at (a folder that is gone for the moment) is said, and looked at again.

    Returns: the status of the last look.
    """
    watched = list(places)
    try:
        while True:
            before = _times(watched)
            click.clear()  # does nothing where no terminal shows it
            try:
                status = look()
            except LabgenError as error:
                from labgen.text.printable import plain

                click.echo(f"labgen: {plain(str(error))}", err=True)
                status = error.exit_status
            click.echo("Watching; Ctrl-C ends.", err=True)
            while _times(watched) == before:
                time.sleep(EVERY_SEC)
    except KeyboardInterrupt:
        return status


def _times(places: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    found: dict[Path, tuple[int, int]] = {}
    for place in places:
        found |= _time(place)
        for folder, folders, files in os.walk(place):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                found |= _time(Path(folder, name))
    return found


def _time(file: Path) -> dict[Path, tuple[int, int]]:
    try:
        status = file.stat()
    except OSError:
        return {}
    return {file: (status.st_mtime_ns, status.st_size)}
