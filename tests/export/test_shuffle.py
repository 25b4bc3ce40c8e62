"""Promises of the shuffle: one order, whatever goes through the disk."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from labgen.export import shuffle
from labgen.export.chance import number
from labgen.export.shuffle import Shuffle

ROWS = [
    {"id": f"{index:04}", "words": ["ключ", None, "鍵"][: index % 4], "source": {"start": index} if index % 3 else None}
    for index in range(3000)
]


def shuffled(folder: Path, *, rows: int, step: int = 7) -> dict[str, list[dict[str, object]]]:
    """Two streams of the rows as they come out, put in a few at a time."""
    given = Shuffle(folder, seed=5, rows=rows)
    try:
        for begin in range(0, len(ROWS), step):
            piece = pa.Table.from_pylist(ROWS[begin : begin + step])
            given.add("one", piece)
            given.add("two", piece.slice(1))
        return {
            name: [row for table in given.read(name) for row in table.to_pylist()] for name in ("one", "two", "none")
        }
    finally:
        given.close()


@pytest.mark.parametrize("waiting_bytes", [1 << 30, 20_000, 1])
@pytest.mark.parametrize("rows", [1, 3000, 50_000])
def test_order_depends_on_seed_stream_and_id_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting_bytes: int, rows: int
) -> None:
    """In memory, or through the disk in one bucket or fifty: each stream's rows by their numbers, whole."""
    monkeypatch.setattr(shuffle, "MAX_WAITING_BYTES", waiting_bytes)
    monkeypatch.setattr(shuffle, "BUCKET_BYTES", 0)
    found = shuffled(tmp_path, rows=rows, step=7 if waiting_bytes > 1 else 500)
    assert found["one"] == sorted(ROWS, key=lambda row: number(5, "order of one", str(row["id"])))
    left = [row for index, row in enumerate(ROWS) if index % (7 if waiting_bytes > 1 else 500)]
    assert found["two"] == sorted(left, key=lambda row: number(5, "order of two", str(row["id"])))
    assert found["none"] == []
    assert list(tmp_path.iterdir()) == []
