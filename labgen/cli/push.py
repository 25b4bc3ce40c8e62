"""`labgen push`: release the dataset on the Hugging Face Hub."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labgen.cli import option
from labgen.cli.settings import config_from, config_option
from labgen.config.file import SettingsFile

if TYPE_CHECKING:
    from labgen.publish.hub import PushReport


@click.command("push")
@click.argument("repo_id", metavar="OWNER/NAME")
@option("--dataset", type=click.Path(path_type=Path), help="Dataset folder. Default: the one that labgen.yaml names.")
@option("--public/--private", default=False, help="Where the repository has to be created, make it public.")
@option("--pr/--no-pr", default=False, help="Open a pull request on the Hub instead of committing to main.")
@option("--tag", help="Name of this release. Default: v1, v2, ...")
@option(
    "--allow",
    multiple=True,
    metavar="NAME",
    help="Release all the same: rehearsal, incomplete, unknown-licence or secrets; may be repeated.",
)
@option("--dry-run/--no-dry-run", default=False, help="Say what would travel; write nothing.")
@config_option
@option("--json/--no-json", "as_json", default=False, help="Say what was done as JSON.")
def command(
    repo_id: str,
    dataset: Path | None,
    public: bool,
    pr: bool,
    tag: str | None,
    allow: tuple[str, ...],
    dry_run: bool,
    config: SettingsFile | None,
    as_json: bool,
) -> None:
    """Release the dataset as OWNER/NAME on the Hub: private unless --public, in one commit, tagged.

    Only files whose bytes changed travel; what was rejected never does. The token is HF_TOKEN, or that of
    `hf auth login`. A push that was cut goes on where it stopped: run it again.
    """
    from labgen.publish.hub import push_dataset

    report = push_dataset(
        dataset or config_from({"config": config}).output,
        repo_id,
        public=public,
        dry_run=dry_run,
        pr=pr,
        allow=frozenset(allow),
        tag=tag,
        progress=not as_json and sys.stderr.isatty(),
    )
    if as_json:
        import dataclasses
        import json

        click.echo(json.dumps(dataclasses.asdict(report), indent=1))
    else:
        _say(report)


def _say(report: PushReport) -> None:
    if report.allowed:
        click.echo(f"Allowed by name: {', '.join(report.allowed)}.", err=True)
    for note in report.notes:
        click.echo(f"Note: {note}", err=True)
    if not report.uploaded and not report.deleted:
        if report.pull_request:
            return  # which a note has named
        click.echo(f"{report.url} has exactly this dataset already.")
        if report.tag:
            click.echo(f"Would be tagged {report.tag}." if report.dry_run else f"Tagged {report.tag}.")
        return
    for path, size in report.uploaded:
        click.echo(f"  + {path} ({_size(size)})")
    for path in report.deleted:
        click.echo(f"  - {path}")
    total = _size(sum(size for _, size in report.uploaded))
    would = "would be " if report.dry_run else ""
    click.echo(f"{len(report.uploaded)} file(s), {total}, {would}uploaded; {report.unchanged} unchanged.")
    click.echo(report.message)
    if report.pull_request:
        click.echo(f"Pull request: {report.pull_request}")
        return
    kind = ("private" if report.private else "public") + (", new" if report.created else "")
    named = f" as {report.tag}" if report.tag else ""
    click.echo(f"{'Would be released' if report.dry_run else 'Released'}{named} at {report.url} ({kind}).")


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
