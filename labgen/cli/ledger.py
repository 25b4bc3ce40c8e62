"""`labgen ledger`: what was paid for, and looking after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from labgen.cli import option
from labgen.cli.settings import build_options, config_from, config_option, source_options, work_option
from labgen.text.printable import plain

_as_json = option("--json/--no-json", "as_json", default=False, help="Print as JSON.")


@click.group("ledger", invoke_without_command=True)
@config_option
@work_option
@option("--by-leaf/--by-branch", default=False, help="A line for every leaf and step.")
@_as_json
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Show what was paid for: calls, tokens and money by branch (or leaf) and step, and the space they take.

    The ledger keeps every reply under the hash of the call that asked for it; builds take from it what they can.
    """
    ctx.obj = options["work"] if _typed(ctx) else None
    if ctx.invoked_subcommand is not None:
        return
    from labgen.ledger.verify import file_bytes, shares
    from labgen.outcomes.store import FOLDER, kept_bytes

    config = config_from({"config": options["config"], "work": _chosen_work(ctx, options)})
    folder, price = config.work_folder, config.price
    found = shares(folder)
    size, outcomes = file_bytes(folder), kept_bytes(folder)
    if options["as_json"]:
        rows = [{name: getattr(share, name) for name in share.__slots__} for share in found]
        for row in rows:
            row["cost"] = round(price.cost(row["prompt_tokens"], row["completion_tokens"]), 6) if price else None
        sizes = {"bytes": size, "outcomes_bytes": outcomes}
        data = {"folder": str(folder), **sizes, "currency": price.currency if price else None, "shares": rows}
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        click.echo(_table(found, options["by_leaf"], price))
        if price:
            click.echo("Costs are at the configured prices, without what a batch API saves.")
        click.echo(f"{folder}: {size / 1e6:,.1f} MB on disk.")
        if outcomes:
            click.echo(
                f"{FOLDER}: {outcomes / 1e6:,.1f} MB beside it, so that what was built once is not built again. "
                "Without it the next build takes longer and is the same."
            )


@command.command("verify")
@config_option
@work_option
@option("--repair/--no-repair", default=False, help="Save what is sound; the damaged file is kept beside it.")
@click.pass_context
def verify_command(ctx: click.Context, /, **options: Any) -> None:
    """Read the whole ledger and say what of it is sound; with --repair, save that. Status 1 when something is not."""
    from labgen.ledger.database import saved_by_repair
    from labgen.ledger.repair import finish_repair, repair
    from labgen.ledger.run_lock import run_lock
    from labgen.ledger.verify import verify

    folder = _folder(ctx, options)
    if not options["repair"]:
        health = verify(folder)
        click.echo(_health(health))
        if health.repairable:
            click.echo(
                "`labgen ledger verify --repair` saves what is sound. What is lost is asked for by the next build."
            )
        elif health.calls_lost:
            click.echo(_WORDS_BACK)
        ctx.exit(0 if health.well else 1)
    with run_lock(folder):
        if saved_by_repair(folder):
            click.echo(f"A repair that was cut short has come to its end. The damaged file is {finish_repair(folder)}.")
        health = verify(folder)
        if health.repairable:
            health, aside = repair(folder)
            done = f"Saved. The damaged file is {aside}; remove it once you need it no more."
        else:
            done = "There is nothing to repair."
    click.echo(f"{_health(health)}\n{done}")
    if health.calls_lost:
        click.echo(_WORDS_BACK)
    ctx.exit(0 if health.well else 1)


_WORDS_BACK = (
    "Builds use these replies as before. An export that was written while the words were there brings them back: "
    "`labgen ledger import FILE`."
)


@command.command("prune")
@source_options
@build_options
@option("--yes/--no-yes", default=False, help="Remove them; without it, only say what would be removed.")
@option("--asked/--no-asked", default=False, help="Forget calls written to files, too: later replies are not known.")
@click.pass_context
def prune_command(ctx: click.Context, /, **options: Any) -> None:
    """Remove paid calls that the current taxonomy and settings no longer use.

    The plan is replayed against the ledger, so the settings must be those of your builds. Replies that another model,
    another prompt or an earlier version of a leaf was paid for go; those of leaves that can't be used at present stay.
    """
    from labgen.ledger.parked import ParkedCalls
    from labgen.ledger.replies import Ledger
    from labgen.ledger.run_lock import run_lock
    from labgen.ledger.verify import compact, file_bytes
    from labgen.verbs.prune import find_unused, replaying
    from labgen.verbs.session import Hooks, Session

    config = config_from({**options, "work": _chosen_work(ctx, options)})
    folder = config.work_folder
    hooks = Hooks(notice=lambda words: click.echo(words, err=True))
    session = Session.prepare(config, options["leaf_patterns"], hooks=hooks)
    for message in session.sources.messages:
        click.echo(message, err=True)
    # Workers come before the lock, which they would hold for as long as they live.
    with replaying(session) as workers, run_lock(folder):
        unused = find_unused(session, workers)
        for (leaf, model), keys in unused.keys.items():
            click.echo(plain(f"{len(keys):>8}  {leaf or '-'}  ({model})"))
        if not options["yes"]:
            click.echo(f"{unused.count} calls would be removed, {unused.kept} kept. Say --yes to remove them.")
            return
        before = file_bytes(folder)
        ledger = Ledger(folder)
        try:
            ledger.forget(key for keys in unused.keys.values() for key in keys)
            if options["asked"]:
                click.echo(f"{ParkedCalls(ledger).forget_all()} calls that were written to files are forgotten.")
        finally:
            ledger.close()
        compact(folder)
    click.echo(
        f"{unused.count} calls removed, {unused.kept} kept; {(before - file_bytes(folder)) / 1e6:,.1f} MB given back."
    )


