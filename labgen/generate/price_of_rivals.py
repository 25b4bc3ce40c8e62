"""What repairs, comparisons and second turns cost: counted as the steps would ask, of the leaf's own examples."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from labgen.filters.base import SlotContext
from labgen.flows.compare import COMPARE, Compare, another_response, preference
from labgen.flows.follow_up import FOLLOW_UP, FollowUp, ask_follow_up
from labgen.flows.repair import REPAIR_PROMPT, answer_again
from labgen.flows.steps import RESPOND
from labgen.formats.conversation_text import question_after
from labgen.generate.question_price import QuestionPrice, Recorder, prompt_size
from labgen.records import Candidate
from labgen.teacher.asker import CandidateEnds
from labgen.text.token_count import TokenCounter

TYPICAL_FINDINGS = ("it does not do all that was asked", "it leaves out the last part of what was asked for")


async def price_of_repair(
    candidates: Sequence[Candidate],
    judged: Sequence[QuestionPrice],
    slot: SlotContext,
    recorder: Recorder,
    count_tokens: TokenCounter,
) -> list[QuestionPrice]:
    """What is asked of those that judges turn down: another response, and all verdicts on that.

    What rules turn down is not reckoned with: the lesser part, and known to nobody beforehand.

    Args:
        candidates: typical ones; none where nothing gets to the judges.
        judged: the price of the verdicts on one response.
    """
    about = [candidate for candidate in candidates if not candidate.is_document]
    if not about:
        return []
    reply = _middling(slot)
    recorder.calls.clear()
    recorder.replies = {REPAIR_PROMPT.name: reply}
    for candidate in about:
        with suppress(CandidateEnds):
            await answer_again(candidate, TYPICAL_FINDINGS, slot)
    asked = _question(REPAIR_PROMPT.name, 1.0, reply, recorder, count_tokens)
    return [replace(each, of_failed=True) for each in (asked, *judged)]


async def price_of_comparing(
    step: Compare,
    candidates: Sequence[Candidate],
    judged: Sequence[QuestionPrice],
    slot: SlotContext,
    recorder: Recorder,
    count_tokens: TokenCounter,
) -> list[QuestionPrice]:
    """What is asked for further responses: each response, the verdicts on it, and two comparisons. Arguments as above.

    The prices are those of a build in which all further responses pass.
    """
    more = slot.plan.responses - 1
    about = [candidate for candidate in candidates if not candidate.is_document]
    if more < 1 or not about:
        return []
    recorder.calls.clear()
    recorder.replies = step.typical_replies(slot)
    for candidate in about:
        with suppress(CandidateEnds):
            await another_response(candidate, 1, slot)
            await preference(candidate, (candidate.response, candidate.response), slot)
    asked = _question(RESPOND.name, float(more), recorder.replies[RESPOND.name], recorder, count_tokens)
    compared = _question(COMPARE.name, 2.0 * more, recorder.replies[COMPARE.name], recorder, count_tokens)
    return [asked, *(replace(each, calls=each.calls * more) for each in judged), compared]


async def price_of_following(
    step: FollowUp,
    candidates: Sequence[Candidate],
    judged: Sequence[QuestionPrice],
    slot: SlotContext,
    recorder: Recorder,
    count_tokens: TokenCounter,
) -> list[QuestionPrice]:
    """What is asked for a second turn: the turn, and all verdicts on it, which are shown the first one as well.

    The prices are those of a build in which rules let all second turns pass. Arguments as above.
    """
    about = [candidate for candidate in candidates if not candidate.is_document]
    if not about:
        return []
    recorder.calls.clear()
    recorder.replies = step.typical_replies(slot)
    for candidate in about:
        with suppress(CandidateEnds):
            await ask_follow_up(candidate, slot)
    share = len(about) / len(candidates)
    asked = _question(FOLLOW_UP.name, share, recorder.replies[FOLLOW_UP.name], recorder, count_tokens)
    more = sum(
        count_tokens(question_after("", candidate.instruction, candidate.response)) for candidate in about
    ) / len(about)
    judging = (
        replace(each, calls=each.calls * share, prompt_tokens=each.prompt_tokens + more)
        for each in judged
        if not each.of_failed
    )
    return [asked, *judging]


def _middling(slot: SlotContext) -> str:
    """A seed example's response of middling length."""
    responses = sorted((example.response for example in slot.examples), key=len)
    return responses[len(responses) // 2]


def _question(step: str, calls: float, reply: str, recorder: Recorder, count_tokens: TokenCounter) -> QuestionPrice:
    sizes = [prompt_size(call, count_tokens) for call in recorder.calls if call.step == step]
    return QuestionPrice(step, None, calls, sum(sizes) / len(sizes), count_tokens(reply))
