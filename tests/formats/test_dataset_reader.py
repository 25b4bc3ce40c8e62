"""Promises of the reader of others' datasets: every kind of file, row by row, and words for whatever can't be read."""

from __future__ import annotations

import gzip
import json
import logging
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import datasets
import pyarrow
import pytest
from datasets.utils import are_progress_bars_disabled
from pyarrow import parquet

from labgen.errors import UsageError
from labgen.formats.dataset_reader import is_hub_id, read_dataset

ROWS = [{"question": f"Why {number}?", "answer": f"So, “{number}”."} for number in range(1200)]


def as_lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write_parquet(file: Path, rows: list[dict[str, Any]], group: int = 100) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=group)
    return file


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json", "lines.json", "a.parquet", "a.csv", "folder"])
def test_every_kind_of_source_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    """In order, as many as there are."""
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        write_parquet(path / "train-0.parquet", ROWS[:700])
        write_parquet(path / "train-1.parquet", ROWS[700:])
    elif name.endswith(".parquet"):
        write_parquet(path, ROWS)
    elif name.endswith(".csv"):
        path.write_text("question,answer\n" + "".join(f'{row["question"]},"{row["answer"]}"\n' for row in ROWS))
    else:
        text = json.dumps(ROWS, indent=1) if name == "a.json" else as_lines(ROWS)
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    assert list(read_dataset(path)) == list(read_dataset(str(path))) == ROWS


def test_rows_of_json_lines_come_as_they_are_written(tmp_path: Path) -> None:
    """Whatever the rows before them hold: fields, types, dates, texts that look like something else."""
    rows = [
        {"a": 1},
        {"b": "2024-01-01", "a": None},
        {"a": "42"},
        {"a": '{"x": 1}', "b": "null"},
        {"a": [["x"], [], [None, {"deep": [1.5, True]}]], "c": {}},
        {"a": "line\u2028break\u0085and\rmore\n", "b": "\ud800 half"},
        {"type": "user", "message": {"role": "user"}},
        {"a": 10**30, "": "no name"},
        {},
    ]
    file = tmp_path / "odd.jsonl"
    file.write_text("\ufeff" + "\n \n".join(json.dumps(row) for row in rows) + "\n\n")
    assert list(read_dataset(file)) == rows
    file.write_text('"a question"\n{"a": NaN, "b": -Infinity, "a": Infinity}')
    text, numbers = read_dataset(file)
    assert text == {"text": "a question"}
    assert numbers == {"a": math.inf, "b": -math.inf}
    written = [{"a": "x\u2028y"}, {"a": "ﬁ\r"}]
    file.write_text("\r\n".join(json.dumps(row, ensure_ascii=False) for row in written), encoding="utf-8")
    assert list(read_dataset(file)) == written


def test_json_is_a_list_an_object_or_lines(tmp_path: Path) -> None:
    """With or without indentation; texts in a list are rows too."""
    file = tmp_path / "a.json"
    for text, rows in (
        ('[{"a": 1}, "b"]', [{"a": 1}, {"text": "b"}]),
        ('{\n "a": [1,\n 2]\n}\n', [{"a": [1, 2]}]),
        ('{"a": 1}\n\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        ("[]", []),
        (" \n", []),
    ):
        file.write_text(text)
        assert list(read_dataset(file)) == rows


def test_sources_without_rows_are_empty(tmp_path: Path) -> None:
    """Not faults."""
    schema = pyarrow.schema({"a": pyarrow.string()})
    parquet.write_table(schema.empty_table(), tmp_path / "none.parquet")
    with parquet.ParquetWriter(tmp_path / "gap.parquet", schema) as writer:
        writer.write_table(schema.empty_table())
        writer.write_table(pyarrow.table({"a": ["x", None]}))
    (tmp_path / "a.jsonl").write_text("")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b""))
    for name in ("none.parquet", "a.jsonl", "a.jsonl.gz"):
        assert list(read_dataset(tmp_path / name)) == []
    assert list(read_dataset(tmp_path / "gap.parquet")) == [{"a": "x"}, {"a": None}]


