"""`labgen plan`: the price before the spend."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import base_option, build_options, chosen_leaves, config_from, source_options
from labgen.text.durations import duration
from labgen.text.money import money

PER_ROW = ("calls", "prompt_tokens", "reply_tokens")
MANY_GAPS = 12  # leaves with passages left out that are named; --json has all


@click.command("plan")
@source_options
@base_option
@build_options
@option("--by-leaf/--by-branch", default=False, help="A line for every leaf.")
@option(
    "--sort",
    type=click.Choice(["leaf", "cost", "time", "calls", "rows"]),
    help="Sort the lines: by name, or the most first.",
)
@option("--by-kind/--no-by-kind", default=False, help="What a row costs by the kind of what is drawn from documents.")
@option("--filters/--no-filters", "show_filters", default=False, help="Show the order of work instead.")
@option("--json/--no-json", "as_json", default=False, help="Print the plan as JSON.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Say what a build would draw and what of it is still to pay. Asks the teacher nothing.

    Calls that the ledger holds cost nothing. A leaf's first calls are counted exactly; what depends on replies is
    estimated from the yield of the dataset that stands at --output, or from `expected_yield`. With `price:` it says
    what that costs; where `labgen doctor` or a build has measured the endpoints, how long it would take.
    """
    from labgen.cli.plan_columns import terminal_columns
    from labgen.errors import UsageError
    from labgen.plan.without_effect import settings_without_effect
    from labgen.verbs.output import check_output_of
    from labgen.verbs.plan import estimate_build
    from labgen.verbs.session import Hooks, Session

    config = config_from(options)
    if options["show_filters"]:
        click.echo(filters_table(config, as_json=options["as_json"]))
        return
    patterns = chosen_leaves(config, options)
    if patterns is None:
        return
    session = Session.prepare(config, patterns, hooks=Hooks(notice=lambda words: click.echo(words, err=True)))
    for message in session.sources.messages:
        click.echo(message, err=True)
    for words in settings_without_effect(session.sources.plans, config):
        click.echo(f"warning: {words}", err=True)
    estimate = estimate_build(session)
    held_out = _held_out(session, estimate)
    try:
        check_output_of(session)
    except UsageError as refusal:
        click.echo(f"`labgen generate` would refuse: {refusal}", err=True)
    click.echo(
        json.dumps(plan_data(estimate) | {"held_out": _held_out_data(held_out)}, indent=2)
        if options["as_json"]
        else plan_table(estimate, options["by_leaf"], sort=options["sort"], width=terminal_columns())
    )
    if held_out and not options["as_json"]:
        click.echo(_held_out_words(held_out, config.price))
    if options["by_kind"] and not options["as_json"]:
        click.echo(kinds_table(estimate))
    ctx.exit(1 if session.sources.left_out else 0)


def _held_out(session: Any, estimate: Any) -> dict[str, Any]:
    if not session.config.held_out.wanted:
        return {}
    from labgen.verbs.held_out_price import price_held_out

    return price_held_out(session, estimate.yields)


def _held_out_data(held_out: Any) -> dict[str, Any]:
    return {
        name: {
            "wanted": each.rows,
            "calls_to_pay": round(each.calls, 1),
            "prompt_tokens": round(each.to_pay.prompt_tokens),
            "completion_tokens": round(each.to_pay.completion_tokens),
        }
        for name, each in held_out.items()
    }


def _held_out_words(held_out: Any, price: Any) -> str:
    """The rows that are held out, which the lines above leave aside."""
    rows = ", ".join(f"{name} {each.rows:,}" for name, each in held_out.items())
    prompt = sum(each.to_pay.prompt_tokens for each in held_out.values())
    reply = sum(each.to_pay.completion_tokens for each in held_out.values())
    calls = sum(each.calls for each in held_out.values())
    cost = f", for about {money(price.cost(prompt, reply), price.currency)}" if price else ""
    return (
        f"Held out, beyond that: {rows} rows, about {calls:,.0f} calls of {prompt:,.0f} prompt and {reply:,.0f} reply "
        f"tokens{cost}."
    )


