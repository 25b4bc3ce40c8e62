"""`labgen generate`: build the dataset."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from labgen.cli import option
from labgen.cli.build_report import build_problems, build_summary, report
from labgen.cli.settings import base_option, build_options, chosen_leaves, config_from, run_options, source_options


@click.command("generate")
@source_options
@base_option
@build_options
@option("--replace/--no-replace", default=False, help="Let this build replace a fuller dataset at --output.")
@option("--strict/--no-strict", default=False, help="End with status 1 when a leaf stopped short of its samples.")
@option("--max-calls", type=click.IntRange(min=0), help="Requests that this run may make at most.")
@option("--max-tokens", type=click.IntRange(min=0), help="Tokens, of prompts and replies, that it may use at most.")
@option("--max-cost", type=click.FloatRange(min=0), help="Money that it may spend at most, at `price:` in labgen.yaml.")
@option("--retry-failed/--no-retry-failed", default=False, help="Ask again for what was too long or refused before.")
@option("--bulk/--no-bulk", default=False, help="Ask in rounds, by the batch API: see `labgen bulk run`.")
@option(
    "--finish-online", type=click.IntRange(min=0), help="With --bulk: ask one by one once a round has no more calls."
)
@run_options
@option("--log", type=click.Path(path_type=Path), help="Append the outcome of every call, without its text, to a file.")
@option("--json/--no-json", "as_json", default=False, help="Print the funnel and the counts as JSON on stdout.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Build the dataset of a taxonomy.

    Replies that were paid for before are taken from the ledger, so running it again after any interruption goes on
    where it was. A run that reaches --max-calls, --max-tokens or --max-cost (never more than that) writes what was
    accepted and says what remains. A run whose first calls show that there is no hope (nothing of the teacher can be
    read, or its judge always says the same) ends with them and says why. Ends with status 0 when all is done, 1 when a
    leaf was left out, its judges were not fit, calls failed, the budget was reached or there is no row at all, 2 when
    the command or the configuration is wrong.
    """
    if options["bulk"]:
        from labgen.cli.bulk import run_bulk

        _check_bulk(options)
        run_bulk(ctx, options)
        return
    if options["finish_online"] is not None:
        raise click.UsageError("--finish-online goes with --bulk: without it all calls are asked one by one.")
    _run_one_by_one(ctx, options)


def _check_bulk(options: dict[str, Any]) -> None:
    """Raises: click.UsageError: an option that rounds have no use for."""
    for name in ("max_calls", "max_tokens", "max_cost", "retry_failed", "log"):
        if options[name] not in (None, False):
            words = f"--{name.replace('_', '-')} is for calls that are asked one by one"
            raise click.UsageError(f"{words}: leave it out, or --bulk. `labgen plan` shows the price of both.")


def _run_one_by_one(ctx: click.Context, options: dict[str, Any]) -> None:
    """Build by asking one call after the other, and report. Ends the command with its status."""
    from labgen.cli.interrupt import interruptible, stopped_words
    from labgen.cli.lean import without_pandas
    from labgen.cli.progress import ProgressDisplay
    from labgen.progress.stop import StoppedByUser, StopWish
    from labgen.teacher.call_log import CallLog
    from labgen.text.printable import plain
    from labgen.verbs.generate import build_dataset, limits_for
    from labgen.verbs.session import Hooks

    config = config_from(options)
    patterns = chosen_leaves(config, options)
    if patterns is None:
        return
    limits = {name: options[name] for name in ("max_calls", "max_tokens", "max_cost")}
    display = ProgressDisplay(options["progress"])
    wish = StopWish(write=options["on_interrupt"] == "write")
    log = None
    try:
        with ExitStack() as stack:
            stack.callback(display.close)
            stack.enter_context(interruptible(wish, display.note))
            if not config.mix.extras:  # datasets of others may be read with `datasets`, which does use pandas
                stack.enter_context(without_pandas())
            log = stack.enter_context(CallLog(options["log"])) if options["log"] else None
            build = build_dataset(
                config,
                leaf_patterns=patterns,
                replace_output=options["replace"],
                limits=limits_for(config, **limits),
                retry_failed=options["retry_failed"],
                hooks=Hooks(display.say, display.show, log.watch if log else None, wish),
            )
    except StoppedByUser:
        click.echo(plain(stopped_words(ctx)), err=True)
        ctx.exit(1)
    if log and log.problem:
        click.echo(log.problem, err=True)
    _tell(build, as_json=options["as_json"])
    ctx.exit(1 if build_problems(build) or (options["strict"] and build.short) else 0)


def _tell(build: Any, *, as_json: bool) -> None:
    for message in build.messages:
        click.echo(message, err=True)
    if as_json:
        click.echo(json.dumps(build_summary(build), ensure_ascii=False, indent=2))
    else:
        click.echo(report(build))
