"""Tables on disk: the same bytes however the rows came, and each passage once where rows are in shuffled order."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from labgen.export import files
from labgen.export.files import DataFile, ShardedTable, read_rows, read_tables
from labgen.export.rows import row_schema

PASSAGE_CHARS = 1500


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the real sizes, in proportion."""
    for name in ("GROUP_ROWS", "MOST_GROUP_ROWS", "FILE_ROWS"):
        monkeypatch.setattr(files, name, getattr(files, name) // 20)


def row(number: int, passages: Sequence[str]) -> dict[str, Any]:
    """A row of a knowledge leaf."""
    words = f"question {number}", f"answer {number * 7919}"
    turns = [{"role": role, "content": text} for role, text in zip(("user", "assistant"), words, strict=True)]
    known = {"id": f"{number:016x}", "messages": turns, "leaf": f"knowledge/{number % 7}", "branch": "knowledge"}
    evidence = [{"text": words[1], "start": 0, "end": number}]
    verdict = {"filter": "groundedness_judge", "version": "1", "value": 1.0, "reason": "", "evidence": evidence}
    context = passages[number % len(passages)] if passages else None
    return dict.fromkeys(row_schema().names) | known | {"context": context, "verdicts": [verdict, verdict]}


def written(folder: Path, tables: Sequence[Sequence[dict[str, Any]]], *, shuffled: int) -> list[DataFile]:
    """What comes of rows that come as tables; a table of one row as a single row."""
    with ShardedTable(folder, "data/phase", row_schema(), shuffled=shuffled) as table:
        for rows in tables:
            if len(rows) == 1:
                table.add(rows[0])
            else:
                table.extend(pa.Table.from_pylist(list(rows), row_schema()))
    return table.files


@given(data=st.data(), known=st.booleans(), count=st.integers(1, 6000) | st.integers(1, 200))
@settings(max_examples=25)
def test_the_bytes_do_not_depend_on_how_the_rows_came(data: st.DataObject, known: bool, count: int) -> None:
    """Whole, or in tables of any size: the files have the same hashes, and give back the rows in their order."""
    rows = [row(number, ["one passage", "another", ""]) for number in range(count)]
    cuts = data.draw(st.lists(st.integers(1, count), max_size=6).map(lambda cuts: sorted({0, count, *cuts})))
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        whole = written(Path(one), [rows], shuffled=count * known)
        again = written(Path(other), [rows[begin:end] for begin, end in pairwise(cuts)], shuffled=count * known)
        assert [(file.path, file.rows, file.sha256) for file in again] == [
            (file.path, file.rows, file.sha256) for file in whole
        ]
        assert sum(file.rows for file in whole) == count
        assert [each for file in whole for each in read_rows(Path(other) / file.path)] == rows
        for file in whole:
            assert max(table.num_rows for table in read_tables(Path(one) / file.path)) <= files.GROUP_ROWS


def test_each_passage_is_kept_once_where_rows_are_in_shuffled_order(tmp_path: Path) -> None:
    """Of a group of rows, however far apart; and any reader sees the rows as they were."""
    dice = random.Random(1)
    passages = ["".join(dice.choices("abcdefghij ", k=PASSAGE_CHARS)) for _ in range(50)]
    rows = [row(number, passages) for number in range(4000)]
    dice.shuffle(rows)
    sizes = {}
    for shuffled in (0, len(rows)):
        folder = tmp_path / str(shuffled)
        (file,) = written(folder, [rows], shuffled=shuffled)
        about = pq.read_metadata(folder / file.path)
        (place,) = [at for at in range(about.num_columns) if about.row_group(0).column(at).path_in_schema == "context"]
        groups = [about.row_group(group) for group in range(about.num_row_groups)]
        sizes[shuffled] = sum(group.column(place).total_uncompressed_size for group in groups)
        loaded = load_dataset("parquet", data_files=str(folder / file.path), split="train", cache_dir=str(tmp_path))
        assert loaded.to_list() == rows
    texts = PASSAGE_CHARS * len(passages)
    assert len(groups) == 10 and sizes[len(rows)] < 1.1 * len(groups) * texts < sizes[0] / 3