def filters_table(config: Any, *, as_json: bool) -> str:
    """The filters in the order in which they look: kind, stage, cost, place in each flow."""
    from labgen.flows.order_of_work import order_of_work
    from labgen.text.columns import align_columns
    from labgen.verbs.session import check_configuration

    known, filters, *_ = check_configuration(config)
    rows = order_of_work(known, filters, per_call=config.generation.instructions_per_call)
    if as_json:
        names = ("name", "kind", "stage", "calls", "places", "version", "origin")
        return json.dumps([{name: getattr(row, name) for name in names} for row in rows], indent=2)
    flows = [flow.name for flow in known]
    lines = [["filter", "kind", "stage", "calls", *flows, "version", "from"]]
    for row in rows:
        places = [str(row.places.get(flow, "-")) for flow in flows]
        lines.append([row.name, row.kind, row.stage, row.calls, *places, row.version, row.origin])
    return "\n".join([*align_columns(lines, left=None), "", *_about_filters(config, known, filters)])


def _about_filters(config: Any, known: Any, filters: Any) -> list[str]:
    from labgen.filters.calibration import ROUNDS, most_calls
    from labgen.flows.bound import BoundFlow

    words = ["Numbers are places in a flow; a candidate goes no further than the first filter that turns it down."]
    calls = [most_calls(BoundFlow.of(flow, filters).judges, config.calibration) for flow in known]
    if config.calibration.enabled and any(calls):
        words.append(
            f"Before a leaf's first draw its judges are tested with its own seeds: {_from_to(calls)} questions at "
            f"most, by its flow, each of them a call; {_from_to([ROUNDS * each for each in calls])} where a judge errs."
        )
    if config.filters.disable:
        words.append(f"Switched off: {', '.join(config.filters.disable)}.")
    return words


