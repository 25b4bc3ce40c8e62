"""The time that a run still takes, said only where something is known of it.

What is left is reckoned in calls: the rows that each leaf lacks, at the calls that a row takes. At first that is what
the plan expects of the leaf's flow; what the run sees of flow and leaf soon counts for more. At the rate at which calls
were answered lately this gives a time. It moves towards each new reckoning rather than jumping there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from labgen.config.drawing import StopConfig
from labgen.generate.leaf_progress import LeafProgress
from labgen.lazy.dataclasses import dataclass

FLOW_WEIGHT_ROWS = 10.0
"""What the plan expects of a flow counts like so many rows."""
LEAF_WEIGHT_ROWS = 10.0
"""What is expected of a flow counts like so many rows in what is expected of one of its leaves."""
LEAST_CALLS = 20
"""Calls that have to be answered before a time is said."""
LEAST_SEC = 5.0
SETTLING_SEC = 10.0
"""Time in which what is said moves two thirds of the way to what is reckoned."""
FAR = 1.5
"""What is reckoned, as a multiple of what is said, from which on it is said at once: the run has changed."""


@dataclass(frozen=True, slots=True)
class ExpectedCalls:
    """What a plan expects of a flow: calls of an accepted row, and those of a leaf's judges' test."""

    per_row: float
    test: float = 0.0


@dataclass(frozen=True, slots=True)
class LeafToGo:
    """A leaf on its way: its flow's name, and how far it is."""

    flow: str
    progress: LeafProgress


def calls_left(
    leaves: Iterable[LeafToGo], expected: Mapping[str, ExpectedCalls], stop: StopConfig, under_way: float = 0.0
) -> float:
    """The calls that are still to be answered (a fraction), all being well.

    Args:
        under_way: calls that were answered for slots that are not retired yet.
    """
    leaves = list(leaves)
    rows: Counter[str] = Counter()
    calls: dict[str, float] = {}
    for leaf in leaves:
        progress = leaf.progress
        if progress.fruitful:
            rows[leaf.flow] += progress.accepted
            spent = max(0.0, progress.calls - _test_of(leaf, expected))
            calls[leaf.flow] = calls.get(leaf.flow, 0.0) + spent
    left = 0.0
    for leaf in leaves:
        progress, of_flow = leaf.progress, expected.get(leaf.flow, ExpectedCalls(0.0))
        if progress.done or progress.missing <= 0:
            continue
        seen = FLOW_WEIGHT_ROWS * of_flow.per_row + calls.get(leaf.flow, 0.0)
        per_row = seen / (FLOW_WEIGHT_ROWS + rows[leaf.flow])
        own = max(0.0, progress.calls - _test_of(leaf, expected))
        per_row = (LEAF_WEIGHT_ROWS * per_row + own) / (LEAF_WEIGHT_ROWS + progress.accepted)
        to_go = progress.missing * per_row
        if per_row > stop.max_calls_per_row:
            # It will be stopped before it is full.
            to_go = max(0.0, min(to_go, stop.min_calls - progress.calls))
        left += to_go + (0.0 if progress.slots else of_flow.test)
    return max(0.0, left - under_way)


def _test_of(leaf: LeafToGo, expected: Mapping[str, ExpectedCalls]) -> float:
    of_flow = expected.get(leaf.flow)
    return of_flow.test if of_flow and leaf.progress.slots else 0.0


class TimeLeft:
    """What is said of the time left, from one look at a run to the next."""

    def __init__(self) -> None:
        self._began: tuple[float, int] | None = None
        self._end_sec: float | None = None
        self._looked_sec = 0.0

    def look(self, now_sec: float, *, answered: int, rows: int, calls: float, per_sec: float | None) -> float | None:
        """Seconds that are left; None where it is not known yet.

        Args:
            answered: calls of this run; rows: accepted since it began to ask; calls: that are left.
            per_sec: calls worked off a second, lately.
        """
        self._began = self._began or (now_sec, answered)
        early = now_sec - self._began[0] < LEAST_SEC or answered - self._began[1] < LEAST_CALLS
        if not per_sec or early or not rows:
            return None
        end_sec = now_sec + calls / per_sec
        said_sec = self._end_sec
        if said_sec is None or not 1 / FAR < (end_sec - now_sec + 1.0) / max(1.0, said_sec - now_sec + 1.0) < FAR:
            self._end_sec = end_sec
        else:
            weight = 1.0 - math.exp((self._looked_sec - now_sec) / SETTLING_SEC)
            self._end_sec = said_sec + weight * (end_sec - said_sec)
        self._looked_sec = now_sec
        return max(0.0, self._end_sec - now_sec)

    def forget(self) -> None:
        """Nothing is answered at present: what was said does not hold any more."""
        self._end_sec = None
