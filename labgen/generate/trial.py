"""The trial of a run: a few calls that say whether there is any hope, before the many are made that a build takes.

A teacher of which nothing can be used, or a judge that can't be read or always says the same, would otherwise be found
out leaf by leaf, at the full price of each. So a run first asks, of the first leaf of every flow, one draw and the
first questions of the judges' test: calls that the build makes anyway, whose replies it then finds in the ledger. The
first sign of hope opens the run. Where there is none, more leaves are asked, and where all of them have none, the run
ends: a sequential test with evidence from all leaves instead of one from each.

Meanwhile the build gets its first calls ready, and in a large one sends some of its first draws, which say nothing here
(`labgen.verbs.building`).

It ends only where not one of `stop.hopeless_after` draws (or verdicts) is as it should be, over every flow, which of
those that are right half the time one in 256 meets. What is asked does not depend on timing, so neither does what comes
of it, and a second run says the same from the ledger alone.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import field, replace
from itertools import chain, zip_longest
from typing import Any, Protocol

from labgen.filters.calibration import ItemOutcome, Question, sound_out, testable
from labgen.filters.calibration_items import TRUE
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.bound import BoundFlow
from labgen.flows.take_step import take_slot
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.leaf_progress import barren
from labgen.generate.slot_run import slot_context
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import REHEARSAL_MODEL, Call, Candidate, Reply, State
from labgen.teacher.causes import cause_of
from labgen.teacher.client import Asking

FIRST_LEAVES = 3
"""Leaves that are tried first, where there are no more flows than that (count)."""
WIDER = 3
"""So many times more are tried next."""


@dataclass(frozen=True, slots=True)
class Hopeless:
    """Why a run has no hope: `cause` in words, `remedy` what to change."""

    cause: str
    remedy: str


@dataclass
class Tried:
    """What was tried of one kind: how often it came out as it should, and why not where it did not."""

    good: int = 0
    bad: list[str] = field(default_factory=list)

    def add(self, why_bad: str | None) -> None:
        """Count one; None is good."""
        if why_bad is None:
            self.good += 1
        else:
            self.bad.append(why_bad)

    def hopeless(self, enough: int) -> bool:
        """Whether it was tried often enough, and was never good."""
        return not self.good and len(self.bad) >= enough


@dataclass
class JudgeTried:
    """What one judge made of items: whether it passes true ones, and whether it catches defective ones."""

    passes: Tried = field(default_factory=Tried)
    catches: Tried = field(default_factory=Tried)

    @property
    def tells(self) -> bool:
        """Whether it has done both."""
        return bool(self.passes.good and self.catches.good)

    @property
    def failed(self) -> int:
        """How often it failed at what it never did right (count); 0 where there is no such thing."""
        return max((len(tried.bad) for tried in (self.passes, self.catches) if not tried.good), default=0)

    @property
    def words(self) -> str:
        """What it never did right."""
        if len(self.catches.bad) == self.failed and not self.catches.good:
            return f"catches none of {self.failed} that were made wrong"
        return f"passes none of {self.failed} of the leaves' own"


@dataclass
class Findings:
    """What a trial has seen so far.

    Attributes:
        flows: flow to the names of its judges that can be tested; empty where none is to be tried.
        draws: whether draws brought something; readable: whether replies of judges could be read.
        judges: by name.
    """

    flows: dict[str, tuple[str, ...]]
    draws: Tried = field(default_factory=Tried)
    readable: Tried = field(default_factory=Tried)
    judges: dict[str, JudgeTried] = field(default_factory=lambda: defaultdict(JudgeTried))

    @property
    def judges_lack(self) -> bool:
        """Whether there is no flow yet of which all judges have shown that they can tell true from defective."""
        return bool(self.flows) and not any(
            all(self.judges[name].tells for name in names) for names in self.flows.values()
        )

    @property
    def hope(self) -> bool:
        """Whether all that a build needs was seen at least once."""
        return bool(self.draws.good) and not self.judges_lack

    def note_draw(self, candidates: Sequence[Candidate]) -> None:
        """Take in a draw; one that had no reply, or that a package's step spoilt, says nothing of the teacher."""
        if not candidates or candidates[0].state is State.FAILED:
            return
        if (why := barren(candidates)) != "":
            self.draws.add(why)

    def note_verdicts(self, outcomes: Sequence[ItemOutcome]) -> None:
        """Take in what came of one call to a judge; one that had no reply says nothing."""
        unread = [outcome.reason for outcome in outcomes if not outcome.readable]
        if any(reason.startswith("exhausted") for reason in unread):
            return
        self.readable.add(unread[0] if len(unread) == len(outcomes) else None)
        judge = self.judges[outcomes[0].judge]
        for tried, good in ((judge.passes, True), (judge.catches, False)):
            right = [outcome.right for outcome in outcomes if (outcome.kind == TRUE) == good]
            if right:
                tried.add(None if any(right) else "")

    def hopeless(self, run: RunContext) -> Hopeless | None:
        """Why there is no hope; None where there may be some, or too little was tried."""
        enough = run.config.stop.hopeless_after
        if run.teacher == run.judge:
            all_replies = Tried(self.draws.good + self.readable.good, self.draws.bad + self.readable.bad)
            if all_replies.hopeless(enough):
                return _nothing_of(all_replies, f"replies of {run.teacher}")
        if self.draws.hopeless(enough):
            return _nothing_of(self.draws, f"draws of {run.teacher}")
        if self.readable.hopeless(enough):
            return _nothing_of(self.readable, f"verdicts of {run.judge}")
        blind = self._blind_judges() if self.judges_lack else []
        if sum(self.judges[name].failed for name in blind) >= enough:
            words = "; ".join(f"{name} {self.judges[name].words}" for name in blind)
            return Hopeless(f"the judge {run.judge} does not tell right from wrong: {words}", _OTHER_JUDGE)
        return None

    def _blind_judges(self) -> list[str]:
        """In every flow, the judge that failed most; none where a flow has none that fails."""
        blind = []
        for names in self.flows.values():
            worst = max(names, key=lambda name: self.judges[name].failed)
            if not self.judges[worst].failed:
                return []
            blind.append(worst)
        return list(dict.fromkeys(blind))


