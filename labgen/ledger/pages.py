"""The rows of an SQLite file read from its pages, where SQLite itself can't: each page by itself, whatever led to it.

A page that is damaged costs SQLite all that it finds by way of it, up to the whole table; here it costs its own rows.
The format is SQLite's (sqlite.org/fileformat2.html, sections 1.3, 1.6, 2.1 and 4.1). What is given was in the file
once, and need not be whole, nor valid still: pages that were let go of are read like others.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from labgen.ledger.journal import FILE_HEAD, FRAME_HEAD, LOG_HEAD, MAGIC, journal_fits

LIKELY_PAGE_BYTES = (8192, 4096)
"""Of a page, where the file's head no longer says it: as labgen chooses it, and as SQLite did in older ledgers."""
TABLE_LEAF = 0x0D
PAGE_HEAD = 8
INTEGER_BYTES = (0, 1, 2, 3, 4, 6, 8)

Value = bytes | str | int | float | None


class _Torn(Exception):
    """A row that can't be read whole."""


def table_rows(path: Path) -> Iterator[tuple[int, tuple[Value, ...]]]:
    """The rows of all tables as (row number, values), page after page; pages that the journal has are taken from there.

    Raises: OSError: the file can't be read.
    """
    with path.open("rb") as file, (Path(f"{path}-wal") if _has_log(path) else Path(os.devnull)).open("rb") as log:
        size = _said_size(file)
        if not size:
            # Read in pages of another size, half of its rows are torn or not seen.
            size = max(LIKELY_PAGE_BYTES, key=lambda each: sum(1 for _ in _all_rows(_Pages(file, log, each))))
        yield from _all_rows(_Pages(file, log, size))


def _said_size(file: BinaryIO) -> int:
    """The size of a page as the file's head has it; 0 where that is damaged."""
    head = file.read(FILE_HEAD)
    (said,) = struct.unpack(">H", head[16:18]) if head.startswith(MAGIC) else (0,)
    said = 65536 if said == 1 else said
    return said if said >= 512 and said & (said - 1) == 0 else 0


def _all_rows(pages: _Pages) -> Iterator[tuple[int, tuple[Value, ...]]]:
    for number in pages.numbers:
        try:
            yield from _rows_of(pages, number)
        except (IndexError, struct.error):
            continue  # its head promises more than there is


def _has_log(path: Path) -> bool:
    return Path(f"{path}-wal").is_file() and journal_fits(path)


class _Pages:
    """A file's pages by number, those of its write-ahead log before its own."""

    def __init__(self, file: BinaryIO, log: BinaryIO, size: int) -> None:
        self._file, self._log, self.size = file, log, size
        file.seek(0)
        head = file.read(FILE_HEAD)
        self.used = size - (head[20] if head.startswith(MAGIC) and head[20] < 32 else 0)
        self._logged = dict(self._frames())
        count = os.fstat(file.fileno()).st_size // self.size
        self.numbers = sorted({*range(1, count + 1), *self._logged})

    def _frames(self) -> Iterator[tuple[int, int]]:
        """Page number and place of each frame of the log that is not left from an earlier turn of it."""
        self._log.seek(0)
        salt = self._log.read(LOG_HEAD)[16:24]
        place = LOG_HEAD
        while len(head := self._log.read(FRAME_HEAD)) == FRAME_HEAD and head[8:16] == salt:
            yield int.from_bytes(head[:4], "big"), place + FRAME_HEAD
            place += FRAME_HEAD + self.size
            self._log.seek(place)

    def read(self, number: int) -> bytes:
        """A page's bytes, fewer where the file is cut off."""
        if (place := self._logged.get(number)) is not None:
            self._log.seek(place)
            return self._log.read(self.size)
        self._file.seek((number - 1) * self.size)
        return self._file.read(self.size)


def _rows_of(pages: _Pages, number: int) -> Iterator[tuple[int, tuple[Value, ...]]]:
    page = pages.read(number)
    start = FILE_HEAD if number == 1 else 0
    if len(page) <= start or page[start] != TABLE_LEAF:
        return
    (count,) = struct.unpack_from(">H", page, start + 3)
    for begin in struct.unpack_from(f">{count}H", page, start + PAGE_HEAD):
        try:
            length, place = _varint(page, begin)
            row, place = _varint(page, place)
            values = _values(_payload(pages, page, place, length))
        except (_Torn, IndexError, struct.error, UnicodeDecodeError):
            continue
        yield row, values


def _payload(pages: _Pages, page: bytes, place: int, length: int) -> bytes:
    """A row's bytes, with what lies on overflow pages."""
    most, least = pages.used - 35, (pages.used - 12) * 32 // 255 - 23
    if length <= most:
        return _cut(page, place, length)
    here = least + (length - least) % (pages.used - 4)
    here = here if here <= most else least
    if length > len(pages.numbers) * pages.size:
        raise _Torn
    parts, left = [_cut(page, place, here)], length - here
    (following,) = struct.unpack_from(">I", page, place + here)
    while left > 0:
        more = pages.read(following) if following else b""
        part = _cut(more, 4, min(left, pages.used - 4))
        (following,) = struct.unpack_from(">I", more)
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _values(payload: bytes) -> tuple[Value, ...]:
    end, place = _varint(payload, 0)
    kinds = []
    while place < end:
        kind, place = _varint(payload, place)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        value, place = _value(payload, place, kind)
        values.append(value)
    return tuple(values)


def _value(payload: bytes, place: int, kind: int) -> tuple[Value, int]:
    if kind >= 12:
        size = (kind - 12) // 2
        data = _cut(payload, place, size)
        return (data.decode() if kind % 2 else data), place + size
    if kind == 7:
        return struct.unpack_from(">d", payload, place)[0], place + 8
    if kind in (8, 9):
        return kind - 8, place
    if kind >= len(INTEGER_BYTES):
        raise _Torn
    size = INTEGER_BYTES[kind]
    return (int.from_bytes(_cut(payload, place, size), "big", signed=True) if kind else None), place + size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of one to nine bytes, and the place after it."""
    value = 0
    for nth in range(9):
        byte = data[place + nth]
        if nth == 8:
            return value << 8 | byte, place + 9
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, place + nth + 1
    raise AssertionError


def _cut(data: bytes, place: int, size: int) -> bytes:
    if place < 0 or place + size > len(data):
        raise _Torn
    return data[place : place + size]