def _from_to(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{most}" if least == most else f"{least} to {most}"


def plan_data(estimate: Any) -> dict[str, Any]:
    """The plan as data."""
    return {
        "leaves": {
            leaf.plan.leaf.path: {
                "wanted": leaf.plan.wanted,
                "flow": leaf.plan.flow.name,
                "persona": leaf.plan.persona.name,
                "persona_why": leaf.plan.persona.why,
                "passages": len(leaf.plan.chunks),
                "passages_drawn": leaf.passages_drawn,
                "slots": leaf.slots,
                "calls_paid": leaf.paid,
                "calls_to_pay": round(leaf.calls, 1),
                "calls_to_pay_exact": leaf.first_calls,
                "prompt_tokens": round(leaf.prompt_tokens),
                "completion_tokens": round(leaf.completion_tokens),
                "cost": leaf.cost,
                "seconds": leaf.seconds,
            }
            for leaf in estimate.leaves
        },
        "expected_yield": dict(estimate.yields),
        "calls_paid": round(estimate.total("paid")),
        "calls_to_pay": round(estimate.total("calls"), 1),
        "calls_by_step": _by_step(estimate),
        "per_row_by_kind": {
            kind: {name: round(number, 1) for name, number in zip(PER_ROW, numbers, strict=True)}
            for kind, numbers in _per_row(estimate).items()
        },
        "prompt_tokens": round(estimate.total("prompt_tokens")),
        "completion_tokens": round(estimate.total("completion_tokens")),
        "cost": estimate.cost,
        "currency": estimate.currency or None,
        "row_length": estimate.lengths and dataclasses.asdict(estimate.lengths),
        "bulk": {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in dataclasses.asdict(estimate.bulk).items()
        },
        "time": dataclasses.asdict(estimate.time) if estimate.time else None,
    }


def _per_row(estimate: Any) -> dict[str, tuple[float, ...]]:
    return {
        kind: (sum(row.calls.values()), row.prompt_tokens, row.completion_tokens)
        for kind, row in estimate.per_row.items()
    }


def kinds_table(estimate: Any) -> str:
    """What an accepted row costs, by the kind of what is drawn from documents."""
    from labgen.text.columns import align_columns

    lines = [["an accepted row of", *(name.replace("_", " ") for name in PER_ROW)]]
    lines += [[kind, *(f"{number:,.1f}" for number in numbers)] for kind, numbers in _per_row(estimate).items()]
    return "\n".join(align_columns(lines)) if lines[1:] else "No leaf with documents has anything left to pay."


def _by_step(estimate: Any) -> dict[str, float]:
    steps: dict[str, float] = {}
    for leaf in estimate.leaves:
        for step, calls in leaf.to_pay.calls.items():
            steps[step] = steps.get(step, 0.0) + calls
    return {step: round(calls, 1) for step, calls in sorted(steps.items())}


def plan_table(estimate: Any, by_leaf: bool, *, sort: str | None = None, width: int | None = None) -> str:
    """The plan in words: a line per branch or leaf, and what it comes to.

    Args:
        sort: by what, one of `SORTS`; None: in the order of the build.
        width: columns of the terminal, for which paths are shortened; None where there is none.
    """
    from labgen.cli.plan_columns import plan_lines

    text = plan_lines(estimate, by_leaf, sort=sort, width=width)
    text += _coverage(estimate)
    text += _lengths(estimate.lengths)
    shares = ", ".join(f"{flow} {share:.0%}" for flow, share in estimate.yields.items())
    if shares:
        text.append(f"Reckoned with a yield of: {shares}. The estimate is rough; the calls marked exact are not.")
    if estimate.cost is not None:
        text.append(f"At the configured prices: about {money(estimate.cost, estimate.currency)}.")
    if estimate.bulk.rounds:
        text.append(_bulk_words(estimate))
    if estimate.time is not None:
        text.append(_time_words(estimate.time))
    return "\n".join(text)


def _bulk_words(estimate: Any) -> str:
    """The same build by a batch API, beside asking one by one."""
    bulk = estimate.bulk
    words = (
        f"In bulk (`labgen bulk run`): about {bulk.rounds} rounds and {bulk.calls:,.0f} calls, "
        f"{bulk.surplus:,.0f} more than one by one"
    )
    return f"{words}, for about {money(bulk.cost, estimate.currency)}." if bulk.cost is not None else f"{words}."


def _coverage(estimate: Any) -> list[str]:
    """How many passages would be drawn from, and where some would not."""
    passages = sum(len(leaf.plan.chunks) for leaf in estimate.leaves)
    if not passages:
        return []
    drawn = sum(leaf.passages_drawn for leaf in estimate.leaves)
    gaps = [leaf for leaf in estimate.leaves if leaf.passages_drawn < len(leaf.plan.chunks)]
    lines = [
        f"Documents: {'' if drawn == passages else 'at least '}{drawn:,} of {passages:,} passages would be drawn from."
    ]
    lines += [
        f"warning: {leaf.plan.leaf.path}: {leaf.passages_drawn:,} of {len(leaf.plan.chunks):,} passages would be drawn "
        "from. `samples` and `samples_per_passage` say how many rows, and so passages, are drawn."
        for leaf in gaps[:MANY_GAPS]
    ]
    return [*lines, f"... and {len(gaps) - MANY_GAPS} more leaves."] if len(gaps) > MANY_GAPS else lines


def _lengths(lengths: Any) -> list[str]:
    """What the trainer's length would mean; nothing where none is set."""
    if lengths is None:
        return []
    counted = " (tokens are estimated: see `mix.tokenizer`)" if lengths.estimated else ""
    lines = [f"Rows of at most {lengths.max_tokens:,} tokens{counted}: all passages would be shown whole."]
    if lengths.in_part:
        lines = [
            f"Rows of at most {lengths.max_tokens:,} tokens{counted}: {lengths.in_part:,} of {lengths.passages:,} "
            "passages would be shown in part, around the evidence."
        ]
    lines += [
        f"warning: {leaf}: a row like its examples has {tokens:,} tokens, more than `mix.max_tokens`, and would be in "
        "no phase."
        for leaf, tokens in lengths.too_long[:MANY_GAPS]
    ]
    more = len(lengths.too_long) - MANY_GAPS
    return [*lines, f"... and {more} more leaves."] if more > 0 else lines


def _time_words(time: Any) -> str:
    seen = "as `labgen doctor` measured" if time.measured_by == "doctor" else "as a build was answered"
    at_once = f" ({time.at_once} calls at once)" if time.at_once > 1 else ""
    words = (
        f"{'At most about' if time.at_most else 'About'} {duration(time.seconds)} at {time.tokens_per_sec:,.0f} "
        f"tokens/s{at_once}, {seen} on {time.measured_on}."
    )
    return f"{words} More calls at once may well be faster." if time.at_most else words
