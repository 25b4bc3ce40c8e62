"""Promises of the shuffle: one order, whatever goes through the disk; and of the chances that it and others take."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from labgen.export import shuffle
from labgen.export.chance import NUMBERS, number, number_of_pair
from labgen.export.shuffle import Shuffle

ROWS = [
    {"id": f"{index:04}", "words": ["ключ", None, "鍵"][: index % 4], "source": {"start": index} if index % 3 else None}
    for index in range(3000)
]


def shuffled(folder: Path, *, rows: int, step: int = 7) -> dict[str, list[dict[str, object]]]:
    """Two streams of the rows as they come out, put in a few at a time."""
    with closing(Shuffle(folder, seed=5, rows=rows)) as given:
        for begin in range(0, len(ROWS), step):
            piece = pa.Table.from_pylist(ROWS[begin : begin + step])
            given.add("one", piece)
            given.add("two", piece.slice(1))
        return {
            name: [row for table in given.read(name) for row in table.to_pylist()] for name in ("one", "two", "none")
        }


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


def test_what_is_chosen_for_each_row_is_chosen_evenly() -> None:
    """Of 64 numbers each comes first for one in 64 rows, and together with any other as often as that says."""
    passages = [number(3, "passage", str(index)) for index in range(64)]
    firsts, pairs, rows = Counter[int](), Counter[frozenset[int]](), 12_800
    for row in range(rows):
        own = number(3, "row", str(row))
        numbers = sorted((number_of_pair(own, -each), each) for each in passages)
        assert all(0 <= ranked < NUMBERS for ranked, _ in numbers)
        firsts[numbers[0][1]] += 1
        pairs[frozenset(each for _, each in numbers[:2])] += 1
    # Chi squared over its degrees of freedom, of which chance makes 1 give or take some hundredths.
    expected, expected_pairs = rows / 64, rows / (64 * 63 / 2)
    spread = sum((firsts[each] - expected) ** 2 / expected for each in passages) / 63
    assert spread < 1.6
    squares = sum((count - expected_pairs) ** 2 / expected_pairs for count in pairs.values())
    unseen = 64 * 63 // 2 - len(pairs)
    assert (squares + unseen * expected_pairs) / (64 * 63 // 2 - 1) < 1.15
