"""Saving what is sound of a damaged ledger, so that a kill at any moment loses nothing.

What is sound is saved to a new file first; the damaged one is not touched meanwhile, and a repair that is cut short
there begins anew. When all is saved, a mark says so. From then on nobody opens the ledger before the new file has taken
the damaged one's place, which whoever repairs next carries to its end, from wherever it was cut.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME, REPAIR_NAME, SAVED, connect_read_only, saved_by_repair
from labgen.ledger.replies import Ledger, ReplyRow
from labgen.ledger.verify import BATCH_ROWS, Health, read_all

ASKED_TABLES = ("parked_calls", "batches")
"""What is kept beside the replies that no later run could find out anew."""
FILES = ("", "-wal", "-shm")
"""What a ledger's files are called after its name."""


def repair(folder: Path) -> tuple[Health, Path]:
    """Save every sound row to a new ledger that takes the damaged one's place; that one is kept beside it.

    Returns: what was found, and where the damaged file lies now.
    Raises: LedgerError: there is no ledger, or the disk is full; nothing has changed then, or a second try ends it.
    """
    path = folder / LEDGER_NAME
    workshop = folder / REPAIR_NAME
    with _explained(path):
        shutil.rmtree(workshop, ignore_errors=True)  # of a repair that was cut short before all was saved
        try:
            health = _save(path, workshop)
            number = 1
            while (folder / f"{LEDGER_NAME}.damaged-{number}").exists():
                number += 1
            (workshop / f"{SAVED}{number}").touch()
        except BaseException:
            shutil.rmtree(workshop, ignore_errors=True)
            raise
    return health, finish_repair(folder)


def finish_repair(folder: Path) -> Path:
    """Put what a repair has saved in the damaged ledger's place, from wherever that was cut short.

    Returns: where the damaged file lies. Raises: LedgerError: a file can't be renamed; a second try goes on.
    """
    path = folder / LEDGER_NAME
    mark = saved_by_repair(folder)
    if mark is None:
        raise LedgerError(f"{path}: no repair of it was cut short.")
    aside = folder / f"{LEDGER_NAME}.damaged-{mark.name.removeprefix(SAVED)}"
    fresh = folder / REPAIR_NAME / LEDGER_NAME
    with _explained(path):
        if fresh.exists():
            # What the journal holds belongs to the damaged file, and would be taken for the new one's own.
            for suffix in FILES:
                old, kept = Path(f"{path}{suffix}"), Path(f"{aside}{suffix}")
                if old.exists() and not kept.exists():
                    old.rename(kept)
            fresh.rename(path)
        mark.unlink()
        shutil.rmtree(folder / REPAIR_NAME, ignore_errors=True)
    return aside


def _save(path: Path, workshop: Path) -> Health:
    rows: list[ReplyRow] = []
    with closing(Ledger(workshop, ballast_bytes=0)) as fresh:

        def keep(row: ReplyRow) -> None:
            rows.append(row)
            if len(rows) >= BATCH_ROWS:
                fresh.insert(rows)
                rows.clear()

        health = read_all(path.parent, keep)
        fresh.insert(rows)
        if lost := _save_asked(path, fresh):
            health.problems.append(f"calls that were handed over in files can't be read ({lost})")
    return health


def _save_asked(path: Path, fresh: Ledger) -> str:
    """Take over the calls that wait for a reply, and the batches under way, as far as they can be read.

    Without them what a batch has answered would not be known for what it is, and be paid for once more.
    Returns: what could not be read, in SQLite's words; empty for nothing.
    """
    lost = ""
    try:
        database = connect_read_only(path)
    except sqlite3.DatabaseError as error:
        return str(error)
    with closing(database):
        for table in ASKED_TABLES:
            try:
                for row in database.execute(f"SELECT * FROM {table} NOT INDEXED"):  # noqa: S608 (no user's text)
                    marks = ", ".join("?" * len(row))
                    with fresh.transaction() as saved:
                        saved.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if "no such table" not in str(error):  # a ledger from before there were such calls
                    lost = str(error)
    return lost


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Says what to do where files can't be written. Raises: LedgerError: in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise LedgerError(
            f"{path}: can't be repaired ({error.strerror or error}). Make room, see that the folder can be written and "
            "that no other program has the file open, and try again."
        ) from error
