"""`labgen calibrate`: put the judges to the test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from labgen.cli import option
from labgen.cli.settings import config_from, model_options, source_options


@click.command("calibrate")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@source_options
@model_options
@option("--json/--no-json", "as_json", default=False, help="Print the results as JSON.")
@click.pass_context
def command(ctx: click.Context, /, file: Path | None, **options: Any) -> None:
    """Put the judges to the test, with the leaves' own seeds or with labelled pairs.

    Without FILE, every leaf's judges are asked about its own pairs, which must pass, and about the same pairs made
    wrong, which must not: what `generate` does before it draws from a leaf. Ends with status 1 where a judge is not fit
    for a leaf.

    With FILE (JSON lines, JSON, Parquet or CSV), all judges are run over labelled pairs: `instruction`, `response`, and
    `good` (true or false) or `defect` (the kind of defect), with `context`, `leaf` and `task_description` where there
    are any. Recall is the
    share of a kind of defect that is turned down; precision is the share of these among what is turned down of that
    kind and of the good pairs.
    """
    from labgen.export.calibration_report import calibration_json, calibration_lines
    from labgen.verbs.calibrate import calibrate_leaves, calibrate_pairs, read_labelled
    from labgen.verbs.session import Hooks

    config = config_from(options)
    hooks = Hooks(notice=lambda words: click.echo(words, err=True))
    if file is not None:
        results = calibrate_pairs(config, read_labelled(file), hooks)
        click.echo(
            json.dumps([judge_data(result) for result in results], indent=2)
            if options["as_json"]
            else judge_table(results)
        )
        return
    found = calibrate_leaves(config, options["leaf_patterns"], hooks)
    problems = {path: each.problem for path, each in found.items() if each.problem}
    if options["as_json"]:
        click.echo(json.dumps(calibration_json(found), ensure_ascii=False, indent=2))
    else:
        click.echo(calibration_lines(found, by_leaf=True))
        for path, problem in problems.items():
            click.echo(f"{path}: judge not fit: {problem}.")
        calls = sum(len(each.calls) for each in found.values())
        click.echo(
            f"{len(problems)} of {len(found)} leaves below the floor of {config.calibration.floor:g}; {calls} calls."
        )
    ctx.exit(1 if problems else 0)


def judge_data(result: Any) -> dict[str, Any]:
    """A judge's result on labelled pairs as data."""
    lost = result.true.asked - result.true.passed
    return {
        "judge": result.judge,
        "good": {"pairs": result.true.asked, "turned_down": lost, "unreadable": result.true.unreadable},
        "defects": {
            kind: {
                "pairs": counts.asked,
                "turned_down": counts.asked - counts.passed,
                "unreadable": counts.unreadable,
                "recall": 1.0 - counts.share,
                "precision": precision(counts.asked - counts.passed, lost),
            }
            for kind, counts in [*result.defects.items(), ("all kinds", result.false)]
        },
    }


def precision(caught: int, lost: int) -> float | None:
    """Share of what was turned down that deserved it; None where nothing was."""
    return caught / (caught + lost) if caught + lost else None


def judge_table(results: list[Any]) -> str:
    """Precision and recall by judge and kind of defect, as lines of text."""
    from labgen.text.columns import align_columns
    from labgen.text.printable import one_line

    lines = [["", "pairs", "turned down", "precision", "recall", "unreadable"]]
    for result in results:
        data = judge_data(result)
        good = data["good"]
        lines.append(
            [f"{result.judge}: good", str(good["pairs"]), str(good["turned_down"]), "", "", str(good["unreadable"])]
        )
        for kind, counts in data["defects"].items():
            share = "" if counts["precision"] is None else f"{100 * counts['precision']:.1f} %"
            lines.append(
                [
                    f"{result.judge}: {one_line(kind, 60)}",
                    str(counts["pairs"]),
                    str(counts["turned_down"]),
                    share,
                    f"{100 * counts['recall']:.1f} %",
                    str(counts["unreadable"]),
                ]
            )
    return "\n".join(align_columns(lines))
