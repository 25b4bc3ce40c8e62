"""What is said of rounds and of the lines that came back: as text and as JSON, for the verbs of `labgen bulk`."""

from __future__ import annotations

from typing import Any

from labgen.text.money import money


def round_data(found: Any) -> dict[str, Any]:
    """What a round holds, as data."""
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


def round_words(found: Any, folder: str | None) -> str:
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


def lines_unused(told: Any) -> int:
    """Lines that could not be used (count)."""
    from labgen.bulk.reply_files import LineOutcome

    return int(
        told.lines - told.counts[LineOutcome.READ] - told.counts[LineOutcome.KNOWN] - told.counts[LineOutcome.FAILED]
    )


def told_data(told: Any) -> dict[str, Any]:
    """Lines by what became of them, as data."""
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


def files_table(files: Any, total: Any) -> str:
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


def rounds_data(run: Any) -> dict[str, Any]:
    """The rounds as data."""
    return {
        "rounds": [
            {"calls": each.calls, "files": each.files, "calls_by_step": each.steps} | told_data(each.told)
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
