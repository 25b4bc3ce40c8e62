"""`labgen export`: the dataset in the format that a training program reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option
from labgen.formats.runs.known import TRAINERS
from labgen.formats.training.reasoning import CEREBRUM, NO_REASONING, REASONING_STYLES
from labgen.formats.training.registry import FORMATS_GROUP, SHIPPED_FORMATS
from labgen.packages import installed_names
from labgen.settings_file import SettingsFile

if TYPE_CHECKING:
    from labgen.export.fit import RowLength
    from labgen.export.runs import Schedule
    from labgen.export.training import ExportReport


LM_EVAL = "lm-eval"
PHASED = "phased"


class FormatOption(click.Option):
    """An option whose help names the formats of installed packages as well; none of them is imported for it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and what it is for."""
        record, installed = super().get_help_record(ctx), installed_names(FORMATS_GROUP)
        return (record[0], f"{record[1]} Installed: {', '.join(installed)}.") if record and installed else record


@click.command("export")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@option(
    "--format",
    "format_name",
    cls=FormatOption,
    metavar="NAME",
    help=f"One of {', '.join(SHIPPED_FORMATS)}, or a format that an installed package adds. Default: the first.",
)
@option(
    "--to",
    type=click.Path(path_type=Path),
    help="Folder to write. Default: DATASET-FORMAT (or the program of --for) beside the dataset.",
)
@option(
    "--template",
    metavar="NAME|FILE",
    help="Chat template, for formats that take one: mixtral, tenyx, cerebrum, merlinite, chatml or a Jinja file.",
)
@option("--system-prompt", metavar="TEXT|@FILE", help="System text for rows that have none of their own.")
@option(
    "--bos/--no-bos",
    default=False,
    help="Write the beginning-of-sequence token as text. Tokenizers add it by themselves.",
)
@option(
    "--reasoning",
    type=click.Choice(REASONING_STYLES),
    default=NO_REASONING,
    show_default=True,
    help="How the reasoning of rows that have one stands before their answer: not at all, between <think> tags, or as "
    "Cerebrum's card has it.",
)
@option("--files", type=click.Choice(["parquet", "jsonl"]), default="parquet", show_default=True, help="File type.")
@option("--only", multiple=True, metavar="CONFIG", help="Export these configs alone; may be repeated.")
@option("--shard-rows", type=click.IntRange(min=1), default=100_000, show_default=True, help="Most rows in one file.")
@option(
    "--for",
    "trainer_name",
    type=click.Choice([*TRAINERS, LM_EVAL]),
    help="Write the phases with a run for each, and a run.sh that trains them in order; for lm-eval tasks of the "
    "held-out multiple choice.",
)
@option("--model", metavar="NAME|FOLDER", help="With --for: the model to begin with.")
@option(
    "--schedule",
    type=click.Choice([PHASED, "stacked"]),
    default=PHASED,
    show_default=True,
    help="With --for: LAB's phases one after the other, or all rows in one run.",
)
@option(
    "--hyper-parameters",
    type=click.Choice(["lab", "small"]),
    help="With --for. Default: LAB's own, unless the model's name says that it is small.",
)
@option("--devices", type=click.IntRange(min=1), default=1, show_default=True, help="With --for: GPUs that train.")
@option(
    "--max-row-tokens",
    type=click.IntRange(min=1),
    help="Tokens that the trainer takes of a row; longer rows are told, and left out of runs. Default: mix.max_tokens.",
)
@option(
    "--tokenizer",
    metavar="FILE|FOLDER",
    help="The trained model's tokenizer, to count tokens by. Default: the folder that --model names, or an estimate.",
)
@config_option
@option("--json/--no-json", "as_json", default=False, help="Say what was written as JSON.")
def command(
    dataset: Path | None,
    format_name: str | None,
    to: Path | None,
    template: str | None,
    system_prompt: str | None,
    bos: bool,
    reasoning: str,
    files: str,
    only: tuple[str, ...],
    shard_rows: int,
    trainer_name: str | None,
    config: SettingsFile | None,
    as_json: bool,
    **run: Any,
) -> None:
    """Write DATASET (default: the folder that labgen.yaml names) for a training program.

    A format is written through a chat template or leaves it to the trainer; docs/reference.md has a table of them.
    llama-factory's dataset_info.json and axolotl's lists are written beside the files. With --for, run files are, too.
    """
    from labgen.errors import UsageError
    from labgen.export.training import export_training
    from labgen.formats.known import find_format
    from labgen.formats.training.rows import row_format

    source = dataset or config_from({"config": config}).output
    if trainer_name == LM_EVAL:
        _nothing_else(only, format_name, template, run, reasoning != NO_REASONING)
        _export_for(trainer_name, source, to, as_json)
        return
    schedule = _schedule(trainer_name, format_name, template, run)
    name = schedule.trainer.format if schedule else format_name or SHIPPED_FORMATS[0]
    chosen = template or _own_template(name, reasoning, trains=schedule is not None)
    format = row_format(
        name,
        template=find_format(chosen) if chosen else None,
        system_prompt=_text(system_prompt),
        bos=bos,
        reasoning=reasoning,
    )
    if reasoning != NO_REASONING and format.about.of:
        raise UsageError(f"`{name}` holds responses without their reasoning: leave out --reasoning.")
    folder = to or source.with_name(f"{source.resolve().name}-{trainer_name or name}")
    length = _length(source, run, measured=schedule is not None)
    if schedule and length:
        schedule = replace(schedule, max_tokens=length.max_tokens)
    report = export_training(
        source, folder, format, kind=files, configs=only, shard_rows=shard_rows, length=length, schedule=schedule
    )
    if as_json:
        _say_json(report)
        return
    _say(report, length)


def _schedule(trainer: str | None, format: str | None, template: str | None, run: dict[str, Any]) -> Schedule | None:
    """What is to be trained; None for a plain export. Raises: UsageError: options that don't go together."""
    from labgen.errors import UsageError
    from labgen.export.runs import Schedule
    from labgen.formats.runs.base import HYPER_PARAMETERS, hyper_parameters_for
    from labgen.formats.runs.known import find_trainer

    if trainer is None:
        if run["model"] or run["hyper_parameters"] or run["schedule"] != PHASED or run["devices"] != 1:
            raise UsageError(
                "--model, --schedule, --hyper-parameters and --devices are for training runs: say which with --for."
            )
        return None
    if format is not None or template is not None:
        raise UsageError(f"--for {trainer} has its own format: leave out --format and --template.")
    if not run["model"]:
        raise UsageError(f"--for {trainer} needs --model: the name or folder of the model to begin with.")
    hyper = HYPER_PARAMETERS.get(run["hyper_parameters"] or "") or hyper_parameters_for(run["model"])
    folder = Path(run["model"])
    model = str(folder.resolve()) if folder.is_dir() else run["model"]
    return Schedule(find_trainer(trainer), model, run["schedule"], hyper, run["devices"])


