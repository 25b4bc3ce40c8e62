"""A ledger's file: an SQLite database in the work folder, its schema, its opening, and what is said where it fails.

It is in WAL mode and written by one run. A schema version only adds to the one before, so a ledger of any earlier one
is taken to the newest as it is opened for writing.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from labgen.errors import LedgerError
from labgen.ledger.call_dictionaries import TABLE
from labgen.ledger.journal import FOREIGN, journal_fits, new_identity

SCHEMA_VERSION = 5
LEDGER_NAME = "ledger.sqlite"
REPAIR_NAME = "ledger.repair"
"""The folder in which a damaged ledger's sound rows are saved (see `labgen.ledger.repair`)."""
SAVED = "saved-"
"""What the mark in it is called that says that all are, before the number of the file that the damaged one becomes."""
PAGE_BYTES = 8192
"""Of a new file: most rows are some hundred bytes, of which a page of twice SQLite's own size has less to spare."""

COLUMNS_OF_REPLIES = ("key", "model", "leaf", "step", "failure", "prompt_tokens", "completion_tokens", "call", "reply")
"""Their table is the same in every version."""

_MIGRATIONS = (
    # From 0, which is an empty file, or a ledger from before it was remembered what endpoints lack.
    """
CREATE TABLE IF NOT EXISTS replies (
    key BLOB NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    leaf TEXT NOT NULL,
    step TEXT NOT NULL,
    failure TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL,
    call BLOB NOT NULL,
    reply BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS endpoint_notes (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);
""",
    # From 1, in which a reply said nothing of where it came from: older rows stay as they are.
    "",
    # From 2, which knew no calls that are answered in bulk (see `labgen.ledger.parked`).
    """
CREATE TABLE IF NOT EXISTS parked_calls (
    key BLOB NOT NULL PRIMARY KEY,
    model TEXT NOT NULL,
    leaf TEXT NOT NULL,
    step TEXT NOT NULL,
    call BLOB NOT NULL,
    rejected INTEGER NOT NULL,
    batch INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS batches (
    number INTEGER PRIMARY KEY,
    address TEXT NOT NULL,
    model TEXT NOT NULL,
    lines INTEGER NOT NULL,
    size_bytes INTEGER NOT NULL,
    file_id TEXT NOT NULL,
    batch_id TEXT NOT NULL
);
""",
    # From 3, in which every call was compressed by itself: those stay as they are.
    TABLE,
    # From 4, in which a reply was compressed without a dictionary: those stay as they are.
    "",
)
"""The statements that take a ledger from each schema version to the next; every one adds, none removes."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """The file, made where it is missing, of the newest schema. Raises: LedgerError, sqlite3.Error, OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, isolation_level=None)
    try:
        version = check_version(path, database)
        database.execute(f"PRAGMA page_size = {PAGE_BYTES}")  # says nothing to a file that there is
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if version < SCHEMA_VERSION:
            _migrate(database, version)
        if not database.execute("PRAGMA application_id").fetchone()[0]:
            database.execute(f"PRAGMA application_id = {new_identity()}")
    except (LedgerError, sqlite3.Error):
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> sqlite3.Connection:
    """The file as it is at the first look, or an empty ledger in memory. Raises: LedgerError, sqlite3.Error."""
    database = _open_read_only(path)
    try:
        version = check_version(path, database)
        if version < SCHEMA_VERSION and not _has_replies(database):
            _migrate(database, version)
        # All reads in one transaction: the file need not be locked anew for each, which is half of its price.
        database.execute("BEGIN")
    except (LedgerError, sqlite3.Error):
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, version: int) -> None:
    steps = "".join(_MIGRATIONS[version:])
    database.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")


