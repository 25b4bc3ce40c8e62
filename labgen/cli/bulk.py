"""`labgen bulk`: a build in rounds of many calls at once."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from labgen.cli import option
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
from labgen.text.money import money
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
        click.echo(json.dumps(_round_data(found), indent=2))
    else:
        click.echo(_round_words(found, options["folder"]))
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
        files = {path: _told_data(told) for path, told in read.files.items()}
        click.echo(json.dumps({"files": files, "total": _told_data(read.told)}, ensure_ascii=False, indent=2))
    else:
        click.echo(plain(_files_table(read.files, read.told)))
    ctx.exit(1 if problems(read.told) else 0)


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
    click.echo(_round_words(found, None))
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
        click.echo(json.dumps(_told_data(told) | {"batches_under_way": len(under_way)}, ensure_ascii=False, indent=2))
    else:
        click.echo(plain(told_table(told)))
        click.echo(f"{len(under_way)} batches have not ended." if under_way else "No batch is under way.")
    ctx.exit(1 if problems(told) else 0)


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
        data = build_summary(run.build) | {"bulk": run_data(run)}
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


def _round_data(found: Any) -> dict[str, Any]:
    return {
        "files": [
            {"path": str(file.path), "model": file.model, "calls": file.lines, "bytes": file.size_bytes}
            for file in found.files
        ],
        "calls": found.calls,
        "calls_by_step": found.steps,
        "in_other_parts": found.elsewhere,
        "in_batches": found.waiting,
        "later": found.later,
        "hopeless": found.hopeless.cause if found.hopeless else None,
    }


def _round_words(found: Any, folder: str | None) -> str:
    """What a round holds, and what to do next."""
    if found.hopeless:
        return f"Nothing is asked: {found.hopeless.cause}. To mend it: {found.hopeless.remedy}."
    lines = []
    if folder is not None:
        lines = [
            f"{each.path}: {each.lines:,} calls to {each.model}, {each.size_bytes / 1e6:,.1f} MB"
            for each in found.files
        ]
    if found.elsewhere:
        lines.append(f"{found.elsewhere:,} calls are in the other parts of this round.")
    if found.waiting:
        lines.append(f"{found.waiting:,} calls are in batches that have not ended: see `labgen bulk status`.")
    if found.later:
        lines.append(f"These few try the endpoint out; {found.later:,} calls more can be asked once it has answered.")
    if not found.calls and not found.waiting and not found.elsewhere:
        return "Nothing is left to ask: `labgen generate` writes the dataset."
    if folder is not None and found.calls:
        lines.append("Have them answered, then: labgen bulk read FILE... (and `labgen bulk write` for the next round)")
    return "\n".join(lines)


def problems(told: Any) -> int:
    """Lines that could not be used (count)."""
    from labgen.bulk.reply_files import LineOutcome

    return int(
        told.lines - told.counts[LineOutcome.READ] - told.counts[LineOutcome.KNOWN] - told.counts[LineOutcome.FAILED]
    )


def _told_data(told: Any) -> dict[str, Any]:
    return {
        "lines": told.lines,
        "outcomes": {str(outcome): count for outcome, count in sorted(told.counts.items())},
        "examples": {str(outcome): words for outcome, words in sorted(told.examples.items()) if words},
        "cut": told.cut,
        "prompt_tokens": told.prompt_tokens,
        "completion_tokens": told.completion_tokens,
    }


def told_table(told: Any) -> str:
    """Every line by what became of it, with examples of those that were not read."""
    from labgen.bulk.reply_files import LineOutcome
    from labgen.text.columns import align_columns

    rows = [["lines", f"{told.lines:,}"]]
    rows += [[str(outcome), f"{told.counts[outcome]:,}"] for outcome in LineOutcome if told.counts[outcome]]
    return "\n".join([*align_columns(rows), *_examples(told)])


def _files_table(files: Any, total: Any) -> str:
    """A line for every file, and in all."""
    from labgen.bulk.reply_files import LineOutcome
    from labgen.text.columns import align_columns

    outcomes = [outcome for outcome in LineOutcome if total.counts[outcome]]
    rows = [["", "lines", *map(str, outcomes)]]
    everything = {**files, "in all": total} if len(files) > 1 else files
    for name, told in everything.items():
        rows.append([name, f"{told.lines:,}", *(f"{told.counts[outcome]:,}" for outcome in outcomes)])
    return "\n".join([*align_columns(rows), *_examples(total)])


def _examples(told: Any) -> list[str]:
    from labgen.bulk.reply_files import LineOutcome

    lines = [f"{outcome}: {words}" for outcome in LineOutcome for words in told.examples.get(outcome, ())]
    lines += told.cut
    if told.counts[LineOutcome.OTHER_MODEL]:
        names = sorted({name for counted in told.names.values() for name in counted})
        lines.append(
            f"If {names[0]!r} is the model that was meant, read them once more with --accept-model {names[0]}."
            if len(names) == 1
            else f"Those that are meant can be read with --accept-model: {', '.join(names[:5])}."
        )
    if told.counts[LineOutcome.UNKNOWN]:
        lines.append(
            "Lines of no call known here are those of another work folder (--work), of another model (--model), or of "
            "another program."
        )
    return lines


def run_data(run: Any) -> dict[str, Any]:
    """The rounds as data."""
    return {
        "rounds": [
            {"calls": each.calls, "files": each.files, "calls_by_step": each.steps} | _told_data(each.told)
            for each in run.rounds
        ],
        "calls_left": run.left,
        "calls_online": run.online,
        "replies_ahead": run.ahead,
        "spent": {"cost": run.cost, "currency": run.currency or None},
        "problem": run.problem or (run.hopeless.cause if run.hopeless else None),
    }


def rounds_table(run: Any) -> str:
    """The rounds of a run, and what they came to."""
    from labgen.bulk.reply_files import LineOutcome
    from labgen.text.columns import align_columns

    outcomes = [outcome for outcome in LineOutcome if run.told.counts[outcome]]
    rows = [["round", "calls", "in all", "files", *map(str, outcomes)]]
    total, so_far = sum(each.calls for each in run.rounds) + run.online, 0
    for number, each in enumerate(run.rounds, start=1):
        so_far += each.calls
        counts = (f"{each.told.counts[outcome]:,}" for outcome in outcomes)
        rows.append([str(number), f"{each.calls:,}", f"{so_far / total:.1%}", str(each.files), *counts])
    lines = align_columns(rows) if run.rounds else ["Nothing was left to ask."]
    lines += _examples(run.told)
    if run.online:
        lines.append(f"{run.online:,} calls were asked one by one at the end.")
    if run.ahead:
        lines.append(f"{run.ahead:,} replies were asked ahead of need: the build does without them.")
    if run.cost is not None:
        lines.append(
            f"The rounds cost {money(run.cost, run.currency)}{' at the batch price' if run.batch_price else ''}."
        )
    if run.hopeless:
        lines.append(f"Ended early: {run.hopeless.cause}. To mend it: {run.hopeless.remedy}.")
    if run.problem:
        lines.append(f"Ended with {run.left:,} calls left: {run.problem}. Run it again to go on.")
    return "\n".join(lines)