@command.command("export")
@click.argument("target", type=click.Path(path_type=Path))
@config_option
@work_option
@option("--leaf", "leaf_patterns", multiple=True, help="Only calls of leaves that match. Repeatable.")
@click.pass_context
def export_command(ctx: click.Context, /, target: Path, **options: Any) -> None:
    """Write the paid calls to a file (gzipped JSON lines) for another machine, or for the team."""
    from labgen.ledger.export_import import export_ledger
    from labgen.taxonomy.path_patterns import match_path

    patterns = options["leaf_patterns"]

    def wanted(leaf: str) -> bool:
        return not patterns or any(match_path(leaf, pattern) for pattern in patterns)

    count = export_ledger(_folder(ctx, options), target, wanted=wanted)
    click.echo(f"{target}: {count} paid calls. Bring them in elsewhere with `labgen ledger import {target.name}`.")


@command.command("import")
@click.argument("source", type=click.Path(path_type=Path))
@config_option
@work_option
@click.pass_context
def import_command(ctx: click.Context, /, source: Path, **options: Any) -> None:
    """Add the paid calls of an export to this ledger. Known calls stay as they are. Status 1 when lines were left out.

    Only import what you trust as much as your own teacher: its replies become rows.
    """
    from labgen.ledger.export_import import import_ledger
    from labgen.ledger.run_lock import run_lock

    folder = _folder(ctx, options)
    with run_lock(folder):
        result = import_ledger(folder, source)
    click.echo(f"{result.new} new calls, {result.known} known already.")
    if result.differing:
        click.echo(f"{result.differing} known calls have another reply in the file; the reply that was here stays.")
    if result.words:
        click.echo(f"{result.words} known calls whose words were lost here have them again.")
    for (asked, borne), count in result.others.most_common():
        click.echo(plain(f"{count} replies to calls of `{asked}` bear the name `{borne}`: rows made from them say so."))
    for words in filter(None, (*result.left_out, result.cut)):
        click.echo(f"{source}: left out: {words}", err=True)
    if result.lines_left_out > len(result.left_out):
        more = result.lines_left_out - len(result.left_out)
        click.echo(f"{source}: left out: {more:,} more lines", err=True)
    ctx.exit(0 if result.whole else 1)


def _folder(ctx: click.Context, options: dict[str, Any]) -> Path:

    return config_from({"config": options["config"], "work": _chosen_work(ctx, options)}).work_folder


def _chosen_work(ctx: click.Context, options: dict[str, Any]) -> Path | None:
    """The work folder typed last: after the verb, else after `ledger`; else what a variable or the file says."""
    work: Path | None = ctx.obj if ctx.obj and not _typed(ctx) else options["work"]
    return work


def _typed(ctx: click.Context) -> bool:
    return ctx.get_parameter_source("work") is ParameterSource.COMMANDLINE


def _health(health: Any) -> str:
    from labgen.ledger.journal import FOREIGN

    lines = [f"{health.sound} paid calls are sound."]
    if health.only_in_pages:
        lines.append(f"{health.only_in_pages} more are whole, but can only be found by --repair.")
    if health.calls_lost:
        lines.append(f"{health.calls_lost} replies are sound, but what they answer is lost: no report shows it.")
    for key, leaf, step in health.damaged:
        lines.append(f"damaged: call {key[:16]} of {plain(leaf) or '-'}, {plain(step)}")
    for low, high in health.unreadable:
        lines.append(f"unreadable: rows {low} to {high}")
    lines += [problem if problem == FOREIGN else f"SQLite: {plain(problem)}" for problem in health.problems]
    return "\n".join(lines)


def _table(found: Any, by_leaf: bool, price: Any) -> str:
    from labgen.cli.plan_columns import terminal_columns
    from labgen.progress.run_words import short_path
    from labgen.text.columns import align_columns

    names = ["calls", "failures", "prompt tokens", "reply tokens"]
    groups: dict[tuple[str, str], list[int]] = {}
    for share in found:
        group = (share.leaf if by_leaf else share.leaf.split("/")[0], share.step)
        counts = (share.calls, share.failures, share.prompt_tokens, share.completion_tokens)
        totals = groups.setdefault(group, [0, 0, 0, 0])
        totals[:] = [total + count for total, count in zip(totals, counts, strict=True)]
    totals = [sum(column) for column in zip(*groups.values(), strict=True)] if groups else [0, 0, 0, 0]

    def numbers(counts: list[int]) -> list[str]:
        cost = [f"{price.cost(*counts[2:]):,.4f}"] if price else []
        return [*(f"{n:,}" for n in counts), *cost]

    lines = [["", "step", *names, *([f"cost ({price.currency})"] if price else [])]]
    lines += [[plain(leaf), plain(step), *numbers(counts)] for (leaf, step), counts in sorted(groups.items())]
    lines.append(["in all", "", *numbers(totals)])
    text = align_columns(lines, left=2)
    if (width := terminal_columns()) and (over := max(map(len, text)) - width) > 0:
        chars = max(12, max(len(line[0]) for line in lines) - over)
        text = align_columns([[short_path(line[0], chars), *line[1:]] for line in lines], left=2)
    return "\n".join(text)
