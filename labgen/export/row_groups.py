"""One Parquet file, written a group of rows at a time; of rows in shuffled order, texts of a leaf stand together in it.

A group of shuffled rows holds each of its texts once, in a dictionary (as Parquet calls it) to which the rows point. In
what order a dictionary has its texts is free. Here those of a leaf come one after the other, so that the compression,
which looks back some megabytes, meets a passage again wherever it stands: alone, in a question, among other passages.
The rows stay in their order, and readers see nothing of it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

COMPRESSION_LEVEL = 3
"""Of Zstandard's; with Arrow's own choice, the fastest, texts take a seventh to a third more."""

LEAST_GROUPS = 10
"""Of rows in shuffled order, where these are many: larger groups take less room, and memory in proportion."""

SMALL_ROWS = 75_000
"""With fewer rows, groups are smaller than a tenth, in proportion: else memory would be theirs, not the build's."""

LEAST_GROUP_ROWS, MOST_GROUP_ROWS = 1_000, 64_000
"""Rows of such a group, but for the last, where long texts don't end it earlier. Each costs its time, even if small."""

MOST_GROUP_BYTES = 2**27
"""Size of texts after which such a group ends; its last piece may go beyond. Memory has them three times while it is
written, and once while it is read."""

NEAR = "leaf"
"""Column that says whose texts are alike."""

GLIBC_M_MMAP_THRESHOLD = -3
RETURNED_BYTES = 2**17
"""Size from which freed blocks of memory go back to the system at once."""


