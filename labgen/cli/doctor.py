"""`labgen doctor`: will it work, and if not, what to do."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from labgen.cli import option
from labgen.cli.settings import build_options, config_from, source_options
from labgen.text.printable import plain

if TYPE_CHECKING:
    from labgen.teacher.finding import Finding

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL", "skip": "-   "}


@click.command("doctor")
@source_options
@build_options
@option("--json/--no-json", "as_json", default=False, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Check endpoint, machine and configuration. Every line is printed when it is known, and ends in what to do.

    Asks every configured endpoint some twenty short calls, the longest of 200 tokens: is it reachable, the key taken,
    the model there, and which model is it; slots and context as it states them; chat, completions, system role, seed;
    JSON schema for each API; reasoning, prefix cache, tokens a second; and what settings suit it. What it measured is
    remembered, and `labgen plan` gives a time from it. Ends with status 1 when something stands in the way of a build.
    """
    from labgen.verbs.doctor import examine

    config, as_json = config_from(options), options["as_json"]
    report = examine(config) if as_json else examine(config, _Printer())
    if as_json:
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        click.echo(json.dumps({"well": report.well, "findings": findings}, ensure_ascii=False, indent=2))
    ctx.exit(0 if report.well else 1)


class _Printer:
    """Prints findings as they come, under a heading for each subject."""

    def __init__(self) -> None:
        self._subject = ""

    def __call__(self, finding: Finding) -> None:
        if finding.subject != self._subject:
            self._subject = finding.subject
            click.echo(plain(finding.subject))
        words = finding.words if finding.words.endswith(("?", "!")) else finding.words.rstrip(".") + "."
        click.echo(plain(f"  {MARKS[finding.status]}  {finding.name}: {words} {finding.todo}".rstrip()))
