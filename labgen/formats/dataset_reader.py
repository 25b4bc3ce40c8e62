"""Rows of a dataset that somebody else made: of a file, of a dataset's folder, or of the Hugging Face Hub.

`datasets` finds what a folder or the Hub has, opens, unpacks and streams it: nothing is copied to its cache, and memory
stays flat. Two of its builders are not used for what they read (datasets 5.2, pyarrow 26):

- `parquet`: a program that stops before a file's end, with an error for one, never ends or is aborted
  (apache/arrow#45214); and up to a gigabyte is read ahead. Parquet is read by pyarrow's own reader.
- `json`, for files: what looks like a date comes as a date; what looks like a number, as one, where a field's type
  varies; a field that first comes after ten megabytes ends the reading; a row that can't be read is not named; and
  nesting of 20,000 levels ends the process. Files of JSON are streamed by its builder `text`, as lines for Python's own
  `json`. Folders and datasets on the Hub that hold JSON are read by `json` all the same: their owners tried them so.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from labgen.errors import UsageError
from labgen.lazy import re
from labgen.text.printable import one_line, shown

FILE_ENDINGS = (".jsonl", ".jsonl.gz", ".json", ".parquet", ".csv")

_BATCH_ROWS = 500
_CHUNK_CHARS = 2**20
_Batch = dict[str, list[Any]]  # field to values
_PARQUET = re.compile(r"(?:hf:/)?/.*\.parquet", re.DOTALL)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def read_dataset(
    source: str | Path, *, config: str | None = None, split: str = "train", columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a dataset, one by one, in its order.

    A row of a JSON file is as it is written there; a line that is a string is a row with the one field `text`. Rows of
    any other source have all of the dataset's fields, None where they have no value.

    Args:
        source: a file (`FILE_ENDINGS`), the folder of a dataset, or `OWNER/NAME` on the Hub.
        config: configuration of a folder's or the Hub's dataset, where it has several.
        split: of a folder's or the Hub's dataset.
        columns: fields to read; only Parquet is read in parts.
    Raises: UsageError: at once where there is no such file or it is none, while reading where it can't be opened or
        read.
    """
    path = Path(source)
    if path.is_dir():
        # The whole path: a bare name might be that of one of the library's own builders.
        batches = _dataset_batches(str(path.absolute()), config, split, columns)
        rows = _rows(str(source), "as a dataset", batches)
    elif path.is_file():
        rows = _file_rows(path, columns)
    elif path.exists():
        raise UsageError(f"{source}: can't be read: a device or a pipe. Put its content into a file.")
    elif is_hub_id(str(source)):
        where = "/".join(filter(None, (str(source), config, split)))
        rows = _rows(where, "as a dataset", _dataset_batches(str(source), config, split, columns))
    else:
        raise UsageError(
            f"{source}: can't be read: no such file or folder, nor the form OWNER/NAME of a dataset on the Hub."
        )
    if columns is None:
        return rows
    return ({name: value for name, value in row.items() if name in columns} for row in rows)


def is_hub_id(source: str) -> bool:
    """Whether this has the form of a dataset's name on the Hub and is nothing on this machine."""
    return bool(_HUB_ID.fullmatch(source)) and not source.endswith(FILE_ENDINGS) and not Path(source).exists()


