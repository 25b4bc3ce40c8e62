"""Scores of students as lines for a terminal and as data: shares with intervals, and the judge's own error beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from labgen.export.scores import BOTH_TURNS, Evaluation, StudentScores
from labgen.filters.calibration import Counts, JudgeResult
from labgen.filters.intervals import corrected_share, mean_interval, paired_difference
from labgen.filters.rating import HIGHEST, LOWEST
from labgen.lazy.dataclasses import dataclass
from labgen.text.columns import align_columns
from labgen.text.printable import one_line

SET_RIGHT = "set right by the judge's test"


def scores_json(found: Evaluation) -> dict[str, Any]:
    """As plain data: scores by config and leaf, differences, the judges' test, and every answer."""
    return {
        "students": [_student(scores, found) for scores in found.scores],
        "differences": {name: _difference(found, name) for name in found.configs} if len(found.scores) > 1 else {},
        "rating_differences": {name: _rating_difference(found, name) for name in found.rated}
        if len(found.scores) > 1
        else {},
        "judge": {name: _judge(result) for name in found.configs if (result := found.judged_by(name))},
        "rehearsal": found.rehearsal,
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
        "ratings": {
            name: {
                **_rating(scores, name),
                "leaves": {leaf: _rating(scores, name, leaf) for leaf in found.leaves(found.rated[0])},
            }
            for name in found.rated
        },
        "answers": [
            {"id": each.id, "set": each.set, "leaf": each.leaf, "right": each.right, "answer": each.answer}
            | ({"rating": each.rating} if each.rated else {})
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


def _rating(scores: StudentScores, name: str, leaf: str = "") -> dict[str, Any]:
    ratings = list(scores.ratings(name, leaf).values())
    if not ratings:
        return {"rated": 0, "mean": None, "interval": None}
    mean, low, high = mean_interval(ratings, rounded=_rounded_numbers(name))
    return {"rated": len(ratings), "mean": _rounded(mean), "interval": _both(max(LOWEST, low), min(HIGHEST, high))}


def _rating_difference(found: Evaluation, name: str, leaf: str = "") -> dict[str, Any] | None:
    gains = found.rating_gains(name, leaf)
    if not gains:
        return None
    most = HIGHEST - LOWEST
    mean, low, high = mean_interval(gains, rounded=2 * _rounded_numbers(name))
    return {"rated": len(gains), "mean": _rounded(mean), "interval": _both(max(-most, low), min(most, high))}


def _rounded_numbers(name: str) -> float:
    """The variance that rounding adds to a rating, in that of one whole number: the mean of two has half of it."""
    return 0.5 if name == BOTH_TURNS else 1.0


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
    """Lines of text: what is right by config, ratings by turn, with leaves below where asked for; two students side by
    side, with their difference.
    """
    parts = [_table(found, share_lines(found, by_leaf), "right"), _table(found, rating_lines(found, by_leaf), "rating")]
    parts.append(_of_judges(found))
    if found.rehearsal:
        parts.append("REHEARSAL: the built-in rehearsal teacher judged. Its verdicts mean nothing.")
    return "\n\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """One line of a table, and of the picture.

    Attributes:
        name: of a config or leaf; indent: whether it belongs to the line before.
        asked: questions (count), of the last student.
        students: of each student value, lower and upper bound; None for nothing.
        difference: that of the last student over the first; None with one student, or where there is none.
    """

    name: str
    indent: bool
    asked: int
    students: tuple[tuple[float, float, float] | None, ...]
    difference: tuple[float, float, float] | None = None


def share_lines(found: Evaluation, by_leaf: bool) -> list[ScoreLine]:
    """Lines of what is right, in per cent."""
    lines = []
    for name in found.configs:
        for leaf in ("", *(found.leaves(name) if by_leaf else ())):
            counts = [scores.counts(name, leaf) for scores in found.scores]
            shares = tuple((100 * each.share, 100 * each.interval[0], 100 * each.interval[1]) for each in counts)
            gain = _difference(found, name, leaf) if len(found.scores) > 1 else None
            lines.append(ScoreLine(leaf or name, bool(leaf), counts[-1].asked, shares, _spread(gain, "share", 100)))
        corrected = [_corrected(scores, found, name) for scores in found.scores]
        if any(corrected):
            lines.append(ScoreLine(SET_RIGHT, True, 0, tuple(_spread(each, "share", 100) for each in corrected)))
    return lines


def rating_lines(found: Evaluation, by_leaf: bool) -> list[ScoreLine]:
    """Lines of ratings, 1 to 10."""
    lines = []
    for name in found.rated:
        for leaf in ("", *(found.leaves(found.rated[0]) if by_leaf else ())):
            ratings = [_rating(scores, name, leaf) for scores in found.scores]
            spreads = tuple(_spread(each, "mean", 1) for each in ratings)
            gain = _rating_difference(found, name, leaf) if len(found.scores) > 1 else None
            lines.append(ScoreLine(leaf or name, bool(leaf), ratings[-1]["rated"], spreads, _spread(gain, "mean", 1)))
    return lines


def _spread(data: Mapping[str, Any] | None, value: str, times: float) -> tuple[float, float, float] | None:
    if data is None or data[value] is None:
        return None
    return times * data[value], times * data["interval"][0], times * data["interval"][1]


def _table(found: Evaluation, lines: Sequence[ScoreLine], of: str) -> str:
    """Lines below their heading; empty for none."""
    if not lines:
        return ""
    digits, unit = (0, " %") if of == "right" else (1, "")
    students = [one_line(scores.student, 40) for scores in found.scores]
    head = [f"{of}, with its 95 % interval", "asked" if of == "right" else "rated", *students]
    gains = [f"{students[-1]} over {students[0]}"] if len(students) > 1 else []
    rows = [[*head, *gains]]
    for line in lines:
        cells = [_words(each, digits, unit) for each in line.students]
        more = [_words(line.difference, digits, "", "+")] if gains else []
        rows.append([f"{'  ' if line.indent else ''}{line.name}", str(line.asked or ""), *cells, *more])
    return "\n".join(align_columns(rows))


def _words(spread: tuple[float, float, float] | None, digits: int, unit: str, sign: str = "") -> str:
    if spread is None:
        return ""
    value, low, high = (f"{each:{sign}.{digits}f}" for each in spread)
    return f"{value}{unit} ({low} to {high})"


def _of_judges(found: Evaluation) -> str:
    told = [
        f"{name}: the judge passed {judge.true.passed} of {judge.true.asked} true pairs of its test, and caught "
        f"{judge.false.caught} of {judge.false.asked} that were made wrong."
        for name in found.configs
        if (judge := found.judged_by(name))
    ]
    return "\n".join(told)