@pytest.mark.parametrize("name", ["a.jsonl", "lines.json", "a.jsonl.gz", "a.json", "a.csv"])
def test_only_a_line_feed_ends_a_line(tmp_path: Path, name: str) -> None:
    """Not the other characters that Unicode counts among them."""
    rows = [{"a": "one\u2028two\u2029three\x85four"}, {"a": "\u2028"}]
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    text = {"a.json": json.dumps(rows, ensure_ascii=False), "a.csv": "\n".join(["a", *(row["a"] for row in rows)])}.get(
        name, text
    )
    data = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert list(read_dataset(tmp_path / name)) == rows


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX has devices and pipes as files")
def test_a_device_is_refused_at_once(tmp_path: Path) -> None:
    """It might never end, or never begin."""
    os.mkfifo(tmp_path / "a.jsonl")
    for path in (tmp_path / "a.jsonl", Path("/dev/zero")):
        with pytest.raises(UsageError, match="a device or a pipe"):
            read_dataset(path)


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a":\n', r"a\.jsonl, line 2: can't be read as JSON \(Expecting value"),
        ("a.jsonl", b"not json", "line 1: can't be read as JSON"),
        ("a.jsonl", b"[1]\n", "line 1: a row is an object with named fields, this is a list"),
        ("a.jsonl", b'{"a": "\x00"}\n', "line 1: can't be read as JSON"),
        ("a.jsonl", b'{"a": %s}\n' % (b"9" * 5000), "line 1: can't be read as JSON"),
        ("a.jsonl", b"{}\n" * 3 + DEEP, "line 4: can't be read as JSON .nested too deeply"),
        ("a.jsonl", b'{"a": "\xff"}\n', "is not UTF-8 text"),
        ("a.jsonl", '{"a": 1}\n'.encode("utf-16"), "is not UTF-8 text"),
        ("a.jsonl.gz", b"{}\n", "can't be read as text .Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-9], "can't be read as text .Compressed file ended"),
        ("a.json", b'[{"a": 1},\n {"a": }]', "can't be read as JSON .Expecting value: line 2"),
        ("a.json", b'{"a": 1}\n{"a": }', "line 2: can't be read as JSON"),
        ("a.json", b'[{"a": 1}, 7]', "row 2: a row is an object with named fields, this is a int"),
        ("a.json", DEEP, "nested too deeply"),
        ("a.parquet", b"x", "can't be read as Parquet"),
        ("a.parquet", b"PAR1" + b"\xff" * 99 + b"PAR1", "can't be read as Parquet"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", "can't be read as CSV .*line 3"),
        ("a.csv", b"a,b\n\xff,2\n", "is not UTF-8 text"),
        ("a.csv", b"", "can't be read as CSV"),
        ("a.txt", b"x", r"rows are read from \.jsonl, .* files"),
    ],
    ids=lambda value: value if isinstance(value, str) else len(value),
)
def test_files_that_cannot_be_read_are_explained(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """With the file, and the line or row where it can be told."""
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UsageError, match=message) as raised:
        list(read_dataset(file))
    assert str(raised.value).startswith(str(file))


def test_a_line_of_ten_megabytes_is_a_row_like_any_other(tmp_path: Path) -> None:
    """And so are those after it."""
    file = tmp_path / "long.jsonl"
    file.write_text(as_lines([{"a": "x" * 10_500_000}, {"a": "y"}]))
    assert [len(row["a"]) for row in read_dataset(file)] == [10_500_000, 1]


