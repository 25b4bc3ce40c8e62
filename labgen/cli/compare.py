"""`labgen compare`: two datasets side by side."""

from __future__ import annotations

import json
from pathlib import Path

import click

from labgen.cli import option
from labgen.cli.settings import config_option
from labgen.config.file import SettingsFile


@click.command("compare")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@config_option
@option("--near", type=click.FloatRange(0, 1), metavar="ROUGE_L", help="Also count near-duplicates above this; slower.")
@option("--json/--no-json", "as_json", default=False, help="Print the whole comparison as JSON.")
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="FILE", help="Also write both side by side, row by row."
)
def command(
    first: str, second: str, config: SettingsFile | None, near: float | None, as_json: bool, html: Path | None
) -> None:
    """Compare datasets A and B: rows by leaf, overlap, lengths, scores, duplicates.

    Each is a folder that labgen wrote, or OWNER/NAME of a dataset on the Hub. With --html, what was turned down is
    compared as well, where the folders have it.
    """
    # Of `config`, only its `options:` matter here, and these are among the others by now.
    from labgen.export.compare import compare_datasets, comparison_text

    report = compare_datasets(first, second, near=near)
    click.echo(json.dumps(report, indent=1, ensure_ascii=False) if as_json else comparison_text(report))
    if html:
        from labgen.report.comparison import comparison_page
        from labgen.report.write import write_page

        size = write_page(html, comparison_page(first, second, report))
        click.echo(f"{html}: {size / 2**20:,.1f} MiB. Open it in a browser.", err=True)
