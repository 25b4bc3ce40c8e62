"""Scores of students as lines for a terminal and as data: shares with intervals, and the judge's own error beside."""

from __future__ import annotations

from typing import Any

from labgen.export.scores import Evaluation, StudentScores
from labgen.filters.calibration import Counts, JudgeResult
from labgen.filters.intervals import corrected_share, paired_difference
from labgen.text.columns import align_columns
from labgen.text.printable import one_line


def scores_json(found: Evaluation) -> dict[str, Any]:
    """As plain data: scores by config and leaf, differences, the judges' test, and every answer."""
    return {
        "students": [_student(scores, found) for scores in found.scores],
        "differences": {name: _difference(found, name) for name in found.configs} if len(found.scores) > 1 else {},
        "judge": {name: _judge(result) for name in found.configs if (result := found.judged_by(name))},
        "left_out": found.left_out,
    }


def _student(scores: StudentScores, found: Evaluation) -> dict[str, Any]:
    return {
        "student": scores.student,
        "unanswered": scores.unanswered,
        "scores": {
            name: {
                **_score(scores.counts(name)),
                "corrected": _corrected(scores, found, name),
                "leaves": {leaf: _score(scores.counts(name, leaf)) for leaf in found.leaves(name)},
            }
            for name in found.configs
        },
        "answers": [
            {"id": each.id, "set": each.set, "leaf": each.leaf, "right": each.right, "answer": each.answer}
            | ({"reason": each.reason} if each.reason else {})
            for each in scores.outcomes
        ],
    }


def _score(counts: Counts) -> dict[str, Any]:
    low, high = counts.interval
    return {
        "asked": counts.asked,
        "right": counts.passed,
        "share": _rounded(counts.share),
        "interval": _both(low, high),
    }


def _corrected(scores: StudentScores, found: Evaluation, config: str) -> dict[str, Any] | None:
    judge = found.judged_by(config)
    set_right = corrected_share(scores.counts(config), judge.true, judge.false) if judge else None
    return set_right and {"share": _rounded(set_right[0]), "interval": _both(*set_right[1:])}


def _difference(found: Evaluation, config: str, leaf: str = "") -> dict[str, Any] | None:
    first, last = found.pairs(config, leaf)
    if not first:
        return None
    share, low, high = paired_difference(first, last)
    return {"asked": len(first), "share": _rounded(share), "interval": _both(low, high)}


def _judge(result: JudgeResult) -> dict[str, Any]:
    return {
        "true_asked": result.true.asked,
        "true_passed": result.true.passed,
        "defects_asked": result.false.asked,
        "defects_caught": result.false.caught,
    }


def _rounded(share: float) -> float:
    return round(share, 4)


def _both(low: float, high: float) -> list[float]:
    return [_rounded(low), _rounded(high)]


def scores_lines(found: Evaluation, *, by_leaf: bool = False) -> str:
    """Lines of text: a line for each config and student, with leaves below where asked for."""
    lines = [["", "student", "asked", "right", "95 % interval", "set right by the judge's test"]]
    for name in found.configs:
        for scores in found.scores:
            lines.append(
                [name, one_line(scores.student, 40), *_cells(scores.counts(name)), _set_right(scores, found, name)]
            )
        for leaf in found.leaves(name) if by_leaf else ():
            for scores in found.scores:
                lines.append([f"  {leaf}", one_line(scores.student, 40), *_cells(scores.counts(name, leaf)), ""])
    parts = ["\n".join(align_columns(lines, left=2))]
    if len(found.scores) > 1:
        parts.append(_gains(found))
    parts.append(_of_judges(found))
    return "\n\n".join(part for part in parts if part)


def _cells(counts: Counts) -> list[str]:
    low, high = counts.interval
    return [str(counts.asked), f"{100 * counts.share:.0f} %", f"{100 * low:.0f} to {100 * high:.0f} %"]


def _set_right(scores: StudentScores, found: Evaluation, config: str) -> str:
    data = _corrected(scores, found, config)
    if data is None:
        return ""
    low, high = data["interval"]
    return f"{100 * data['share']:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def _gains(found: Evaluation) -> str:
    first, last = (one_line(scores.student, 40) for scores in (found.scores[0], found.scores[-1]))
    lines = [[f"{last} over {first}", "asked", "points", "95 % interval"]]
    for name in found.configs:
        if data := _difference(found, name):
            low, high = data["interval"]
            points = f"{100 * data['share']:+.0f}"
            lines.append([name, str(data["asked"]), points, f"{100 * low:+.0f} to {100 * high:+.0f}"])
    return "\n".join(align_columns(lines))


def _of_judges(found: Evaluation) -> str:
    told = [
        f"{name}: the judge passed {judge.true.passed} of {judge.true.asked} true pairs of its test, and caught "
        f"{judge.false.caught} of {judge.false.asked} that were made wrong."
        for name in found.configs
        if (judge := found.judged_by(name))
    ]
    return "\n".join(told)
