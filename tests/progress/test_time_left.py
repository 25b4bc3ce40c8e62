"""The time left is honest: nothing is said at first, and what is said later is near the truth."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from labgen.config.drawing import StopConfig
from labgen.generate.leaf_progress import LeafProgress
from labgen.progress.rates import Moment, Rates
from labgen.progress.time_left import ExpectedCalls, LeafToGo, TimeLeft, calls_left

LOOK_SEC = 0.5
PER_SLOT = 5


@dataclass
class Simulated:
    """A run in simulated time: leaves one after the other, a slot's calls answered at a rate, rows by chance.

    `said` has what was said of the time left at each look, and the truth beside it.
    """

    said: list[tuple[float, float | None, float]]

    @classmethod
    def run(
        cls,
        *,
        leaves: int,
        wanted: int,
        yields: Callable[[int], float],
        per_sec: Callable[[float], float],
        expected_per_row: float = 4.0,
        seed: int = 0,
    ) -> Simulated:
        """Simulate it to its end."""
        chance = random.Random(seed)
        progress = [LeafProgress(wanted) for _ in range(leaves)]
        rates, left, seen = Rates(), TimeLeft(), []
        now, answered, worked, place, slot_calls = 0.0, 0, 0.0, 0, 0
        while place < leaves:
            now += LOOK_SEC
            worked += LOOK_SEC * per_sec(now)
            while worked >= 1.0 and place < leaves:
                worked, answered, slot_calls = worked - 1.0, answered + 1, slot_calls + 1
                leaf = progress[place]
                if slot_calls < 1 + 2 * PER_SLOT:
                    continue
                passed = sum(chance.random() < yields(place) for _ in range(PER_SLOT))
                leaf.slots, leaf.calls, leaf.fruitful = leaf.slots + 1, leaf.calls + slot_calls, True
                leaf.drawn, leaf.passed = leaf.drawn + PER_SLOT, leaf.passed + passed
                leaf.accepted = min(wanted, leaf.accepted + passed)
                slot_calls = 0
                if leaf.accepted == wanted:
                    leaf.done = True
                    place += 1
            rows = sum(leaf.accepted for leaf in progress)
            rates.note(Moment(now, rows, answered, 0, 8))
            expected = {"flow": ExpectedCalls(expected_per_row)}
            calls = calls_left((LeafToGo("flow", leaf) for leaf in progress), expected, StopConfig(), slot_calls)
            seen.append((now, left.look(now, answered=answered, rows=rows, calls=calls, per_sec=rates.calls_per_sec)))
        return cls([(at, said, now - at) for at, said in seen])

    def errors(self, since: float) -> list[float]:
        """What was said as a multiple of the truth, from a share of the run on, its last moments aside."""
        end = self.said[-1][0]
        told = [(said, truth) for at, said, truth in self.said if at >= since * end and truth > 0.03 * end]
        assert told and all(said is not None for said, _ in told)
        return [said / truth for said, truth in told if said is not None]


RUNS: dict[str, dict[str, object]] = {
    "steady": {"leaves": 20, "wanted": 30, "yields": lambda place: 0.7, "per_sec": lambda sec: 12.0},
    "a call in ten seconds": {"leaves": 4, "wanted": 30, "yields": lambda place: 0.7, "per_sec": lambda sec: 0.1},
    "yields that differ": {
        "leaves": 20,
        "wanted": 30,
        "yields": lambda place: 0.9 if place % 2 else 0.5,
        "per_sec": lambda sec: 8.0,
    },
    "a plan that is wrong by half": {
        "leaves": 20,
        "wanted": 30,
        "yields": lambda place: 0.35,
        "per_sec": lambda sec: 12.0,
    },
    "many leaves, fast": {"leaves": 300, "wanted": 30, "yields": lambda place: 0.7, "per_sec": lambda sec: 100.0},
}


@pytest.mark.parametrize("name", RUNS)
def test_what_is_said_comes_near_the_truth(name: str) -> None:
    """From a quarter of a run on within 40 % of the truth, and for most of that within 20 %."""
    for seed in range(3):
        errors = Simulated.run(**RUNS[name], seed=seed).errors(0.25)  # type: ignore[arg-type]
        assert min(errors) > 0.6 and max(errors) < 1.6, (min(errors), max(errors))
        near = sum(0.8 < error < 1.25 for error in errors) / len(errors)
        assert near > 0.75, near


@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_said_before_it_is_known_and_no_nonsense_after(name: str) -> None:
    """Whatever is said first is within a factor of three; what is said next is never far from it in one step."""
    simulated = Simulated.run(**RUNS[name])  # type: ignore[arg-type]
    assert simulated.said[0][1] is None
    told = [(said, truth) for _, said, truth in simulated.said if said is not None and truth > 5.0]
    assert 1 / 3 < told[0][0] / told[0][1] < 3
    steps = [later / max(1.0, said) for (said, _), (later, _) in itertools.pairwise(told) if said > 30.0]
    assert all(0.5 < step < 1.6 for step in steps), (min(steps), max(steps))


def test_a_server_that_becomes_slower_is_believed_soon() -> None:
    """A quarter of the speed from the middle on: half a minute later the time said is near the truth again."""
    simulated = Simulated.run(
        leaves=20, wanted=30, yields=lambda place: 0.7, per_sec=lambda sec: 12.0 if sec < 90 else 3.0
    )
    errors = [said / truth for at, said, truth in simulated.said if said is not None and at > 125 and truth > 20]
    assert min(errors) > 0.6 and max(errors) < 1.6


def test_a_leaf_that_will_be_stopped_is_not_waited_for() -> None:
    """Of one that spends too many calls only those that the stop rule leaves it are expected."""
    poor = LeafProgress(30, slots=10, accepted=0, calls=55, drawn=50, passed=0, fruitful=True)
    assert calls_left([LeafToGo("flow", poor)], {"flow": ExpectedCalls(40.0)}, StopConfig()) == 5.0
    assert calls_left([LeafToGo("flow", LeafProgress(30, done=True))], {}, StopConfig()) == 0.0


def test_rates_of_a_slow_run_reach_further_back_and_keep_little() -> None:
    """Three calls a minute are told as such; hours without an answer are one entry, and the rate falls meanwhile."""
    rates = Rates()
    for half_sec in range(2 * 3600):
        rates.note(Moment(half_sec / 2, 0, half_sec // 40, 100 * (half_sec // 40), 4))
    assert rates.calls_per_sec == pytest.approx(3 / 60, rel=0.1)
    assert rates.tokens_per_sec == pytest.approx(5.0, rel=0.1)
    before = rates.calls_per_sec
    for second in range(3600, 10800):
        rates.note(Moment(float(second), 0, 180, 18000, 4))
    assert len(rates._seen) < 3000 and rates.calls_per_sec < before / 5
