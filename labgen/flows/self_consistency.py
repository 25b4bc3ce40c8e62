"""The step at which a plan is made several times over: a result that chance decides is no result to learn.

Source: self-consistency, arXiv 2203.11171. Theirs takes the answer that most samples agree on; ours keeps the response
that was judged, and measures how many of the samples come to its result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import field, replace
from typing import ClassVar

from labgen.filters.base import SlotContext
from labgen.flows.reasoned_response import PLAN, RespondReasoned
from labgen.flows.steps import OneByOne
from labgen.lazy.dataclasses import dataclass
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.teacher.asker import CandidateEnds
from labgen.text.stated_result import StatedResult, contradict, stated_result

NAME, VERSION = "self_consistency", "1"


@dataclass(frozen=True)
class SelfConsistency(OneByOne):
    """Do most plans come to the same result? Only for leaves with `reasoning_samples`, and answers with a result.

    A step, since it asks as the response was asked for. It comes last: it costs a call for each further sample.
    """

    asks: ClassVar[bool] = True
    respond: RespondReasoned = field(default_factory=RespondReasoned)

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """As of the response."""
        return self.respond.typical_replies(slot)

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """The candidate with the share of samples that agree as a verdict, or as it ends by that.

        Raises: CandidateEnds: `failed`, where a sample can't be had.
        """
        result, samples = result_of(candidate), slot.plan.reasoning_samples
        if slot.plan.leaf.reasoning != PLAN or samples < 2 or result is None:
            return candidate
        others = await self._others(candidate, slot, samples - 1)
        agree = 1 + sum(other is not None and _same(result, other) for other in others)
        said = tuple(Evidence(other.text if other else "no result") for other in (result, *others))
        verdict = Verdict(NAME, VERSION, agree / samples, f"{agree} of {samples} samples agree", said)
        found = replace(candidate, verdicts=(*candidate.verdicts, verdict))
        if verdict.value >= slot.thresholds.min_self_consistency:
            return found
        return replace(found, state=State.LOW_QUALITY, reason="samples_disagree", rejected_by=NAME)

    async def _others(self, candidate: Candidate, slot: SlotContext, count: int) -> list[StatedResult | None]:
        """The results of further samples, in the order of their numbers; None for a sample without one."""
        own = [slot.for_one() for _ in range(count)]
        work = (self.respond.plan(candidate, each, sample=number) for number, each in enumerate(own, start=1))
        taken = await asyncio.gather(*work, return_exceptions=True)
        for each in own:  # in order, whichever came first
            slot.asker.history.extend(each.asker.history)
        found: list[StatedResult | None] = []
        for sample in taken:
            if isinstance(sample, CandidateEnds) and sample.state is State.UNPARSED:
                found.append(None)
            elif isinstance(sample, BaseException):
                raise sample
            else:
                found.append(result_of(sample))
        return found


def result_of(candidate: Candidate) -> StatedResult | None:
    """What a response says it comes to, or else its plan."""
    return stated_result(candidate.response) or stated_result(candidate.reasoning)


def _same(one: StatedResult, other: StatedResult) -> bool:
    comparable = bool(one.choice) == bool(other.choice) and one.unit == other.unit
    return comparable and not contradict(one, other)
