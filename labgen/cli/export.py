"""`labgen export`: the dataset in the format that a training program reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option
from labgen.config.file import SettingsFile
from labgen.formats.runs.known import LM_EVAL, PHASED, STACKED, TRAINERS
from labgen.formats.training.reasoning import NO_REASONING, REASONING_STYLES
from labgen.formats.training.registry import FORMATS_GROUP, SHIPPED_FORMATS
from labgen.packages import installed_names

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from labgen.export.fit import RowLength
    from labgen.export.training import ExportReport


class FormatOption(click.Option):
    """An option whose help names the formats of installed packages as well; none of them is imported for it."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The option, and what it is for."""
        record, installed = super().get_help_record(ctx), installed_names(FORMATS_GROUP)
        return (record[0], f"{record[1]} Installed: {', '.join(installed)}.") if record and installed else record


def _formats(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from labgen.cli.completion import formats

    return formats(ctx, param, incomplete)


def _templates(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    from labgen.cli.completion import templates

    return templates(ctx, param, incomplete)


@click.command("export")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@option(
    "--format",
    "format_name",
    cls=FormatOption,
    metavar="NAME",
    shell_complete=_formats,
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
    shell_complete=_templates,
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
    type=click.Choice([PHASED, STACKED]),
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
    reasoning: str,
    only: tuple[str, ...],
    trainer_name: str | None,
    model: str | None,
    schedule: str,
    hyper_parameters: str | None,
    devices: int,
    config: SettingsFile | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Write DATASET (default: the folder that labgen.yaml names) for a training program.

    A format is written through a chat template or leaves it to the trainer; docs/reference.md has a table of them.
    llama-factory's dataset_info.json and axolotl's lists are written beside the files. With --for, run files are, too.
    """
    from labgen.verbs.export import RunsWanted, check_lm_eval, export_dataset

    source = dataset or config_from({"config": config}).output
    runs = RunsWanted(trainer_name, model or "", schedule, hyper_parameters, devices)
    if trainer_name == LM_EVAL:
        check_lm_eval(runs, only, format_name, template, reasoning)
        _export_for(trainer_name, source, to, as_json)
        return
    report, length = export_dataset(
        source,
        to,
        format=format_name,
        template=template,
        system_prompt=_text(system_prompt),
        reasoning=reasoning,
        only=only,
        runs=runs,
        **how,
    )
    if as_json:
        _say_json(report)
        return
    _say(report, length)


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
    from labgen.verbs.export import export_folder

    folder = to or export_folder(source, program)
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
