"""How the judges did in their test, as data, as lines for a terminal, and as the card's section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labgen.export.markdown import code, folded, markdown_table
from labgen.filters.calibration import Calibration, Counts, JudgeResult, add_up
from labgen.filters.calibration_items import DEFECTS, TRUE
from labgen.text.columns import align_columns

ENOUGH = 5
"""Items from which on an interval says something."""

Calibrations = Mapping[str, Calibration]
"""Leaf path to how its judges did."""


def calibration_json(calibrations: Calibrations) -> dict[str, Any]:
    """As plain data: `leaves` in path order, and `judges` over all leaves."""
    return {
        "judges": [_result(result) for result in add_up(_sorted(calibrations).values())],
        "leaves": {
            path: {
                "problem": found.problem,
                "calls": len(found.calls),
                "judges": [_result(result) for result in found.results],
            }
            for path, found in _sorted(calibrations).items()
        },
    }


def _result(result: JudgeResult) -> dict[str, Any]:
    index = result.index
    return {
        "judge": result.judge,
        "true": _counts(result.true),
        "defects": _counts(result.false),
        "by_kind": {kind: _counts(counts) for kind, counts in result.defects.items()},
        "index": None if index is None else round(index, 4),
    }


def _counts(counts: Counts) -> dict[str, Any]:
    found = {"asked": counts.asked, "passed": counts.passed, "unreadable": counts.unreadable}
    if counts.asked >= ENOUGH:
        return {**found, "interval": [round(bound, 4) for bound in counts.interval]}
    return found


def calibration_lines(calibrations: Calibrations, *, by_leaf: bool = False) -> str:
    """Lines of text: a table by judge and kind of defect; by leaf and judge where asked for."""
    head = ["", "asked", "passed", "share", "95 % interval", "unreadable"]
    lines = [head]
    for result in add_up(_sorted(calibrations).values()):
        lines.append([f"{result.judge}: {TRUE}", *_cells(result.true)])
        lines += [[f"{result.judge}: {kind}", *_cells(counts)] for kind, counts in result.defects.items()]
    text = "\n".join(align_columns(lines)) if len(lines) > 1 else "No judge was put to the test."
    if not by_leaf:
        return text
    rows = [["leaf", "judge", "true passed", "defects passed", "unreadable", "calls"]]
    for path, found in _sorted(calibrations).items():
        rows += [[path, *_row(result), str(len(found.calls))] for result in found.results]
    return "\n".join(align_columns(rows)) + "\n\n" + text


def _row(result: JudgeResult) -> list[str]:
    true, false = result.true, result.false
    unreadable = true.unreadable + false.unreadable
    return [result.judge, f"{true.passed}/{true.asked}", f"{false.passed}/{false.asked}", str(unreadable)]


def _cells(counts: Counts) -> list[str]:
    low, high = counts.interval
    interval = f"{100 * low:.0f}-{100 * high:.0f} %" if counts.asked >= ENOUGH else ""
    return [str(counts.asked), str(counts.passed), f"{100 * counts.share:.0f} %", interval, str(counts.unreadable)]


def calibration_markdown(calibrations: Calibrations, floor: float) -> str:
    """The card's words on it: judges over all leaves, each leaf folded away; '' where nothing was tested."""
    if not calibrations:
        return ""
    totals = add_up(_sorted(calibrations).values())
    rows = []
    for result in totals:
        rows.append([code(result.judge), "the leaves' own pairs (should pass)", *_cells(result.true)])
        rows += [
            [code(result.judge), f"{DEFECTS.get(kind, kind)} (should not)", *_cells(counts)]
            for kind, counts in result.defects.items()
        ]
    if not rows:
        return ""
    leaves = [
        [code(path), *_row(result), f"{result.index:.2f}" if result.index is not None else ""]
        for path, found in _sorted(calibrations).items()
        for result in found.results
    ]
    failed = sum(bool(found.problem) for found in calibrations.values())
    stopped = sum(bool(found.problem) and not found.rehearsal for found in calibrations.values())
    if failed > stopped:
        told = f"that would have stopped {failed:,} of {len(calibrations):,} leaves, but a rehearsal goes on"
    else:
        told = f"that stopped {stopped:,} of {len(calibrations):,} leaves"
    head = ["judge", "asked about", "asked", "passed", "share", "95 % interval", "unreadable"]
    text = (
        "Before a leaf was drawn from, its judges were put to a test made of its own seed examples: the true pairs, "
        "which must pass, and the same pairs with one thing made wrong, which must not.\n\n"
        + markdown_table(head, rows)
        + "\n\nA leaf is not drawn from where the share of true pairs passed less the share of defects passed is "
        f"below {floor:g} (a judge that says yes to everything, or no, has 0): {told}. "
        f"A judge that errs in its first few questions is asked more of them."
    )
    by_leaf = markdown_table(["leaf", "judge", "true passed", "defects passed", "unreadable", "index"], leaves)
    return text + "\n\n" + folded("The same by leaf", by_leaf)


def _sorted(calibrations: Calibrations) -> dict[str, Calibration]:
    return dict(sorted(calibrations.items()))