def _nothing_else(
    only: tuple[str, ...], format: str | None, template: str | None, run: dict[str, Any], reasons: bool
) -> None:
    """Raises: UsageError: an option that says how rows are written, where tasks are."""
    from labgen.errors import UsageError

    given = {
        "--only": only,
        "--format": format,
        "--template": template,
        "--model": run["model"],
        "--reasoning": reasons,
    }
    if wrong := [option for option, value in given.items() if value]:
        raise UsageError(f"--for {LM_EVAL} writes the held-out multiple choice as it is: leave out {', '.join(wrong)}.")


def _own_template(format: str, reasoning: str, *, trains: bool) -> str | None:
    """The template of a form of reasoning that has one, where the format is written through templates."""
    from labgen.formats.training.registry import find_export_format

    if reasoning != CEREBRUM or trains or find_export_format(format).templated is None:
        return None
    return CEREBRUM


def _length(source: Path, run: dict[str, Any], *, measured: bool) -> RowLength | None:
    """How long rows may be; None where nobody asks."""
    from labgen.export.fit import RowLength
    from labgen.export.mix import stated_max_tokens

    limit = run["max_row_tokens"] or stated_max_tokens(source)
    if limit is None and not measured:
        return None
    beside = Path(run["model"] or "") / "tokenizer.json"
    tokenizer = run["tokenizer"] or (str(beside.parent) if run["model"] and beside.is_file() else "estimate")
    return RowLength.by(tokenizer, limit)


def _say(report: ExportReport, length: RowLength | None) -> None:
    from labgen.export.runs import hardly_trained

    if report.rehearsal:
        click.echo("Rehearsal data: no model wrote it. Do not train on it.")
    for name, count in report.rows.items():
        click.echo(f"{name}: {count:,} rows in {len(report.files[name])} file(s)")
    if report.too_long:
        rows = ", ".join(f"{name} {count:,}" for name, count in report.too_long.items())
        fate = "left out" if report.runs else "a trainer cuts their answers"
        click.echo(f"longer than {report.max_tokens:,} tokens, {fate}: {rows}. `mix.max_tokens` makes phases that fit.")
    if report.reasoning != NO_REASONING:
        click.echo(_reasoned(report))
    if length and length.template is None and (report.runs or report.max_tokens):
        click.echo("Tokens are estimated: --tokenizer, with the model's folder, counts them as the trainer does.")
    for line in hardly_trained(report.runs):
        click.echo(f"warning: {line}", err=True)
    if report.runs:
        runs = ", ".join(f"{run.name} ({run.steps:,} steps, at most {run.max_tokens:,} tokens)" for run in report.runs)
        click.echo(f"{runs}: train with {report.folder / 'run.sh'}.")
        return
    at = f"datasets.load_dataset({str(report.folder)!r}, CONFIG)"
    click.echo(f"{report.format} written to {report.folder}. Open it with {at}.")


def _export_for(program: str, source: Path, to: Path | None, as_json: bool) -> None:
    """Write what a program runs."""
    import json

    from labgen.export.lm_eval import GROUP, write_lm_eval

    folder = to or source.with_name(f"{source.resolve().name}-{program}")
    tasks = write_lm_eval(source, folder)
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "for": program, "tasks": tasks}, indent=1))
        return
    for task, count in tasks.items():
        click.echo(f"{task}: {count:,} questions")
    click.echo(f"Tasks written to {folder}. Run lm_eval with --include_path {folder} --tasks {GROUP}.")


def _reasoned(report: ExportReport) -> str:
    if not report.reasoned:
        return "No row has a reasoning: leaves ask for one with `reasoning: plan`. All are written as answers alone."
    return f"{report.reasoned:,} of {sum(report.rows.values()):,} rows are written with their reasoning."


def _text(given: str | None) -> str | None:
    from labgen.errors import UsageError

    if given is None or not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--system-prompt {given}: the file can't be read ({error}).") from None


def _say_json(report: Any) -> None:
    import json

    said = {"folder": str(report.folder), "format": report.format, "rehearsal": report.rehearsal}
    said |= {"reasoning": report.reasoning, "reasoned": report.reasoned}
    said |= {"max_tokens": report.max_tokens, "too_long": report.too_long}
    runs = [
        {"name": run.name, "rows": run.rows, "steps": run.steps, "max_tokens": run.max_tokens} for run in report.runs
    ]
    click.echo(json.dumps({**said, "rows": report.rows, "files": report.files, "runs": runs}, indent=1))
