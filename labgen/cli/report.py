"""`labgen report`: a build as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option, work_option


@click.command("report")
@config_option
@work_option
@option("--output", type=click.Path(path_type=Path), help="Folder of the dataset.")
@click.option(
    "--to", type=click.Path(path_type=Path), help="File of the page. Default: report.html beside the dataset."
)
@click.option(
    "--calls/--no-calls",
    default=None,
    help="With every prompt and reply. Default: of up to 25,000 rows and rejections.",
)
@option(
    "--rows",
    "most_rows",
    type=click.IntRange(min=1),
    help="Rows and rejections at most; of more, a sample of every leaf and state. Default: 100,000.",
)
def command(to: Path | None, calls: bool | None, most_rows: int | None, **options: Any) -> None:
    """Write one HTML page that shows a build: funnel, coverage, cost, every row and every rejection.

    The page needs no network and asks nobody for anything: open it, send it, or keep it as an artifact. Prompts,
    replies and tokens come from the ledger in the work folder; without one, the page shows what the dataset holds.
    """
    from labgen.report.build import report_page
    from labgen.report.write import write_page

    config = config_from(options)
    target = to or config.output.parent / "report.html"
    pieces = report_page(config.output, work=config.work_folder, price=config.price, calls=calls, most_rows=most_rows)
    size = write_page(target, pieces)
    click.echo(f"{target}: {size / 2**20:,.1f} MiB. Open it in a browser.")
