"""How much of what is drawn will be accepted: seen so far, expected of a leaf, and whether another slot is needed.

It only steers how far slots are issued ahead, never a result.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import field

from labgen.lazy.dataclasses import dataclass

LEAF_WEIGHT_SLOTS = 2.0
"""Slots' worth of weight that the yield of all leaves of a flow has in what is expected of one leaf."""

LUCK = 2.0
"""Standard deviations by which slots on their way may do better than expected before another one is begun."""


@dataclass
class YieldSeen:
    """What a run has seen of its flows' yields, by flow."""

    drawn: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    passed: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, flow: str, drawn: float, passed: float) -> None:
        """Count candidates that were drawn, and those of them that passed every filter."""
        self.drawn[flow] += drawn
        self.passed[flow] += passed

    def share(self, flow: str) -> float:
        """Share of a flow's drawn candidates that passed, 0 to 1; 1 until some were seen: a slot that is missing
        can still be issued, one too many is paid for nothing.
        """
        return min(1.0, (self.passed[flow] + 1.0) / (self.drawn[flow] + 1.0))


def falls_short(
    missing: int, potential: float, *, drawn: float, passed: float, usual: float, per_slot: float, eager: bool
) -> bool:
    """Whether the slots of a leaf that are on their way are expected to bring fewer rows than are missing.

    Args:
        missing: rows that the leaf still wants.
        potential: candidates on their way that may still be accepted.
        drawn, passed: candidates of the leaf's retired slots, and those that passed every filter.
        usual: share that passes in the leaf's flow, 0 to 1.
        per_slot: candidates that a slot is asked for, on average.
        eager: whether any expected shortfall counts, so that the leaf is done as early as can be. Otherwise the slots
            have to fall short even with some luck: one slot too many is paid for nothing.
    """
    weight = LEAF_WEIGHT_SLOTS * per_slot
    share = min(1.0, (passed + weight * usual) / (drawn + weight))
    luck = 0.0 if eager else LUCK * math.sqrt(potential * share * (1.0 - share))
    return missing > min(potential, potential * share + luck)
