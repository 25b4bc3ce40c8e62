"""The file that outcomes are kept in, `outcomes/leaves.sqlite` in the work folder. It may be lost, damaged or foreign.

Nothing that goes wrong with it is an error: what can't be read is made anew, what can't be kept is not.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from labgen.outcomes.seal import own_key, seal, unseal

FOLDER = "outcomes"
"""Of a work folder: all that is kept so that nothing is built twice. It may be removed at any time."""
FILE_NAME = "leaves.sqlite"
APPLICATION_ID = 0x1ABF17E5
"""By which SQLite's files are told apart: another program's is not taken for one of these."""
FORMAT = 2
MOST_VARIANTS = 4
"""Outcomes under one hash, which differ in the thresholds that they hold for: the last ones are kept."""
BUSY_SEC = 1.0

_TABLES = f"""
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS outcomes (
    number INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    used INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sealed BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_key ON outcomes (key);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""

_DROP_OLDER = """
DELETE FROM outcomes WHERE key = ? AND number NOT IN (
    SELECT number FROM outcomes WHERE key = ? ORDER BY number DESC LIMIT ?
)
"""


class OutcomeStore:
    """The kept outcomes of a work folder.

    Args:
        folder: the work folder.
        max_bytes: size of what is kept at most; 0 for nothing at all.
        read_only: for the processes beside the one that writes.
    """

    def __init__(self, folder: Path, *, max_bytes: int, read_only: bool = False) -> None:
        self.path = folder / FOLDER / FILE_NAME
        self._key = own_key() if max_bytes else None
        self._max_bytes = max_bytes if self._key else 0
        self._db: sqlite3.Connection | None = None
        self._round = 0
        self._used: set[int] = set()
        self._damaged = False
        with suppress(sqlite3.Error, OSError):
            if self._key and (not read_only or self.path.is_file()):
                self._db = self._open(read_only)

    def _open(self, read_only: bool) -> sqlite3.Connection | None:
        if read_only:
            found = sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
            return found if _is_ours(found) else None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            self.path.unlink()  # what it leads to is not ours to write to; what is no file would be waited for
        try:
            return self._prepared()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._remove()
            return self._prepared()

    def _prepared(self) -> sqlite3.Connection:
        """The file, with its tables. Raises: sqlite3.Error: it can't be used."""
        database = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_SEC)
        try:
            if not _is_ours(database, empty_too=True):
                database.close()
                self._remove()
                database = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_SEC)
            database.executescript(_TABLES)
            # What a loss of power leaves unsound is found out by its seal.
            database.execute("PRAGMA synchronous = OFF")
            self._round = 1 + (database.execute("SELECT max(used) FROM outcomes").fetchone()[0] or 0)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _remove(self) -> None:
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(f"{FILE_NAME}{ending}").unlink(missing_ok=True)

    @contextmanager
    def _untold(self) -> Iterator[None]:
        """Passes over whatever is wrong with the file; a damaged one is removed in the end, to be made anew."""
        try:
            yield
        except sqlite3.Error as error:
            self._damaged = self._damaged or _is_damage(error)

    def __bool__(self) -> bool:
        """Whether anything is kept in it at all."""
        return self._max_bytes > 0

    @property
    def holds_any(self) -> bool:
        """Whether there is a file in which something may be found."""
        return self._db is not None

    def find(self, key: bytes) -> Iterator[tuple[int, bytes]]:
        """What is kept under a hash, the newest first: each with its number. What is not sealed here is left out."""
        if self._db is None or self._key is None:
            return
        with self._untold():
            statement = "SELECT number, sealed FROM outcomes WHERE key = ? ORDER BY number DESC"
            for number, sealed in self._db.execute(statement, (key,)).fetchall():
                if isinstance(sealed, bytes) and (content := unseal(self._key, key, sealed)) is not None:
                    yield number, content

    def keep(self, key: bytes, content: bytes) -> None:
        """Keep an outcome under its hash, where there is room, and the file is not only read."""
        if self._db is None or self._key is None or not self._round:
            return
        with self._untold():
            values = (key, self._round, len(content), seal(self._key, key, content))
            self._db.execute("INSERT INTO outcomes (key, used, size, sealed) VALUES (?, ?, ?, ?)", values)
            self._db.execute(_DROP_OLDER, (key, key, MOST_VARIANTS))

    def note_use(self, numbers: Iterable[int]) -> None:
        """These were of use in this run, and go last when room is needed."""
        self._used.update(numbers)

    def close(self) -> None:
        """Make room where that is needed, and write what is to be kept."""
        if self._db is None:
            return
        with self._untold():
            if self._round:
                marked = [(self._round, number) for number in self._used]
                self._db.execute("BEGIN")
                self._db.executemany("UPDATE outcomes SET used = ? WHERE number = ?", marked)
                self._make_room(self._db)
                self._db.execute("COMMIT")
                self._db.execute("PRAGMA incremental_vacuum").fetchall()
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        with suppress(sqlite3.Error, OSError):
            self._db.close()
            if self._damaged and self._round:
                self._remove()
        self._db = None

    def _make_room(self, database: sqlite3.Connection) -> None:
        """Remove what was of use longest ago, until what is left is no larger than it may be."""
        size = 0
        gone = []
        for number, each in database.execute("SELECT number, size FROM outcomes ORDER BY used DESC, number DESC"):
            size += each
            if size > self._max_bytes:
                gone.append((number,))
        database.executemany("DELETE FROM outcomes WHERE number = ?", gone)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_ours(database: sqlite3.Connection, *, empty_too: bool = False) -> bool:
    """Whether a file is one of this format; an empty one, too, where that is asked for."""
    try:
        version = database.execute("PRAGMA user_version").fetchone()[0]
        made_by = database.execute("PRAGMA application_id").fetchone()[0]
        tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        return (version, made_by) == (FORMAT, APPLICATION_ID) or (empty_too and not version and not tables)
    except sqlite3.Error:
        return False


def _is_damage(error: sqlite3.Error) -> bool:
    """Whether an error says that the file is not what it should be; a full disk, or another process, is none."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def kept_bytes(folder: Path) -> int:
    """Size of all that is kept of what was built in a work folder (bytes on disk)."""
    return sum(file.stat().st_size for file in (folder / FOLDER).glob("*") if file.is_file())
