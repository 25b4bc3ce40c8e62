"""Exports open in the programs that read them, lose nothing on the way, and say what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from labgen.cli import app
from labgen.errors import ConfigError, UsageError
from labgen.export.dataset import write_dataset
from labgen.export.training import export_training
from labgen.formats.chat import ChatFormat
from labgen.formats.known import find_format
from labgen.formats.training.registry import shipped_formats
from labgen.formats.training.rows import row_format

BRANCHES = ["compositional_skills", "foundational_skills", "knowledge"]


@pytest.fixture
def dataset(make_build: Callable[..., Any], tmp_path: Path) -> Path:
    """A written dataset of 20 rows and 8 rejections."""
    return write_dataset(tmp_path / "dataset", **make_build(5).arguments())


def load(folder: Path, config: str, tmp_path: Path) -> list[dict[str, Any]]:
    """A config's rows through the real `datasets`, none of its caches shared."""
    import datasets

    loaded = datasets.load_dataset(str(folder), config, split="train", cache_dir=str(tmp_path / "cache"))
    return list(loaded)


def rows_of(dataset: Path, config: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The dataset's own rows by id."""
    return {row["id"]: row for row in load(dataset, config, tmp_path)}


def read_back(name: str, row: dict[str, Any]) -> list[tuple[str, str]]:
    """The conversation of an exported row as (role, text), for formats that keep it apart."""
    if name in ("messages", "instructlab"):
        return [(turn["role"], turn["content"]) for turn in row["messages"]]
    if name == "sharegpt":
        names = {"human": "user", "gpt": "assistant", "system": "system"}
        return [(names[turn["from"]], turn["value"]) for turn in row["conversations"]]
    if name == "prompt-completion":
        return [(turn["role"], turn["content"]) for turn in row["prompt"] + row["completion"]]
    asked = f"{row['input']}\n\n{row['instruction']}" if row["input"] else row["instruction"]
    return [("user", asked), ("assistant", row["output"])]


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("name", ["messages", "alpaca", "sharegpt", "prompt-completion", "instructlab"])
def test_conversations_survive_the_round_trip(dataset: Path, tmp_path: Path, name: str, kind: str) -> None:
    """Every config of every format, read by `datasets`, holds the dataset's own turns, ids and leaves."""
    out = tmp_path / "out"
    report = export_training(dataset, out, row_format(name), kind=kind)
    assert sorted(report.rows) == BRANCHES
    for config in BRANCHES:
        before = rows_of(dataset, config, tmp_path)
        after = load(out, config, tmp_path)
        assert len(after) == report.rows[config] == len(before)
        for row in after:
            source = before[row["id"]]
            assert read_back(name, row) == [(turn["role"], turn["content"]) for turn in source["messages"]]
            assert (row["leaf"], row["rehearsal"]) == (source["leaf"], False)


def test_alpaca_puts_a_grounded_rows_context_into_input(dataset: Path, tmp_path: Path) -> None:
    """The user turn's context becomes `input`; a closed-book question has none."""
    export_training(dataset, tmp_path / "out", row_format("alpaca"))
    grounded = load(tmp_path / "out", "compositional_skills", tmp_path)[0]
    assert grounded["input"].startswith("Granite") and grounded["instruction"].startswith("What is")
    assert load(tmp_path / "out", "knowledge", tmp_path)[0]["input"] == ""


@pytest.mark.parametrize("template", ["mixtral", "tenyx", "cerebrum", "merlinite", "chatml"])
def test_prompt_and_completion_join_to_the_text(dataset: Path, tmp_path: Path, template: str) -> None:
    """The templated pair is the templated text, cut where the assistant begins."""
    chat = find_format(template)
    export_training(dataset, tmp_path / "text", row_format("text", template=chat))
    export_training(dataset, tmp_path / "pairs", row_format("prompt-completion", template=chat))
    texts = load(tmp_path / "text", "knowledge", tmp_path)
    pairs = load(tmp_path / "pairs", "knowledge", tmp_path)
    assert [row["prompt"] + row["completion"] for row in pairs] == [row["text"] for row in texts]
    for text, pair in zip(texts, pairs, strict=True):
        assert chat.eos_token in pair["completion"] and "It is number" in pair["completion"]
        assert "It is number" not in pair["prompt"]
        assert not text["text"].startswith("<s>")


def test_the_beginning_token_is_written_only_when_asked_for(dataset: Path, tmp_path: Path) -> None:
    """Tokenizers add it; `bos` writes it as the card has it."""
    format = row_format("text", template=find_format("mixtral"), bos=True)
    export_training(dataset, tmp_path / "out", format)
    assert all(row["text"].startswith("<s> [INST] ") for row in load(tmp_path / "out", "knowledge", tmp_path))


def test_a_system_prompt_reaches_every_row(dataset: Path, tmp_path: Path) -> None:
    """As a turn, a column, merged by a template without system role, or InstructLab's metadata."""
    prompt = "You are careful."

    def first(name: str, template: ChatFormat | None = None) -> dict[str, Any]:
        export_training(dataset, tmp_path / "out", row_format(name, template=template, system_prompt=prompt))
        return load(tmp_path / "out", "knowledge", tmp_path)[0]

    assert first("messages")["messages"][0] == {"role": "system", "content": prompt}
    assert first("sharegpt")["conversations"][0] == {"from": "system", "value": prompt}
    assert first("alpaca")["system"] == prompt
    assert first("text", find_format("mixtral"))["text"].startswith(f"[INST] {prompt}\n\nWhat is")
    lab = first("instructlab")
    assert json.loads(lab["metadata"])["system"] == prompt
    assert [turn["role"] for turn in lab["messages"]] == ["user", "assistant"]


def test_rejections_are_never_exported(dataset: Path, tmp_path: Path) -> None:
    """Neither by default nor by name."""
    report = export_training(dataset, tmp_path / "out", row_format("messages"))
    assert "rejected" not in report.rows
    with pytest.raises(UsageError, match="no config `rejected` for training"):
        export_training(dataset, tmp_path / "other", row_format("messages"), configs=["rejected"])


def test_files_are_cut_at_the_rows_asked_for(dataset: Path, tmp_path: Path) -> None:
    """Shards of three: ten rows make four files, opened in order."""
    out = tmp_path / "out"
    report = export_training(dataset, out, row_format("messages"), configs=["knowledge"], shard_rows=3, kind="jsonl")
    assert [len((out / file).read_text().splitlines()) for file in report.files["knowledge"]] == [3, 3, 3, 1]
    assert [row["id"] for row in load(out, "knowledge", tmp_path)] == list(rows_of(dataset, "knowledge", tmp_path))


def test_the_same_input_gives_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    """Two exports are equal file by file."""
    for name in ("a", "b"):
        export_training(dataset, tmp_path / name, row_format("alpaca"))
    contents = [
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("a", "b")
    ]
    assert contents[0] == contents[1]


def test_instructlabs_layout_is_flat_json_lines(dataset: Path, tmp_path: Path) -> None:
    """`messages_CONFIG.jsonl`, whatever file type was asked for."""
    report = export_training(dataset, tmp_path / "out", row_format("instructlab"))
    assert report.files["knowledge"] == ("messages_knowledge.jsonl",)


@pytest.mark.parametrize("name", [each.name for each in shipped_formats() if not each.of])
def test_trainers_settings_name_files_and_columns_that_exist(dataset: Path, tmp_path: Path, name: str) -> None:
    """llama-factory's and axolotl's entries point at data, and their columns are the data's."""
    import datasets

    template = find_format("chatml") if name in ("text", "prompt-completion") else None
    out = tmp_path / "out"
    format = row_format(name, template=template)
    export_training(dataset, out, format)
    info = json.loads((out / "dataset_info.json").read_text())
    assert len(info) == 3
    for entry in info.values():
        assert (out / entry["file_name"]).exists()
        assert set(entry["columns"].values()) <= set(format.schema.names)
    lists = {path.stem: yaml.safe_load(path.read_text())["datasets"] for path in (out / "axolotl").glob("*.yaml")}
    assert not lists or set(lists) == {"knowledge", "foundational_skills", "compositional_skills"}
    for name, entry in ((name, entry) for name, listed in lists.items() for entry in listed):
        assert name in entry["path"]  # one list a config: a phase repeats rows of the branches
        assert (out / entry["path"]).exists()
        field = entry.get("field_messages") or entry.get("field")
        assert field is None or field in format.schema.names
        if (out / entry["path"]).is_dir():
            opened = datasets.load_dataset(
                str(out / entry["path"]), split=entry["split"], cache_dir=str(tmp_path / "cache")
            )
            assert len(opened) == len(load(out, name, tmp_path))


def test_rehearsal_data_stays_marked(make_build: Callable[..., Any], tmp_path: Path) -> None:
    """In every row, on the card's first line, and on screen."""
    dataset = write_dataset(tmp_path / "dataset", **make_build(2, rehearsal=True).arguments())
    result = CliRunner().invoke(app, ["export", str(dataset), "--to", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("Rehearsal data")
    assert all(row["rehearsal"] for row in load(tmp_path / "out", "knowledge", tmp_path))
    body = (tmp_path / "out" / "README.md").read_text().split("---\n")[2]
    assert body.lstrip().startswith("**Rehearsal data")
    assert (tmp_path / "out" / "SOURCE_CARD.md").read_bytes() == (dataset / "README.md").read_bytes()


def test_only_an_earlier_export_is_replaced(dataset: Path, tmp_path: Path) -> None:
    """Other people's files, the dataset itself, and additions to an export stop it; an export does not."""
    out = tmp_path / "out"
    for name in ("messages", "alpaca"):
        export_training(dataset, out, row_format(name))
    assert "instruction" in load(out, "knowledge", tmp_path)[0]
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"did not write \(notes.txt\)"):
        export_training(dataset, out, row_format("messages"))
    with pytest.raises(UsageError, match="is the dataset itself"):
        export_training(dataset, dataset, row_format("messages"))
    assert (out / "notes.txt").read_text() == "mine"


def test_what_cannot_be_exported_is_said(dataset: Path, tmp_path: Path) -> None:
    """Unknown format, template where it makes no sense or is missing, no dataset, damaged data."""
    with pytest.raises(UsageError, match="no export format `csv`"):
        row_format("csv")
    with pytest.raises(UsageError, match="leaves the chat template to the trainer"):
        row_format("messages", template=find_format("chatml"))
    with pytest.raises(UsageError, match=r"^row \w+: `text` needs --template for conversations"):
        export_training(dataset, tmp_path / "out", row_format("text"))
    with pytest.raises(UsageError, match=r"manifest\.json is missing"):
        export_training(tmp_path, tmp_path / "out", row_format("messages"))
    for file in (dataset / "data").glob("knowledge*"):
        file.write_bytes(b"torn")
    with pytest.raises(UsageError, match="can't be read"):
        export_training(dataset, tmp_path / "out", row_format("messages"))
    assert not (tmp_path / "out").exists()


def test_a_template_that_hides_the_completion_is_refused(dataset: Path, tmp_path: Path) -> None:
    """Where the prompt is not the beginning of the text, there is no completion to cut off."""
    path = tmp_path / "odd.jinja"
    path.write_text("{{ messages|length }}:{% for m in messages %}{{ m.content }}{% endfor %}")
    format = row_format("prompt-completion", template=find_format(str(path)))
    with pytest.raises(ConfigError, match=r"^row [0-9a-f]{16}: prompt format .* can't be told apart"):
        export_training(dataset, tmp_path / "out", format)


def test_rows_that_alpaca_cannot_hold_are_named() -> None:
    """Several exchanges are refused with the row's id, and the format that holds them."""
    turns = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    row = {"id": "abc", "messages": turns, "leaf": "l", "context": None, "rehearsal": False}
    with pytest.raises(UsageError, match="row abc: `alpaca` holds one question"):
        row_format("alpaca").convert(row)
    with pytest.raises(UsageError, match="row abc: does not end with an answer"):
        row_format("prompt-completion").convert({**row, "messages": turns[:1]})


def test_the_command_line_knows_every_format(dataset: Path, tmp_path: Path) -> None:
    """`--json` says what was written; the default folder lies beside the dataset."""
    system = tmp_path / "system.txt"
    system.write_text("You are careful.\n")
    arguments = ["export", str(dataset), "--format", "text", "--template", "chatml", "--json", "--only", "knowledge"]
    result = CliRunner().invoke(app, [*arguments, "--system-prompt", f"@{system}", "--files", "jsonl"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.output)
    assert said["rows"] == {"knowledge": 10}
    assert Path(said["folder"]) == tmp_path / "dataset-text"
    text = load(tmp_path / "dataset-text", "knowledge", tmp_path)[0]["text"]
    assert text.startswith("<|im_start|>system\nYou are careful.<|im_end|>\n")
