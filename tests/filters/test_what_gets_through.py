"""What the filters let through and what a row costs, at small scale; scripts/bench_filters.py and bench_calls.py have
the figures."""

from __future__ import annotations

from pathlib import Path

import bench_calls
import bench_filters
import pytest

FLOWS = ("knowledge", "grounded", "freeform")


@pytest.mark.parametrize("flow", FLOWS)
def test_with_a_judge_that_is_right_nothing_bad_gets_through_and_nothing_good_is_lost(
    flow: str, tmp_path: Path
) -> None:
    """Ten kinds of defect, at most 1 % of the good rows lost."""
    found = bench_filters.measure(flow, slots=40, rate=0.05, errors=0.0, folder=tmp_path)
    good, kept = found.pop("good")
    assert {kind: through for kind, (_, through) in found.items() if through} == {}
    assert sum(planted > 0 for planted, _ in found.values()) >= 8
    assert kept >= 0.99 * good > 0


def test_a_judge_that_errs_lets_a_tenth_through_of_what_only_it_can_see(tmp_path: Path) -> None:
    """Rules, near-duplicates, benchmark items and unreadable verdicts do not depend on it."""
    found = bench_filters.measure("freeform", slots=60, rate=0.07, errors=0.1, folder=tmp_path)
    for kind in ("refusal", "prompt_leakage", "near_duplicate", "benchmark_item", "malformed_verdict"):
        assert found[kind][1] == 0, kind
    planted, through = (sum(counts[place] for kind, counts in found.items() if kind != "good") for place in (0, 1))
    assert through < 0.1 * planted


@pytest.mark.parametrize("flow", FLOWS)
def test_a_row_costs_few_calls(flow: str, tmp_path: Path) -> None:
    """At a yield of four fifths: 2.5 for knowledge, 4 for freeform skills at most; asked separately, far more."""
    found = bench_calls.measure(flow, rows=60, yield_share=0.8, folder=tmp_path)
    assert found["calls"] <= bench_calls.LIMITS.get(flow, 4.5)
    assert found["separate_calls"] > 2 * found["calls"]
