"""`labgen export`: the dataset in the format that a training program reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option
from labgen.formats.training.registry import FORMATS_GROUP, SHIPPED_FORMATS
from labgen.packages import installed_names
from labgen.settings_file import SettingsFile


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
    default=SHIPPED_FORMATS[0],
    show_default=True,
    help=f"One of {', '.join(SHIPPED_FORMATS)}, or a format that an installed package adds.",
)
@option(
    "--for",
    "program",
    type=click.Choice(["lm-eval"]),
    help="Write what a program runs instead of rows: `lm-eval` has tasks of the held-out multiple choice.",
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
@option("--files", type=click.Choice(["parquet", "jsonl"]), default="parquet", show_default=True, help="File type.")
@option("--only", multiple=True, metavar="CONFIG", help="Export these configs alone; may be repeated.")
@option("--shard-rows", type=click.IntRange(min=1), default=100_000, show_default=True, help="Most rows in one file.")
@config_option
@option("--json/--no-json", "as_json", default=False, help="Say what was written as JSON.")
def command(
    dataset: Path | None,
    format_name: str,
    program: str | None,
    to: Path | None,
    template: str | None,
    system_prompt: str | None,
    bos: bool,
    files: str,
    only: tuple[str, ...],
    shard_rows: int,
    config: SettingsFile | None,
    as_json: bool,
) -> None:
    """Write DATASET (default: the folder that labgen.yaml names) for a training program.

    A format is written through a chat template or leaves it to the trainer; docs/reference.md has a table of them.
    llama-factory's dataset_info.json and axolotl's axolotl.yaml are written beside the files.
    """
    from labgen.export.training import export_training
    from labgen.formats.known import find_format
    from labgen.formats.training.rows import row_format

    source = dataset or config_from({"config": config}).output
    if program:
        _export_for(program, source, to, as_json)
        return
    format = row_format(
        format_name,
        template=find_format(template) if template else None,
        system_prompt=_text(system_prompt),
        bos=bos,
    )
    folder = to or source.with_name(f"{source.resolve().name}-{format_name}")
    report = export_training(source, folder, format, kind=files, configs=only, shard_rows=shard_rows)
    if as_json:
        _say_json(report)
        return
    if report.rehearsal:
        click.echo("Rehearsal data: no model wrote it. Do not train on it.")
    for name, count in report.rows.items():
        click.echo(f"{name}: {count:,} rows in {len(report.files[name])} file(s)")
    click.echo(f"{report.format} written to {folder}. Open it with datasets.load_dataset({str(folder)!r}, CONFIG).")


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
    click.echo(json.dumps({**said, "rows": report.rows, "files": report.files}, indent=1))
