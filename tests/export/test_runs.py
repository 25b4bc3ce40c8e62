"""Run files for training programs: phases in order, each from the last one's result, nothing cut."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from labgen.cli import app
from labgen.config.dataset import MixConfig
from labgen.errors import UsageError
from labgen.export.dataset import write_dataset
from labgen.export.files import read_rows
from labgen.formats.runs.base import LAB, SMALL, hyper_parameters_for, model_parameters
from labgen.formats.runs.known import TRAINERS

PROGRAMS = {"trl": "trl", "axolotl": "axolotl", "llama-factory": "llamafactory-cli", "instructlab": "python"}


@pytest.fixture
def dataset(tmp_path: Path, make_build: Callable) -> Path:
    """A dataset with three phases."""
    return write_dataset(tmp_path / "dataset", **make_build(12).arguments(), mix=MixConfig())


def export(dataset: Path, out: Path, *options: str):
    """`labgen export` with options."""
    return CliRunner().invoke(app, ["export", str(dataset), "--to", str(out), *options])


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_phase_has_a_run_whose_data_is_there(dataset: Path, tmp_path: Path, trainer: str) -> None:
    """Its length is no less than its longest row's, and its data are the phase's rows, all of them."""
    out = tmp_path / "out"
    done = export(dataset, out, "--for", trainer, "--model", "org/Tiny-135M")
    assert done.exit_code == 0, done.output
    record = json.loads((out / "export.json").read_text())
    assert list(record["configs"]) == ["phase_1_knowledge_short", "phase_2_knowledge_long", "phase_3_skills"]
    for number, config in enumerate(record["configs"], start=1):
        file = out / f"phase_{number}{'.json' if trainer == 'instructlab' else '.yaml'}"
        settings = yaml.safe_load(file.read_text())
        text = file.read_text()
        assert config in text and f"runs/phase_{number}" in text
        settings = settings.get("training", settings)
        lengths = {"max_length", "sequence_len", "cutoff_len", "max_seq_len"} & set(settings)
        assert len(lengths) == 1 and settings[lengths.pop()] % 64 == 0
    assert (out / "run.sh").stat().st_mode & 0o111
    assert "estimated" in done.output and "phase_3" in done.output


@pytest.mark.parametrize("trainer", TRAINERS)
def test_run_sh_chains_and_goes_on_after_a_stop(dataset: Path, tmp_path: Path, trainer: str) -> None:
    """With a stand-in for the program: stopped in phase 2, the second start trains phases 2 and 3 only, in order."""
    out, log = tmp_path / "out", tmp_path / "log"
    assert export(dataset, out, "--for", trainer, "--model", "org/Tiny-135M").exit_code == 0
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / PROGRAMS[trainer]
    program.write_text(
        f"""#!/bin/sh
