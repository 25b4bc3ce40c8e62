"""An answer that says another result than the reasoning beside it: one is wrong, and nobody need be asked which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labgen.filters.base import Ending, SlotContext
from labgen.plan.flow import Flow
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.text.stated_result import contradict, stated_result


class ReasoningResult:
    """Does a response say the result that its plan came to? Only where both state a number or a choice."""

    name = "reasoning_result"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    def applies_to(self, flow: Flow) -> bool:
        """Where responses come with their reasoning."""
        return flow.reasons

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """1 where the two agree, 0 with both results where they don't, nothing where they can't be compared."""
        planned, said = stated_result(candidate.reasoning), stated_result(candidate.response)
        if planned is None or said is None:
            return []
        differ = contradict(planned, said)
        if not differ and (planned.number, planned.unit, planned.choice) != (said.number, said.unit, said.choice):
            return []
        evidence = (Evidence(planned.text), Evidence(said.text))
        return [Verdict(self.name, self.version, 0.0 if differ else 1.0, "other_result" if differ else "", evidence)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """Two results end the candidate."""
        return (State.LOW_QUALITY, "other_result_than_reasoning") if verdict.value < 1.0 else None
