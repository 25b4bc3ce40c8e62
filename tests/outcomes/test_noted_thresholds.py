"""A threshold that notes what it decides says where it could stand, with all of that decided alike."""

from __future__ import annotations

import operator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labgen.config.filtering import ThresholdsConfig
from labgen.outcomes.thresholds import NotedThresholds, Range, no_lower_than, pack_ranges, unpack_ranges

values = st.integers(1, 3)
scores = st.integers(0, 4)
comparisons = st.tuples(st.sampled_from([operator.lt, operator.le, operator.gt, operator.ge]), scores, st.booleans())


def decided(threshold: Any, least: int, asked: list[tuple[Any, int, bool]]) -> list[bool]:
    """What comparisons with a threshold come to, of some with the larger of it and `least`."""
    return [
        compare(score, no_lower_than(threshold, least) if floored else threshold) for compare, score, floored in asked
    ]


@given(values, scores, st.lists(comparisons, max_size=5), st.lists(comparisons, max_size=5), values)
def test_a_threshold_may_stand_where_all_comes_out_the_same(
    value: int, least: int, whole: list[tuple[Any, int, bool]], of_part: list[tuple[Any, int, bool]], other: int
) -> None:
    """What a part of the run compares counts for the part by itself, and for the whole."""
    noted = NotedThresholds(ThresholdsConfig(min_pair_score=value))
    part = noted.part()
    found = [decided(each.thresholds.min_pair_score, least, asked) for each, asked in ((noted, whole), (part, of_part))]
    assert found == [decided(value, least, whole), decided(value, least, of_part)]
    noted.count_part(part.ranges())
    again = NotedThresholds(ThresholdsConfig(min_pair_score=value))
    again.take_over(noted.ranges())
    for ranges, asked in (
        (noted.ranges(own=True), [whole, []]),
        (part.ranges(), [[], of_part]),
        (noted.ranges(), [whole, of_part]),
        (again.ranges(), [whole, of_part]),
    ):
        assert unpack_ranges(pack_ranges(ranges)) == ranges
        moves = ranges.get("min_pair_score", Range())
        assert value in moves
        if other in moves:
            assert [decided(other, least, each) for each in asked] == [decided(value, least, each) for each in asked]


def test_what_a_number_decides_by_itself_is_not_noted() -> None:
    noted = NotedThresholds(ThresholdsConfig(min_pair_score=1))
    assert [score < no_lower_than(noted.thresholds.min_pair_score, 2) for score in (1, 3)] == [True, False]
    assert 2 in noted.ranges()["min_pair_score"] and 3 in noted.ranges()["min_pair_score"]