def shuffled_group_rows(rows: int, piece_rows: int) -> int:
    """Rows of a group, of so many in shuffled order; in steps, so that some rows more make no other groups.

    Args:
        rows: 0 where they are in no shuffled order.
        piece_rows: rows that are put into a group together, and all that it has where the order is not shuffled.
    """
    if not rows:
        return piece_rows
    most, group = min(rows * min(rows, SMALL_ROWS) // SMALL_ROWS // LEAST_GROUPS, MOST_GROUP_ROWS), piece_rows
    while 2 * group <= most:
        group *= 2
    step = max(piece_rows, group // 4)
    return max(LEAST_GROUP_ROWS, group, most // step * step)


class GroupedFile:
    """A Parquet file that is being written. The bytes depend on the pieces and pyarrow's version alone.

    Args:
        group_rows: rows after which a group is written; those of shuffled rows end earlier where their texts are long.
        shuffled: whether the rows are in shuffled order; they have a column `leaf` then.
        options: further ones of pyarrow's `ParquetWriter`.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, group_rows: int, shuffled: bool, **options: Any) -> None:
        self._path, self._schema, self._options = path, schema, options
        self._group_rows, self._shuffled = group_rows, shuffled
        self._pieces: list[pa.Table] = []
        self._piece_rows = self._text_bytes = 0
        self._writer: Any = None
        self.written = self.arrow_bytes = 0

    @property
    def rows(self) -> int:
        """Rows taken: those in the file (`written`), and those that wait for their group to be full."""
        return self.written + self._piece_rows

    def add(self, piece: pa.Table) -> None:
        """Take rows, and write the group that they fill. Raises: OSError: they can't be written."""
        if not piece.num_rows:
            return
        self._pieces.append(piece)
        self._piece_rows += piece.num_rows
        if self._shuffled:
            self._text_bytes += sum(map(_text_bytes, piece.itercolumns()))
        if self._piece_rows >= self._group_rows or self._text_bytes >= MOST_GROUP_BYTES:
            self._write_group()

    def close(self) -> None:
        """Write what waits, and finish the file. Raises: OSError: it can't be written."""
        if self._pieces:
            self._write_group()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def abandon(self) -> None:
        """Let go of the file without finishing it; whoever owns its folder removes it."""
        self._pieces.clear()
        writer, self._writer = self._writer, None
        if writer is not None:
            # It writes its end, which a full disk refuses: what went wrong before is the error that counts.
            with suppress(OSError, MemoryError):
                writer.close()
            writer.is_open = False  # else it would try once more as it goes, and say so

    def _write_group(self) -> None:
        import pyarrow as pa

        table, rows = pa.concat_tables(self._pieces), self._piece_rows
        self._pieces.clear()
        self._piece_rows = self._text_bytes = 0
        self.arrow_bytes += table.nbytes
        if self._shuffled:
            near, columns = table[NEAR].combine_chunks(), list(table.itercolumns())
            del table
            table = _texts_together(columns, near, self._schema)
        if self._writer is None:
            self._writer = self._opened(table.schema)
        self._writer.write_table(table, row_group_size=rows)
        self.written += rows

    def _opened(self, schema: pa.Schema) -> Any:
        import pyarrow.parquet as pq

        self._path.parent.mkdir(parents=True, exist_ok=True)
        options = {"compression": "zstd", "compression_level": COMPRESSION_LEVEL, **self._options}
        if not self._shuffled:
            return pq.ParquetWriter(self._path, schema, **options)
        writer = pq.ParquetWriter(self._path, schema, store_schema=False, **options)
        # What Arrow would note is that the columns are dictionaries, and readers would be given them as that.
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(self._schema.serialize()).decode()})
        return writer


def _texts_together(columns: list[pa.ChunkedArray], near: pa.Array, schema: pa.Schema) -> pa.Table:
    """The table of these columns, each text in a dictionary. The list is emptied, so that they can be let go of."""
    import pyarrow as pa

    columns.reverse()
    together = []
    while columns:
        chunks = columns.pop().chunks
        together.append(_together(chunks, near))
    return pa.Table.from_arrays(together, schema=pa.schema(_of_types(schema, together)))


def _of_types(fields: Iterable[pa.Field], arrays: Sequence[pa.Array]) -> list[pa.Field]:
    """The same fields, of the types that their values now have."""
    return [field.with_type(array.type) for field, array in zip(fields, arrays, strict=True)]


def _together(chunks: list[pa.Array], near: pa.Array) -> pa.Array:
    """An array of chunks, the texts in it in a dictionary of their own at each place, by leaf and then by themselves.

    Args:
        chunks: one or more; emptied.
        near: the leaf of each value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = chunks[0].type
    if pa.types.is_string(kind):
        return _dictionary(chunks, near)
    if pa.types.is_struct(kind):
        missing = pa.concat_arrays([chunk.is_null() for chunk in chunks])
        fields = [
            # Where there is no struct, `flatten` says that its fields are missing, too, which not all may be.
            [chunk.flatten()[place] if kind.field(place).nullable else chunk.field(place) for chunk in chunks]
            for place in range(kind.num_fields)
        ]
        chunks.clear()
        arrays = [_together(field, near) for field in fields]
        return pa.StructArray.from_arrays(arrays, fields=_of_types(kind, arrays), mask=missing)
    if pa.types.is_list(kind):
        lengths = pc.fill_null(pa.concat_arrays([pc.list_value_length(chunk) for chunk in chunks]), 0)
        missing = pa.concat_arrays([chunk.is_null() for chunk in chunks])
        values = [chunk.flatten() for chunk in chunks]
        chunks.clear()
        ends = pc.cumulative_sum(lengths).cast(pa.int32())
        begins = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        whole = pa.ListArray.from_arrays(begins, pa.nulls(begins[-1].as_py()))
        parents = pc.list_parent_indices(whole)
        together = _together(values, near.take(parents))
        of = pa.list_(kind.value_field.with_type(together.type))
        return pa.ListArray.from_arrays(begins, together, type=of, mask=missing)
    whole = pa.concat_arrays(chunks)
    chunks.clear()
    return whole


def _dictionary(chunks: list[pa.Array], near: pa.Array) -> pa.DictionaryArray:
    """Texts as places in a list of the different ones, in order of the leaf that each is first met in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pa.chunked_array(chunks)
    chunks.clear()
    if not len(texts):
        return pa.DictionaryArray.from_arrays(pa.array([], pa.int32()), pa.array([], pa.string()))
    encoded = texts.dictionary_encode()
    del texts
    different = encoded.chunk(0).dictionary
    places = pa.concat_arrays([chunk.indices for chunk in encoded.chunks])
    del encoded
    first = pc.index_in(pa.array(range(len(different)), pa.int32()), value_set=places)
    order = pc.sort_indices(
        pa.table({"near": near.take(first), "text": different}),
        sort_keys=[("near", "ascending"), ("text", "ascending")],
    )
    ranks = pc.sort_indices(order).cast(pa.int32())
    return pa.DictionaryArray.from_arrays(ranks.take(places), different.take(order))


def _text_bytes(values: pa.Array | pa.ChunkedArray) -> int:
    """Size of the texts in an array."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(values.type):
        return int(pc.sum(pc.binary_length(values)).as_py() or 0)
    if pa.types.is_list(values.type):
        return _text_bytes(pc.list_flatten(values))
    if pa.types.is_struct(values.type):
        return sum(_text_bytes(pc.struct_field(values, place)) for place in range(values.type.num_fields))
    return 0


@cache
def keep_memory_flat() -> None:
    """Once: give freed memory back to the system, and write with one thread (whose pools would add up)."""
    import ctypes

    import pyarrow as pa

    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    # The GNU C library would keep ever larger freed blocks for itself, unless told the size from which not to.
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(GLIBC_M_MMAP_THRESHOLD, RETURNED_BYTES)
