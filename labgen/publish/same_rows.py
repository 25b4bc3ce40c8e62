"""Files that say the same rows in other bytes: a later Parquet library writes others, and nothing needs to travel."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.export.files import read_tables
from labgen.publish.release import Release, ReleaseFile
from labgen.publish.remote import EarlierRelease

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_HASH = "rows_sha256"
"""What the manifest of a release says of a Parquet file besides: the hash of its rows, however they are written."""

_BATCH_ROWS = 500


def hash_rows(path: Path) -> str:
    """SHA-256, in hexadecimal, of a Parquet file's columns, their types and its rows in order.

    The same for the same rows, whatever compression, pages, statistics or version of the format they were written with.

    Raises: UsageError: the file is damaged.
    """
    digest = hashlib.sha256()
    columns = None
    for table in read_tables(path):
        if columns is None:
            columns = [[field.name, _kind(field.type)] for field in table.schema]
            digest.update(_line(columns))
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            for row in batch.to_pylist():
                digest.update(_line(list(row.values())))
    return digest.hexdigest()


def _line(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=str).encode("utf-8", errors="surrogatepass") + b"\n"


def _kind(kind: pa.DataType) -> Any:
    """A type as data. What the values of a list are called is left to the writer, and is not part of it."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return ["list", _kind(kind.value_type)]
    if pa.types.is_struct(kind):
        return [[field.name, _kind(field.type)] for field in kind]
    return str(kind)


def keep_same_rows(release: Release, before: EarlierRelease | None) -> Release:
    """The release, with the files of the one before in place of those that say the same rows in other bytes.

    Manifest and card name the kept files; the manifest has the hash of the rows of every Parquet file.
    """
    told: Mapping[str, Any] = before.manifest["files"] if before else {}
    there = {
        (_stem(path), about[ROWS_HASH]): path
        for path, about in told.items()
        if isinstance(about, dict) and ROWS_HASH in about and before is not None and before.still_has(path)
    }
    files: dict[str, ReleaseFile] = {}
    listed = dict(release.manifest["files"])
    renamed: dict[str, str] = {}
    for path, file in release.files.items():
        if not path.endswith(".parquet"):
            files[path] = file
            continue
        settled, digest = _settled(file, told, there)
        if settled.path != path:
            renamed[path] = settled.path
            del listed[path]
        files[settled.path] = settled
        listed[settled.path] = {"bytes": settled.size, "sha256": settled.sha256, ROWS_HASH: digest}
    configs = {
        name: {**config, "files": [renamed.get(path, path) for path in config["files"]]}
        for name, config in release.manifest["configs"].items()
    }
    card = release.card
    for old, new in renamed.items():
        card = card.replace(old, new)
    manifest = {**release.manifest, "configs": configs, "files": dict(sorted(listed.items()))}
    return replace(release, manifest=manifest, files=dict(sorted(files.items())), card=card)


def _settled(
    file: ReleaseFile, told: Mapping[str, Any], there: Mapping[tuple[str, str], str]
) -> tuple[ReleaseFile, str]:
    """The file that stands for this one, and the hash of its rows, which is only worked out where nobody told it."""
    about = told.get(file.path)
    if isinstance(about, dict) and about.get("sha256") == file.sha256 and ROWS_HASH in about:
        return file, about[ROWS_HASH]
    digest = hash_rows(file.source)
    kept = there.get((_stem(file.path), digest), file.path)
    if kept == file.path:
        return file, digest
    return replace(file, path=kept, size=told[kept]["bytes"], sha256=told[kept]["sha256"], kept=True), digest


def _stem(path: str) -> str:
    """A data file's name without the hash of its bytes."""
    return path.rpartition("-")[0]
