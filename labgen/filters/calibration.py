"""Judges are put to the test before money is spent, leaf by leaf, with the leaf's own seeds.

Source: LAB (section 3.2) trusts its judge; so does everyone who filters with one. Ours asks each judge of a leaf about
pairs whose right verdict is known: the seeds themselves, which must pass, and the seeds with one thing made wrong,
which must not (see `labgen.filters.calibration_items`). What is held against the configured floor is Youden's index
(1950), the share of true pairs passed less the share of defects passed: 1 for a perfect judge, 0 for one that always
says yes, always no, or tosses a coin, whatever the coin.

A first round of a few questions is enough for a judge that makes no mistake in it. Any mistake brings two further
rounds of as many, so that a good judge's slip does not cost a leaf; they end as soon as no answer to what is left could
change what comes of the test. A verdict that can't be read neither passes a true pair nor catches a defect.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import field
from functools import partial
from typing import Any

from labgen.config.filtering import CalibrationConfig, ThresholdsConfig
from labgen.filters.base import Cost, Filter, SlotContext, settle
from labgen.filters.calibration_items import TRUE, Item, instruction_items, pair_items
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.thresholds import no_lower_than
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, Grounding, State
from labgen.teacher.asker import Asker
from labgen.teacher.causes import FINAL, cause_of

ROUNDS = 3
"""Rounds of a test at most (count)."""

SHEET = 2
"""True instructions, and as many defective ones, that an instruction judge is asked about in one call."""


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """What a judge made of one item. `state` is how the item would have ended, and why; None where it passed."""

    judge: str
    kind: str
    state: State | None
    reason: str = ""

    @property
    def answered(self) -> bool:
        """Whether there was a reply at all; one that can't be read is a reply."""
        return self.state is not State.FAILED

    @property
    def readable(self) -> bool:
        """Whether there was a reply, and a verdict in it."""
        return self.answered and self.state is not State.UNPARSED

    @property
    def right(self) -> bool:
        """Whether the verdict is the one that it should be: a true item passed, or a defect caught."""
        return self.readable and (self.state is None) == (self.kind == TRUE)


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

    @property
    def caught(self) -> int:
        """Items that a verdict turned down, which one that can't be read does not."""
        return self.asked - self.passed - self.unreadable

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
        """Share of true items passed less share of defects not caught, -1 to 1; None where either was not asked."""
        if not self.true.asked or not self.false.asked:
            return None
        return self.true.share + self.false.caught / self.false.asked - 1.0

    @property
    def erred(self) -> bool:
        """Whether it made any mistake."""
        return self.true.passed < self.true.asked or self.false.caught < self.false.asked

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


def most_calls(judges: Iterable[Filter], config: CalibrationConfig) -> int:
    """Calls that one round of a leaf's test takes at most (count), by what its judges say that they cost.

    Fewer where the leaf has too few seeds to make so many questions of; there are up to `ROUNDS` rounds.
    """
    calls = 0.0
    for judge in testable(judges):
        cost: Cost = getattr(judge, "cost", None) or Cost()
        items = 2 * SHEET if judge.stage == "instruction" else config.true_pairs + config.defects
        # What is asked about a slot's instructions together is asked about a sheet of them together.
        questions = 1 if cost.shared and judge.stage == "instruction" else items
        calls += questions * cost.usual_calls
    return math.ceil(calls)


async def put_to_test(
    plan: LeafPlan, judges: Iterable[Filter], asker: Asker, thresholds: ThresholdsConfig, config: CalibrationConfig
) -> Calibration:
    """Put a leaf's judges to the test. The result depends on replies alone.

    Args:
        judges: all of the leaf's flow, in its order; those that can't be tested are left aside.
        asker: its `spent` tells the calls.
    """
    test = LeafTest(plan, asker, thresholds, config)
    judges = testable(judges)
    outcomes = await asyncio.gather(*(test.take(judge) for judge in judges))
    results = tuple(count_outcomes(judge.name, found) for judge, found in zip(judges, outcomes, strict=True))
    problems = [
        words
        for result, found in zip(results, outcomes, strict=True)
        if (words := weakness(result, config.floor, found))
    ]
    rehearsal = any(each.rehearsal for each in asker.answered_by)
    return Calibration(results, tuple(asker.spent), "; ".join(problems), rehearsal)


Question = Callable[[], Awaitable[list[ItemOutcome]]]
"""Makes one call to a judge; gives what came of its items."""


def sound_out(
    plan: LeafPlan, judges: Iterable[Filter], asker: Asker, thresholds: ThresholdsConfig, config: CalibrationConfig
) -> list[Question]:
    """The very first of the questions that `put_to_test` asks: of each judge, a true item and a defective one.

    Returns: ways to ask them.
    """
    test = LeafTest(plan, asker, thresholds, config)

    async def ask(judge: Filter, sheet: Sheet) -> list[ItemOutcome]:
        return list(await asyncio.gather(*test.questions(judge, [sheet])))

    return [partial(ask, judge, sheet) for judge in testable(judges) for sheet in _first_sheets(test.rounds(judge)[0])]


