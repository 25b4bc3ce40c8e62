"""Another package adds an export format with one module and one entry point, and can do no harm with it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
import yaml

from labgen.errors import ConfigError, LabgenError, UsageError
from labgen.export.dataset import write_dataset
from labgen.export.training import export_training
from labgen.formats.known import find_format
from labgen.formats.training.base import ExportFormat, RowShape
from labgen.formats.training.registry import SHIPPED_FORMATS, find_export_format, shipped_formats
from labgen.formats.training.rows import row_format

EXAMPLE = '''
"""A format for trainers that read the last exchange and what was said before it."""

import pyarrow as pa

from labgen.errors import UsageError
from labgen.formats.training.base import Conversation, ExportFormat, RowShape


def convert(conversation: Conversation) -> dict[str, object]:
    said = [turn.content for turn in conversation.spoken]
    if len(said) % 2:
        raise UsageError("a question has no answer. Export as `messages`.")
    *history, last = zip(said[::2], said[1::2])
    return {"question": last[0], "answer": last[1], "history": [list(pair) for pair in history]}


HISTORY = ExportFormat(
    name="history",
    description="The last question and answer, with the earlier ones as pairs.",
    plain=RowShape(
        columns={"question": pa.string(), "answer": pa.string(), "history": pa.list_(pa.list_(pa.string()))},
        convert=convert,
        llama_factory={"columns": {"prompt": "question", "response": "answer", "history": "history"}},
        axolotl={"type": {"field_instruction": "question", "field_output": "answer", "format": "{instruction}"}},
    ),
)
'''

FAULTY = (
    EXAMPLE
    + """
from dataclasses import replace

from labgen.formats.training.alpaca import FORMAT as ALPACA


def giving(name, gives):
    return replace(HISTORY, name=name, plain=replace(HISTORY.plain, convert=gives))


def half_way(conversation):
    if conversation.row["id"].startswith(("0", "1", "2", "3")):
        raise KeyError("on purpose")
    return convert(conversation)


def unmarked(conversation):
    conversation.row["rehearsal"] = False


CRASHING = giving("crashing", half_way)
REFUSING = giving("refusing", lambda conversation: convert(replace(conversation, turns=conversation.turns[:1])))
MISSING = giving("missing", lambda conversation: {"question": "", "answer": ""})
NUMBERS = giving("numbers", lambda conversation: {**convert(conversation), "answer": 5})
NESTED = giving("nested", lambda conversation: {**convert(conversation), "history": [[["deep"]]]})
SURROGATE = giving("surrogate", lambda conversation: {**convert(conversation), "answer": chr(0xD800)})
NOTHING = giving("nothing", lambda conversation: None)
UNMARKED = giving("unmarked", unmarked)
"""
)


@pytest.fixture
def dataset(make_build: Callable[..., Any], tmp_path: Path) -> Path:
    """A written dataset of 20 rows."""
    return write_dataset(tmp_path / "dataset", **make_build(5).arguments())


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes an installed package of formats, as an installer would leave it, and returns the folder that it is in."""

    def make(text: str, package: str = "histories", **entries: str) -> Path:
        site = tmp_path / "site"
        about = site / f"{package}-1.2.dist-info"
        about.mkdir(parents=True)
        (site / f"{package}.py").write_text(text)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.2\n")
        lines = "".join(f"{name} = {value}\n" for name, value in entries.items())
        (about / "entry_points.txt").write_text(f"[labgen.formats]\n{lines}")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, package, raising=False)
        return site

    return make


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_format_of_another_package_is_exported_by_the_command_line(
    dataset: Path, package: Callable[..., Path], tmp_path: Path, kind: str
) -> None:
    """Rows, both trainers' settings and the card are written; the dataset with its funnel stays as it is."""
    assert len(EXAMPLE.strip().splitlines()) <= 60
    site = package(EXAMPLE, history="histories:HISTORY")
    before = contents(dataset)
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "export", dataset, "--format", "history", "--files", kind, "--to", out],
        env=os.environ | {"PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert contents(dataset) == before and "funnel.json" in before
    (config,) = yaml.safe_load((out / "axolotl/knowledge.yaml").read_text())["datasets"]
    assert config["path"] == "./knowledge"
    assert config["type"]["field_output"] == "answer"
    info = json.loads((out / "dataset_info.json").read_text())
    assert info["labgen_knowledge"] == {
        "file_name": "knowledge",
        "columns": {"prompt": "question", "response": "answer", "history": "history"},
    }
    source = datasets.load_dataset(str(dataset), "knowledge", split="train", cache_dir=str(tmp_path / "cache"))
    rows = datasets.load_dataset(str(out), "knowledge", split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["id", "question", "answer", "history", "leaf", "form", "rehearsal"]
    for row, origin in zip(rows, source, strict=True):
        assert [row["question"], row["answer"]] == [turn["content"] for turn in origin["messages"]]
        assert (row["id"], row["leaf"], row["history"]) == (origin["id"], origin["leaf"], [])


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("crashing", "KeyError: 'on purpose'"),
        ("refusing", "a question has no answer. Export as `messages`."),
        ("missing", "it gave 'question', 'answer', and its columns are question, answer, history"),
        ("numbers", r"column `answer` \(string\) can't hold 5"),
        ("nested", r"column `history` \(list<.*>\) can't hold \[\[\['deep'\]\]\]"),
        ("surrogate", r"column `answer` \(string\) can't hold '\\ud800'"),
        ("nothing", "TypeError"),
        ("unmarked", "TypeError"),
    ],
)
@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_a_format_that_fails_ends_the_export_with_row_and_package(
    dataset: Path, package: Callable[..., Path], tmp_path: Path, fault: str, words: str, kind: str
) -> None:
    """And leaves the export that was there before, and nothing beside it."""
    out = tmp_path / "exports/out"
    export_training(dataset, out, row_format("messages"))
    before = contents(out.parent)
    package(FAULTY, **{fault: f"histories:{fault.upper()}"})
    with pytest.raises(LabgenError, match=rf"^row [0-9a-f]{{16}}: format `{fault}` of histories 1.2: .*{words}"):
        export_training(dataset, out, row_format(fault), kind=kind)
    assert contents(out.parent) == before


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"history": "histories:Missing"}, r"can't be loaded \(AttributeError.*Mend or update the package"),
        ({"history": "json:dumps"}, "is no format: json:dumps is a function"),
        ({"chatlog": "histories:HISTORY"}, "is no format of that name: it is called `history`"),
        ({"messages": "histories:HISTORY"}, "labgen has a format of that name. Uninstall the package"),
    ],
)
def test_what_is_no_format_is_said_with_its_package(
    entry: dict[str, str], words: str, package: Callable[..., Path]
) -> None:
    """Where that format is asked for; the others can be exported all the same."""
    package(EXAMPLE, **entry)
    (name,) = entry
    with pytest.raises(ConfigError, match=f"^format `{name}` of histories 1.2:? {words}"):
        find_export_format(name)
    assert find_export_format("alpaca").name == "alpaca"


