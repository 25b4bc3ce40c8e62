"""Looking after a ledger: what is in it, whether it is sound, and what can be saved of one that is not."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from labgen.errors import LedgerError
from labgen.ledger.call_dictionaries import CallDictionaries
from labgen.ledger.replies import BALLAST_NAME, LEDGER_NAME, Ledger, ReplyRow, reply_of

COLUMNS = ", ".join(ReplyRow._fields)
KINDS = (bytes, str, str, str, str, int, int, bytes, bytes)
"""Of their values."""

BATCH_ROWS = 256
ASKED_TABLES = ("parked_calls", "batches")
"""What is kept beside the replies that no later run could find out anew."""


@dataclass(frozen=True, slots=True)
class LeafTotals:
    """What one model was asked for one step of one leaf: calls, failures among them, tokens, bytes on disk."""

    leaf: str
    step: str
    model: str
    calls: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    stored_bytes: int


@dataclass
class Health:
    """What `verify` found.

    Attributes:
        sound: rows that are whole.
        calls_lost: whole replies to calls whose words are lost with their dictionary: builds find them all the same.
        damaged: rows that can be read but whose content is not what was written: key in hex, leaf, step.
        unreadable: ranges of row numbers that the file no longer gives; some may never have been used.
        problems: what SQLite says of the file.
    """

    sound: int = 0
    calls_lost: int = 0
    damaged: list[tuple[str, str, str]] = field(default_factory=list)
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.calls_lost or self.damaged or self.unreadable or self.problems)


def file_bytes(folder: Path) -> int:
    """Bytes that the ledger takes on disk, its journal included and its ballast not."""
    files = (folder / f"{LEDGER_NAME}{suffix}" for suffix in ("", "-wal", "-shm"))
    return sum(path.stat().st_size for path in files if path.is_file())


def shares(folder: Path) -> list[LeafTotals]:
    """What is in the ledger by leaf, step and model, in that order; empty where there is none.

    Raises: LedgerError: it can't be read.
    """
    with closing(Ledger(folder, read_only=True)) as ledger:
        rows = ledger.query(
            "SELECT leaf, step, model, count(*), sum(failure != ''), sum(prompt_tokens), sum(completion_tokens), "
            "sum(length(call) + length(reply)) FROM replies GROUP BY leaf, step, model ORDER BY leaf, step, model"
        )
    return [LeafTotals(*row) for row in rows]


def verify(folder: Path) -> Health:
    """Read the whole ledger and say what of it is sound. Changes nothing.

    Raises: LedgerError: there is none, or it is from a newer labgen.
    """
    return _read_all(folder, lambda row: None)


def repair(folder: Path) -> tuple[Health, Path]:
    """Save every sound row to a new ledger that takes the damaged one's place; that one is kept beside it.

    Returns: what was found, and where the damaged file lies now.
    Raises: LedgerError: there is no ledger, or the disk is full; nothing has changed then.
    """
    path = folder / LEDGER_NAME
    fresh_folder = folder / "ledger.repair"
    fresh_path = fresh_folder / LEDGER_NAME
    fresh_path.unlink(missing_ok=True)
    fresh = Ledger(fresh_folder, ballast_bytes=0)
    rows: list[ReplyRow] = []

    def keep(row: ReplyRow) -> None:
        rows.append(row)
        if len(rows) >= BATCH_ROWS:
            fresh.insert(rows)
            rows.clear()

    try:
        with closing(fresh):
            health = _read_all(folder, keep)
            fresh.insert(rows)
            _save_asked(path, fresh)
        number = 1
        while (aside := folder / f"{LEDGER_NAME}.damaged-{number}").exists():
            number += 1
        for suffix in ("-wal", "-shm"):
            # What the journal held has been read with the file; left beside the new file it would be taken for its own.
            with suppress(FileNotFoundError):
                (folder / f"{LEDGER_NAME}{suffix}").rename(Path(f"{aside}{suffix}"))
        path.rename(aside)
        fresh_path.rename(path)
    except OSError as error:
        raise LedgerError(f"{path}: can't be repaired ({error.strerror}). Make room and try again.") from error
    finally:
        for leftover in fresh_folder.glob("*"):
            leftover.unlink()
        fresh_folder.rmdir()
    return health, aside


def _save_asked(path: Path, fresh: Ledger) -> None:
    """Take over the calls that wait for a reply, and the batches under way, as far as they can be read.

    Without them what a batch has answered would not be known for what it is, and be paid for once more.
    """
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as database:
        for table in ASKED_TABLES:
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):
                for row in database.execute(f"SELECT * FROM {table} NOT INDEXED"):  # noqa: S608 (no user's text)
                    marks = ", ".join("?" * len(row))
                    with fresh.transaction() as saved:
                        saved.execute(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", row)  # noqa: S608


def compact(folder: Path) -> None:
    """Give the space of removed rows back to the disk. Raises: LedgerError: no room for it (about the file's size)."""
    with closing(Ledger(folder)) as ledger:
        with ledger.transaction():
            ledger.calls.drop_unused()
        ledger.query("VACUUM")


def _read_all(folder: Path, keep: Callable[[ReplyRow], None]) -> Health:
    path = folder / LEDGER_NAME
    if not path.is_file():
        raise LedgerError(f"{path}: there is no ledger. Check --work; `labgen generate` begins one.")
    health = Health()
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)) as database:
        try:
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            health.problems = _problems(database)
            last = _last_rowid(database)
        except sqlite3.DatabaseError as error:
            raise LedgerError(
                f"{path}: nothing of it can be read ({error}). Move it away, and bring a copy back with "
                f"`labgen ledger import` if there is one; {BALLAST_NAME} may stay."
            ) from error
        calls = CallDictionaries(database)
        for row in _rows(database, 1, last, health):
            if sound := _sound(row, calls):
                health.sound += bool(sound.call)
                health.calls_lost += not sound.call
                keep(sound)
            else:
                key = row[0].hex() if isinstance(row[0], bytes) else str(row[0])
                health.damaged.append((key, str(row[2]), str(row[3])))
    return health


