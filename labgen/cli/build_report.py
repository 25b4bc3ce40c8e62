"""What is said of a build at its end: as text and as JSON, for every verb that makes one."""

from __future__ import annotations

import shlex
from typing import Any

from labgen.text.money import money

MANY_SHORT = 12  # leaves that fell short, named on the terminal; the card and funnel.json name all


def build_problems(build: Any) -> bool:
    """Whether a build has left something undone."""
    return bool(build.left_out or build.failed or not build.complete or build.unfit or not build.rows)


def build_summary(build: Any) -> dict[str, Any]:
    """The result as plain data, for scripts."""
    from labgen.export.calibration_report import calibration_json
    from labgen.export.shortfall import remedies, why_short

    traffic = build.traffic
    return {
        "folder": str(build.folder) if build.folder else None,
        "rehearsal": build.rehearsal,
        "answered_by": [
            {"asked": by.asked, "model": by.model, "listed": by.listed, "rehearsal": by.rehearsal}
            for by in build.answered_by
        ],
        "complete": build.complete,
        "funnel": build.funnel.to_json(),
        "left_out": build.left_out,
        "short": {path: why for path, tally in build.funnel.leaves.items() if (why := why_short(tally))},
        "remedies": remedies(build.funnel),
        "hopeless": {"cause": build.hopeless.cause, "remedy": build.hopeless.remedy} if build.hopeless else None,
        "calibration": calibration_json(build.calibrations),
        **({"held_out": build.held_out.report["sets"]} if build.held_out else {}),
        **({"agreement": build.agreement} if build.agreement else {}),
        "calls": {
            "sent": traffic.sent,
            "answered": traffic.answered,
            "from_ledger": traffic.from_ledger,
            "retries": traffic.retries,
            "resent": traffic.resent,
            "failed": traffic.failed,
            "ahead": build.progress.ahead,
            "prompt_tokens": traffic.prompt_tokens,
            "completion_tokens": traffic.completion_tokens,
            "problems": dict(traffic.problems),
            "peak_in_flight": traffic.peak_in_flight,
            "utilisation": round(traffic.utilisation, 4),
        },
        "yield": round(build.progress.accepted / build.progress.candidates, 4) if build.progress.candidates else None,
        "remaining": {
            "rows": build.progress.wanted - build.progress.accepted,
            "leaves": build.progress.leaves - build.progress.leaves_done,
        }
        if not build.complete
        else None,
        "spent": spent_of(build),
        "budget": budget_of(build),
    }


def spent_of(build: Any) -> dict[str, Any]:
    """What the run spent, as plain data: `cost` in `currency`, both None without prices."""
    price, spent = build.budget.limits.price, build.budget.spent
    return {
        "calls": spent.calls,
        "tokens": spent.tokens,
        "cost": round(spent.cost, 6) if price else None,
        "currency": price.currency if price else None,
    }


def budget_of(build: Any) -> dict[str, Any] | None:
    """What the run was allowed and what it spent, as plain data; None without a limit."""
    if not build.budget.limits.any:
        return None
    limits, spent = build.budget.limits, build.budget.spent
    return {
        "max_calls": limits.max_calls,
        "max_tokens": limits.max_tokens,
        "max_cost": limits.max_cost,
        "calls": spent.calls,
        "tokens": spent.tokens,
        "cost": round(spent.cost, 6) if limits.max_cost is not None else None,
        "reached": build.budget.reached,
    }


