"""Parquet files with the same bytes for the same rows, named by their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import UsageError
from labgen.export.row_groups import GroupedFile, keep_memory_flat, shuffled_group_rows
from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 500
"""Rows held in memory and written together: some 3 MB in each table. Of rows in shuffled order there are more."""

OBJECT_ROWS = 100
"""Rows of them that may be Python objects, which take several times the memory."""

FILE_ROWS = 100_000
"""Rows after which the next leaf begins a new file: some 200 MB, so that a changed leaf sends one file, not all."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """One finished file: `path` relative to the dataset folder, with forward slashes; sizes on disk and in memory."""

    path: str
    rows: int
    bytes: int
    sha256: str
    arrow_bytes: int


class ShardedTable:
    """Rows in, `STEM-HASH.parquet` files out.

    A file ends at a leaf's end once it has `FILE_ROWS` rows, and inside a leaf only with the group that brings it to
    twice that. The bytes depend on the rows and pyarrow's version alone, not on how the rows came. In memory are a
    group's rows at most, and what `extend` was given last. As a context manager, it finishes its file at the end, or
    lets go of it after an error.

    Args:
        shuffled: how many rows will come, where those that have a passage in common lie far apart, as in a shuffled
            order; 0 where they stand together.
    """

    def __init__(self, root: Path, stem: str, schema: pa.Schema, *, shuffled: int = 0) -> None:
        self._root, self._stem, self._schema, self._shuffled = root, stem, schema, bool(shuffled)
        self._group_rows = shuffled_group_rows(shuffled, GROUP_ROWS)
        self._temporary = root / f"{stem}.writing"
        self._file: GroupedFile | None = None
        self._waiting: list[dict[str, Any]] = []
        self._tables: list[pa.Table] = []
        self.files: list[DataFile] = []
        self.rows = 0

    def add(self, row: dict[str, Any]) -> None:
        """Take one row, in the order in which it is to be read."""
        self._waiting.append(row)
        self.rows += 1
        if len(self._waiting) >= OBJECT_ROWS:
            self._take_waiting()
            self._write_full()

    def extend(self, table: pa.Table) -> None:
        """Take the rows of a table with this schema's columns, after all rows taken before."""
        self._take_waiting()
        if table.num_rows:
            self._tables.append(table.cast(self._schema))
        self.rows += table.num_rows
        self._write_full()

    def end_leaf(self) -> None:
        """Say that the next row is another leaf's: the place where a new file may begin."""
        waiting = len(self._waiting) + sum(table.num_rows for table in self._tables)
        if waiting + (self._file.rows if self._file else 0) >= FILE_ROWS:
            self.close()

    def close(self) -> None:
        """Finish the file at hand, where there is one."""
        self._take_waiting()
        while self._tables:
            self._take_piece()
        if self._file is not None:
            self._end_file(self._file)

    def abandon(self) -> None:
        """Let go of the file at hand without finishing it; whoever owns the folder removes it."""
        self._waiting.clear()
        self._tables.clear()
        if self._file is not None:
            self._file.abandon()
            self._file = None

    def __enter__(self) -> ShardedTable:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abandon()

    def _write_full(self) -> None:
        """Write what waits as long as it fills a piece of a group."""
        while sum(table.num_rows for table in self._tables) >= GROUP_ROWS:
            self._take_piece()

    def _take_waiting(self) -> None:
        """Make the single rows that wait a table among those that wait."""
        import pyarrow as pa

        if self._waiting:
            self._tables.append(pa.Table.from_pylist(self._waiting, self._schema))
            self._waiting.clear()

    def _take_piece(self) -> None:
        """Put a piece of a group, always of the same size, of the rows that wait."""
        import pyarrow as pa

        keep_memory_flat()
        table = pa.concat_tables(self._tables)
        self._tables = [table.slice(GROUP_ROWS)] if table.num_rows > GROUP_ROWS else []
        file = self._file = self._file or self._new_file()
        file.add(table.slice(0, GROUP_ROWS).combine_chunks())
        if file.written >= 2 * FILE_ROWS:
            self._end_file(file)

    def _new_file(self) -> GroupedFile:
        return GroupedFile(
            self._temporary,
            self._schema,
            group_rows=self._group_rows,
            shuffled=self._shuffled,
            # Where a leaf's rows stand together, pages cut by content let the Hub's storage send only those around a
            # changed row.
            use_content_defined_chunking=True,
            write_statistics=["id", "leaf"],
        )

    def _end_file(self, file: GroupedFile) -> None:
        file.close()
        self._file = None
        digest, size = hash_file(self._temporary)
        path = f"{self._stem}-{digest[:16]}.parquet"
        self._temporary.rename(self._root / path)
        self.files.append(DataFile(path, file.written, size, digest, file.arrow_bytes))


def hash_file(path: Path) -> tuple[str, int]:
    """A file's SHA-256 in hexadecimal, and its size in bytes."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, path.stat().st_size


def read_tables(path: Path, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """A Parquet file's rows in order, `GROUP_ROWS` at a time at most.

    Raises: UsageError: the file is not there, or is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                if file.metadata.row_group(group).num_rows <= GROUP_ROWS:
                    yield file.read_row_group(group, columns=columns)
                    continue
                for batch in file.iter_batches(GROUP_ROWS, row_groups=[group], columns=columns):
                    yield pa.Table.from_batches([batch])
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise UsageError(f"{path}: can't be read ({error}). Build or download the dataset again.") from None


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The same as plain data, row by row."""
    for table in read_tables(path, columns):
        yield from table.to_pylist()


def read_dataset_json(path: Path) -> dict[str, Any]:
    """A file of a dataset that holds a JSON object. Raises: UsageError: it is damaged, or not there."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: can't be read ({error}). Build or download the dataset again.") from None
    if not isinstance(data, dict):
        raise UsageError(f"{path}: this is none of labgen's files. Build or download the dataset again.")
    return data
