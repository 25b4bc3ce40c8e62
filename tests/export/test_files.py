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

from labgen.export import files, row_groups
from labgen.export.files import DataFile, ShardedTable, read_rows, read_tables
from labgen.export.row_groups import GroupedFile
from labgen.export.rows import row_schema

PASSAGE_CHARS = 1500


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of the real sizes, in proportion, and some thousand rows are many."""
    monkeypatch.setattr(row_groups, "SMALL_ROWS", 1000)
    names = {files: ("GROUP_ROWS", "FILE_ROWS"), row_groups: ("LEAST_GROUP_ROWS", "MOST_GROUP_ROWS")}
    for module, name in ((module, name) for module, own in names.items() for name in own):
        monkeypatch.setattr(module, name, getattr(module, name) // 20)


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


@pytest.mark.parametrize("shuffled", [0, 2000])
@pytest.mark.parametrize("counts", [[0], [25, 0], [0, 50, 0, 3], [20, 0, 5]])
def test_tables_without_rows_change_nothing(counts: list[int], shuffled: int, tmp_path: Path) -> None:
    """Wherever they come."""
    rows = [row(number, []) for number in range(sum(counts))]
    ends = [sum(counts[: place + 1]) for place in range(len(counts))]
    with ShardedTable(tmp_path, "data/phase", row_schema(), shuffled=shuffled) as table:
        for count, end in zip(counts, ends, strict=True):
            table.extend(pa.Table.from_pylist(rows[end - count : end], row_schema()))
    whole = written(tmp_path / "whole", [rows] if rows else [], shuffled=shuffled)
    assert [file.sha256 for file in table.files] == [file.sha256 for file in whole]
    assert table.rows == len(rows)


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
        assert pq.read_schema(folder / file.path).equals(row_schema())
        loaded = load_dataset("parquet", data_files=str(folder / file.path), split="train", cache_dir=str(tmp_path))
        assert loaded.to_list() == rows
    texts = PASSAGE_CHARS * len(passages)
    assert len(groups) == 10 and sizes[len(rows)] < 1.1 * len(groups) * texts < sizes[0] / 3


@pytest.mark.parametrize(("count", "groups"), [(49, [49]), (120, [50, 50, 20]), (1000, [100] * 10)])
def test_a_group_of_rows_in_shuffled_order_is_never_small(count: int, groups: list[int], tmp_path: Path) -> None:
    """A small phase has few of them: each takes its time, however few its rows."""
    (file,) = written(tmp_path, [[row(number, []) for number in range(count)]], shuffled=count)
    about = pq.read_metadata(tmp_path / file.path)
    assert [about.row_group(group).num_rows for group in range(about.num_row_groups)] == groups


def test_a_passage_inside_questions_takes_little_where_rows_are_in_shuffled_order(tmp_path: Path) -> None:
    """A group's texts of a leaf stand together, where the compression finds what they have in common."""
    dice = random.Random(2)
    rows = [row(number, []) for number in range(4000)]
    passages = ["".join(dice.choices("abcdefghij ", k=PASSAGE_CHARS)) for _ in range(80)]
    for number, each in enumerate(rows):
        each["messages"][0]["content"] = f"{passages[number % 80]}\n\nquestion {number}"
        each["leaf"] = f"knowledge/{number % 80:03d}"
    dice.shuffle(rows)
    (plain,) = written(tmp_path / "plain", [rows], shuffled=0)
    (file,) = written(tmp_path / "together", [rows], shuffled=len(rows))
    assert list(read_rows(tmp_path / "together" / file.path)) == rows
    assert 2 * file.bytes < plain.bytes


def test_long_texts_end_a_group_of_rows_in_shuffled_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory has a bound, whatever a teacher says."""
    rows = [row(number, ["x" * PASSAGE_CHARS]) for number in range(4000)]
    (file,) = written(tmp_path / "one", [rows], shuffled=len(rows))
    monkeypatch.setattr(row_groups, "MOST_GROUP_BYTES", 150 * PASSAGE_CHARS)
    (cut,) = written(tmp_path / "other", [rows], shuffled=len(rows))
    groups, fewer = (
        [about.row_group(group).num_rows for group in range(about.num_row_groups)]
        for about in (pq.read_metadata(tmp_path / "one" / file.path), pq.read_metadata(tmp_path / "other" / cut.path))
    )
    assert groups == [400] * 10 and set(fewer[:-1]) == {150}
    assert list(read_rows(tmp_path / "other" / cut.path)) == rows


TEXTS = st.none() | st.text(max_size=4)
NAMED = pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("sure", pa.bool_(), nullable=False)])
TURN_TYPE = pa.struct([("said", pa.string()), ("notes", pa.list_(pa.string())), ("n", pa.int8())])
NESTED = pa.schema(
    [
        pa.field("leaf", pa.string()),
        pa.field("text", pa.string()),
        pa.field("turns", pa.list_(TURN_TYPE)),
        pa.field("marks", pa.list_(pa.field("mark", pa.string(), nullable=False))),
        pa.field("of", NAMED),
        pa.field("id", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
    ]
)
TURN = st.none() | st.fixed_dictionaries(
    {"said": TEXTS, "notes": st.none() | st.lists(TEXTS, max_size=2), "n": st.none() | st.integers(0, 9)}
)
NESTED_ROWS = st.fixed_dictionaries(
    {
        "leaf": TEXTS,
        "text": TEXTS,
        "turns": st.none() | st.lists(TURN, max_size=3),
        "marks": st.none() | st.lists(st.text(max_size=2), max_size=2),
        "of": st.none() | st.fixed_dictionaries({"name": st.text(max_size=2), "sure": st.booleans()}),
        "id": st.text(max_size=2),
        "count": st.none() | st.integers(0, 9),
    }
)


@given(rows=st.lists(NESTED_ROWS, min_size=1, max_size=30), cut=st.integers(1, 30), group=st.integers(1, 30))
def test_rows_of_any_form_come_back_as_they_were(rows: list[dict[str, Any]], cut: int, group: int) -> None:
    """Also where texts, turns or all that there is of a row are missing, and in the types that they were given in."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        file = GroupedFile(path, NESTED, group_rows=group, shuffled=True)
        for begin in range(0, len(rows), cut):
            file.add(pa.Table.from_pylist(rows[begin : begin + cut], NESTED))
            file.add(NESTED.empty_table())
        file.close()
        assert file.written == len(rows)
        plain = Path(folder) / "plain.parquet"
        pq.write_table(pa.Table.from_pylist(rows, NESTED), plain)
        assert pq.read_schema(path).equals(pq.read_schema(plain)) and pq.read_schema(path).equals(NESTED)
        assert pq.ParquetFile(path).schema.equals(pq.ParquetFile(plain).schema)
        assert pq.read_table(path).to_pylist() == rows
