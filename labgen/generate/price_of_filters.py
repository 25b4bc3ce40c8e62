"""What filters ask of typical candidates: a judge's price, and whether those of other packages fail at all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from labgen.errors import ConfigError
from labgen.filters.base import Cost, Filter, SlotContext, settle
from labgen.filters.installed import Installed
from labgen.generate.question_price import UNSTATED, QuestionPrice, Recorder, prompt_size
from labgen.records import Call, Candidate, State
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.ledger_only import NotPaid
from labgen.text.token_count import TokenCounter


async def price_of_judge(
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
    calls = await calls_of_judge(recorder, judge, (_priced(judge, candidate, slot) for candidate in candidates))
    if not calls:
        return []
    among = 1 if cost.shared else len(candidates)
    weight = calls_for_each(cost, calls, among) / among
    response = sum(count_tokens(candidate.response) for candidate in candidates) / len(candidates)
    stated = (cost.reply_tokens + cost.per_response_token * response) * (len(candidates) if cost.shared else 1)
    found = []
    for name, count in Counter(call.step for call in calls).items():
        prompt = sum(prompt_size(call, count_tokens) for call in calls if call.step == name) / count
        text = cost.typical_replies.get(name)
        reply = stated if text is None else count_tokens(text)
        found.append(QuestionPrice(name, None, weight * count, prompt, reply, cost.shared))
    return [*found[:-1], replace(found[-1], judge=judge)]


def calls_for_each(cost: Cost, calls: Sequence[Call], among: int) -> float:
    """How many calls each recorded one stands for, where a judge looked at so many candidates, or slots."""
    counted = cost.calls is None and cost.typical_replies
    return 1.0 if counted else cost.usual_calls * among / len(calls)


async def calls_of_judge(recorder: Recorder, judge: Filter, work: Iterable[Awaitable[Any]]) -> list[Call]:
    """What a judge asks while it is put to `work`, with the replies that it says are typical."""
    recorder.replies = getattr(judge, "cost", UNSTATED).typical_replies
    recorder.calls.clear()
    for each in work:
        with suppress(NotPaid, CandidateEnds):
            await each
    return list(recorder.calls)


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


async def check_rule(rule: Filter, candidates: Sequence[Candidate], slot: SlotContext) -> None:
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
