"""Steps that save a candidate whose response failed: the teacher answers once more, told what was wrong and where.

Source: none of LAB's; a critique that leads to a revision is Constitutional AI's (arXiv 2212.08073, section 3). Ours
comes from the judge's verdict or a rule's, and the new response goes through all that the first one had to go through.
Of a candidate that is saved, the first response stays as its rival: a pair of a bad and a good response.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from labgen.filters.available import FilterSet
from labgen.filters.base import Filter, SlotContext, ended, settle
from labgen.filters.rules import REASONS
from labgen.flows.rivals import screened
from labgen.flows.steps import FreeFilters, Judges, answered, ask_for_response, read_response
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import REPAIR, Candidate, Rival, State, Verdict
from labgen.teacher.asker import CandidateEnds, Reading

REPAIR_PROMPT = Prompt("repair", rehearsed_as="answer again")

MENDABLE = frozenset({State.LOW_QUALITY, State.UNGROUNDED, State.IRRELEVANT, State.MALFORMED})
"""States in which a response may have ended that another one could do better at."""

QUESTIONS_FAULT = "not_answerable_from_passage"
"""Why a pair ends as `ungrounded` that no other answer would help."""

BEST_SCORE = 3.0
_SCORES = {"score_1": "wrong, off the point or incomplete", "score_2": "right but bare"}
MOST_FINDINGS = 6
FINDING_CHARS = 300


@dataclass(frozen=True)
class RepairingRules(FreeFilters):
    """The free filters of responses; one that a rule turns down is asked for once more."""

    asks: ClassVar[bool] = True
    prompt: Prompt = REPAIR_PROMPT

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """Up to the first filter that ends it; then once more, with another response."""
        return await _settled_or_repaired(candidate, self.filters, self.filters, slot)


@dataclass(frozen=True)
class RepairingJudges(Judges):
    """The judges of pairs; a response that one turns down is asked for once more, and goes through rules and judges.

    Attributes:
        rules: the free filters that a repaired response goes through first.
    """

    prompt: Prompt = REPAIR_PROMPT
    rules: tuple[Filter, ...] = ()

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Those of the judges, and its own."""
        return (*super().prompts_of(flow), self.prompt)

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """With the judges and the rules that look at this flow's pairs."""
        bound = super().bind(flow, filters)
        return replace(bound, rules=filters.free(flow, self.stage)) if bound else None

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """Up to the first judge that turns it down; then once more, with another response."""
        every = (*self.rules, *self.filters)
        found = await _settled_or_repaired(candidate, self.filters, every, slot)
        return await screened(found, every, slot) if found.state is None else found


async def _settled_or_repaired(
    candidate: Candidate, looking: Sequence[Filter], every: Sequence[Filter], slot: SlotContext
) -> Candidate:
    """A candidate after the filters of a step; where they turn its response down, after a second one and `every`."""
    found = await settle(candidate, looking, slot)
    if not mendable(found):
        return found
    told = [verdict for verdict in candidate.verdicts if not _on_response(verdict, every)]
    on_response = tuple(verdict for verdict in found.verdicts if verdict not in told)
    said = findings(found, on_response, looking, slot)
    try:
        reading = await answer_again(found, said, slot)
    except CandidateEnds as end:
        # What had no reply may have one in the next run; what can't be read leaves the candidate as it was.
        return ended(found, end) if end.reason.startswith("exhausted") else found
    if reading.value.split() == found.response.split():
        return found
    first = Rival(found.response, REPAIR, found.state, found.reason, on_response, why="; ".join(said))
    again = replace(
        answered(found, reading),
        state=None,
        reason="",
        rejected_by="",
        reasoning="",
        verdicts=tuple(told),
        rivals=(*found.rivals, first),
    )
    return await settle(again, every, slot.alone(again))


def mendable(candidate: Candidate) -> bool:
    """Whether a candidate has ended by its response, in a way that another one may not, and had no second one yet."""
    if candidate.state not in MENDABLE or not candidate.response or candidate.is_document:
        return False
    return candidate.reason != QUESTIONS_FAULT and all(rival.kind != REPAIR for rival in candidate.rivals)


async def answer_again(candidate: Candidate, said: Sequence[str], slot: SlotContext) -> Reading[str]:
    """The teacher's second response. Raises: CandidateEnds: there is none."""
    return await ask_for_response(
        REPAIR_PROMPT, read_response, candidate, slot, response=candidate.response, findings=list(said)
    )


def findings(
    candidate: Candidate, verdicts: Sequence[Verdict], filters: Sequence[Filter], slot: SlotContext
) -> list[str]:
    """What was found wrong with a response that ended, in words, with the places where that is known."""
    ending = (candidate.state, candidate.reason)
    deciding = [each for each in verdicts if any(one.decide(each, slot) == ending for one in filters)]
    code = candidate.reason.removeprefix("response_")
    said = [_SCORES.get(code) or REASONS.get(code) or code.replace("_", " ")]
    marked_down = [each for each in verdicts if each.filter == "pair_score" and each.value < BEST_SCORE]
    said += [verdict.reason for verdict in (*deciding, *marked_down) if " " in verdict.reason]
    for verdict in deciding:
        # Words that were found in the passage bear an answer out; those that were not are what is wrong.
        found = [piece.text for piece in verdict.evidence if piece.start < 0 or verdict.filter == "response_rules"]
        said += [f"at: {text}" for text in found]
    return [words[:FINDING_CHARS] for words in dict.fromkeys(said) if words.strip()][:MOST_FINDINGS]


def _on_response(verdict: Verdict, filters: Sequence[Filter]) -> bool:
    """Whether a verdict is on a response, and so says nothing of another one."""
    names: set[Any] = {each.name for each in filters}
    return verdict.filter in names or verdict.reason.startswith("response:")
