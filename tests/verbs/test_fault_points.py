"""A build whose disk fails at one place, or that is killed there; `scripts/check_fault_points.py` does all places."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from fault_points import Kind, Point, Stage
from faulty_builds import BuildsWithFaults, rehearse
from faulty_teacher import FaultyTeacher
from thoroughness import THOROUGH

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="builds are forked")
EACH = 9 if THOROUGH else 3
"""Builds with a fault in each test, at a second or two each."""


@pytest.fixture(scope="module", params=[False, True], ids=["first build", "over an earlier one"])
def builds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildsWithFaults]:
    """Builds from nothing, or ones that replace a dataset."""
    with FaultyTeacher(rehearse) as teacher, Stage() as stage:
        yield BuildsWithFaults(tmp_path_factory.mktemp("builds"), stage, teacher, again=request.param)


def some_of_each(points: list[Point], kind: Kind) -> list[Point]:
    """A few points, as different in what they do and for whom as there are; others for each kind of fault."""
    strata: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        strata.setdefault((point.operation, point.where), []).append(point)
    chosen = [some[len(kind) % len(some)] for some in strata.values()]
    step = max(1, len(chosen) // EACH)
    return chosen[len(kind) % step :: step]


@pytest.mark.parametrize("kind", ["fail", "stay failed", "kill", "no memory"])
def test_wherever_it_happens_it_is_told_and_the_next_run_gives_the_same_bytes(
    builds: BuildsWithFaults, kind: Kind
) -> None:
    """No traceback, no lost reply, no half dataset, nothing left behind."""
    points = builds.points()
    assert len({point.operation for point in points}) >= 9
    chosen = some_of_each(points, kind)
    assert len(chosen) >= EACH
    verdicts = [builds.disturb(point, kind) for point in chosen]
    assert not [str(verdict) for verdict in verdicts if verdict.wrong]
