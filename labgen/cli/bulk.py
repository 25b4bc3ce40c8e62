"""`labgen bulk`: a build in rounds of many calls at once."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from labgen.cli import option
from labgen.cli.bulk_report import (
    files_table,
    lines_unused,
    round_data,
    round_words,
    rounds_data,
    rounds_table,
    told_data,
    told_table,
)
from labgen.cli.settings import (
    base_option,
    build_options,
    chosen_leaves,
    config_from,
    config_option,
    model_options,
    run_options,
    source_options,
    work_option,
)
from labgen.text.printable import plain


@click.group("bulk")
@config_option
def command(**options: Any) -> None:
    """Build in rounds of many calls at once: on a batch API, an engine's batch runner, or a cluster.

    A round is all calls that can be asked without a reply that is still lacking. `run` does rounds to the end by
    itself; `write` and `read` go through files, for whatever answers these; `submit`, `status`, `fetch` and `cancel`
    hand rounds over to a batch API and come back later. Between rounds there is no other state than the ledger.
    """


def _files_options(command_function: Any) -> Any:
    """Options of the verbs that need the models, and no leaves."""
    for decorate in (model_options, work_option, config_option):
        command_function = decorate(command_function)
    return command_function


_as_json = option("--json/--no-json", "as_json", default=False, help="Print as JSON.")


@command.command("write")
@source_options
@base_option
@build_options
@option("--shard", metavar="I/N", help="Only the I-th of N parts of the round, each for another machine.")
@_as_json
@click.argument("folder", metavar="DIR")
@click.pass_context
def write_command(ctx: click.Context, /, **options: Any) -> None:
    """Write all calls that can be asked now to files in DIR, in OpenAI's batch format.

    DIR is a folder, or an address such as `s3://bucket/round-1` that fsspec knows. One model a file, within the limits
    of its endpoint's batch API (or `bulk.max_lines` and `bulk.max_bytes`). The first round to an endpoint that has not
    answered yet is of a few calls. Ends with status 0 also where nothing is left to ask.
    """
    from labgen.verbs.bulk import write_round

    config = config_from(options)
    patterns = chosen_leaves(config, options)
    if patterns is None:
        return
    found = write_round(config, options["folder"], patterns, shard=_shard(options["shard"]), hooks=_hooks())
    if options["as_json"]:
        click.echo(json.dumps(round_data(found), indent=2))
    else:
        click.echo(round_words(found, options["folder"]))
    ctx.exit(1 if found.hopeless else 0)


@command.command("read")
@_files_options
@option("--accept-model", "accepted", multiple=True, help="A name that replies may bear beside the asked model's.")
@_as_json
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.pass_context
def read_command(ctx: click.Context, /, **options: Any) -> None:
    """Bring replies from files into the ledger, in any order, any number of times; folders stand for their files.

    Files may be at addresses such as `s3://bucket/replies`. Every line is accounted for. Ends with status 1 where some
    could not be used.
    """
    from labgen.verbs.bulk import read_replies

    config = config_from(options)
    read = read_replies(config, options["files"], accepted=options["accepted"], hooks=_hooks())
    if options["as_json"]:
        files = {path: told_data(told) for path, told in read.files.items()}
        click.echo(json.dumps({"files": files, "total": told_data(read.told)}, ensure_ascii=False, indent=2))
    else:
        click.echo(plain(files_table(read.files, read.told)))
    ctx.exit(1 if lines_unused(read.told) else 0)


@command.command("submit")
@source_options
@base_option
@build_options
@click.pass_context
def submit_command(ctx: click.Context, /, **options: Any) -> None:
    """Hand the next round over to the endpoint's batch API, and don't wait for it: see `status` and `fetch`."""
    from labgen.verbs.bulk import submit_round

    config = config_from(options)
    patterns = chosen_leaves(config, options)
    if patterns is None:
        return
    found, made = submit_round(config, patterns, hooks=_hooks())
    click.echo(round_words(found, None))
    for batch in made:
        click.echo(plain(f"{batch.batch_id}: {batch.lines:,} calls to {batch.model} at {batch.address}"))
    ctx.exit(1 if found.hopeless else 0)


@command.command("status")
@_files_options
@_as_json
def status_command(**options: Any) -> None:
    """Say how far the batches are that were handed over and have not been read."""
    from labgen.text.columns import align_columns
    from labgen.verbs.bulk import batch_states

    states = batch_states(config_from(options), hooks=_hooks())
    if options["as_json"]:
        names = ("status", "done", "total", "problem")
        data = [
            {"batch": batch.batch_id, "model": batch.model, "address": batch.address, "calls": batch.lines}
            | {name: getattr(remote, name) for name in names}
            for batch, remote in states
        ]
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    if not states:
        click.echo("No batch is under way.")
        return
    lines = [["batch", "model", "status", "calls", "answered"]]
    for batch, remote in states:
        lines.append([batch.batch_id, batch.model, remote.status, f"{batch.lines:,}", f"{remote.done:,}"])
    click.echo(plain("\n".join(align_columns(lines, left=3))))
    if any(remote.ended for _, remote in states):
        click.echo("`labgen bulk fetch` reads what has ended.")


@command.command("fetch")
@_files_options
@_as_json
@click.pass_context
def fetch_command(ctx: click.Context, /, **options: Any) -> None:
    """Read the batches that have ended. Ends with status 1 where some lines could not be used."""
    from labgen.verbs.bulk import fetch_ended

    told, under_way = fetch_ended(config_from(options), hooks=_hooks())
    if options["as_json"]:
        click.echo(json.dumps(told_data(told) | {"batches_under_way": len(under_way)}, ensure_ascii=False, indent=2))
    else:
        click.echo(plain(told_table(told)))
        click.echo(f"{len(under_way)} batches have not ended." if under_way else "No batch is under way.")
    ctx.exit(1 if lines_unused(told) else 0)


@command.command("cancel")
@_files_options
@option("--forget/--no-forget", default=False, help="Give up also what can't be stopped; its calls are asked again.")
def cancel_command(**options: Any) -> None:
    """Have the batches stopped that are under way; what they have answered by then is read."""
    from labgen.verbs.bulk import cancel_batches

    found, told = cancel_batches(config_from(options), forget=options["forget"], hooks=_hooks())
    for batch, status in found:
        click.echo(plain(f"{batch.batch_id or batch.file_id or batch.number}: {status}"))
    if not found:
        click.echo("No batch is under way.")
    if told.lines:
        click.echo(plain(told_table(told)))
    elif found and not options["forget"]:
        click.echo("Stopping takes a while: `labgen bulk fetch` reads what they have answered.")


@command.command("run")
@source_options
@base_option
@build_options
@option("--replace/--no-replace", default=False, help="Let this build replace a fuller dataset at --output.")
@option("--strict/--no-strict", default=False, help="End with status 1 when a leaf stopped short of its samples.")
@option("--finish-online", type=click.IntRange(min=0), default=0, help="Ask one by one once a round has no more calls.")
@option("--on", type=click.Choice(["batches", "command", "ray"]), default="batches", help="What answers the rounds.")
@option("--command", "engine_command", help="With --on command: has {requests}, {replies} and {model} in it.")
@option("--address", help="With --on ray: the cluster. Default: RAY_ADDRESS, or one on this machine.")
@run_options
@_as_json
@click.pass_context
def run_command(ctx: click.Context, /, **options: Any) -> None:
    """Build the dataset in rounds, by the endpoint's batch API, to the end: the same as `labgen generate --bulk`.

    `--on command` has a program answer each file, such as `--command "vllm run-batch -i {requests} -o {replies} --model
    {model}"`; `--on ray` a Ray cluster. It waits for batches as long as they take. Killed or stopped at any moment it
    goes on where it was when it is run again: batches that were handed over are watched on, and nothing is asked twice.
    """
    run_bulk(ctx, options)


def run_bulk(ctx: click.Context, options: dict[str, Any]) -> None:
    """Build in rounds, and report. Ends the command with its status."""
    from labgen.cli.build_report import build_problems, build_summary, report
    from labgen.cli.interrupt import interruptible, stopped_words
    from labgen.cli.progress import ProgressDisplay
    from labgen.progress.stop import StoppedByUser, StopWish
    from labgen.verbs.bulk_run import engine_of, run_rounds
    from labgen.verbs.session import Hooks

    config, display = config_from(options), ProgressDisplay(options["progress"])
    wish = StopWish(write=options["on_interrupt"] == "write")
    hooks = Hooks(display.say, display.show, stop=wish)
    on = options.get("on", "batches")
    engine = engine_of(config, hooks, on=on, command=options.get("engine_command"), address=options.get("address"))
    patterns = chosen_leaves(config, options)
    if patterns is None:
        return
    try:
        with interruptible(wish, display.note):
            run = run_rounds(
                config,
                patterns,
                replace_output=options["replace"],
                finish_online=options["finish_online"] or 0,
                answering=engine,
                hooks=hooks,
            )
    except StoppedByUser:
        display.close()
        click.echo(plain(f"{stopped_words(ctx)}\nBatches that were handed over go on meanwhile."), err=True)
        ctx.exit(1)
    finally:
        display.close()
    for message in run.build.messages:
        click.echo(plain(message), err=True)
    if options["as_json"]:
        data = build_summary(run.build) | {"bulk": rounds_data(run)}
        click.echo(json.dumps(data, ensure_ascii=False, indent=2))
    else:
        click.echo(plain(rounds_table(run)))
        click.echo(report(run.build))
    short = options["strict"] and run.build.short
    ctx.exit(1 if build_problems(run.build) or run.left or run.hopeless or short else 0)


def _hooks() -> Any:
    from labgen.verbs.session import Hooks

    return Hooks(notice=lambda words: click.echo(plain(words), err=True))


def _shard(words: str | None) -> Any:
    """I/N as a part. Raises: click.BadParameter."""
    from labgen.verbs.bulk_rounds import Shard

    if words is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", words)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise click.BadParameter(f"`{words}` is no part such as 1/4 (the first of four).", param_hint="--shard")
    return Shard(int(found[1]), int(found[2]))
