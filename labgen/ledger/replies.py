"""The ledger: every reply that was ever paid for, under the hash of the call that asked for it.

Resume, incremental builds, moved thresholds and reproducible releases all follow from it; there is no other state. It
is one file in the work folder (see `labgen.ledger.database`): a reply is in it before its call counts as done, so that
`kill -9` loses at most the calls in flight. Beside it lies a ballast file that only holds disk space: when the disk is
full it is given up, so that the calls in flight, which are paid for, can still be kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from labgen.errors import LedgerError
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.call_dictionaries import CallDictionaries
from labgen.ledger.database import (
    IF_DAMAGED,
    LEDGER_NAME,
    SCHEMA_VERSION,
    ErrorsExplained,
    check_file,
    check_journal,
    check_no_repair,
    is_empty,
    lacks_room,
    open_for_reading,
    open_for_writing,
)
from labgen.ledger.packed_replies import pack_reply, reply_of
from labgen.ledger.possible_keys import PossibleKeys
from labgen.records import Call, Reply

BALLAST_NAME = "ledger.ballast"
BALLAST_BYTES = 8 * 2**20
"""Space for the replies of some 500 calls in flight, each in a transaction of its own."""

Statements = tuple[str, Sequence[tuple[object, ...]]]
"""A statement, and the values that it is done with, each in turn."""

_INSERT = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ALL = "key, model, failure, prompt_tokens, completion_tokens, reply FROM replies"
_SELECT_ALL = f"SELECT {_ALL} WHERE rowid = ?"
_SELECT_NUMBERED = f"SELECT rowid, {_ALL} WHERE key = ?"
_SELECT = "SELECT reply, failure, prompt_tokens, completion_tokens FROM replies WHERE key = ?"


KeptRow = tuple[bytes, str, str, int, int, bytes]
"""What builds go by of a kept reply: its key, the model asked, failure, tokens, and the reply, packed."""


class ReplyRow(NamedTuple):
    """A row of the table `replies`; but `call` is canonical JSON in UTF-8, which is packed as the row is written."""

    key: bytes
    model: str
    leaf: str
    step: str
    failure: str
    prompt_tokens: int
    completion_tokens: int
    call: bytes
    reply: bytes


_CALL = ReplyRow._fields.index("call")


@dataclass(frozen=True, slots=True)
class Entry:
    """One paid call as the ledger keeps it. `call` is its canonical JSON."""

    key: bytes
    model: str
    leaf: str
    step: str
    call: str
    reply: Reply


class Ledger:
    """An open ledger. Not for use from several threads; one run writes at a time (see `labgen.ledger.run_lock`).

    Args:
        folder: the work folder; made where it is missing.
        read_only: open for reading alone, and as it is at the first look; a missing file is then an empty ledger.
        ballast_bytes: space that is held back for the calls in flight when the disk is full; 0 for none, and what is
            there is not given up.
        alone: whether nobody else writes replies of whom this ledger does not hear (`note_kept`).
    Raises: LedgerError: damaged, written by a newer labgen, or the disk is full.

    """

    def __init__(
        self, folder: Path, *, read_only: bool = False, ballast_bytes: int = BALLAST_BYTES, alone: bool = False
    ) -> None:
        self.path = folder / LEDGER_NAME
        self._rows: list[ReplyRow] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._ballast = folder / BALLAST_NAME if ballast_bytes else None
        self._full = ""
        check_no_repair(folder)
        check_file(self.path)
        check_journal(self.path)
        with self._explained():
            self._db = open_for_reading(self.path) if read_only else open_for_writing(self.path)
            if not read_only and self._ballast:
                self._take_ballast(self._ballast, ballast_bytes)
            self._possible = PossibleKeys() if alone and is_empty(self._db) else None
        self.calls = CallDictionaries(self._db)

    def _take_ballast(self, ballast: Path, size: int) -> None:
        if ballast.exists() and ballast.stat().st_size >= size:
            return
        try:
            with ballast.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, size)
                else:
                    file.write(bytes(size))
        except OSError:
            with suppress(OSError):
                ballast.unlink(missing_ok=True)
            self._db.close()
            raise

    def get(self, key: bytes, *, unheard: bool = False) -> Reply | None:
        """The reply kept for a call, or None where it was never paid for.

        Args:
            unheard: whether another process may have written it that has ended before it said so.
        """
        if self._possible and not unheard and key not in self._possible:
            return None
        with self._explained():
            row = self._db.execute(_SELECT, (key,)).fetchone()
        return self._decoded(key, row) if row else None

    def contains(self, key: bytes) -> bool:
        """Whether a call was paid for."""
        with self._explained():
            return self._db.execute("SELECT 1 FROM replies WHERE key = ?", (key,)).fetchone() is not None

    def entry(self, key: bytes) -> Entry | None:
        """A paid call with the words that asked for it."""
        return next(self.entries([key]), None)

    def entries(self, keys: Iterable[bytes]) -> Iterator[Entry]:
        """The paid calls among `keys`, in that order; none whose words are lost (see `labgen.ledger.verify.repair`)."""
        for key in keys:
            with self._explained():
                row = self._db.execute(
                    "SELECT reply, failure, prompt_tokens, completion_tokens, model, leaf, step, call "
                    "FROM replies WHERE key = ?",
                    (key,),
                ).fetchone()
            if row:
                reply = self._decoded(key, row)
                if call := self._call(key, row[7]):
                    yield Entry(key, row[4], row[5], row[6], call, reply)

    async def put(self, call: Call, reply: Reply) -> None:
        """Keep a reply; returns once it is in the file.

        Replies that arrive in the same turn of the event loop share one transaction.
        Raises: LedgerError: the disk is full, or the file can't be written.

        """
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[None] = loop.create_future()
        self._rows.append(reply_row(call, reply))
        self._waiting.append(kept)
        if len(self._waiting) == 1:
            loop.call_soon(self._commit)
        await kept

    def check_room(self) -> None:
        """Say whether further replies can be kept: to be asked before anything is paid for.

        Raises: LedgerError: the disk is full; what is in flight still fits into the space that the ballast held.
        """
        if self._full:
            raise LedgerError(self._full)

    def _commit(self) -> None:
        waiting, self._waiting = self._waiting, []
        rows, self._rows = self._rows, []
        try:
            self.insert(rows)
        except BaseException as error:
            # Whatever it is, nobody may wait for ever.
            for future in waiting:
                if not future.done():
                    future.set_exception(error)
            if not isinstance(error, Exception):
                raise
            return
        for future in waiting:
            if not future.done():
                future.set_result(None)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The database, for statements that are all done or none. Raises: LedgerError: it can't be written."""
        with self._explained():
            # For writing, at once: where another process of the run writes just now, this one waits for it.
            self._db.execute("BEGIN IMMEDIATE")
            try:
                # The file's head is written with every change, so that any journal says whose it is.
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                self.calls.forget()
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def insert(self, rows: Iterable[ReplyRow], *beside: Statements) -> int:
        """Write rows (see `reply_row`) in one transaction, those whose key is known left out.

        Returns: how many were new.
        Args:
            beside: statements that belong to the same transaction, each with its values, time and again.

        Raises: LedgerError: the disk is full and the ballast is spent, or the file can't be written.
        """
        rows = list(rows)
        try:
            with self._explained():
                return self._insert(rows, beside)
        except LedgerError as error:
            if not (self._ballast and lacks_room(str(error)) and self._ballast.exists()):
                raise
            self._full = str(error)
        with self._explained():
            self._ballast.unlink()
            return self._insert(rows, beside)

    def note_kept(self, key: bytes) -> None:
        """Another process has written the reply to a call."""
        if self._possible:
            self._possible.add(key)

    def _insert(self, rows: list[ReplyRow], beside: Sequence[Statements] = ()) -> int:
        for row in rows:
            self.note_kept(row.key)
        with self.transaction() as database:
            new = 0
            for row in rows:
                packed = self.calls.pack(row.leaf, row.step, row.call)
                new += database.execute(_INSERT, (*row[:_CALL], packed, *row[_CALL + 1 :])).rowcount
            for statement, values in beside:
                database.executemany(statement, values)
        return new

    def note(self, name: str) -> str | None:
        """What was remembered of an endpoint under a name, None for nothing."""
        with self._explained():
            row = self._db.execute("SELECT value FROM endpoint_notes WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def set_note(self, name: str, value: str) -> None:
        """Remember something of an endpoint from run to run. It never holds a key and changes no row."""
        with self.transaction() as database:
            database.execute("INSERT OR REPLACE INTO endpoint_notes VALUES (?, ?)", (name, value))

    def forget(self, keys: Iterable[bytes]) -> int:
        """Remove kept replies (failures to be asked again, calls that nothing uses), all or none; returns how many."""
        with self.transaction() as database:
            before = database.total_changes
            database.executemany("DELETE FROM replies WHERE key = ?", ((key,) for key in keys))
            return database.total_changes - before

    def failures(self) -> list[bytes]:
        """Keys of the calls that ended in a permanent failure."""
        with self._explained():
            return [row[0] for row in self._db.execute("SELECT key FROM replies WHERE failure != ''")]

    def reply(self, row: KeptRow) -> Reply:
        """The reply in a kept row. Raises: LedgerError: it is damaged."""
        key, _, failure, prompt_tokens, completion_tokens, reply = row
        return self._decoded(key, (reply, failure, prompt_tokens, completion_tokens))

    def rows(self, keys: Iterable[bytes]) -> dict[int, KeptRow] | None:
        """All that the file has under some keys, by its numbers, sorted; None where it lacks one of them."""
        found = {}
        with self._explained():
            for key in keys:
                row = self._db.execute(_SELECT_NUMBERED, (key,)).fetchone()
                if row is None:
                    return None
                found[row[0]] = row[1:]
        return dict(sorted(found.items()))

    def digest(self, numbers: Iterable[int]) -> tuple[bytes, list[bytes]]:
        """`digest_of` what the ledger has under some numbers, and the keys of that, in their order."""
        keys: list[bytes] = []

        def rows() -> Iterator[Sequence[object]]:
            for number in numbers:
                row = self._db.execute(_SELECT_ALL, (number,)).fetchone() or ()
                keys.extend(row[:1])
                yield row

        with self._explained():
            return digest_of(rows()), keys

    def query(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows that a statement gives: for looking after the ledger, not for builds."""
        with self._explained():
            return self._db.execute(statement, values).fetchall()

    def close(self) -> None:
        """Commit what is pending and close the file."""
        if self._waiting:
            self._commit()
        self._db.close()

    def _call(self, key: bytes, packed: bytes) -> str:
        with self._explained():
            try:
                return self.calls.unpack(packed).decode()
            except (zlib.error, ValueError, TypeError, LookupError) as error:
                raise LedgerError(
                    f"{self.path}: the call {key.hex()[:16]} is damaged ({error}). {IF_DAMAGED}"
                ) from error

    def _decoded(self, key: bytes, row: tuple[bytes, str, int, int]) -> Reply:
        try:
            return reply_of(row)
        except (zlib.error, ValueError, TypeError) as error:
            raise LedgerError(
                f"{self.path}: the reply kept under {key.hex()[:16]} is damaged ({error}). {IF_DAMAGED}"
            ) from error

    def _explained(self) -> ErrorsExplained:
        return ErrorsExplained(self.path)


def reply_row(call: Call, reply: Reply) -> ReplyRow:
    """What is to be kept of a call and its reply."""
    return ReplyRow(
        call.key,
        call.model,
        call.leaf,
        call.step,
        reply.failure,
        reply.prompt_tokens,
        reply.completion_tokens,
        call.canonical.encode(),
        pack_reply(reply),
    )


def digest_of(rows: Iterable[Sequence[object]]) -> bytes:
    """Hash over kept replies (`KeptRow`), 32 bytes."""
    digest = hashlib.blake2b(digest_size=32)
    for row in rows:
        parts = [value if isinstance(value, bytes) else str(value).encode() for value in row]
        digest.update(b"".join(len(part).to_bytes(8, "little") + part for part in parts))
    return digest.digest()
