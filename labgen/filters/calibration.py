"""Judges are put to the test before money is spent, leaf by leaf, with the leaf's own seeds.

Source: LAB (section 3.2) trusts its judge; so does everyone who filters with one. Ours asks each judge of a leaf about
pairs whose right verdict is known: the seeds themselves, which must pass, and the seeds with one thing made wrong,
which must not (see `labgen.filters.calibration_items`). What is held against the configured floor is Youden's index
(1950), the share of true pairs passed less the share of defects passed: 1 for a perfect judge, 0 for one that always
says yes, always no, or tosses a coin, whatever the coin.

A first round of a few questions is enough for a judge that makes no mistake in it. Any mistake brings a second round of
twice as many, so that a good judge's slip does not cost a leaf.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from labgen.config import CalibrationConfig, ThresholdsConfig
from labgen.filters.base import Filter, SlotContext, settle
from labgen.filters.calibration_items import TRUE, Item, instruction_items, pair_items
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.plan.example_pairs import ExamplePair, example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, Grounding, State
from labgen.teacher.asker import Asker

SHEET = 2
"""True instructions, and as many defective ones, that an instruction judge is asked about in one call."""


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What a judge made of one item. `state` is how the item would have ended, None where it passed."""

    judge: str
    kind: str
    state: State | None

    @property
    def answered(self) -> bool:
        """Whether there was a reply at all; one that can't be read is a reply."""
        return self.state is not State.FAILED


@dataclass(frozen=True, slots=True)
class Counts:
    """Items of one judge: how many were asked about, passed, and answered with something that can't be read."""

    asked: int = 0
    passed: int = 0
    unreadable: int = 0

    @property
    def share(self) -> float:
        """Share that passed, 0 to 1; 0 where nothing was asked."""
        return self.passed / self.asked if self.asked else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of that share."""
        return wilson_interval(self.passed, self.asked)

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.asked + other.asked, self.passed + other.passed, self.unreadable + other.unreadable)


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """One judge in one leaf (or in several, added up). `defects` maps a kind of defect to its counts."""

    judge: str
    true: Counts = Counts()
    defects: dict[str, Counts] = field(default_factory=dict)

    @property
    def false(self) -> Counts:
        """All defects together."""
        return sum(self.defects.values(), Counts())

    @property
    def index(self) -> float | None:
        """Share of true items passed less share of defects passed, -1 to 1; None where either was not asked about."""
        return self.true.share - self.false.share if self.true.asked and self.false.asked else None

    def __add__(self, other: JudgeResult) -> JudgeResult:
        kinds = dict.fromkeys([*self.defects, *other.defects])
        defects = {kind: self.defects.get(kind, Counts()) + other.defects.get(kind, Counts()) for kind in kinds}
        return JudgeResult(self.judge, self.true + other.true, defects)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a leaf's judges did.

    Attributes:
        calls: keys of the calls it took; problem: why the leaf stops, if so.
        rehearsal: whether the rehearsal teacher was among the judges.
    """

    results: tuple[JudgeResult, ...]
    calls: tuple[bytes, ...]
    problem: str = ""
    rehearsal: bool = False


def testable(judges: Iterable[Filter]) -> list[Filter]:
    """The judges that can be put to the test: those that say with `catches` which defects they must not pass.

    A guard that looks for harm only has nothing to say of an answer to the wrong question, and is not tested.
    """
    return [judge for judge in judges if _catches(judge)]


def _catches(judge: Filter) -> tuple[str, ...]:
    return tuple(getattr(judge, "catches", None) or ())


async def put_to_test(
    plan: LeafPlan, judges: Iterable[Filter], asker: Asker, thresholds: ThresholdsConfig, config: CalibrationConfig
) -> Calibration:
    """Put a leaf's judges to the test. The result depends on replies alone.

    Args:
        judges: all of the leaf's flow, in its order; those that can't be tested are left aside.
        asker: its `spent` tells the calls.
    """
    judges, examples = testable(judges), example_pairs(plan.leaf, plan.flow)
    # A build may keep rows of the lowest score; whether its judge can tell wrong from right is another question.
    thresholds = thresholds.model_copy(update={"min_pair_score": max(2, thresholds.min_pair_score)})
    outcomes = await asyncio.gather(*(_test(judge, plan, examples, asker, thresholds, config) for judge in judges))
    results = tuple(count_outcomes(judge.name, found) for judge, found in zip(judges, outcomes, strict=True))
    problems = [words for result in results if (words := weakness(result, config.floor))]
    rehearsal = any(each.rehearsal for each in asker.answered_by)
    return Calibration(results, tuple(asker.spent), "; ".join(problems), rehearsal)


def weakness(result: JudgeResult, floor: float) -> str:
    """In words, how a judge falls short of the floor; '' where it does not, or where nothing was answered."""
    if result.index is None or result.index >= floor:
        return ""
    kinds = ", ".join(
        f"{kind} {counts.passed} of {counts.asked}" for kind, counts in result.defects.items() if counts.passed
    )
    unread = result.true.unreadable + result.false.unreadable
    return (
        f"{result.judge} passes {result.true.passed} of {result.true.asked} of the leaf's own pairs and "
        f"{result.false.passed} of {result.false.asked} that were made wrong"
        + (f" ({kinds})" if kinds else "")
        + (f"; {unread} of its replies can't be read" if unread else "")
    )


