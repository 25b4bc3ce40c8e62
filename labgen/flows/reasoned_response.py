"""The step that asks for a response and keeps what led to it: a plan made first, or the teacher's own reasoning.

Source: Cerebrum's native chain of thought, a plan before the answer. Ours keeps the two apart, so that the answer is
judged like any other and each export decides whether a model is to learn the plan as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import ClassVar

from labgen.filters.base import SlotContext
from labgen.flows.steps import OneByOne, Respond, answered, ask_for_response
from labgen.formats.planned_reply import read_planned_reply
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Candidate
from labgen.teacher.asker import Reading

PLAN = "plan"
"""The kind of reasoning that the teacher is asked for; of any other, what it thinks by itself is kept."""

RESPOND_WITH_PLAN = Prompt("respond_with_plan", rehearsed_as="respond with a plan")

_TYPICAL_PLAN = (
    "1. What is asked, and what is given: the instruction names the subject, the length and what to leave out.\n"
    "2. What follows from that: each part of the answer, in the order in which a reader needs it, with its reason.\n"
    "3. What comes of it, worked out step by step, with each figure and each name written down where it is used.\n"
    "4. A check: everything that was asked for is there, and nothing contradicts what was given."
)


@dataclass(frozen=True)
class RespondReasoned(OneByOne):
    """The teacher's response as in `Respond`, with what led to it: a plan that it makes first, or its own reasoning.

    Args:
        respond: the step that asks for a response alone, where the leaf has the teacher's own reasoning kept.
    """

    asks: ClassVar[bool] = True
    reasons: ClassVar[bool] = True
    prompt: Prompt = RESPOND_WITH_PLAN
    respond: Respond = field(default_factory=Respond)

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Both that it may ask with."""
        return (self.prompt, *self.respond.prompts_of(flow))

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """A seed example's response, of middling length, after a plan where one is asked for."""
        typical = self.respond.typical_replies(slot)
        if slot.plan.leaf.reasoning != PLAN:
            return typical
        response = typical[self.respond.prompt.name]
        return {self.prompt.name: f"<plan>\n{_TYPICAL_PLAN}\nResult: 1\n</plan>\n<response>\n{response}\n</response>"}

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """The candidate with its response and its reasoning. Raises: CandidateEnds: `failed` or `unparsed`."""
        if slot.plan.leaf.reasoning != PLAN:
            return await self.respond(candidate, slot, keep_reasoning=True)
        return await self.plan(candidate, slot)

    async def plan(self, candidate: Candidate, slot: SlotContext, *, sample: int = 0) -> Candidate:
        """The candidate with a response and the plan before it. `sample`: its number, where several are asked for."""
        generation = slot.asker.generation
        reading = await ask_for_response(
            self.prompt,
            read_planned_reply,
            candidate,
            slot,
            # The plan has as much room as the answer.
            max_tokens=2 * generation.max_response_tokens,
            temperature=generation.temperature if sample else None,
            sample=sample,
        )
        reasoning, response = reading.value
        return replace(
            answered(candidate, Reading(response, reading.text, reading.truncated, reading.calls)), reasoning=reasoning
        )
