"""Intervals of what a student scored: of a share, of the difference of two students, and of a share set right.

A share's interval is Wilson's (1927), see `labgen.filters.calibration.wilson_interval`. All are 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from labgen.filters.calibration import Counts, wilson_interval

Z = 1.959964
"""The normal distribution's 97.5 % quantile."""

DRAWS = 4000
"""Draws of the interval of a corrected share; it then wavers by less than a hundredth."""


def paired_difference(first: Sequence[bool], second: Sequence[bool]) -> tuple[float, float, float]:
    """How much larger the share of right answers is in `second`, with its interval; the same questions in both.

    Source: Newcombe (1998), method 10: Wilson's intervals of both, joined by how the answers go together. The square
    of the usual difference's error would give no interval at all where every answer is right.

    Args:
        first, second: right or wrong, question by question, one or more.
    Returns: difference, lower and upper bound, -1 to 1.
    """
    count = len(first)
    one, two = sum(first) / count, sum(second) / count
    low_one, high_one = wilson_interval(sum(first), count)
    low_two, high_two = wilson_interval(sum(second), count)
    together = _correlation(first, second)

    def away(of_two: float, of_one: float) -> float:
        return math.sqrt(max(0.0, of_two**2 - 2 * together * of_two * of_one + of_one**2))

    difference = two - one
    low, high = away(two - low_two, high_one - one), away(high_two - two, one - low_one)
    return difference, max(-1.0, difference - low), min(1.0, difference + high)


def _correlation(first: Sequence[bool], second: Sequence[bool]) -> float:
    """The phi coefficient, with Newcombe's correction where answers go together; 0 where a margin is empty."""
    both = sum(a and b for a, b in zip(first, second, strict=True))
    only_first, only_second = sum(first) - both, sum(second) - both
    neither = len(first) - both - only_first - only_second
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    if not margins:
        return 0.0
    agreement: float = both * neither - only_first * only_second
    if agreement > 0:
        agreement = max(agreement - len(first) / 2, 0.0)
    return agreement / math.sqrt(margins)


def corrected_share(passed: Counts, true: Counts, defects: Counts) -> tuple[float, float, float] | None:
    """What share of answers is right, by a judge that errs as its test has shown, with its interval.

    Source: Rogan and Gladen (1978): (share passed + share of defects caught - 1) / (share of true pairs passed + share
    of defects caught - 1), cut to 0 to 1. The interval holds the error of all three shares: percentiles of draws from
    their Jeffreys posteriors, seeded.

    Args:
        passed: the student's answers; true, defects: the items of the judge's test.
    Returns: share, lower and upper bound; None where the judge's test is too small or the judge no better than chance.
    """
    import numpy

    if not (passed.asked and true.asked and defects.asked):
        return None
    caught = defects.caught
    index = true.share + caught / defects.asked - 1
    if index <= 0:
        return None
    chance = numpy.random.default_rng(0)

    def shares(hits: int, asked: int) -> numpy.ndarray:
        return chance.beta(hits + 0.5, asked - hits + 0.5, DRAWS)

    of_student, of_true = shares(passed.passed, passed.asked), shares(true.passed, true.asked)
    of_defects = shares(caught, defects.asked)
    indices = of_true + of_defects - 1
    useful = indices > 0
    drawn = numpy.clip((of_student + of_defects - 1)[useful] / indices[useful], 0, 1)
    share = min(1.0, max(0.0, (passed.share + caught / defects.asked - 1) / index))
    low, high = (float(bound) for bound in numpy.percentile(drawn, [2.5, 97.5]))
    return share, min(low, share), max(high, share)


def mean_interval(values: Sequence[float], *, rounded: float = 1.0) -> tuple[float, float, float]:
    """The mean of ratings, with Student's 95 % interval; not wider than the ratings' scale is the caller's to see to.

    Ratings are whole numbers, so each stands for half a point on either side: that much variance (1/12) is added, which
    also gives answers that all have the same rating an interval.

    Args:
        values: one or more.
        rounded: variance of rounding in a value, in that of one whole number (2 for a difference of two ratings).
    Returns: mean, lower and upper bound; without bounds (infinite) for one value.
    """
    count = len(values)
    mean = sum(values) / count
    if count == 1:
        return mean, -math.inf, math.inf
    variance = sum((value - mean) ** 2 for value in values) / (count - 1) + rounded / 12
    away = student_quantile(count - 1) * math.sqrt(variance / count)
    return mean, mean - away, mean + away


def student_quantile(freedom: int) -> float:
    """Student's 97.5 % quantile for so many degrees of freedom (1 or more), to within 0.003.

    Source: the expansion in 1/freedom of Abramowitz and Stegun, 26.7.5; the first two are exact values.
    """
    if freedom <= 2:
        return (12.7062, 4.3027)[freedom - 1]
    z = Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / float(freedom) ** power for power, term in enumerate(terms, start=1))
