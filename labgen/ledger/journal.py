"""Whether the journal beside a ledger is its own.

SQLite takes whatever `-wal` lies beside a file for the file's own. Where a copy of another ledger, or an older copy of
the same one, was laid over a ledger whose journal stayed, it would write pages of the one into the other. So a ledger
has a number that no other has, and the journal's pages are held against the file's head before SQLite opens it
(sqlite.org/fileformat2.html, sections 1.3 and 4.1).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MAGIC = b"SQLite format 3\0"
LOG_HEAD, FRAME_HEAD, FILE_HEAD = 32, 24, 100
FIRST_PAGE = 1
LOOKS, LOOK_SEC = 3, 0.05
"""A run may be writing the two just now, one after the other."""

FOREIGN = "the journal beside it (-wal) belongs to another file, or to another state of this one"


def new_identity() -> int:
    """A number for a new ledger, not 0."""
    return secrets.randbelow(2**31 - 1) + 1


def journal_fits(path: Path) -> bool:
    """Whether the journal beside a database may be its own; also where there is none, or neither can be read."""
    for look in range(LOOKS):
        if look:
            time.sleep(LOOK_SEC)
        with suppress(OSError):
            if _fits(path):
                return True
            continue
        return True
    return False


def _fits(path: Path) -> bool:
    heads = list(_heads_in_journal(Path(f"{path}-wal")))
    if not heads:
        return True
    with path.open("rb") as file:
        head = file.read(FILE_HEAD)
    if len(head) < FILE_HEAD or not head.startswith(MAGIC):
        return True  # SQLite says what is wrong with it
    identity, changes = _identity(head), [_changes(each) for each in heads]
    # A ledger is given its number through its journal.
    same = not identity or all(_identity(each) in (0, identity) for each in heads)
    # The file has the state before the journal's first page, or one that was copied from the journal since.
    return same and changes[0] - 1 <= _changes(head) <= changes[-1]


def _heads_in_journal(journal: Path) -> Iterator[bytes]:
    """The file's head as each change in the journal has it; none where the journal is empty."""
    if not journal.is_file():
        return
    with journal.open("rb") as log:
        start = log.read(LOG_HEAD)
        page_bytes, salt, place = int.from_bytes(start[8:12], "big"), start[16:24], LOG_HEAD
        while len(frame := log.read(FRAME_HEAD)) == FRAME_HEAD and frame[8:16] == salt:
            if int.from_bytes(frame[:4], "big") == FIRST_PAGE and len(head := log.read(FILE_HEAD)) == FILE_HEAD:
                yield head
            place += FRAME_HEAD + page_bytes
            log.seek(place)


def _changes(head: bytes) -> int:
    """SQLite's count of changes."""
    return int.from_bytes(head[24:28], "big")


def _identity(head: bytes) -> int:
    """The number (SQLite's "application ID")."""
    return int.from_bytes(head[68:72], "big")
