"""What slots will cost, from the flow's own steps: nobody is asked, and each prompt is counted as it would be sent.

A step says what a typical reply to it is, and a judge what it costs (`labgen.filters.base.Cost`); both are put through
the very steps that a build takes, with the leaf's own seed examples in the place of what a teacher would write.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field, replace
from typing import Any, cast

from labgen.errors import ConfigError
from labgen.filters.base import Cost, Filter, SlotContext, settle
from labgen.filters.calibration import LeafTest, testable
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.filters.installed import Installed
from labgen.flows.compare import Compare
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.follow_up import FollowUp
from labgen.flows.repair import RepairingJudges
from labgen.flows.steps import CandidateStep, FreeFilters, Judges, SlotStep, Step
from labgen.flows.take_step import checked, take_slot
from labgen.generate.context import RunContext
from labgen.generate.price_of_rivals import price_of_comparing, price_of_following, price_of_repair
from labgen.generate.question_price import QuestionPrice, Recorder, prompt_size
from labgen.generate.slot_run import asker_for, slot_context
from labgen.lazy.dataclasses import dataclass
from labgen.packages import PackageFault, guarded, plain_text
from labgen.plan.flow import Flow
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.seed_sampling import asked_for, kind_of
from labgen.records import Call, Candidate, State
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.ledger_only import LedgerOnly, NotPaid
from labgen.text.token_count import TokenCounter

UNSTATED = Cost()
"""What a judge is taken to cost that says nothing of it."""


@dataclass
class CallTotals:
    """Calls by step of the ledger, and their tokens. Estimated ones are fractions."""

    calls: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0

    def add(self, step: str, calls: float, prompt_tokens: float, completion_tokens: float) -> None:
        """Add so many calls of a step, of so many tokens each."""
        self.calls[step] += calls
        self.prompt_tokens += calls * prompt_tokens
        self.completion_tokens += calls * completion_tokens

    def add_all(self, other: CallTotals, times: float = 1.0) -> None:
        """Add all of another one, so many times."""
        for step, calls in other.calls.items():
            self.calls[step] += times * calls
        self.prompt_tokens += times * other.prompt_tokens
        self.completion_tokens += times * other.completion_tokens


@dataclass(frozen=True)
class SlotPrice:
    """What a slot of a leaf typically costs.

    Attributes:
        draw: the calls that draw its candidates.
        asked: what comes after, in the order in which a candidate meets it.
        per_slot: candidates that a slot is asked for (count, on average).
    """

    draw: CallTotals
    asked: tuple[QuestionPrice, ...]
    per_slot: float

    def reaching(self, yield_share: float) -> list[float]:
        """Share of a slot's candidates that gets to each thing asked, and last the share that passes all, 0 to 1.

        On the whole, half of what is lost is lost before anything is asked of it; the judges share the other half.
        """
        first, passing = self._passing(yield_share)
        shares = [first]
        for each in self.asked:
            shares.append(shares[-1] * (passing if each.judge is not None else 1.0))
        return shares

    def _passing(self, yield_share: float) -> tuple[float, float]:
        """Share of a slot's candidates that gets to the first thing asked, and that each judge lets pass."""
        judges = sum(each.judge is not None for each in self.asked)
        first = (1.0 + yield_share) / 2.0 if judges else yield_share
        return first, (yield_share / first) ** (1.0 / judges) if judges else 1.0

    def _asked_of(self, each: QuestionPrice, share: float, yield_share: float) -> float:
        """Share of candidates that is asked something, where `share` get past the judges before that."""
        if not each.of_failed:
            return share
        _, passing = self._passing(yield_share)
        return share * (1.0 / passing - 1.0)

    def reply_tokens(self, step: str) -> float:
        """Tokens of a typical reply of a step (count)."""
        return next((each.reply_tokens for each in self.asked if each.step == step), UNSTATED.reply_tokens)

    def whole(self, yield_share: float) -> CallTotals:
        """A slot of which nothing is paid."""
        totals = CallTotals()
        totals.add_all(self.draw)
        for each, share in zip(self.asked, self.reaching(yield_share), strict=False):
            asked = self._asked_of(each, share, yield_share)
            count = each.calls * (1.0 if each.shared else asked * self.per_slot)
            totals.add(each.step, count, each.prompt_tokens, each.reply_tokens)
        return totals

    def per_row(self, yield_share: float) -> CallTotals:
        """An accepted row of a slot of which nothing is paid."""
        totals = CallTotals()
        totals.add_all(self.whole(yield_share), 1.0 / (self.per_slot * yield_share))
        return totals

    def rest(self, place: int, yield_share: float, totals: CallTotals) -> float:
        """Add what a candidate will still cost whose answer at one place in `asked` is not known yet.

        Returns: the share of such candidates that will pass, 0 to 1.
        """
        shares = self.reaching(yield_share)
        for number, each in enumerate(self.asked[place + 1 :], start=place + 1):
            count = each.calls * self._asked_of(each, shares[number], yield_share) / shares[place]
            totals.add(each.step, count, each.prompt_tokens, each.reply_tokens)
        return shares[-1] / shares[place]