@pytest.mark.parametrize(
    "name", ["a[1].jsonl", "**.jsonl", "?{x,y}.jsonl", "a b#c%20.jsonl", "https:.jsonl", "ü.jsonl"]
)
def test_a_file_s_name_is_no_pattern_and_no_address(tmp_path: Path, name: str) -> None:
    """It names one file."""
    (tmp_path / "a1.jsonl").write_text('{"a": "another"}\n')
    (tmp_path / name).write_text('{"a": "this"}\n')
    assert list(read_dataset(tmp_path / name)) == [{"a": "this"}]


def test_a_folder_named_like_a_builder_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`parquet`, seen from where it lies."""
    (tmp_path / "parquet").mkdir()
    write_parquet(tmp_path / "parquet/test.parquet", ROWS[:3])
    monkeypatch.chdir(tmp_path)
    assert list(read_dataset("parquet", split="test")) == ROWS[:3]


def test_folders_that_cannot_be_read_are_explained(tmp_path: Path) -> None:
    """Which configurations and splits there are; after which row the reading ended."""
    configs = "".join(f"- config_name: {name}\n  data_files: {name[0]}.jsonl\n" for name in ("first", "second"))
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{configs}---\n")
    long = as_lines([{"a": "x" * 1000, "n": 1}] * 11_000)
    (tmp_path / "f.jsonl").write_text(long + as_lines([{"a": "x", "n": "late"}]))
    (tmp_path / "s.jsonl").write_text(as_lines(ROWS[:2]))
    for options, message in (
        ({}, "Config name is missing. Please pick one among .*first.*second"),
        ({"config": "third"}, "'third' not found. Available: .'first', 'second'"),
        ({"config": "second", "split": "test"}, "Bad split: test. Available splits: .'train'"),
        ({"config": "first"}, r"after row \d+ .*a .jsonl file's may differ"),
    ):
        with pytest.raises(UsageError, match=message) as raised:
            list(read_dataset(tmp_path, **options))
        assert str(raised.value).startswith(str(tmp_path))
    assert list(read_dataset(tmp_path, config="second")) == ROWS[:2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: can't be read as a dataset"):
        list(read_dataset(tmp_path / "empty"))


def test_what_the_library_has_written_comes_as_it_was_meant(tmp_path: Path) -> None:
    """Values of any type in one field, labels, dates: as the library's own reader gives them."""
    features = datasets.Features(
        {
            "turns": datasets.List(datasets.Json()),
            "label": datasets.ClassLabel(names=["no", "yes"]),
            "day": datasets.Value("date32"),
            "nested": {"a": datasets.List(datasets.Value("string"))},
        }
    )
    turns = [{"role": "user", "content": "hi"}, {"role": "tool", "content": {"n": [1, "x", None]}}]
    rows = {"turns": [turns, []], "label": [1, 0], "day": [date(2024, 2, 29), None], "nested": [{"a": ["x"]}, None]}
    folder = tmp_path / "data"
    folder.mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / "train.parquet")
    expected = list(datasets.load_dataset(str(folder), split="train", streaming=True, cache_dir=tmp_path / "cache"))
    assert expected[0]["turns"] == turns
    assert list(read_dataset(folder)) == list(read_dataset(folder / "train.parquet")) == expected


def test_chosen_columns_alone_are_read(tmp_path: Path) -> None:
    """From Parquet."""
    file = write_parquet(tmp_path / "a.parquet", ROWS)
    assert next(read_dataset(file, columns=["answer"])) == {"answer": ROWS[0]["answer"]}


@pytest.mark.parametrize("source", ["no.jsonl", "./a/b", "/a/b", "~/a", "a", "a/b/c", "a b/c", "owner/no.parquet"])
def test_what_is_neither_here_nor_a_name_on_the_hub_is_said_at_once(source: str) -> None:
    """Nothing is asked of a network."""
    assert not is_hub_id(source)
    with pytest.raises(UsageError, match="no such file or folder, nor the form OWNER/NAME"):
        read_dataset(source)


