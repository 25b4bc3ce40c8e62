"""Find one row or one rejection in a dataset folder by its id."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.export.configs import DOCUMENTS, HELD_OUT, REJECTED
from labgen.export.folder import read_manifest
from labgen.formats.training.base import PREFERENCE_CONFIGS
from labgen.records import BRANCHES

SHOWN = (*BRANCHES, DOCUMENTS, REJECTED, *HELD_OUT)


def find_row(folder: Path, prefix: str) -> dict[str, Any]:
    """The one row, rejection or held-out row whose id starts with `prefix`.

    Returns: its columns (see `rows.row_schema`; a rejection also has `state`, `reason`, `raw`), and `config`, `slot`,
        `position`, `calls` (ledger keys in hexadecimal, in order), `drawn` (of an edited row: its texts as drawn).
    Raises: UsageError: no dataset there, no such id, or several.
    """
    manifest = read_manifest(folder)
    prefix = prefix.strip().lower().split("-")[0]  # a phase adds the form that a row comes in
    hits: list[tuple[str, str, Path, int, int]] = []
    for config in SHOWN:
        for name in manifest["configs"].get(config, {"files": []})["files"]:
            hits += [(found, config, folder / name, group, row) for found, group, row in _scan(folder / name, prefix)]
    if not hits:
        _name_the_row(folder, manifest, prefix)
        raise UsageError(f"{folder}: no row or rejection has an id that starts with `{prefix}`.")
    if len(hits) > 1:
        some = ", ".join(hit[0] for hit in hits[:4])
        raise UsageError(f"{folder}: {len(hits)} ids start with `{prefix}` ({some} ...). Give more of it.")
    found, config, path, group, row = hits[0]
    return {"config": config, **_read(path, group, row), **_lineage(folder, manifest, found)}


def _name_the_row(folder: Path, manifest: dict[str, Any], prefix: str) -> None:
    """Raises: UsageError: the id is that of a pair or of a judged response; the message names its row."""
    for config in PREFERENCE_CONFIGS:
        for name in manifest["configs"].get(config, {"files": []})["files"]:
            for found, group, row in _scan(folder / name, prefix):
                of = _read(folder / name, group, row)["row"]
                raise UsageError(f"{folder}: {found} is of `{config}`, made of a row: `labgen show {of}` shows that.")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A file of the dataset. Raises: UsageError: it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise UsageError(f"{path}: can't be read ({error}). Build or download the dataset again.") from None


def _scan(path: Path, prefix: str) -> list[tuple[str, int, int]]:
    with _opened(path) as file:
        return [
            (found, group, row)
            for group in range(file.num_row_groups)
            for row, found in enumerate(file.read_row_group(group, columns=["id"])["id"].to_pylist())
            if found.startswith(prefix)
        ]


def _read(path: Path, group: int, row: int) -> dict[str, Any]:
    with _opened(path) as file:
        found: dict[str, Any] = file.read_row_group(group).slice(row, 1).to_pylist()[0]
    return found


def _lineage(folder: Path, manifest: dict[str, Any], found: str) -> dict[str, Any]:
    """Slot, position and calls; empty for a dataset that came from the Hub, where `lineage/` does not go."""
    for name in sorted(manifest["files"]):
        if name.startswith("lineage/calls") and (folder / name).is_file():
            for _, group, row in _scan(folder / name, found):
                entry = _read(folder / name, group, row)
                return {
                    "slot": entry["slot"],
                    "position": entry["position"],
                    "calls": [key.hex() for key in entry["calls"]],
                    "drawn": entry.get("drawn"),  # datasets of earlier versions lack it
                }
    return {"slot": None, "position": None, "calls": [], "drawn": None}
