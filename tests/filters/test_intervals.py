"""Intervals hold the truth about as often as they say, in simulated runs of students whose skill is known."""

from __future__ import annotations

import random

import pytest

from labgen.filters.calibration import Counts, wilson_interval
from labgen.filters.intervals import corrected_share, paired_difference

RUNS = 200
SKILLS = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def test_a_share_is_covered_in_95_percent_of_200_runs() -> None:
    """For each skill about so, and over all of them at least."""
    chance, covered = random.Random(17), []
    for skill in SKILLS:
        held = 0
        for _ in range(RUNS):
            low, high = wilson_interval(sum(chance.random() < skill for _ in range(60)), 60)
            held += low <= skill <= high
        covered.append(held)
    assert min(covered) >= 0.92 * RUNS, covered
    assert sum(covered) >= 0.95 * RUNS * len(SKILLS), covered


def test_the_difference_of_two_students_is_covered_in_95_percent_of_200_runs() -> None:
    """Both are asked the same questions, some of which are hard for both."""
    chance, covered, cases = random.Random(17), 0, 0
    for base, gain in ((0.2, 0.0), (0.3, 0.3), (0.6, 0.1), (0.5, 0.45)):
        for _ in range(RUNS):
            luck = [(chance.random(), chance.random()) for _ in range(60)]
            # What one knows the other is likelier to know: half of the questions are as hard for both.
            first = [one < base for one, _ in luck]
            second = [(one if number % 2 else two) < base + gain for number, (one, two) in enumerate(luck)]
            _, low, high = paired_difference(first, second)
            covered += low <= gain <= high
            cases += 1
    assert covered >= 0.95 * cases, covered / cases


def test_a_share_set_right_by_the_judges_test_is_covered() -> None:
    """A judge that errs, tested on a handful of pairs; the raw share is wrong by far more than its interval."""
    chance, covered = random.Random(17), 0
    skill, passes_right, catches_wrong = 0.6, 0.9, 0.8
    for _ in range(RUNS):
        right = [chance.random() < skill for _ in range(80)]
        passed = sum(chance.random() < (passes_right if each else 1 - catches_wrong) for each in right)
        true = Counts(60, sum(chance.random() < passes_right for _ in range(60)))
        wrong = Counts(60, sum(chance.random() > catches_wrong for _ in range(60)))
        found = corrected_share(Counts(80, passed), true, wrong)
        assert found is not None
        covered += found[1] <= skill <= found[2]
    assert covered >= 0.95 * RUNS, covered


def test_nothing_is_set_right_by_a_judge_that_was_not_tested_or_says_yes_to_all() -> None:
    assert corrected_share(Counts(10, 5), Counts(), Counts(4, 0)) is None
    assert corrected_share(Counts(10, 5), Counts(4, 4), Counts(4, 4)) is None


@pytest.mark.parametrize("same", [[True] * 5, [False] * 5, [True, False, True]])
def test_two_students_with_the_same_answers_do_not_differ(same: list[bool]) -> None:
    """The interval holds 0, and has a width: so few questions prove nothing."""
    difference, low, high = paired_difference(same, same)
    assert difference == 0 and low <= 0 <= high and high > low
