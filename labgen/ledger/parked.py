"""Calls that were written to files, and the batches that these became: beside the replies, until they are answered.

A line of replies names a call by its key alone, and may come weeks later, when the settings that led to the call have
changed. So what was asked is kept with the replies' own ledger from the moment it is written, and the reply finds it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger, Statements, reply_row
from labgen.records import Call, Reply

KEYS_AT_ONCE = 500
"""Keys in one statement: SQLite takes some hundred values."""

ParkedRow = tuple[bytes, str, str, str, bytes]
"""A call as it is kept: key, model, leaf, step, and its canonical JSON, compressed."""


def parked_row(call: Call) -> ParkedRow:
    """A call as it is kept."""
    return call.key, call.model, call.leaf, call.step, zlib.compress(call.canonical.encode(), 1)


@dataclass(frozen=True, slots=True)
class Parked:
    """A call that waits for its reply. `rejected` is the status with which it was turned down before, 0 for never."""

    call: Call
    rejected: int


@dataclass(frozen=True, slots=True)
class BatchNote:
    """A file of calls that was handed to an endpoint.

    Attributes:
        number: of the file in this ledger; address: the endpoint's; model: the logical one.
        lines, size_bytes: of the file.
        file_id, batch_id: the endpoint's names for the file and for the batch; empty until it has given them.
    """

    number: int
    address: str
    model: str
    lines: int
    size_bytes: int
    file_id: str = ""
    batch_id: str = ""


class ParkedCalls:
    """The calls and batches of an open ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def park(self, rows: Iterable[ParkedRow]) -> None:
        """Keep calls that are about to be written to a file; those that are kept already stay as they are.

        Raises: LedgerError: the disk is full, or the ledger can't be written.
        """
        with self._ledger.transaction() as database:
            database.executemany("INSERT OR IGNORE INTO parked_calls VALUES (?, ?, ?, ?, ?, 0, 0)", rows)

    def waiting(self, keys: Sequence[bytes]) -> set[bytes]:
        """Which of some calls are in a batch that has not ended: to write them again would be to pay twice."""
        found: set[bytes] = set()
        for some in _in_parts(keys):
            marks = ",".join("?" * len(some))
            statement = f"SELECT key FROM parked_calls WHERE batch != 0 AND key IN ({marks})"  # noqa: S608 (marks alone)
            found.update(row[0] for row in self._ledger.query(statement, tuple(some)))
        return found

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Parked]:
        """The calls among some keys that wait for their replies."""
        found = {}
        for some in _in_parts(keys):
            marks = ",".join("?" * len(some))
            statement = f"SELECT key, leaf, step, call, rejected FROM parked_calls WHERE key IN ({marks})"  # noqa: S608
            for key, leaf, step, call, rejected in self._ledger.query(statement, tuple(some)):
                found[key] = Parked(Call.of_canonical(zlib.decompress(call).decode(), leaf=leaf, step=step), rejected)
        return found

    def answered(self, replies: Iterable[tuple[Call, Reply]], rejected: Iterable[tuple[Call, int]] = ()) -> None:
        """Keep replies, whose calls wait no longer, and how others were turned down: all of it or nothing.

        Raises: LedgerError: the disk is full; nothing was kept then.
        """
        replies = list(replies)
        self._ledger.insert(
            [reply_row(call, reply) for call, reply in replies],
            forget_parked(call.key for call, _ in replies),
            ("UPDATE parked_calls SET rejected = ? WHERE key = ?", [(status, call.key) for call, status in rejected]),
        )

    def forget_answered(self) -> None:
        """Forget the calls that were answered in another way meanwhile, such as one by one."""
        with self._ledger.transaction() as database:
            database.execute("DELETE FROM parked_calls WHERE batch = 0 AND key IN (SELECT key FROM replies)")

    def count(self) -> int:
        """How many calls wait for a reply."""
        return int(self._ledger.query("SELECT count(*) FROM parked_calls")[0][0])

    def forget_all(self) -> int:
        """Forget the calls that no batch holds; returns how many. Replies to them would no longer be known."""
        with self._ledger.transaction() as database:
            return database.execute("DELETE FROM parked_calls WHERE batch = 0").rowcount

    def begin_batch(self, address: str, model: str, keys: Sequence[bytes], size_bytes: int) -> BatchNote:
        """Note a file of calls that is about to be handed to an endpoint."""
        with self._ledger.transaction() as database:
            values = (address, model, len(keys), size_bytes)
            made = database.execute(
                "INSERT INTO batches (address, model, lines, size_bytes, file_id, batch_id) "
                "VALUES (?, ?, ?, ?, '', '')",
                values,
            )
            number = int(made.lastrowid or 0)
            database.executemany("UPDATE parked_calls SET batch = ? WHERE key = ?", ((number, key) for key in keys))
            return BatchNote(number, *values)

    def note_batch(self, batch: BatchNote) -> None:
        """Note what the endpoint has said of it."""
        with self._ledger.transaction() as database:
            database.execute(
                "UPDATE batches SET file_id = ?, batch_id = ? WHERE number = ?",
                (batch.file_id, batch.batch_id, batch.number),
            )

    def end_batch(self, batch: BatchNote) -> None:
        """Nothing more will come of it: what was not answered may be asked again."""
        with self._ledger.transaction() as database:
            database.execute("UPDATE parked_calls SET batch = 0 WHERE batch = ?", (batch.number,))
            database.execute("DELETE FROM batches WHERE number = ?", (batch.number,))

    def batches(self) -> list[BatchNote]:
        """The batches that have not ended, oldest first."""
        rows = self._ledger.query(
            "SELECT number, address, model, lines, size_bytes, file_id, batch_id FROM batches ORDER BY number"
        )
        return [BatchNote(*row) for row in rows]


def forget_parked(keys: Iterable[object]) -> Statements:
    """What makes calls wait no longer, for the transaction that keeps their replies."""
    return "DELETE FROM parked_calls WHERE key = ?", [(key,) for key in keys]


def _in_parts(keys: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    return (keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE))
