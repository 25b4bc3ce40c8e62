"""What slots will cost, from the flow's own steps: nobody is asked, and each prompt is counted as it would be sent.

A step says what a typical reply to it is, and a judge what it costs (`labgen.filters.base.Cost`); both are put through
the very steps that a build takes, with the leaf's own seed examples in the place of what a teacher would write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from labgen.errors import ConfigError
from labgen.filters.base import SlotContext
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.compare import Compare
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.follow_up import FollowUp
from labgen.flows.repair import RepairingJudges
from labgen.flows.steps import FreeFilters, Judges, Step
from labgen.flows.take_step import checked
from labgen.generate.context import RunContext
from labgen.generate.price_of_filters import check_rule, price_of_judge
from labgen.generate.price_of_rivals import price_of_comparing, price_of_following, price_of_repair
from labgen.generate.question_price import QuestionPrice, Recorder, prompt_size
from labgen.generate.slot_price import CallTotals, SlotPrice
from labgen.generate.slot_run import slot_context
from labgen.packages import PackageFault, guarded, plain_text
from labgen.plan.flow import Flow
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.seed_sampling import asked_for, kind_of
from labgen.records import Call, Candidate
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.ledger_only import NotPaid
from labgen.text.token_count import TokenCounter


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


async def slot_prices(
    plan: LeafPlan, run: RunContext, slots: Mapping[int, float], count_tokens: TokenCounter
) -> dict[int, SlotPrice]:
    """What some slots of a leaf typically cost, each by its index. `slots`: as `typical_slots` gives them."""
    return {index: await _price_one(plan, run, index, count_tokens) for index in slots}


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
                found += await price_of_judge(judge, here, slot, recorder, count_tokens)
            judged = [replace(each, judge=None) for each in found] or judged
            if isinstance(step, RepairingJudges):
                found += await price_of_repair(here, judged, slot, recorder, count_tokens)
        elif isinstance(step, FreeFilters):
            for each in step.filters:
                await check_rule(each, here, slot)
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
