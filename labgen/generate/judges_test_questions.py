"""What the test of a leaf's judges asks, known beforehand: the questions of each round, and how many there will be."""

from __future__ import annotations

from dataclasses import replace

from labgen.filters.base import Cost, Filter
from labgen.filters.calibration import LeafTest, testable
from labgen.generate.context import RunContext
from labgen.generate.price_of_filters import calls_for_each, calls_of_judge
from labgen.generate.question_price import UNSTATED, Recorder
from labgen.generate.slot_run import asker_for
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Call

Weighted = tuple[Call, float]
"""A call of a kind, and how many of that kind there will be, itself included."""


async def test_questions(plan: LeafPlan, run: RunContext) -> list[tuple[Filter, list[Weighted], list[Weighted]]]:
    """For each judge of a leaf that is put to the test: what it is asked first, and what then, where it errs."""
    recorder = Recorder()
    asker = asker_for(plan, replace(run, client=recorder), 0)
    test = LeafTest(plan, asker, run.config.thresholds, run.config.calibration)
    found = []
    for judge in testable(run.bound(plan.flow).judges):
        cost: Cost = getattr(judge, "cost", UNSTATED)
        rounds = []
        for sheets in test.rounds(judge):
            calls = await calls_of_judge(recorder, judge, test.questions(judge, sheets))
            among = len(sheets) if cost.shared else sum(map(len, sheets))
            # What it is seen to ask it will ask; it may be to ask more than that.
            rounds.append([(call, max(1.0, calls_for_each(cost, calls, among))) for call in calls])
        first, *more = rounds
        found.append((judge, first, [each for calls in more for each in calls]))
    return found