def report(build: Any) -> str:
    """The result in words: a funnel per branch, what fell short, where the dataset is."""
    from labgen.export.agreement import agreement_lines
    from labgen.export.calibration_report import calibration_lines
    from labgen.export.funnel import funnel_table, second_turns_in_words

    traffic = build.traffic
    lines = [funnel_table(build.funnel)]
    if build.calibrations:
        lines += ["", "The judges' test, made of the leaves' own seeds:", calibration_lines(build.calibrations), ""]
    lines += _coverage(build)
    if words := second_turns_in_words(build.funnel.total().second_turns):
        lines.append(f"Second turns: {words}.")
    lines += _emptied_phases(build)
    lines += _short_leaves(build)
    if build.held_out:
        counts = (f"{name} {of['rows']} of {of['wanted']}" for name, of in build.held_out.report["sets"].items())
        lines.append(f"Held out, of what was wanted: {', '.join(counts)} rows.")
    if build.agreement:
        lines += agreement_lines(build.agreement)
    if build.left_out:
        left = "1 leaf was" if len(build.left_out) == 1 else f"{len(build.left_out)} leaves were"
        lines.append(f"{left} left out; the messages above say why.")
    lines += _failed(build)
    lines.append(
        f"{traffic.answered} calls answered ({traffic.prompt_tokens} prompt and {traffic.completion_tokens} "
        f"completion tokens), {traffic.from_ledger} taken from the ledger, {build.progress.ahead} spent ahead of need."
    )
    if traffic.answered and (price := build.budget.limits.price):
        lines.append(f"Spent: {money(build.budget.spent.cost, price.currency)} at the configured prices.")
    if traffic.answered:
        problems = ", ".join(f"{count} {kind}" for kind, count in sorted(traffic.problems.items()))
        resent = f", {traffic.resent} sent again at once over a new connection" if traffic.resent else ""
        lines.append(
            f"{traffic.peak_in_flight} calls in flight at most, {traffic.utilisation:.0%} of that on average; "
            f"{traffic.retries} retries{f' ({problems})' if problems else ''}{resent}."
        )
    if not build.complete:
        lines.append(remaining(build))
    if build.rehearsal:
        lines.append("REHEARSAL: these rows were written by the built-in rehearsal teacher. Do not train on them.")
        weak = sum(bool(calibration.problem) for calibration in build.calibrations.values())
        if weak:
            lines.append(
                f"In {weak} of {len(build.calibrations)} leaves the rehearsal's judges failed their test. A real judge "
                "that did would stop the leaf; a rehearsal goes on."
            )
    if build.folder:
        lines += [
            f"Dataset: {build.folder}",
            f"To look at it, row by row, as one HTML page: labgen report{_named(build)}",
        ]
    else:
        lines.append("No dataset was written; the message above says why.")
    return "\n".join(lines)


def _emptied_phases(build: Any) -> list[str]:
    """Phases that `mix.max_tokens` leaves nothing of."""
    from labgen.export.mix import emptied_phases, stated_max_tokens

    emptied = emptied_phases(build.folder) if build.folder else {}
    return [
        f"warning: {name} has no rows: all {count:,} that were drawn for it are longer than the "
        f"{stated_max_tokens(build.folder):,} tokens of `mix.max_tokens`. Raise it, or ask for shorter answers "
        "(`generation.attributes`, `mix.phase_2_kinds`)."
        for name, count in emptied.items()
    ]


def _coverage(build: Any) -> list[str]:
    """How much of the documents the rows come from, and the leaves that leave passages out."""
    from labgen.export.shortfall import not_covered

    words = build.funnel.total().coverage.words
    lines = [f"Documents: {words}."] if words else []
    gaps = not_covered(build.funnel)
    lines += [
        f"warning: {path}: {tally.coverage.drawn:,} of {tally.coverage.passages:,} passages were drawn from; nothing "
        "is learnt of the others."
        for path, tally in gaps[:MANY_SHORT]
    ]
    if len(gaps) > MANY_SHORT:
        lines.append(_more([path for path, _ in gaps]))
    if gaps and build.complete:
        lines.append("`samples` and `samples_per_passage` say how many rows, and so passages, are drawn.")
    return lines


def _short_leaves(build: Any) -> list[str]:
    """The leaves that fell short, each with its cause, and what to change."""
    from labgen.export.shortfall import commonest_loss, remedies, why_short

    leaves = build.funnel.leaves
    # Where the run ended early, leaves that were on their way are short for that reason alone, which is said apart.
    short = [path for path, tally in leaves.items() if why_short(tally) and (build.complete or tally.stopped)]
    if build.hopeless:
        short = []
    told = [
        f"{path}: {leaves[path].accepted} of {leaves[path].wanted} rows ({why_short(leaves[path])})." for path in short
    ]
    lines = told if len(told) <= MANY_SHORT else [*told[:MANY_SHORT], _more(told)]
    if any(build.calibrations[path].problem for path in build.short if path in build.calibrations):
        lines.append(
            "Where the judge is not fit, choose another (`judge:` in labgen.yaml), mend the leaf's seed examples, "
            "or lower `calibration.floor`; `labgen calibrate` shows the test by itself."
        )
    lines += remedies(build.funnel)
    lost = sorted({state.value for path in short if (state := commonest_loss(leaves[path]))})
    if lost and build.folder:
        shown = " or ".join(f"`labgen show --state {state}{_named(build)}`" for state in lost)
        lines.append(f"What was wrong with candidates, one by one: {shown}.")
    return lines