def wilson_interval(passed: int, asked: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share, 95 % by default; (0, 1) where nothing was asked."""
    if not asked:
        return 0.0, 1.0
    share, square = passed / asked, z * z
    centre = (share + square / (2 * asked)) / (1 + square / asked)
    half = z * math.sqrt(share * (1 - share) / asked + square / (4 * asked * asked)) / (1 + square / asked)
    return max(0.0, centre - half), min(1.0, centre + half)


async def _test(
    judge: Filter,
    plan: LeafPlan,
    examples: tuple[ExamplePair, ...],
    asker: Asker,
    thresholds: ThresholdsConfig,
    config: CalibrationConfig,
) -> list[ItemOutcome]:
    outcomes: list[ItemOutcome] = []
    for sheets in rounds(judge, plan, examples, config):
        outcomes += await asyncio.gather(*ask_round(judge, sheets, plan, examples, asker, thresholds))
        if all((outcome.state is None) == (outcome.kind == TRUE) for outcome in outcomes if outcome.answered):
            break
    return outcomes


Sheet = tuple[Item, ...]
"""Items that a judge is asked about in one call."""


def rounds(
    judge: Filter, plan: LeafPlan, examples: Sequence[ExamplePair], config: CalibrationConfig
) -> Iterator[list[Sheet]]:
    """What a judge is asked about: first, and once more where it makes a mistake in that."""
    if judge.stage == "instruction":
        yield from _instruction_rounds(*instruction_items(examples))
        return
    kinds = _catches(judge)
    creative = plan.flow.grounding is Grounding.NONE and plan.persona == "creative"
    true, defects = pair_items(examples, kinds, creative=creative)
    first, wrong = config.true_pairs, config.defects
    yield [(item,) for item in true[:first] + defects[:wrong]]
    yield [(item,) for item in true[first : 3 * first] + defects[wrong : 3 * wrong]]


def _instruction_rounds(true: list[Item], defects: list[Item]) -> Iterator[list[Sheet]]:
    """One call, and two more where it went wrong. Instructions on a context share a call with those on the same one."""
    sheets = []
    contexts = dict.fromkeys(item.context for item in true)
    for context in contexts:
        good = [item for item in true if item.context == context]
        bad = [item for item in defects if item.context == context]
        while good and bad:
            # A defect in front, so that a judge that looks at the first one only is found out.
            chosen = (bad[:1], good[:SHEET], bad[1:SHEET])
            sheets.append(tuple(item for part in chosen for item in part))
            good, bad = good[SHEET:], bad[SHEET:]
    yield sheets[:1]
    yield sheets[1:3]


def ask_round(
    judge: Filter,
    sheets: Sequence[Sheet],
    plan: LeafPlan,
    examples: tuple[ExamplePair, ...],
    asker: Asker,
    thresholds: ThresholdsConfig,
) -> list[Coroutine[Any, Any, ItemOutcome]]:
    """Ways to ask a judge about each item of a round."""
    slots = ((sheet, _slot(sheet, plan, examples, asker, thresholds)) for sheet in sheets)
    return [_ask(judge, item, place, slot) for sheet, slot in slots for place, item in enumerate(sheet)]


def _slot(
    sheet: Sheet, plan: LeafPlan, examples: tuple[ExamplePair, ...], asker: Asker, thresholds: ThresholdsConfig
) -> SlotContext:
    tested = {(item.example.context, item.example.instruction) for item in sheet}
    others = tuple(example for example in examples if (example.context, example.instruction) not in tested)
    siblings = tuple(_candidate(item, place, plan) for place, item in enumerate(sheet))
    return SlotContext(plan, others, (), asker, thresholds, DuplicatesInLeaf(plan, thresholds), siblings)


def _candidate(item: Item, place: int, plan: LeafPlan) -> Candidate:
    return Candidate(plan.leaf.path, -1, place, item.instruction, item.response, item.context)


async def _ask(judge: Filter, item: Item, place: int, slot: SlotContext) -> ItemOutcome:
    settled = await settle(slot.siblings[place], [judge], slot)
    return ItemOutcome(judge.name, item.kind, settled.state)


def count_outcomes(judge: str, outcomes: Iterable[ItemOutcome]) -> JudgeResult:
    """A judge's outcomes, counted; what had no reply at all is left out."""
    counts: dict[str, Counts] = {}
    for outcome in outcomes:
        if outcome.answered:
            one = Counts(1, int(outcome.state is None), int(outcome.state is State.UNPARSED))
            counts[outcome.kind] = counts.get(outcome.kind, Counts()) + one
    true = counts.pop(TRUE, Counts())
    return JudgeResult(judge, true, dict(sorted(counts.items())))


def add_up(calibrations: Iterable[Calibration]) -> list[JudgeResult]:
    """Each judge's results over all leaves, in order of first appearance."""
    totals: dict[str, JudgeResult] = {}
    for calibration in calibrations:
        for result in calibration.results:
            totals[result.judge] = totals.get(result.judge, JudgeResult(result.judge)) + result
    return list(totals.values())
