"""A row's reasoning is written as each export asks for it, and counted as it is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from labgen.cli import app
from labgen.export.dataset import write_dataset
from labgen.export.fit import RowLength
from labgen.export.training import export_training
from labgen.formats.known import find_format
from labgen.formats.training.rows import row_format

PLAN = "1. First this.\n2. Then that."
PREAMBLE = (
    "A chat between a user and a thinking artificial intelligence assistant. The assistant describes its thought "
    "process and gives helpful and detailed answers to the user's questions."
)


@pytest.fixture
def dataset(make_build: Callable[..., Any], tmp_path: Path) -> Path:
    """A written dataset, half of whose skill rows have a plan."""
    build = make_build(6)
    for path, candidates in build.candidates.items():
        if not path.startswith("knowledge/"):
            build.candidates[path] = [
                replace(each, reasoning=PLAN if number % 2 else "") for number, each in enumerate(candidates)
            ]
    return write_dataset(tmp_path / "dataset", **build.arguments())


def export(dataset: Path, folder: Path, *options: str) -> tuple[str, list[dict[str, Any]]]:
    """What the command says, and all rows that it writes."""
    arguments = ["export", str(dataset), "--to", str(folder), "--files", "jsonl", *options]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    files = sorted(folder.rglob("*.jsonl"))
    return result.output, [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_reasoning_comes_and_goes_with_the_export(dataset: Path, tmp_path: Path) -> None:
    """None by default, between tags, or before the answer; rows without one are the answer alone in each."""
    answers: dict[str, list[str]] = {}
    for style in ("none", "think", "cerebrum"):
        said, rows = export(dataset, tmp_path / style, "--reasoning", style)
        answers[style] = [row["messages"][-1]["content"] for row in rows]
        assert ("are written with their reasoning" in said) is (style != "none")
        assert json.loads((tmp_path / style / "export.json").read_text())["reasoning"] == style
    assert export(dataset, tmp_path / "plain")[1] == export(dataset, tmp_path / "again", "--reasoning", "none")[1]
    thought = [each for each in answers["think"] if each.startswith("<think>\n")]
    assert 0 < len(thought) < len(answers["none"])
    for bare, think, cerebrum in zip(*answers.values(), strict=True):
        assert think in (bare, f"<think>\n{PLAN}\n</think>\n\n{bare}")
        assert cerebrum in (bare, f"{PLAN}\n\n{bare}") and (think == bare) is (cerebrum == bare)


@pytest.mark.parametrize("bos", [False, True])
def test_cerebrum_rows_are_as_its_card_has_them(bos: bool, dataset: Path, tmp_path: Path) -> None:
    """To the character, in both formats that are written through a template."""
    options = ("--reasoning", "cerebrum", "--bos" if bos else "--no-bos", "--only", "foundational_skills")
    _, plain = export(dataset, tmp_path / "plain", "--only", "foundational_skills")
    _, texts = export(dataset, tmp_path / "text", "--format", "text", *options)
    _, parts = export(dataset, tmp_path / "parts", "--format", "prompt-completion", *options)
    start = "<s>" if bos else ""
    for row, whole, part in zip(plain, texts, parts, strict=True):
        asked, answer = (turn["content"] for turn in row["messages"])
        forms = [f"{start}{PREAMBLE}\nUser: {asked}\nAI: {said}</s>" for said in (answer, f"{PLAN}\n\n{answer}")]
        assert whole["text"] in forms
        assert part["prompt"] == f"{start}{PREAMBLE}\nUser: {asked}\nAI:"
        assert part["prompt"] + part["completion"] == whole["text"]
    assert any(PLAN in row["text"] for row in texts)


def test_cerebrums_form_goes_with_no_other_template(dataset: Path, tmp_path: Path) -> None:
    """Another one would have another form; its own may be named."""
    arguments = ["export", str(dataset), "--to", str(tmp_path / "out"), "--format", "text", "--reasoning", "cerebrum"]
    refused = CliRunner().invoke(app, [*arguments, "--template", "chatml"])
    assert refused.exit_code and "Leave out --template" in str(refused.exception)
    assert row_format("text", template=find_format("cerebrum"), reasoning="cerebrum").template


def test_rows_are_as_long_as_they_are_written(dataset: Path, tmp_path: Path) -> None:
    """A limit that all answers keep, and no row with its plan."""
    lengths = {}
    for style in ("none", "think"):
        length = RowLength.by("estimate", None)
        shortest = replace(length, max_tokens=90)
        report = export_training(dataset, tmp_path / style, row_format("messages", reasoning=style), length=shortest)
        lengths[style] = sum(report.too_long.values())
    assert lengths["think"] > lengths["none"]


def test_a_dataset_without_reasoning_says_so(make_build: Callable[..., Any], tmp_path: Path) -> None:
    """Nothing is lost, and nobody takes answers alone for a chain of thought."""
    dataset = write_dataset(tmp_path / "plain", **make_build(3).arguments())
    said, rows = export(dataset, tmp_path / "out", "--reasoning", "think")
    assert "No row has a reasoning" in said and rows and not any("<think>" in json.dumps(row) for row in rows)
