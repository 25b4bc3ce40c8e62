"""Rows in any order in, rows in a seeded order out, through the disk, so that memory does not grow with them."""

from __future__ import annotations

import tempfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.export.chance import NUMBERS, numbering

if TYPE_CHECKING:
    import pyarrow as pa

BUCKET_ROWS = 500
"""Rows put in order in memory at a time: some 2 MB, and three times that while they are."""

MOST_BUCKETS = 250
"""Past that, buckets grow instead: with more of them, a block on disk would hold hardly a row."""

MAX_WAITING_BYTES = 4 * 2**20
"""Size of the rows that wait in memory before they are written. What is smaller never meets the disk."""

BUCKET_BYTES = 2**16
"""The same for each bucket, where there are many: some 14 rows, so that a block is worth its overhead."""

PLACE = "place"
"""Column that holds a row's place in its stream while it is here."""


class Shuffle:
    """Several shuffled streams in one nameless temporary file.

    A row's place in its stream depends on the seed, the stream's name and the row's id only; so a row that comes or
    goes moves no other. Rows are put in order and written by a thread, while further ones come.
    """

    def __init__(self, folder: Path, *, seed: int, rows: int) -> None:
        """`rows`: about how many are to come in the largest stream; it decides memory, never order."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed by `close`)
        self._seed = seed
        self._buckets = max(1, min(rows // BUCKET_ROWS, MOST_BUCKETS))
        self._blocks: dict[tuple[str, int], array[int]] = {}
        self._waiting: dict[str, list[pa.Table]] = {}
        self._waiting_bytes = 0
        self._end = 0
        self._schema: pa.Schema | None = None
        self._thread = ThreadPoolExecutor(1, "shuffle")
        self._writing: Future[None] | None = None

    def add(self, stream: str, table: pa.Table) -> None:
        """Put rows, each with an `id` that is unique in its stream."""
        import pyarrow as pa

        places = list(map(numbering(self._seed, f"order of {stream}"), table["id"].to_pylist()))
        placed = table.append_column(PLACE, pa.array(places, pa.uint64()))
        self._waiting.setdefault(stream, []).append(placed)
        self._waiting_bytes += table.nbytes
        if self._waiting_bytes >= max(MAX_WAITING_BYTES, self._buckets * BUCKET_BYTES):
            self._write()

    def read(self, stream: str) -> Iterator[pa.Table]:
        """The stream's rows in their order, as tables. Raises: OSError: they can't be written."""
        if not self._writing:
            yield from _in_order(self._waiting.get(stream, ()))
            return
        if self._waiting:
            self._write()
        self._writing.result()
        for bucket in range(self._buckets):
            yield from _in_order(list(self._bucket(stream, bucket)))

    def close(self) -> None:
        """Give the disk space back."""
        self._thread.shutdown(cancel_futures=True)
        self._file.close()

    def _write(self) -> None:
        waiting, self._waiting, self._waiting_bytes = self._waiting, {}, 0
        if self._writing:
            self._writing.result()
        self._writing = self._thread.submit(self._write_all, waiting)

    def _write_all(self, waiting: Mapping[str, Sequence[pa.Table]]) -> None:
        for stream, tables in waiting.items():
            for placed in _in_order(tables, keep_places=True):
                self._write_buckets(stream, placed)
        self._file.flush()

    def _write_buckets(self, stream: str, placed: pa.Table) -> None:
        """Write rows that are in order, those of each bucket as a block of their own."""
        self._schema = placed.schema
        (rows,) = placed.combine_chunks().to_batches()
        places = rows[PLACE].to_pylist()
        begin = 0
        for bucket in range(self._buckets):
            bound = -(-(bucket + 1) * NUMBERS // self._buckets)
            end = bisect_left(places, bound, begin)
            if end > begin:
                self._write_block(stream, bucket, rows.slice(begin, end - begin))
            begin = end

    def _write_block(self, stream: str, bucket: int, rows: pa.RecordBatch) -> None:
        import pyarrow as pa

        message = rows.serialize()
        block = pa.compress(message, "lz4", asbytes=True)
        self._file.seek(self._end)
        self._file.write(block)
        self._blocks.setdefault((stream, bucket), array("Q")).extend((self._end, len(block), message.size))
        self._end += len(block)

    def _bucket(self, stream: str, bucket: int) -> Iterator[pa.Table]:
        import pyarrow as pa

        blocks = self._blocks.get((stream, bucket), array("Q"))
        for index in range(0, len(blocks), 3):
            begin, size, message_bytes = blocks[index : index + 3]
            self._file.seek(begin)
            message = pa.decompress(self._file.read(size), message_bytes, "lz4")
            yield pa.Table.from_batches([pa.ipc.read_record_batch(message, self._schema)])


def _in_order(tables: Sequence[pa.Table], *, keep_places: bool = False) -> Iterator[pa.Table]:
    """The rows of all the tables in one, by place; nothing for no rows."""
    import pyarrow as pa

    if not tables:
        return
    whole = pa.concat_tables(tables)
    places = whole[PLACE].to_pylist()
    ordered = whole.take(sorted(range(len(places)), key=places.__getitem__))
    yield ordered if keep_places else ordered.drop_columns([PLACE])