def weakness(result: JudgeResult, floor: float, outcomes: Iterable[ItemOutcome] = ()) -> str:
    """In words, how a judge falls short of the floor; '' where it does not, or where it is not known.

    Args:
        outcomes: what the result was counted from, for the reasons of what can't be read.
    """
    outcomes = list(outcomes)
    cause = cause_of(outcome.reason for outcome in outcomes if not outcome.readable)
    if not any(outcome.answered for outcome in outcomes) and cause and cause.kind in FINAL:
        return f"{result.judge} can't be asked: its replies {cause.words}"
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
        + (f" (most {cause.words})" if unread and cause else "")
    )


def wilson_interval(passed: int, asked: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share, 95 % by default; (0, 1) where nothing was asked."""
    if not asked:
        return 0.0, 1.0
    share, square = passed / asked, z * z
    centre = (share + square / (2 * asked)) / (1 + square / asked)
    half = z * math.sqrt(share * (1 - share) / asked + square / (4 * asked * asked)) / (1 + square / asked)
    return max(0.0, centre - half), min(1.0, centre + half)


Sheet = tuple[Item, ...]
"""Items that a judge is asked about in one call."""


@dataclass(frozen=True)
class LeafTest:
    """The test of one leaf's judges. `asker` asks for it, `thresholds` are the build's."""

    plan: LeafPlan
    asker: Asker
    thresholds: ThresholdsConfig
    config: CalibrationConfig

    async def take(self, judge: Filter) -> list[ItemOutcome]:
        """Ask one judge, round by round, until it is known what comes of it."""
        outcomes: list[ItemOutcome] = []
        left = self.rounds(judge)
        while left:
            outcomes += await asyncio.gather(*self.questions(judge, left.pop(0)))
            if all(outcome.right for outcome in outcomes if outcome.answered):
                break
            if _settled(outcomes, [item for sheets in left for sheet in sheets for item in sheet], self.config.floor):
                break
        return outcomes

    def rounds(self, judge: Filter) -> list[list[Sheet]]:
        """What a judge is asked about: first, and twice more where it makes mistakes."""
        examples = example_pairs(self.plan.leaf, self.plan.flow)
        if judge.stage == "instruction":
            return _instruction_rounds(*instruction_items(examples))
        creative = self.plan.flow.grounding is Grounding.NONE and self.plan.persona.name == "creative"
        true, defects = pair_items(examples, _catches(judge), creative=creative)
        right, wrong = self.config.true_pairs, self.config.defects
        return [
            [(item,) for item in true[turn * right : (turn + 1) * right] + defects[turn * wrong : (turn + 1) * wrong]]
            for turn in range(ROUNDS)
        ]

    def questions(self, judge: Filter, sheets: Sequence[Sheet]) -> list[Coroutine[Any, Any, ItemOutcome]]:
        """Ways to ask a judge about each item of some sheets."""
        slots = ((sheet, self._slot(sheet)) for sheet in sheets)
        return [_ask(judge, item, place, slot) for sheet, slot in slots for place, item in enumerate(sheet)]

    def _slot(self, sheet: Sheet) -> SlotContext:
        tested = {(item.example.context, item.example.instruction) for item in sheet}
        examples = example_pairs(self.plan.leaf, self.plan.flow)
        others = tuple(example for example in examples if (example.context, example.instruction) not in tested)
        siblings = tuple(_candidate(item, place, self.plan) for place, item in enumerate(sheet))
        # A build may keep rows of the lowest score; whether its judge can tell wrong from right is another question.
        thresholds = self.thresholds.changed(min_pair_score=no_lower_than(self.thresholds.min_pair_score, 2))
        seen = DuplicatesInLeaf(self.plan, thresholds)
        return SlotContext(self.plan, others, (), self.asker, thresholds, seen, siblings)


def _settled(outcomes: Iterable[ItemOutcome], left: Sequence[Item], floor: float) -> bool:
    """Whether nothing that a judge could still say would move it across the floor."""
    answered = [outcome for outcome in outcomes if outcome.answered]
    bounds = []
    for right in (True, False):
        shares = []
        for good in (True, False):
            seen = [outcome.right for outcome in answered if (outcome.kind == TRUE) == good]
            yet = sum(item.good == good for item in left)
            if not seen and not yet:
                return False
            shares.append((sum(seen) + (yet if right else 0)) / (len(seen) + yet))
        bounds.append(sum(shares) - 1.0 >= floor)
    return bounds[0] == bounds[1]


def _first_sheets(sheets: Sequence[Sheet]) -> list[Sheet]:
    """The first sheet with a true item and the first with a defective one; most often one where sheets have several."""
    found = [
        next((sheet for sheet in sheets if any(item.good is good for item in sheet)), ()) for good in (True, False)
    ]
    return [sheet for sheet in dict.fromkeys(found) if sheet]


def _instruction_rounds(true: list[Item], defects: list[Item]) -> list[list[Sheet]]:
    """One call each. Instructions on a context share a call with those on the same one."""
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
    return [sheets[turn : turn + 1] for turn in range(ROUNDS)]


def _candidate(item: Item, place: int, plan: LeafPlan) -> Candidate:
    return Candidate(plan.leaf.path, -1, place, item.instruction, item.response, item.context)


async def _ask(judge: Filter, item: Item, place: int, slot: SlotContext) -> ItemOutcome:
    settled = await settle(slot.siblings[place], [judge], slot)
    return ItemOutcome(judge.name, item.kind, settled.state, settled.reason)


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