_OTHER_JUDGE = (
    "choose another judge, most often a larger model (`judge:` in labgen.yaml); `labgen calibrate` shows how it does"
)


def _nothing_of(tried: Tried, what: str) -> Hopeless:
    cause, words = cause_of(tried.bad), f"none of the first {len(tried.bad)} {what} could be used"
    if cause is None:
        return Hopeless(f"{words} ({max(tried.bad, key=tried.bad.count)})", "see what it writes with `labgen preview`")
    return Hopeless(f"{words}; most {cause.words}", cause.remedy)


class TrialClient(Asking, Protocol):
    """What a trial asks, and what it is ended by."""

    changed: asyncio.Event

    @property
    def finished(self) -> bool:
        """Whether no further call can be answered in this run."""

    async def ask_first(self, call: Call) -> Reply:
        """As `ask`, before all that others ask."""

    def count_once(self, keys: Iterable[bytes]) -> None:
        """Calls that will be asked for once more: that is no second use of them."""


class Trial:
    """The trial of one run.

    Args:
        plans: all leaves of the build, done or not, in build order.
        client: that of `run`.

    Attributes:
        hope: whether all that a build needs was seen at least once.
    """

    hope = False

    def __init__(self, plans: Sequence[LeafPlan], run: RunContext, client: TrialClient) -> None:
        self._leaves = _flows_in_turn(plans)
        self._client = client
        self._noting = _Noting(client)
        self._run = replace(run, client=self._noting)

    async def hopeless(self) -> Hopeless | None:
        """Ask until there is hope, or until it is sure that there is none.

        Returns: why there is none; None where the build may begin, or nothing more can be asked.
        Raises: TeacherMisconfigured, TeacherDown, LedgerError: as any call.
        """
        findings = Findings(self._judges)
        try:
            for questions in self._waves(findings):
                await self._ask(questions, findings)
                self.hope = findings.hope
                if findings.hope or self._client.finished:
                    return None
                if found := findings.hopeless(self._run):
                    return found
        finally:
            self._client.count_once(self._noting.keys)
        return None

    @property
    def _judges(self) -> dict[str, tuple[str, ...]]:
        # A rehearsal goes on with judges that fail: see `JudgesTest.stops`.
        if not self._run.config.calibration.enabled or self._run.judge == REHEARSAL_MODEL:
            return {}
        flows = {plan.flow.name: testable(self._run.bound(plan.flow).judges) for plan in self._leaves}
        return {name: tuple(judge.name for judge in judges) for name, judges in flows.items()}

    def _waves(self, findings: Findings) -> Iterable[list[Coroutine[Any, Any, None]]]:
        """What is asked at the same time: first a leaf of every flow, then what is lacking yet, draws before verdicts.

        A teacher that can't draw needs no judge, and a run that ends had better end soon.
        """
        enough, leaves = self._run.config.stop.hopeless_after, self._leaves
        flows = len({plan.flow.name for plan in leaves})
        drawn = judged = min(len(leaves), enough, max(FIRST_LEAVES, flows))
        yield self._draws(range(drawn), findings) + self._verdicts(leaves[:judged], findings)
        while not findings.draws.good and drawn < enough:
            begun, drawn = drawn, min(enough, WIDER * drawn)
            yield self._draws(range(begun, drawn), findings)
        while findings.judges_lack and judged < min(enough, len(leaves)):
            begun, judged = judged, min(enough, WIDER * judged)
            yield self._verdicts(leaves[begun:judged], findings)

    async def _ask(self, questions: Iterable[Coroutine[Any, Any, None]], findings: Findings) -> None:
        """Until all of it is answered, or there is hope, or nothing more can be answered."""
        tasks = {asyncio.ensure_future(question) for question in questions}
        changed = asyncio.ensure_future(self._client.changed.wait())
        try:
            waiting = set(tasks)
            while waiting and not findings.hope and not self._client.finished:
                done, _ = await asyncio.wait({*waiting, changed}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & waiting:
                    task.result()
                waiting -= done
                if changed.done():
                    self._client.changed.clear()
                    changed = asyncio.ensure_future(self._client.changed.wait())
        finally:
            for task in (*tasks, changed):
                task.cancel()
            await asyncio.gather(*tasks, changed, return_exceptions=True)

    def _draws(self, turns: Iterable[int], findings: Findings) -> list[Coroutine[Any, Any, None]]:
        """Ways to take draws: of every leaf its first, then of every leaf its second, and so on."""

        async def draw(turn: int) -> None:
            plan, index = self._leaves[turn % len(self._leaves)], turn // len(self._leaves)
            findings.note_draw(await first_draw(self._run.bound(plan.flow), plan, self._run, index))

        return [draw(turn) for turn in turns]

    def _verdicts(self, plans: Iterable[LeafPlan], findings: Findings) -> list[Coroutine[Any, Any, None]]:
        """Ways to ask the judges of some leaves, where there are any to be tried."""

        async def judge(ask: Question) -> None:
            findings.note_verdicts(await ask())

        config = self._run.config
        asked: list[Question] = []
        for plan in plans if findings.judges_lack else ():
            judges, asker = self._run.bound(plan.flow).judges, JudgesTest(plan, self._run).asker()
            asked += sound_out(plan, judges, asker, config.thresholds, config.calibration)
        return [judge(ask) for ask in asked]


async def first_draw(flow: BoundFlow, plan: LeafPlan, run: RunContext, index: int) -> Sequence[Candidate]:
    """A slot's candidates as they are drawn, before any filter looks at them."""
    slot = slot_context(plan, run, index, DuplicatesInLeaf(plan, run.config.thresholds), [])
    candidates: Sequence[Candidate] = ()
    for step in flow.steps:
        if step.whole_slot is not True:
            break
        candidates = await take_slot(flow.flow, step, candidates, slot)
        if step.asks:
            break
    return candidates


def _flows_in_turn(plans: Sequence[LeafPlan]) -> list[LeafPlan]:
    """The leaves so that every flow has its turn: the first leaf of each, then the second, and so on."""
    flows: dict[str, list[LeafPlan]] = {}
    for plan in plans:
        flows.setdefault(plan.flow.name, []).append(plan)
    return [plan for plan in chain.from_iterable(zip_longest(*flows.values())) if plan]


class _Noting:
    """A client that notes which calls it was asked: the build will ask them once more, and finds them in the ledger."""

    def __init__(self, client: TrialClient) -> None:
        self._client = client
        self.keys: set[bytes] = set()

    def kept(self, call: Call) -> Reply | None:
        """As the client."""
        self.keys.add(call.key)
        return self._client.kept(call)

    async def ask(self, call: Call) -> Reply:
        """As the client, before all that others ask."""
        return await self._client.ask_first(call)