echo "$run from $model ${{resume:-}}: $*" >> '{log}'
mkdir -p "$output/checkpoint-9" "$output/checkpoint-10" "$output/hf_format/samples_4" "$output/hf_format/samples_30"
touch "$output/checkpoint-9/trainer_state.json"
if [ "$run" = phase_2 ] && [ ! -e '{tmp_path}/stopped' ]; then touch '{tmp_path}/stopped'; exit 7; fi
"""
    )
    program.chmod(0o755)
    script = (out / "run.sh").read_text().replace("set -eu", "set -eua")  # the stand-in is told the variables
    (out / "run.sh").write_text(script)
    environment = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"}
    first = subprocess.run(["sh", str(out / "run.sh")], env=environment, capture_output=True, text=True)
    assert first.returncode == 7
    again = subprocess.run(["sh", str(out / "run.sh")], env=environment, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    end = "/hf_format/samples_30" if trainer == "instructlab" else ""
    starts = [line.partition(":")[0].split() for line in log.read_text().splitlines()]
    assert [line[:3] for line in starts] == [
        ["phase_1", "from", "org/Tiny-135M"],
        ["phase_2", "from", f"runs/phase_1{end}"],
        ["phase_2", "from", f"runs/phase_1{end}"],
        ["phase_3", "from", f"runs/phase_2{end}"],
    ]
    # The last checkpoint was only half written: it has no trainer_state.json.
    assert starts[1][3:] == [] and starts[2][3:] == ["runs/phase_2/checkpoint-9"]
    assert again.stdout.endswith(f"trained: runs/phase_3{end}\n")


def test_stacked_trains_once_on_every_row_of_the_phases(dataset: Path, tmp_path: Path) -> None:
    """Replays and rows of several phases come once in each form."""
    out = tmp_path / "out"
    assert export(dataset, out, "--for", "trl", "--model", "m-1B", "--schedule", "stacked").exit_code == 0
    rows = [row for path in sorted((out / "stacked").glob("*.parquet")) for row in read_rows(path)]
    keys = {(row["id"], row["form"]) for row in rows}
    phases = [row for path in (dataset / "data").glob("phase_*") for row in read_rows(path)]
    phases = phases or [row for path in (dataset / "data").glob("phase_*/*") for row in read_rows(path)]
    assert len(rows) == len(keys) and keys == {(row["id"], row["form"]) for row in phases}
    assert yaml.safe_load((out / "stacked.yaml").read_text())["dataset_name"] == "./stacked"


def test_rows_that_are_too_long_are_left_out_of_runs_and_told_in_exports(dataset: Path, tmp_path: Path) -> None:
    """With the number, and with what makes phases that fit."""
    plain = export(dataset, tmp_path / "plain", "--max-row-tokens", "100")
    assert "longer than 100 tokens, a trainer cuts their answers: " in plain.output and "mix.max_tokens" in plain.output
    runs = export(dataset, tmp_path / "runs", "--for", "trl", "--model", "m-1B", "--max-row-tokens", "100", "--json")
    said = json.loads(runs.output)
    assert said["too_long"] and all(run["max_tokens"] == 100 for run in said["runs"])
    whole = json.loads(export(dataset, tmp_path / "all", "--for", "trl", "--model", "m-1B", "--json").output)
    for config, count in said["too_long"].items():
        assert said["rows"].get(config, 0) + count == whole["rows"][config]


def test_hyper_parameters_are_labs_unless_the_models_name_says_that_it_is_small(dataset: Path, tmp_path: Path) -> None:
    """And large batches of few rows are warned of."""
    sizes = {"SmolLM2-135M-Instruct": 135_000_000, "merlinite-7b": 7_000_000_000, "Mixtral-8x7B": 7_000_000_000}
    assert {name: model_parameters(name) for name in sizes} == sizes
    assert model_parameters("granite-4.0-h") is None
    assert [hyper_parameters_for(name) for name in ("x-1.7B", "x-13b", "x")] == [SMALL, LAB, LAB]
    done = export(dataset, tmp_path / "out", "--for", "trl", "--model", "x-7b")
    assert "batches of 3,840" in done.output and "--hyper-parameters small" in done.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--for", "trl"], "needs --model"),
        (["--for", "trl", "--model", "m", "--format", "messages"], "leave out --format"),
        (["--model", "m"], "say which with --for"),
        (["--schedule", "stacked"], "say which with --for"),
        (["--for", "trl", "--model", "m", "--only", "knowledge"], "`knowledge` is none"),
        (["--for", "trl", "--model", "m", "--max-row-tokens", "20"], "no row of its phases fits into 20"),
        (["--for", "lm-eval", "--only", "recall"], "leave out --only"),
        (["--format", "preference", "--reasoning", "think"], "leave out --reasoning"),
    ],
)
def test_options_that_do_not_go_together_are_told(dataset: Path, tmp_path: Path, options, words: str) -> None:
    """With status 2."""
    done = export(dataset, tmp_path / "out", *options)
    assert isinstance(done.exception, UsageError) and words in str(done.exception)


def test_a_dataset_without_phases_has_no_runs(tmp_path: Path, make_build: Callable) -> None:
    """And says what to build."""
    dataset = write_dataset(tmp_path / "dataset", **make_build(3).arguments())
    done = export(dataset, tmp_path / "out", "--for", "trl", "--model", "m")
    assert isinstance(done.exception, UsageError) and "no phases" in str(done.exception)


def test_a_damaged_or_missing_file_is_named(dataset: Path, tmp_path: Path) -> None:
    """Whichever export meets it."""
    first = min((dataset / "data").rglob("phase_*.parquet"))
    first.write_bytes(b"not Parquet")
    assert first.name in str(export(dataset, tmp_path / "a", "--for", "trl", "--model", "m-1B").exception)
    first.unlink()
    done = export(dataset, tmp_path / "b", "--for", "trl", "--model", "m-1B")
    assert isinstance(done.exception, UsageError) and first.name in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_a_run_script_that_hands_nothing_on_refuses_what_it_is_given(dataset: Path, tmp_path: Path) -> None:
    """instructlab-training is told all in its files."""
    out = tmp_path / "out"
    assert export(dataset, out, "--for", "instructlab", "--model", "m-1B").exit_code == 0
    done = subprocess.run(["sh", str(out / "run.sh"), "--use_cpu", "true"], capture_output=True, text=True)
    assert done.returncode == 2 and "phase_1.json" in done.stderr and not (out / "runs").exists()
