"""The step that has an instruction answered several times, and the judge compare what came of it.

Source: none of LAB's; that a judge prefers what stands first, and that both orders have to be asked for, is measured in
arXiv 2306.05685 (section 3.4). Ours keeps a pair where both orders name the same response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import ClassVar, Self

from labgen.filters.available import FilterSet
from labgen.filters.base import Filter, SlotContext, settle
from labgen.flows.rivals import screened
from labgen.flows.steps import RESPOND, OneByOne, answered, ask_for_response, read_response, usual_temperature
from labgen.formats.prompts import Prompt
from labgen.formats.reading import read_fields
from labgen.formats.schemas import bounded_text, object_of
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import SAMPLE, Candidate, Rival, Schema, Verdict
from labgen.teacher.asker import CandidateEnds, Reading

COMPARE = Prompt("compare", rehearsed_as="compare two responses")
TEMPERATURE_STEP = 0.3
"""By how much each further response in the same voice is asked for more freely."""
MAX_TEMPERATURE = 2.0
STRENGTHS = 3
"""A judge says 1 to 3 for slightly, clearly and by far; as a margin these are thirds."""
REASON_CHARS = 200


@dataclass(frozen=True)
class Preference:
    """What a judge says of two responses: the better one's number (1 or 2), 0 for neither, and by how much (1 to 3)."""

    better: int
    strength: int
    reason: str


@dataclass(frozen=True)
class Compare(OneByOne):
    """Further responses to an instruction whose first one passed, each compared with that in both orders.

    Attributes:
        filters: what each further response is put through: the rules and judges of pairs.
        responder: logical name of another model, which gives the first, third and so on of them; empty for none.
    """

    asks: ClassVar[bool] = True
    filters: tuple[Filter, ...] = ()
    responder: str = ""

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """For a response, and for a comparison."""
        return (RESPOND, COMPARE)

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """With all that looks at this flow's pairs."""
        return replace(self, filters=(*filters.free(flow, "pair"), *filters.judges(flow, "pair")))

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """A seed example's response of middling length, and a comparison."""
        responses = sorted((example.response for example in slot.examples), key=len)
        said = '{"better": 1, "strength": 2, "reason": "the other one leaves out what was asked for last"}'
        return {RESPOND.name: responses[len(responses) // 2], COMPARE.name: said}

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """The candidate with a rival for each further response that there is, told by whom."""
        more = slot.plan.responses - 1
        if more < 1 or candidate.is_document:
            return candidate
        # Each has a history of its own, so that the calls come in one order whichever is answered first.
        slots = [slot.for_one() for _ in range(more)]
        found = await asyncio.gather(*(self._rival(candidate, number, own) for number, own in enumerate(slots, 1)))
        for own in slots:
            slot.asker.history.extend(own.asker.history)
        rivals = [rival for rival in found if rival is not None]
        return replace(candidate, rivals=(*candidate.rivals, *rivals))

    async def _rival(self, candidate: Candidate, number: int, slot: SlotContext) -> Rival | None:
        """The further response of a number, from 1 on; None where there is none, or the same words again."""
        try:
            reading, by = await self.respond(candidate, number, slot)
        except CandidateEnds:
            return None
        if reading.value.split() == candidate.response.split():
            return None
        bare = replace(answered(candidate, reading), reasoning="", verdicts=(), rivals=())
        other = await settle(bare, self.filters, slot.alone(bare))
        rival = Rival(other.response, SAMPLE, other.state, other.reason, other.verdicts, by=by)
        if other.state is not None:
            holding = await screened(replace(candidate, rivals=(rival,)), self.filters, slot)
            return replace(holding.rivals[0], why=_why(other.verdicts, other.reason))
        try:
            return await _compared(candidate, rival, slot)
        except CandidateEnds:
            return rival  # it passed, and how it compares nobody has said

    async def respond(self, candidate: Candidate, number: int, slot: SlotContext) -> tuple[Reading[str], str]:
        """The further response of a number, from 1 on, and the other model that gave it; empty for the teacher.

        Raises: CandidateEnds: there is none.
        """
        if not self.responder:
            return await another_response(candidate, number, slot), ""
        if number % 2 == 0:
            return await another_response(candidate, number // 2, slot), ""
        own = replace(slot, asker=replace(slot.asker, teacher=self.responder))
        temperature = usual_temperature(slot.plan.persona.name, slot) + TEMPERATURE_STEP * (number // 2)
        temperature = min(MAX_TEMPERATURE, round_to_hundredths(temperature))
        reading = await ask_for_response(RESPOND, read_response, candidate, own, temperature=temperature)
        return reading, self.responder


async def another_response(candidate: Candidate, number: int, slot: SlotContext) -> Reading[str]:
    """A further response: in turns more freely in the leaf's voice, and in the other one. Raises: CandidateEnds."""
    own = slot.plan.persona.name
    voices = ("precise", "creative") if own == "precise" else ("creative", "precise")
    voice, round = voices[(number - 1) % 2 == 1], (number + 1) // 2
    freer = usual_temperature(voice, slot) + TEMPERATURE_STEP * (round if voice == own else round - 1)
    temperature = min(MAX_TEMPERATURE, round_to_hundredths(freer))
    return await ask_for_response(RESPOND, read_response, candidate, slot, voice=voice, temperature=temperature)


def round_to_hundredths(number: float) -> float:
    """So that 0.2 + 0.3 is 0.5 in a call's key."""
    return round(number, 2)


async def _compared(candidate: Candidate, rival: Rival, slot: SlotContext) -> Rival:
    """A rival that passed, with what the judge says of it in both orders; as it was where these disagree."""
    first = await preference(candidate, (candidate.response, rival.response), slot)
    second = await preference(candidate, (rival.response, candidate.response), slot)
    if not first.better or first.better + second.better != STRENGTHS:
        return rival
    margin = (first.strength + second.strength) / (2.0 * STRENGTHS)
    return replace(rival, better=first.better == 2, margin=margin, why=first.reason or second.reason)


async def preference(candidate: Candidate, responses: tuple[str, str], slot: SlotContext) -> Preference:
    """What the judge says of two responses in this order. Raises: CandidateEnds: nothing that can be read."""
    reading = await slot.asker.judge_with(
        COMPARE.name,
        read_preference,
        schema=preference_schema(),
        leaf=slot.plan.leaf,
        context=candidate.context,
        instruction=candidate.instruction,
        responses=list(responses),
    )
    return reading.value


def read_preference(text: str) -> Preference | None:
    """A comparison out of a reply; None where it can't be read."""
    fields = read_fields(text, {"better": "text", "strength": "score3?", "reason": "text?"})
    better = str(fields["better"]).strip().strip("#[]\"'. ") if fields else ""
    if fields is None or better not in ("0", "1", "2"):
        return None
    return Preference(int(better), int(str(fields["strength"] or 1)), str(fields["reason"] or ""))


@lru_cache(maxsize=1)
def preference_schema() -> Schema:
    """A comparison as JSON."""
    numbers = {name: {"type": "integer", "enum": values} for name, values in
               (("better", [0, 1, 2]), ("strength", [1, 2, 3]))}  # fmt: skip
    return object_of({**numbers, "reason": bounded_text(REASON_CHARS)})


def _why(verdicts: Sequence[Verdict], reason: str) -> str:
    """Why a response failed: the judge's own words where it gave any."""
    words = [verdict.reason for verdict in verdicts if " " in verdict.reason and not verdict.reason.startswith("resp")]
    return words[-1] if words else reason.replace("_", " ")
