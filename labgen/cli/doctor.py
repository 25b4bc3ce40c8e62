"""`labgen doctor`: will it work, and if not, what to do."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import build_options, config_from, source_options
from labgen.text.printable import plain

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL", "skip": "-   "}


@click.command("doctor")
@source_options
@build_options
@option("--json/--no-json", "as_json", default=False, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Check endpoint, machine and configuration. Every line ends in what to do.

    Asks every configured endpoint about a dozen short calls: is it reachable, the key accepted, the model there; chat,
    completions, system role, several choices, seed, JSON schema, context length, latency. Ends with status 1 when
    something stands in the way of a build.
    """
    from labgen.verbs.doctor import examine

    report = examine(config_from(options))
    if options["as_json"]:
        findings = [dataclasses.asdict(finding) for finding in report.findings]
        click.echo(json.dumps({"well": report.well, "findings": findings}, ensure_ascii=False, indent=2))
    else:
        subject = ""
        for finding in report.findings:
            if finding.subject != subject:
                subject = finding.subject
                click.echo(plain(subject))
            words = finding.words.rstrip(".")
            click.echo(plain(f"  {MARKS[finding.status]}  {finding.name}: {words}. {finding.todo}"))
    ctx.exit(0 if report.well else 1)
