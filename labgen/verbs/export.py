"""Rows for training programs: which format, through which template, at which length, with which runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from labgen.errors import UsageError
from labgen.export.fit import RowLength
from labgen.export.mix import stated_max_tokens
from labgen.export.runs import Schedule
from labgen.export.training import ExportReport, export_training
from labgen.formats.known import find_format
from labgen.formats.runs.base import HYPER_PARAMETERS, hyper_parameters_for
from labgen.formats.runs.known import LM_EVAL, PHASED, find_trainer
from labgen.formats.training.reasoning import CEREBRUM, NO_REASONING
from labgen.formats.training.registry import SHIPPED_FORMATS, find_export_format
from labgen.formats.training.rows import row_format


class Exported(NamedTuple):
    """What was written, and how long rows might be; None where nobody asked."""

    report: ExportReport
    length: RowLength | None


class RunsWanted(NamedTuple):
    """What is to be trained, where runs are asked for.

    Attributes:
        trainer: the program; None for rows without runs.
        model: name or folder of the model to begin with; empty for none.
        schedule: `phased` or `stacked`; hyper_parameters: `lab`, `small`, or None for what suits the model.
        devices: GPUs that train (count).
    """

    trainer: str | None = None
    model: str = ""
    schedule: str = PHASED
    hyper_parameters: str | None = None
    devices: int = 1


NO_RUNS = RunsWanted()


def export_dataset(
    dataset: Path,
    to: Path | None = None,
    *,
    format: str | None = None,
    template: str | None = None,
    system_prompt: str | None = None,
    bos: bool = False,
    reasoning: str = NO_REASONING,
    files: str = "parquet",
    only: tuple[str, ...] = (),
    shard_rows: int = 100_000,
    max_row_tokens: int | None = None,
    tokenizer: str | None = None,
    runs: RunsWanted = NO_RUNS,
) -> Exported:
    """Write a dataset for a training program: the whole of `labgen export`, without `--for lm-eval`.

    Args:
        to: folder to write; None for one beside the dataset, named after what it is for.
        format: name of an export format; None for the first one, or that of the trainer.
        template: shipped name of a chat template, or a Jinja file, for formats that take one.
        files: `parquet` or `jsonl`.
        only: configs to write; none for all.
        max_row_tokens: what the trainer takes of a row; None for the dataset's `mix.max_tokens`.
        tokenizer: folder or file of the trained model's; None for the one in the model's folder, or an estimate.
    Raises: UsageError: options that don't go together; OutputError: the folder can't be written.
    """
    schedule = _schedule(runs, format, template)
    name = schedule.trainer.format if schedule else format or SHIPPED_FORMATS[0]
    chosen = template or _own_template(name, reasoning, trains=schedule is not None)
    rows = row_format(
        name,
        template=find_format(chosen) if chosen else None,
        system_prompt=system_prompt,
        bos=bos,
        reasoning=reasoning,
    )
    if reasoning != NO_REASONING and rows.about.of:
        raise UsageError(f"`{name}` holds responses without their reasoning: leave out --reasoning.")
    length = _length(dataset, runs, max_row_tokens, tokenizer)
    if schedule and length:
        schedule = replace(schedule, max_tokens=length.max_tokens)
    folder = to or export_folder(dataset, runs.trainer or name)
    report = export_training(
        dataset, folder, rows, kind=files, configs=only, shard_rows=shard_rows, length=length, schedule=schedule
    )
    return Exported(report, length)


def export_folder(dataset: Path, purpose: str) -> Path:
    """The folder of an export that is not given one."""
    return dataset.with_name(f"{dataset.resolve().name}-{purpose}")


def check_lm_eval(
    runs: RunsWanted, only: tuple[str, ...], format: str | None, template: str | None, reasoning: str
) -> None:
    """Raises: UsageError: an option that says how rows are written, where the tasks of lm-eval are wanted."""
    given = {
        "--only": only,
        "--format": format,
        "--template": template,
        "--model": runs.model,
        "--reasoning": reasoning != NO_REASONING,
    }
    if wrong := [option for option, value in given.items() if value]:
        raise UsageError(f"--for {LM_EVAL} writes the held-out multiple choice as it is: leave out {', '.join(wrong)}.")


def _schedule(runs: RunsWanted, format: str | None, template: str | None) -> Schedule | None:
    """What is to be trained; None for a plain export. Raises: UsageError: options that don't go together."""
    if runs.trainer is None:
        if runs != NO_RUNS:
            raise UsageError(
                "--model, --schedule, --hyper-parameters and --devices are for training runs: say which with --for."
            )
        return None
    if format is not None or template is not None:
        raise UsageError(f"--for {runs.trainer} has its own format: leave out --format and --template.")
    if not runs.model:
        raise UsageError(f"--for {runs.trainer} needs --model: the name or folder of the model to begin with.")
    hyper = HYPER_PARAMETERS.get(runs.hyper_parameters or "") or hyper_parameters_for(runs.model)
    folder = Path(runs.model)
    model = str(folder.resolve()) if folder.is_dir() else runs.model
    return Schedule(find_trainer(runs.trainer), model, runs.schedule, hyper, runs.devices)


def _own_template(format: str, reasoning: str, *, trains: bool) -> str | None:
    """The template of a form of reasoning that has one, where the format is written through templates."""
    if reasoning != CEREBRUM or trains or find_export_format(format).templated is None:
        return None
    return CEREBRUM


def _length(source: Path, runs: RunsWanted, max_row_tokens: int | None, tokenizer: str | None) -> RowLength | None:
    """How long rows may be; None where nobody asks."""
    limit = max_row_tokens or stated_max_tokens(source)
    if limit is None and runs.trainer is None:
        return None
    found = Path(runs.model) / "tokenizer.json" if runs.model else None
    return RowLength.by(tokenizer or (str(found.parent) if found and found.is_file() else "estimate"), limit)