def test_no_connection_is_said(tmp_path: Path) -> None:
    """In one line, with the name."""
    done = run("list(read_dataset('owner/rocks', config='knowledge'))", tmp_path, HF_HUB_OFFLINE="1")
    assert done.stdout.splitlines()[-1].startswith("owner/rocks/knowledge/train: the Hub can't be reached")
    assert done.stderr == ""


def run(code: str, folder: Path, *, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """Code in a process of its own, with what it tells the network printed."""
    start = (
        "import sys\n"
        "def seen(event, arguments):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.gethostbyname'):\n"
        "        print('NETWORK', event, arguments)\n"
        "sys.addaudithook(seen)\n"
        "from labgen.errors import UsageError\n"
        "from labgen.formats.dataset_reader import read_dataset\n"
        f"try:\n    {code}\nexcept UsageError as error:\n    print(error)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", start],
        cwd=folder,
        env={**os.environ, "HF_HOME": str(folder / "home"), **environment},
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
    )


def test_reading_files_prints_nothing_sends_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    """No bar, no log line, no count of downloads, no cache."""
    (tmp_path / "many").mkdir()
    for number in range(40):
        write_parquet(tmp_path / f"many/train-{number}.parquet", ROWS[:2])
    write_parquet(tmp_path / "a.parquet", ROWS)
    (tmp_path / "a.jsonl").write_text(as_lines(ROWS))
    (tmp_path / "bad.parquet").write_bytes(b"x")
    files = sorted(tmp_path.iterdir())
    for name, said in (("many", ""), ("a.parquet", ""), ("a.jsonl", ""), ("bad.parquet", "can't be read")):
        done = run(f"list(read_dataset({name!r}))", tmp_path)
        assert (said in done.stdout, "NETWORK" in done.stdout, done.stderr) == (True, False, "")
    assert sorted(tmp_path.iterdir()) == files


@pytest.mark.parametrize("name", ["large/train.parquet", "large"])
def test_a_program_that_stops_early_ends(tmp_path: Path, name: str) -> None:
    """With its own status: nothing in the background keeps it, and nothing aborts it."""
    (tmp_path / "large").mkdir()
    rows = [{"a": f"{number} " * 300, "b": [{"c": str(number)}] * 5} for number in range(1000)]
    with parquet.ParquetWriter(tmp_path / "large/train.parquet", pyarrow.Table.from_pylist(rows).schema) as writer:
        for _ in range(30):
            writer.write_table(pyarrow.Table.from_pylist(rows), row_group_size=200)
    for code in (f"next(read_dataset({name!r})); sys.exit(3)", f"rows = read_dataset({name!r}); next(rows)"):
        done = run(code, tmp_path, check=False)
        assert (done.returncode, done.stderr) == (3 if "exit" in code else 0, "")


def test_a_program_s_own_settings_of_the_libraries_stay(tmp_path: Path) -> None:
    """Before each row is handed out, and after a failure."""
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"x")

    def state() -> tuple[object, ...]:
        levels = [logging.getLogger(name).level for name in ("datasets", "huggingface_hub")]
        return *levels, are_progress_bars_disabled(), datasets.config.HF_UPDATE_DOWNLOAD_COUNTS

    before = state()
    rows = read_dataset(write_parquet(tmp_path / "a.parquet", ROWS))
    next(rows)
    assert state() == before
    with pytest.raises(UsageError):
        next(read_dataset(bad))
    assert state() == before


def test_memory_does_not_grow_with_a_file(tmp_path: Path) -> None:
    """Lines are let go of as soon as they are read."""
    (tmp_path / "large.jsonl").write_text(as_lines([{"a": "x" * 10_000}]) * 12_000)
    code = (
        "import resource; peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024;"
        "rows = read_dataset('large.jsonl'); next(rows); first = peak(); print(sum(1 for _ in rows), peak() - first)"
    )
    count, more_mib = map(int, run(code, tmp_path).stdout.split())
    assert count == 11_999
    assert more_mib < 60  # half of the file