def _problems(database: sqlite3.Connection) -> list[str]:
    try:
        problems = [str(row[0]) for row in database.execute("PRAGMA quick_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if problems == ["ok"] else problems


def _last_rowid(database: sqlite3.Connection) -> int:
    try:
        return int(database.execute("SELECT max(rowid) FROM replies").fetchone()[0] or 0)
    except sqlite3.DatabaseError:
        # The table's last page is gone: no row can have a higher number than there are bytes for it.
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        return int(pages) * 100


def _rows(database: sqlite3.Connection, first: int, last: int, health: Health) -> Iterator[tuple[object, ...]]:
    """Rows by their numbers. A range that can't be read is halved until the rows that can't be are alone."""
    ranges = [(start, min(start + BATCH_ROWS - 1, last)) for start in range(first, last + 1, BATCH_ROWS)][::-1]
    while ranges:
        low, high = ranges.pop()
        try:
            found = database.execute(
                f"SELECT {COLUMNS} FROM replies NOT INDEXED WHERE rowid BETWEEN ? AND ?",  # noqa: S608 (no user's text)
                (low, high),
            ).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            if low < high:
                middle = (low + high) // 2
                ranges += [(middle + 1, high), (low, middle)]
            elif health.unreadable and health.unreadable[-1][1] == low - 1:
                health.unreadable[-1] = (health.unreadable[-1][0], low)
            else:
                health.unreadable.append((low, low))
            continue
        yield from found


def _sound(row: tuple[object, ...], calls: CallDictionaries) -> ReplyRow | None:
    """A row with its call as it was asked, or empty where that is lost; None where the row is not what was written."""
    if not all(isinstance(value, kind) for value, kind in zip(row, KINDS, strict=True)):
        return None
    kept = ReplyRow(*row)  # type: ignore[arg-type]  # which was looked at just now
    try:
        reply_of((kept.reply, kept.failure, kept.prompt_tokens, kept.completion_tokens))
        call = calls.unpack(kept.call)
    except LookupError:
        call = b""
    except (zlib.error, ValueError, TypeError):
        return None
    if call and hashlib.sha256(call).digest() != kept.key:
        return None
    return kept._replace(call=call)