async def slot_prices(
    plan: LeafPlan, run: RunContext, slots: Mapping[int, float], count_tokens: TokenCounter
) -> dict[int, SlotPrice]:
    """What some slots of a leaf typically cost, each by its index. `slots`: as `average_price`."""
    return {index: await _price_one(plan, run, index, count_tokens) for index in slots}


def average_price(prices: Mapping[int, SlotPrice], slots: Mapping[int, float]) -> SlotPrice:
    """What slots of a leaf typically cost, on average over some of them.

    Args:
        slots: index of a slot to its weight, which is more than 0; one or more.
    """
    total = sum(slots.values())
    found = [(prices[index], weight / total) for index, weight in slots.items()]
    per_slot = sum(share * each.per_slot for each, share in found)
    draw = CallTotals()
    # A step or a judge may ask in some slots only: the same question is what has the same name, and comes as often
    # before it in its slot.
    questions: dict[tuple[str, int], list[tuple[QuestionPrice, float]]] = {}
    for each, share in found:
        draw.add_all(each.draw, share)
        times: Counter[str] = Counter()
        for question in each.asked:
            calls = share * question.calls * (1.0 if question.shared else each.per_slot / per_slot)
            questions.setdefault((question.step, times[question.step]), []).append((question, calls))
            times[question.step] += 1
    return SlotPrice(draw, tuple(_average(same) for same in questions.values()), per_slot)


def _average(same: Sequence[tuple[QuestionPrice, float]]) -> QuestionPrice:
    """One question of several slots, each with the calls that it adds to those of all."""
    calls = sum(count for _, count in same)
    prompt = sum(count * question.prompt_tokens for question, count in same) / calls if calls else 0.0
    reply = sum(count * question.reply_tokens for question, count in same) / calls if calls else 0.0
    return replace(same[0][0], calls=calls, prompt_tokens=prompt, reply_tokens=reply)