def _named(build: Any) -> str:
    """The option that names the dataset's folder; empty where it is the usual one."""
    return "" if str(build.folder) == "dataset" else f" --output {shlex.quote(str(build.folder))}"


def _failed(build: Any) -> list[str]:
    """Failed candidates: by faults of packages, and those whose calls the next run asks again or does not."""
    from labgen.packages import FAULTS
    from labgen.records import State
    from labgen.teacher.causes import FINAL, UNANSWERED
    from labgen.text.printable import shown

    kinds = build.funnel.total().reasons.get(State.FAILED, {})
    final = sum(count for reason, count in kinds.items() if reason.startswith(FINAL))
    faults = {reason: count for reason, count in kinds.items() if reason.startswith(FAULTS)}
    faulty = sum(faults.values())
    lines = []
    if faulty:
        most = max(faults, key=lambda reason: faults[reason])
        example = next(tally.examples[most] for tally in build.funnel.leaves.values() if most in tally.examples)
        lines.append(
            f"{faulty} candidates failed by a fault in an installed package's filter or flow, such as "
            f"{shown(example)}. Mend the package, switch the filter off "
            "(`filters: disable:`), or remove it."
        )
    unanswered = sum(count for reason, count in kinds.items() if reason.startswith(UNANSWERED))
    if unanswered:
        lines.append(f"{unanswered} candidates failed for want of a reply; run again to ask once more.")
    if final:
        lines.append(
            f"{final} candidates failed since the endpoint refused a call for good (too long, or not allowed). That is "
            "kept; `--retry-failed` asks again."
        )
    return lines


def _more(told: list[str]) -> str:
    more = len(told) - MANY_SHORT
    leaves = "leaf" if more == 1 else "leaves"
    return f"... and {more} more {leaves}; the dataset's card and funnel.json name them all, with reasons."


def remaining(build: Any) -> str:
    """What a run that stopped early spent, and what it left undone."""
    progress, words = build.progress, "Stopped early"
    if build.hopeless:
        cause, remedy = build.hopeless.cause, build.hopeless.remedy
        return (
            f"No hope for this build: {cause}. So it ended with its first calls, and nothing was drawn from its "
            f"{progress.leaves - progress.leaves_done} leaves.\n"
            f"To change: {remedy}. Run again then; with nothing changed, the same replies in the ledger say the same "
            "(`stop.hopeless_after` tries longer)."
        )
    if build.budget.reached:
        limits, spent = build.budget.limits, build.budget.spent
        parts = [
            f"{value:,} of {limit:,} {name}"
            for name, value, limit in (
                ("calls", spent.calls, limits.max_calls),
                ("tokens", spent.tokens, limits.max_tokens),
            )
            if limit is not None
        ]
        if limits.max_cost is not None and limits.price:
            parts.append(f"{money(spent.cost, limits.price.currency)} of {limits.max_cost:,.2f}")
        words = f"The budget is reached ({', '.join(parts)} spent; one more call might exceed it)"
    elif build.traffic.stopped:
        words = build.traffic.stopped.removesuffix(".")
    rows, leaves = progress.wanted - progress.accepted, progress.leaves - progress.leaves_done
    if build.held_out:
        sets = build.held_out.report["sets"].items()
        left = ", ".join(f"{name} {of['wanted'] - of['rows']}" for name, of in sets if of["rows"] < of["wanted"])
        return (
            f"{words}, while rows to be held out were drawn; of what was wanted there remain: {left or 'none'}. Run "
            "again to go on (nothing is paid twice); `labgen plan` prices what is left of them."
        )
    return (
        f"{words}: {rows} rows of {leaves} leaves remain. Run again to go on (nothing is paid twice); `labgen plan` "
        "says what that would take."
    )