def test_two_packages_cannot_have_formats_of_one_name(package: Callable[..., Path]) -> None:
    """Which of them is meant could only be guessed."""
    package(EXAMPLE, "histories", history="histories:HISTORY")
    package(EXAMPLE, "old_histories", history="old_histories:HISTORY")
    with pytest.raises(ConfigError, match=r"of histories 1.2 and of old_histories 1.2: there can be one"):
        find_export_format("history")


def test_an_unknown_name_lists_all_formats_without_importing_them(package: Callable[..., Path]) -> None:
    """Those of other packages too; the nearest is suggested."""
    package("raise SystemExit('imported')", history="histories:HISTORY")
    with pytest.raises(
        UsageError, match=r"no export format `histroy`. Did you mean `history`\? Known: messages, .*, history\.$"
    ):
        find_export_format("histroy")


def test_help_names_the_formats_without_importing_them(tmp_path: Path) -> None:
    """`labgen export --help` reads the list of names and nothing else."""
    code = (
        "import sys\n"
        "from labgen.cli import main\n"
        "try:\n    main(['export', '--help'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in sys.modules if name.startswith(('labgen.formats.training.', 'pyarrow'))])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    *shown, loaded = done.stdout.splitlines()
    promised = f"One of {', '.join(SHIPPED_FORMATS)}, or a format that an installed package adds."
    assert "".join(promised.split()) in "".join("".join(shown).split())
    assert loaded == "['labgen.formats.training.reasoning', 'labgen.formats.training.registry']"


def test_shipped_formats_are_listed_by_their_own_names() -> None:
    """The list of names is what the formats call themselves."""
    assert tuple(format.name for format in shipped_formats()) == SHIPPED_FORMATS


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "../up"}, "can't be a format's name"),
        ({"description": "two\nlines"}, "one line"),
        ({"plain": None}, "`plain` or `templated` rows"),
        ({"plain": {"text": "string"}}, "each a RowShape or None"),
        ({"file_stem": "rows"}, "no `file_stem`"),
        ({"file_stem": "../CONFIG"}, "no `file_stem`"),
        ({"file_kind": "csv"}, "no `file_kind`"),
    ],
)
def test_a_format_that_cannot_be_is_refused_when_it_is_made(wrong: dict[str, Any], words: str) -> None:
    """So that its author hears of it first."""
    right = {"name": "mine", "description": "Mine.", "plain": find_export_format("sharegpt").plain}
    ExportFormat(**right)
    with pytest.raises((ValueError, TypeError), match=words):
        ExportFormat(**right | wrong)


def test_rows_that_cannot_be_are_refused_when_they_are_made() -> None:
    """Columns that only Parquet holds or that every row has, and words that are not plain data."""
    right = {"columns": {"text": pa.string()}, "convert": dict}
    RowShape(**right)
    for wrong in (
        {"columns": {}},
        {"columns": {"id": pa.string()}},
        {"columns": {"when": pa.timestamp("s")}},
        {"columns": {"many": pa.list_(pa.binary())}},
        {"columns": {"text": "string"}},
        {"convert": "text"},
        {"axolotl": "completion"},
        {"llama_factory": {"columns": {1j: "text"}}},
    ):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            RowShape(**right | wrong)


def test_a_format_lays_out_its_own_files_in_either_type(dataset: Path, tmp_path: Path) -> None:
    """A flat name and no fixed type: Parquet files beside the card, which `datasets` and axolotl find."""
    chosen = row_format("text", template=find_format("chatml"))
    flat = replace(chosen, about=replace(chosen.about, file_stem="text_CONFIG"))
    out = tmp_path / "out"
    report = export_training(dataset, out, flat, shard_rows=6)
    assert report.files["knowledge"] == ("text_knowledge.parquet", "text_knowledge_2.parquet")
    first = yaml.safe_load((out / "axolotl/knowledge.yaml").read_text())["datasets"][0]
    assert first["ds_type"] == "parquet" and (out / first["path"]).is_file()
    assert len(datasets.load_dataset(str(out), "knowledge", split="train", cache_dir=str(tmp_path / "cache"))) == 10