def typical_slots(plan: LeafPlan, run: RunContext, first: int, slots: int, most: int) -> dict[int, float]:
    """Some of a leaf's slots from the first on that all are like on average, with their weights.

    Args:
        slots: how many there will be (count); most: how many to choose, or as many as there are kinds.
    """
    if not plan.kinds:
        return dict.fromkeys(range(first, first + max(1, slots), max(1, slots // most))[:most], 1.0)
    weights: dict[int, float] = {}
    of_kind: dict[str, int] = {}
    for index in range(first, first + len(plan.kinds)):
        kind = kind_of(plan, index, seed=run.config.seed)
        chosen = of_kind.setdefault(kind, index)
        weights[chosen] = weights.get(chosen, 0.0) + 1.0
    return weights


async def _price_one(plan: LeafPlan, run: RunContext, index: int, count_tokens: TokenCounter) -> SlotPrice:
    recorder = Recorder()
    own = replace(run, client=recorder)
    slot = slot_context(plan, own, index, DuplicatesInLeaf(plan, run.config.thresholds), [])
    first, *others = own.bound(plan.flow).steps
    draw, asked = CallTotals(), []
    per_slot = asked_for(plan, index, seed=run.config.seed, per_call=run.config.generation.instructions_per_call)
    candidates, calls = await _typical(plan.flow, first, (), slot, recorder)
    for call in calls:
        draw.add(call.step, 1.0, prompt_size(call, count_tokens), count_tokens(recorder.replies[call.step]))
    judged: list[QuestionPrice] = []
    for step in others:
        found: list[QuestionPrice] = []
        here = [each for each in candidates if getattr(step, "only", "") in ("", each.kind)]
        slot = replace(slot, siblings=tuple(here))
        if isinstance(step, Judges):
            for judge in step.filters if here else ():
                found += await _judge_price(judge, here, slot, recorder, count_tokens)
            judged = [replace(each, judge=None) for each in found] or judged
            if isinstance(step, RepairingJudges):
                found += await price_of_repair(here, judged, slot, recorder, count_tokens)
        elif isinstance(step, FreeFilters):
            for each in step.filters:
                await _check_rule(each, here, slot)
        elif isinstance(step, Compare):
            found = await price_of_comparing(step, here, judged, slot, recorder, count_tokens)
        elif isinstance(step, FollowUp):
            found = await price_of_following(step, here, judged, slot, recorder, count_tokens)
        elif here and (step.asks or (plan.flow.package and not isinstance(step, FindDuplicates))):
            taken, calls = await _typical(plan.flow, step, candidates, slot, recorder)
            found = _questions(step, calls, candidates, recorder, count_tokens)
            here = list(candidates)
            # A price is that of candidates which come as far as that.
            candidates = [candidate for candidate in taken if candidate.state is None] or candidates
        # Of all that the slot is asked for: some get here only later, or never by their kind.
        asked += [each if each.shared else replace(each, calls=each.calls * len(here) / per_slot) for each in found]
    return SlotPrice(draw, tuple(asked), per_slot)


async def _check_rule(rule: Filter, candidates: Sequence[Candidate], slot: SlotContext) -> None:
    """Raises: ConfigError: a rule of another package fails at every one of typical candidates."""
    if not isinstance(rule, Installed):
        return
    settled = [await settle(candidate, [rule], slot) for candidate in candidates]
    if settled and all(_faulty(rule, each.state, each.reason) for each in settled):
        raise ConfigError(
            f"{rule.title} fails at seed examples ({settled[0].reason}). Mend its package, or set "
            f"`filters: disable: [{rule.name}]`."
        )


def _faulty(each: Filter, state: State | None, reason: str) -> bool:
    """Whether a candidate ended by a fault in the code of a filter of another package."""
    return state is State.FAILED and reason.startswith(f"filter_{each.name}: ")


async def _judge_price(
    judge: Filter,
    candidates: Sequence[Candidate],
    slot: SlotContext,
    recorder: Recorder,
    count_tokens: TokenCounter,
) -> list[QuestionPrice]:
    """What a judge asks of typical candidates: nothing where it asks in some other way than through labgen.

    Raises: ConfigError: a judge of another package fails at them, or can't read the reply that it says is typical.
    """
    cost: Cost = getattr(judge, "cost", UNSTATED)
    calls = await _recorded(recorder, judge, (_priced(judge, candidate, slot) for candidate in candidates))
    if not calls:
        return []
    among = 1 if cost.shared else len(candidates)
    weight = _weight(cost, calls, among) / among
    response = sum(count_tokens(candidate.response) for candidate in candidates) / len(candidates)
    stated = (cost.reply_tokens + cost.per_response_token * response) * (len(candidates) if cost.shared else 1)
    found = []
    for name, count in Counter(call.step for call in calls).items():
        prompt = sum(prompt_size(call, count_tokens) for call in calls if call.step == name) / count
        text = cost.typical_replies.get(name)
        reply = stated if text is None else count_tokens(text)
        found.append(QuestionPrice(name, None, weight * count, prompt, reply, cost.shared))
    return [*found[:-1], replace(found[-1], judge=judge)]


def _weight(cost: Cost, calls: Sequence[Call], among: int) -> float:
    """How many calls each recorded one stands for, where a judge looked at so many candidates, or slots."""
    counted = cost.calls is None and cost.typical_replies
    return 1.0 if counted else cost.usual_calls * among / len(calls)


async def _priced(judge: Filter, candidate: Candidate, slot: SlotContext) -> None:
    try:
        await judge(candidate, slot)
    except CandidateEnds as end:
        unread = end.state is State.UNPARSED and getattr(judge, "cost", UNSTATED).typical_replies
        if unread or _faulty(judge, end.state, end.reason):
            words = f"it can't read its own typical reply: {end.reason}" if unread else end.reason
            raise ConfigError(
                f"what the judge `{judge.name}` costs can't be reckoned ({words}). Mend its package, or set "
                f"`filters: disable: [{judge.name}]`."
            ) from end
        raise


async def _typical(
    flow: Flow, step: Step, candidates: Sequence[Candidate], slot: SlotContext, recorder: Recorder
) -> tuple[Sequence[Candidate], list[Call]]:
    """What a step makes of typical candidates, and what it asks for that.

    Raises: ConfigError: a step of another package fails at them, or asks what it says no typical reply to.
    """
    recorder.calls.clear()
    if not flow.package:
        recorder.replies = dict(step.typical_replies(slot))
        with suppress(CandidateEnds):
            candidates = await _taken(step, candidates, slot)
        return candidates, list(recorder.calls)
    try:
        with guarded():
            recorder.replies = {
                plain_text(name, "a prompt's name"): plain_text(text, f"its typical reply to `{name}`")
                for name, text in dict(step.typical_replies(slot)).items()
            }
        found = await checked(flow, lambda: _taken(step, candidates, slot), candidates, slot)
    except (PackageFault, NotPaid) as error:
        words = f"no typical reply to `{error}`" if isinstance(error, NotPaid) else str(error)
        fails = "costs can't be reckoned" if step.asks else "makes of seed examples can't be used"
        raise ConfigError(
            f"{flow.title}: what its step {type(step).__name__} {fails} ({words}). Mend the package, or remove it."
        ) from error
    return candidates if isinstance(found, CandidateEnds) else found, list(recorder.calls)


async def _taken(step: Step, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
    if step.whole_slot:
        return await step(candidates, slot)
    return [await step(candidate, slot) for candidate in candidates]


def _questions(
    step: Step, calls: Sequence[Call], candidates: Sequence[Candidate], recorder: Recorder, count_tokens: TokenCounter
) -> list[QuestionPrice]:
    """The price of what a step asked of typical candidates, prompt by prompt."""
    found = []
    for name in dict.fromkeys(call.step for call in calls):
        same = [call for call in calls if call.step == name]
        each = 1.0 if step.whole_slot else len(candidates)
        prompt = sum(prompt_size(call, count_tokens) for call in same) / len(same)
        reply = count_tokens(recorder.replies[name])
        found.append(QuestionPrice(name, None, len(same) / each, prompt, reply, step.whole_slot))
    return found


async def _recorded(recorder: Recorder, judge: Filter, work: Iterable[Awaitable[Any]]) -> list[Call]:
    recorder.replies = getattr(judge, "cost", UNSTATED).typical_replies
    recorder.calls.clear()
    for each in work:
        with suppress(NotPaid, CandidateEnds):
            await each
    return list(recorder.calls)


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
            calls = await _recorded(recorder, judge, test.questions(judge, sheets))
            among = len(sheets) if cost.shared else sum(map(len, sheets))
            # What it is seen to ask it will ask; it may be to ask more than that.
            rounds.append([(call, max(1.0, _weight(cost, calls, among))) for call in calls])
        first, *more = rounds
        found.append((judge, first, [each for calls in more for each in calls]))
    return found


@dataclass(frozen=True, slots=True)
class PaidSlot:
    """How far the ledger takes the candidates of a slot whose draw is paid.

    Attributes:
        passed: candidates that passed everything (count).
        waiting: for each candidate that an unpaid call holds up, the call's step in the ledger.
    """

    passed: int
    waiting: tuple[str, ...]


async def take_paid(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, index: int, duplicates: DuplicatesInLeaf
) -> PaidSlot | None:
    """Take a slot as far as the ledger allows; what is lacking is then `missing` in its client, that of `run`.

    Returns: None where the draw itself is not paid.
    """
    client.begin()
    slot = slot_context(plan, run, index, duplicates, [])
    candidates: list[Candidate] = []
    waiting: list[str] = []
    bound = run.bound(plan.flow)
    for whole, steps in bound.stretches:
        if whole:
            try:
                for step in cast(tuple[SlotStep, ...], steps):
                    candidates = list(await take_slot(bound.flow, step, candidates, slot))
            except NotPaid as lacking:
                if not candidates:
                    return None
                if lacking.call.step in bound.added:
                    waiting.append(lacking.call.step)  # what it adds is lacking, and all else is there
                    continue
                waiting += [lacking.call.step for candidate in candidates if candidate.state is None]
                candidates = []
                duplicates.end_turn(slot.asker.slot.index)  # it may have been to come, and the next slot waits for it
            continue
        going = [candidate for candidate in candidates if candidate.state is None]
        slot, candidates = replace(slot, siblings=tuple(going)), []
        for candidate in going:
            try:
                candidates.append(await bound.through(cast(tuple[CandidateStep, ...], steps), candidate, slot))
            except NotPaid as lacking:
                waiting.append(lacking.call.step)
    return PaidSlot(sum(candidate.state is None for candidate in candidates), tuple(waiting))
