"""What a ledger's calls are compressed with: of each step of a leaf, the first calls that were like none before.

Calls of one step of one leaf say the same for the most part: the task, the seed examples, a passage. So each is kept as
what it adds to an earlier one, its dictionary (a preset dictionary as in RFC 1950), and takes a quarter of the space.
Dictionaries lie in a table of their own, so that any call can be forgotten; of replies nothing depends on them.
"""

from __future__ import annotations

import sqlite3
import zlib
from bisect import bisect, insort
from collections import OrderedDict

MARK = b"D"
"""Begins a call that has a dictionary: its number and the compressed call follow. Without one, zlib's own `x` does."""

NUMBER_BYTES = 4
LEVEL = 6
"""Of zlib's levels: higher ones save nothing more, lower ones hardly any time, most of which the dictionary takes."""
LARGEST_BYTES = 32_000
"""Of a dictionary: zlib looks back 32 KiB, less the longest match."""

LIKE = 0.25
"""Compressed to this share of its size or less, a call is like its dictionary; without one it takes about a half."""

MOST_OF_STEP = 256
"""Dictionaries of one step of one leaf: with more, its calls are like no other."""

STEPS_AT_HAND, TEXTS_AT_HAND = 256, 1024
"""Kept in memory, of those used last: a build works on few leaves at a time."""

TABLE = """
CREATE TABLE IF NOT EXISTS dictionaries (
    number INTEGER PRIMARY KEY,
    leaf TEXT NOT NULL,
    step TEXT NOT NULL,
    text BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS dictionaries_of_step ON dictionaries (leaf, step);
"""

Texts = list[tuple[bytes, int]]
"""Dictionaries of one step of one leaf, in the order of their bytes, and their numbers."""


class CallDictionaries:
    """Packs and unpacks the calls of an open ledger, which are canonical JSON in UTF-8."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._steps: OrderedDict[tuple[str, str], Texts] = OrderedDict()
        self._texts: OrderedDict[int, bytes] = OrderedDict()

    def pack(self, leaf: str, step: str, call: bytes) -> bytes:
        """A call as it is kept; may write a dictionary, so in a transaction. `forget` if that is rolled back."""
        if not call:
            return zlib.compress(call)
        texts = self._of_step(leaf, step)
        if texts:
            text, number = most_alike(texts, call)
            packed = _packed(number, text, call)
            if len(packed) <= LIKE * len(call):
                return packed
        if len(texts) >= MOST_OF_STEP:
            return zlib.compress(call, 1)
        text = call[:LARGEST_BYTES]
        statement = "INSERT INTO dictionaries (leaf, step, text) VALUES (?, ?, ?)"
        number = int(self._database.execute(statement, (leaf, step, zlib.compress(text))).lastrowid or 0)
        insort(texts, (text, number))
        return _packed(number, text, call)

    def unpack(self, packed: bytes) -> bytes:
        """The call; empty where a repair has found its dictionary lost.

        Raises: zlib.error: it is damaged, or not of its dictionary; LookupError: that is damaged or gone.
        """
        if packed[:1] != MARK:
            return zlib.decompress(packed)
        text = self._text(int.from_bytes(packed[1 : 1 + NUMBER_BYTES], "big"))
        reader = zlib.decompressobj(zdict=text)
        call = reader.decompress(packed[1 + NUMBER_BYTES :])
        if not reader.eof:
            raise zlib.error("incomplete")
        return call

    def forget(self) -> None:
        """Forget what was read or written: it is not in the file, or not any more."""
        self._steps.clear()
        self._texts.clear()

    def drop_unused(self) -> None:
        """Remove the dictionaries of no call."""
        start, size = 1 + len(MARK), NUMBER_BYTES  # SQLite counts from 1
        statement = f"SELECT DISTINCT substr(call, {start}, {size}) FROM replies WHERE substr(call, 1, 1) = ?"  # noqa: S608
        used = {int.from_bytes(row[0], "big") for row in self._database.execute(statement, (MARK,))}
        known = [row[0] for row in self._database.execute("SELECT number FROM dictionaries")]
        unused = ((number,) for number in known if number not in used)
        self._database.executemany("DELETE FROM dictionaries WHERE number = ?", unused)
        self.forget()

    def _of_step(self, leaf: str, step: str) -> Texts:
        key = (leaf, step)
        if key not in self._steps:
            found = self._database.execute("SELECT text, number FROM dictionaries WHERE leaf = ? AND step = ?", key)
            whole = [(text, number) for packed, number in found if (text := _whole(packed)) is not None]
            self._steps[key] = sorted(whole)
            if len(self._steps) > STEPS_AT_HAND:
                self._steps.popitem(last=False)
        self._steps.move_to_end(key)
        return self._steps[key]

    def _text(self, number: int) -> bytes:
        if number not in self._texts:
            try:
                row = self._database.execute("SELECT text FROM dictionaries WHERE number = ?", (number,)).fetchone()
                self._texts[number] = zlib.decompress(row[0])
            except (zlib.error, TypeError, sqlite3.DatabaseError) as error:
                raise LookupError(f"dictionary {number} is damaged or gone: {error}") from error
            if len(self._texts) > TEXTS_AT_HAND:
                self._texts.popitem(last=False)
        self._texts.move_to_end(number)
        return self._texts[number]


def _whole(packed: bytes) -> bytes | None:
    """A dictionary's text; None where it is damaged, so that nothing more is packed with it."""
    try:
        return zlib.decompress(packed)
    except (zlib.error, TypeError):
        return None


def most_alike(texts: Texts, call: bytes) -> tuple[bytes, int]:
    """The dictionary that begins as a call does for longest; there is one or more.

    Prompts say what is shared first, and what varies last, for the sake of servers' prefix caches.
    """
    place = bisect(texts, (call, 0))
    return max(texts[max(0, place - 1) : place + 1], key=lambda each: _common(each[0], call))


def _common(a: bytes, b: bytes) -> int:
    """How many bytes two texts have in common at their beginnings."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _packed(number: int, text: bytes, call: bytes) -> bytes:
    writer = zlib.compressobj(LEVEL, zdict=text)
    return MARK + number.to_bytes(NUMBER_BYTES, "big") + writer.compress(call) + writer.flush()
