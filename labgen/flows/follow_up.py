"""The step that takes a conversation one turn further: what is asked next about the same thing, and its answer.

Source: none of LAB's; second questions that build on the first answer are MT-Bench's (arXiv 2306.05685, section 2.1).
Ours are drawn for a pair that passed, from the same passage or context, and go through the rules and judges of pairs
like the first one. A second turn that fails costs the row nothing but that turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Self

from labgen.filters.available import FilterSet
from labgen.filters.base import Filter, SlotContext, ended, settle
from labgen.filters.earlier_instructions import NAME as DUPLICATES
from labgen.filters.earlier_instructions import VERSION
from labgen.filters.rouge import reference_rouge_l
from labgen.filters.second_turn import with_second_turn
from labgen.flows.steps import OneByOne, usual_temperature
from labgen.formats.conversation_text import question_after
from labgen.formats.draw_forms import Drawn, pairs_form
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Candidate, Grounding, State, Verdict
from labgen.teacher.asker import CandidateEnds, Reading

FOLLOW_UP = Prompt("follow_up", rehearsed_as="a follow-up question")


@dataclass(frozen=True)
class FollowUp(OneByOne):
    """Asks for the next question and its answer, and puts the two through what the first pair went through.

    Attributes:
        rules, judges: what looks at the second pair, rules first.
        find_duplicates: whether a question that was asked before in the slot ends it.
    """

    asks: ClassVar[bool] = True
    follows: ClassVar[bool] = True
    rules: tuple[Filter, ...] = ()
    judges: tuple[Filter, ...] = ()
    find_duplicates: bool = True

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Its one prompt; the judges' are those of the first turn."""
        return (FOLLOW_UP,)

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """With all that looks at this flow's pairs."""
        rules = (*filters.free(flow, "instruction"), *filters.free(flow, "pair"))
        judges = filters.judges(flow, "pair")
        return replace(self, rules=rules, judges=judges, find_duplicates=filters.find_duplicates)

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """A seed example of middling length."""
        examples = sorted(slot.examples, key=lambda example: len(example.response))
        middling = examples[len(examples) // 2]
        question, answer = middling.instruction, middling.response
        return {FOLLOW_UP.name: f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"}

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """The candidate with its second turn, or with a verdict that says why it has none."""
        if candidate.is_document:
            return candidate
        second = replace(candidate, response="", reasoning="", verdicts=(), rivals=(), calls=(), raw="")
        try:
            reading = await ask_follow_up(candidate, slot)
        except CandidateEnds as end:
            return with_second_turn(candidate, ended(second, end))
        drawn = reading.value[0]
        second = replace(
            second,
            instruction=drawn.instruction,
            response=drawn.response,
            raw=reading.text,
            truncated=drawn.cut or reading.truncated,
        )
        second = await settle(second, self.rules, slot.alone(second))
        if second.state is None and self.find_duplicates:
            second = _told_from_others(second, candidate, slot)
        if second.state is None:
            asked = question_after(second.instruction, candidate.instruction, candidate.response)
            judged = replace(second, instruction=asked)
            second = replace(await settle(judged, self.judges, slot.alone(judged)), instruction=second.instruction)
        return with_second_turn(candidate, second)


async def ask_follow_up(candidate: Candidate, slot: SlotContext) -> Reading[list[Drawn]]:
    """The next question and its answer. Raises: CandidateEnds: none, or nothing that can be read."""
    generation, persona = slot.asker.generation, slot.plan.persona.name
    form = pairs_form(1, generation.max_pair_tokens)
    return await slot.asker.ask(
        FOLLOW_UP.name,
        form.read,
        schema=form.schema,
        max_tokens=generation.max_pair_tokens,
        temperature=usual_temperature(persona, slot),
        leaf=slot.plan.leaf,
        seeds=slot.shown,
        persona=persona,
        passage=slot.plan.flow.grounding is Grounding.PASSAGE,
        context=candidate.context,
        instruction=candidate.instruction,
        response=candidate.response,
    )


def _told_from_others(second: Candidate, first: Candidate, slot: SlotContext) -> Candidate:
    """A second question, ended where it is too close to one that was drawn with the first, or to the first itself.

    Those of other slots are looked at when rows are written (`labgen.filters.duplicates_across_leaves`): what these
    have brought by now depends on timing.
    """
    for other in (first, *slot.siblings):
        similarity = reference_rouge_l(second.instruction, other.instruction)
        if similarity > slot.thresholds.duplicate_rouge_l:
            verdict = Verdict(DUPLICATES, VERSION, similarity, f"like position {other.position} of its own draw")
            return replace(second, verdicts=(*second.verdicts, verdict), state=State.DUPLICATE, reason=verdict.reason)
    return second
