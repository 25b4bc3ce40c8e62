"""Looking after a ledger: what is in it, whether it is sound, and what can be read of one that is not."""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field
from pathlib import Path

from labgen.errors import LedgerError
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.call_dictionaries import MARK, TABLE, CallDictionaries
from labgen.ledger.database import LEDGER_NAME, check_no_repair, check_version, connect_read_only
from labgen.ledger.journal import FOREIGN, journal_fits
from labgen.ledger.packed_replies import reply_of
from labgen.ledger.pages import table_rows
from labgen.ledger.replies import BALLAST_NAME, Ledger, ReplyRow

COLUMNS = ", ".join(ReplyRow._fields)
KINDS = (bytes, str, str, str, str, int, int, bytes, bytes)
"""Of their values."""
BATCH_ROWS = 256


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
        only_in_pages: rows that are whole and that SQLite can't find any more: a repair brings them back.
        calls_lost: whole replies to calls whose words are lost: builds find them all the same.
        dictionaries_lost: of these, calls that still point at a dictionary that is damaged or gone; a repair ends that.
        damaged: rows that can be read but whose content is not what was written: key in hex, leaf, step.
        unreadable: ranges of row numbers between those that were found; some may never have been used.
        problems: what SQLite says of the file.
    """

    sound: int = 0
    only_in_pages: int = 0
    calls_lost: int = 0
    dictionaries_lost: int = 0
    damaged: list[tuple[str, str, str]] = field(default_factory=list)
    unreadable: list[tuple[int, int]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.calls_lost or self.repairable)

    @property
    def repairable(self) -> bool:
        """Whether a repair changes something: words that are lost for good and known to be are none of its work."""
        return bool(self.dictionaries_lost or self.damaged or self.unreadable or self.problems)

    def count(self, row: ReplyRow, packed: object, *, in_pages: bool = False) -> None:
        """Count a row that is whole; `packed` is its call as it is in the file."""
        if not row.call:
            self.calls_lost += 1
            self.dictionaries_lost += isinstance(packed, bytes) and packed[:1] == MARK
        elif in_pages:
            self.only_in_pages += 1
        else:
            self.sound += 1


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
    return read_all(folder, lambda row: None)


def compact(folder: Path) -> None:
    """Give the space of removed rows back to the disk. Raises: LedgerError: no room for it (about the file's size)."""
    with closing(Ledger(folder)) as ledger:
        with ledger.transaction():
            ledger.calls.drop_unused()
        ledger.query("VACUUM")


def read_all(folder: Path, keep: Callable[[ReplyRow], None]) -> Health:
    """Read the whole ledger, and give every sound row to `keep`: what SQLite can't find, from its pages.

    Raises: LedgerError: there is none, it is from a newer labgen, or nothing of it can be read.
    """
    path = folder / LEDGER_NAME
    check_no_repair(folder)
    if not path.is_file():
        raise LedgerError(f"{path}: there is no ledger. Check --work; `labgen generate` begins one.")
    health, seen = Health(), set[int]()
    try:
        with closing(connect_read_only(path)) as database, ExitStack() as opened:
            database.text_factory = lambda text: text.decode(errors="surrogateescape")
            check_version(path, database)
            health.problems = _problems(database)
            calls = CallDictionaries(database)
            if health.problems:
                calls = opened.enter_context(_dictionaries_in_pages(path))
            statement = f"SELECT rowid, {COLUMNS} FROM replies NOT INDEXED ORDER BY rowid"  # noqa: S608 (no user's text)
            for number, *row in database.execute(statement):
                seen.add(number)
                if sound := _sound(row, calls):
                    health.count(sound, row[7])
                    keep(sound)
                else:
                    key = row[0].hex() if isinstance(row[0], bytes) else str(row[0])
                    health.damaged.append((key, str(row[2]), str(row[3])))
    except sqlite3.DatabaseError as error:
        if "unable to open" in str(error) or "readonly" in str(error):
            words = f"{path}: can't be read ({error}). See that you may read and write in its folder."
            raise LedgerError(words) from error
        health.problems = health.problems or [str(error)]
    if health.problems:
        _read_pages(path, health, seen, keep)
    if not journal_fits(path):
        health.problems.insert(0, FOREIGN)
    return health


def _read_pages(path: Path, health: Health, seen: set[int], keep: Callable[[ReplyRow], None]) -> None:
    """Find in a damaged file's pages the rows of other numbers than those `seen`."""
    with _dictionaries_in_pages(path) as calls:
        for number, values in table_rows(path):
            if number not in seen and _is_reply(values) and (sound := _sound(values, calls)):
                seen.add(number)
                health.count(sound, values[7], in_pages=True)
                keep(sound)
    if not seen:
        raise LedgerError(
            f"{path}: nothing of it can be read ({health.problems[0]}). Move it away, and bring a copy back with "
            f"`labgen ledger import` if there is one; {BALLAST_NAME} may stay."
        )
    health.unreadable = _gaps(seen)


@contextmanager
def _dictionaries_in_pages(path: Path) -> Iterator[CallDictionaries]:
    """The dictionaries that a damaged file's pages hold, by whatever way SQLite would have found them."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.executescript(TABLE)
        for number, values in table_rows(path):
            if len(values) == 4 and values[0] is None and isinstance(values[3], bytes):
                memory.execute("INSERT OR IGNORE INTO dictionaries VALUES (?, ?, ?, ?)", (number, *values[1:]))
        yield CallDictionaries(memory)


def _problems(database: sqlite3.Connection) -> list[str]:
    try:
        problems = [str(row[0]) for row in database.execute("PRAGMA quick_check(20)")]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    return [] if problems == ["ok"] else problems


def _is_reply(values: tuple[object, ...]) -> bool:
    """Whether values from a page may be a row of replies, which can be asked for no longer only if it is sound."""
    # What ended for good may be a row that was let go of, to be asked again: that costs nothing.
    return len(values) == len(ReplyRow._fields) and values[4] == ""


def _gaps(seen: set[int]) -> list[tuple[int, int]]:
    """The ranges of row numbers that lie between others."""
    gaps, before = [], 0
    for number in sorted(seen):
        if number > before + 1:
            gaps.append((before + 1, number - 1))
        before = number
    return gaps


def _sound(row: Sequence[object], calls: CallDictionaries) -> ReplyRow | None:
    """A row with its call as it was asked, or empty where that is lost; None where the row is not what was written."""
    if not all(isinstance(value, kind) for value, kind in zip(row, KINDS, strict=True)):
        return None
    kept = ReplyRow(*row)  # type: ignore[arg-type]  # which was looked at just now
    try:
        f"{kept.model}{kept.leaf}{kept.step}".encode()
        reply_of((kept.reply, kept.failure, kept.prompt_tokens, kept.completion_tokens))
        call = calls.unpack(kept.call)
    except LookupError:
        call = b""
    except (zlib.error, ValueError, TypeError):
        return None
    if call and hashlib.sha256(call).digest() != kept.key:
        return None
    return kept._replace(call=call)