def _open_read_only(path: Path) -> sqlite3.Connection:
    """The file, or an empty ledger in memory where there is none, or where nothing was written to it yet."""
    if path.exists():
        database = connect_read_only(path)
        if database.execute("SELECT 1 FROM sqlite_master").fetchone():
            return database
        database.close()
    return sqlite3.connect(":memory:", isolation_level=None)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A ledger's file for reading alone, also in a folder that can't be written to. Raises: sqlite3.Error."""
    # Even a reader needs a file beside it to see what a writer has in its journal. Without a journal it may do without.
    for how in ("mode=ro", "mode=ro&immutable=1") if journal_fits(path) else ("mode=ro&immutable=1",):
        database = sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, isolation_level=None)
        try:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            database.close()
            if not isinstance(error, sqlite3.OperationalError) or "immutable" in how or _has_journal(path):
                raise
        else:
            break
    return database


def _has_journal(path: Path) -> bool:
    journal = Path(f"{path}-wal")
    return journal.exists() and journal.stat().st_size > 0


def _has_replies(database: sqlite3.Connection) -> bool:
    return database.execute("SELECT 1 FROM sqlite_master WHERE name = 'replies'").fetchone() is not None


def is_empty(database: sqlite3.Connection) -> bool:
    """Whether an open ledger has no reply yet."""
    return database.execute("SELECT 1 FROM replies LIMIT 1").fetchone() is None


def saved_by_repair(folder: Path) -> Path | None:
    """The mark of a repair that has saved all that is sound and not yet put it in place; None for none."""
    return next((folder / REPAIR_NAME).glob(f"{SAVED}*"), None)


def check_no_repair(folder: Path) -> None:
    """Raises: LedgerError: a repair was cut short between files, or is at it now; what to do."""
    if saved_by_repair(folder):
        raise LedgerError(
            f"{folder / LEDGER_NAME}: a repair of it was cut short, or is under way. `labgen ledger verify --repair` "
            "brings it to its end; all that was sound is saved."
        )


def check_file(path: Path) -> None:
    """Raises: LedgerError: something else than a file has its name, such as the folder that a container mounts."""
    if path.exists() and not path.is_file():
        raise LedgerError(
            f"{path}: no file, but something else of that name. Move it away, or choose another folder with --work."
        )


def check_journal(path: Path) -> None:
    """Raises: LedgerError: the journal is another file's; what to do."""
    if not journal_fits(path):
        raise LedgerError(
            f"{path}: {FOREIGN}, as where a copy was laid over a ledger whose journal stayed. Nothing was changed. "
            "`labgen ledger verify --repair` keeps what is in the file and lays the journal aside. To have the ledger "
            "that the journal belongs to, bring its own file back first."
        )


def check_version(path: Path, database: sqlite3.Connection) -> int:
    """The schema version of a ledger. Raises: LedgerError: a newer labgen's, or not labgen's at all; sqlite3.Error."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{path}: written by a newer labgen (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Upgrade labgen, or choose another work folder with --work."
        )
    columns = [row[1] for row in database.execute("PRAGMA table_info(replies)")]
    others = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
    if columns != list(COLUMNS_OF_REPLIES) and (columns or others):
        raise LedgerError(f"{path}: a database of another program's. Choose another work folder with --work.")
    return version


IF_DAMAGED = "`labgen ledger verify` says what is lost, and with --repair saves the rest."


class ErrorsExplained:
    """Turns SQLite's errors into a LedgerError that says where and what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.DatabaseError | OSError):
            raise LedgerError(f"{self._path}: {error}. {_advice(str(error))}") from error


def lacks_room(words: str) -> bool:
    """Whether an error's words say that the disk is full, or a limit on the file reached."""
    return any(sign in words for sign in ("full", "No space", "File too large", "disk I/O", "quota"))


def _advice(words: str) -> str:
    if lacks_room(words):
        if "large" in words or "I/O" in words:
            # A ballast makes no room below a limit on the file itself.
            return (
                "Raise the limit on the size of files (`ulimit -f`), or make room on the disk, and run again: what is "
                "in the ledger is kept; calls that were in flight may be asked again."
            )
        return "Make room on the disk and run again: every reply up to here is kept."
    if "malformed" in words or "not a database" in words:
        return f"The file is damaged. {IF_DAMAGED}"
    if "locked" in words:
        return "Another program has it open: close that, or choose another work folder with --work."
    return "Check that the folder can be written, or choose another with --work."