def _file_rows(file: Path, columns: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    if file.name.endswith(".parquet"):
        return _rows(str(file), "as Parquet", _parquet_batches([str(file)], columns))
    if file.name.endswith(".csv"):
        # "NA" and "None" are answers like any other.
        return _rows(str(file), "as CSV", _file_batches(file, "csv", keep_default_na=False))
    if file.name.endswith(".json"):
        return _document_rows(file, _texts(file, sample_by="document"))
    if file.name.endswith(FILE_ENDINGS):
        return _line_rows(file, _texts(file, chunksize=_CHUNK_CHARS))
    raise UsageError(f"{file}: rows are read from {', '.join(FILE_ENDINGS)} files.")


def _texts(file: Path, **options: Any) -> Iterator[str]:
    return (
        row["text"] for row in _rows(str(file), "as text", _file_batches(file, "text", encoding="utf-8-sig", **options))
    )


def _rows(where: str, form: str, batches: Iterator[_Batch]) -> Iterator[dict[str, Any]]:
    """The rows of batches. Raises: UsageError: whatever goes wrong, in words."""
    read = 0
    while True:
        try:
            batch = next(batches, None)
        except Exception as error:  # what strangers' data makes these libraries raise has no common type
            raise UsageError(f"{where}: {_problem(error, form, read)}") from None
        if batch is None:
            return
        for values in zip(*batch.values(), strict=True):
            yield dict(zip(batch, values, strict=True))
        read += len(next(iter(batch.values()), ()))


def _file_batches(file: Path, builder: str, **options: Any) -> Iterator[_Batch]:
    """What a builder of the library streams from a file."""
    import datasets

    # Escaped, for the library takes a name for a pattern. In its cache it leaves a lock for each file.
    with _quiet(), TemporaryDirectory(prefix="labgen-") as cache:
        files = [escape(str(file.absolute()))]
        found = datasets.load_dataset(
            builder, data_files=files, split="train", streaming=True, cache_dir=cache, **options
        )
        batches = found.iter(_BATCH_ROWS)
    yield from _quietly(batches)


def _dataset_batches(name: str, config: str | None, split: str, columns: Sequence[str] | None) -> Iterator[_Batch]:
    """What the library streams of a folder's or the Hub's dataset."""
    import datasets

    with _quiet(), TemporaryDirectory(prefix="labgen-") as cache:
        builder = datasets.load_dataset_builder(name, config, cache_dir=cache)
        files = (builder.config.data_files or {}).get(split, ())
        if files and all(map(_PARQUET.fullmatch, files)):
            batches = _parquet_batches(files, columns)
        else:
            batches = builder.as_streaming_dataset(split=split).iter(_BATCH_ROWS)
    yield from _quietly(batches)


def _parquet_batches(files: Sequence[str], columns: Sequence[str] | None) -> Iterator[_Batch]:
    """Rows of Parquet files, which may lie on the Hub (`hf://`)."""
    from pyarrow import parquet

    for file in files:
        with (
            _on_the_hub(file) if file.startswith("hf://") else nullcontext(file) as source,
            parquet.ParquetFile(source) as table,
        ):
            for group in range(table.num_row_groups):  # all groups at once would hold on to those that are read
                for batch in table.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
                    yield _decoded(batch)


def _on_the_hub(file: str) -> Any:
    from huggingface_hub import HfFileSystem

    return HfFileSystem().open(file)


def _decoded(batch: Any) -> _Batch:
    """A batch as plain data, with what the library itself has written in a form of its own as it was meant."""
    if b"huggingface" not in (batch.schema.metadata or {}):
        return dict(batch.to_pydict())
    from datasets import Features

    return dict(Features.from_arrow_schema(batch.schema).decode_batch(batch.to_pydict()))


def _quietly(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    while True:
        with _quiet():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _problem(error: Exception, form: str, read: int) -> str:
    """What went wrong after so many rows, and what to do."""
    from datasets.exceptions import DatasetNotFoundError

    words = shown(one_line(str(error), None) or type(error).__name__)
    if isinstance(error, DatasetNotFoundError):
        return "no such file or folder, and no such dataset on the Hub that you may read."
    if isinstance(error, ConnectionError):
        return f"the Hub can't be reached ({words}). Check the connection, or give a file instead."
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8 text. Save it as UTF-8."
    if not read:
        return f"can't be read {form} ({words})."
    more = " All rows must have the first ones' fields; a .jsonl file's may differ." if form == "as a dataset" else ""
    return f"can't be read {form} after row {read} ({words}).{more}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Let the libraries neither print nor log nor warn meanwhile, nor tell their maker what is loaded.

    Restored before a row is handed out: a program that calls labgen keeps its own settings.
    """
    import datasets.config
    import datasets.utils
    import huggingface_hub.utils

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    with_bars = [
        library for library in (datasets.utils, huggingface_hub.utils) if not library.are_progress_bars_disabled()
    ]
    counted = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # A request to its maker's server at each call, for a file on this machine too.
            datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            for library in with_bars:
                library.disable_progress_bars()
            yield
        finally:
            datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counted
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            for library in with_bars:
                library.enable_progress_bars()


def _line_rows(file: Path, lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{file}, line {number}"
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _no_json(where, error) from None
            yield _row(value, where)


def _document_rows(file: Path, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Rows of a list, of a single object, or of lines of objects."""
    for text in texts:
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            if text.strip() and error.msg != "Extra data":
                raise _no_json(str(file), error) from None
            yield from _line_rows(file, text.split("\n"))
            continue
        except (ValueError, RecursionError) as error:
            raise _no_json(str(file), error) from None
        for number, row in enumerate(value if isinstance(value, list) else [value], 1):
            yield _row(row, f"{file}, row {number}")


def _no_json(where: str, error: Exception) -> UsageError:
    why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return UsageError(f"{where}: can't be read as JSON ({why}).")


def _row(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    if isinstance(value, str):
        return {"text": value}
    raise UsageError(f"{where}: a row is an object with named fields, this is a {type(value).__name__}.")
