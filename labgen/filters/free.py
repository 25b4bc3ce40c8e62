"""Filters that cost no call: rules on texts, figures without a source, benchmark items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labgen.filters.base import Ending, EveryFlow, OnGivenText, SlotContext
from labgen.filters.contamination import ContaminationIndex
from labgen.filters.groundedness import unsupported_figures
from labgen.filters.rules import check_instruction, check_response, check_title
from labgen.records import Candidate, Evidence, Grounding, State, Verdict


class InstructionRules(EveryFlow):
    """Empty, of a wrong length, copied, full of leftovers, repeating itself: see `labgen.filters.rules.REASONS`."""

    name = "instruction_rules"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["instruction"] = "instruction"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """A verdict where a rule is broken, nothing otherwise."""
        if candidate.is_document:
            found = check_title(candidate.instruction)
            return [found] if found else []
        verdict = check_instruction(
            candidate.instruction,
            seeds=slot.seed_pairs,
            thresholds=slot.thresholds,
            own_context=slot.plan.flow.own_context,
        )
        return [verdict] if verdict else []

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A broken rule ends the candidate."""
        return State.MALFORMED, f"instruction_{verdict.reason}"


class ResponseRules(EveryFlow):
    """The same for responses, and broken off, and refusals."""

    name = "response_rules"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """A verdict where a rule is broken, nothing otherwise."""
        verdict = check_response(
            candidate.instruction,
            candidate.response,
            seeds=slot.seed_pairs,
            truncated=candidate.truncated,
            thresholds=slot.thresholds,
            own_context=slot.plan.flow.own_context,
        )
        return [verdict] if verdict else []

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A broken rule ends the candidate."""
        return State.MALFORMED, f"response_{verdict.reason}"


class UnsupportedFigures(OnGivenText):
    """Numbers, dates and names of an answer that stand neither in its passage nor in its question.

    They settle the matter where the passage is all that an answer may draw on. A skill on a context may have to compute
    (a sum, a date), so there they are noted and left to the judge.
    """

    name = "unsupported_figures"
    version = "2"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """How many there are (count), with the words themselves; of a document nothing."""
        if candidate.is_document:
            return []  # its sentences are looked at one by one: see `labgen.flows.check_document`
        found = unsupported_figures(candidate.response, candidate.context or "", candidate.instruction)
        evidence = tuple(Evidence(words) for words in found)
        return [Verdict(self.name, self.version, float(len(found)), "", evidence)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """More than the threshold of the flow allows."""
        allowed = slot.thresholds.max_unsupported_figures
        if slot.plan.flow.grounding is not Grounding.PASSAGE or verdict.value <= allowed:
            return None
        return State.UNGROUNDED, "figure_not_in_passage"


class Contamination(EveryFlow):
    """Items of well-known benchmarks, in the instruction or the response.

    Args:
        index: what `labgen contaminate add` collected.
        stage: looked for in the instruction before a response is paid for, and in both once there is one.
    """

    name = "contamination"
    version = "1"
    kind: Literal["index"] = "index"

    def __init__(self, index: ContaminationIndex, stage: Literal["instruction", "pair"]) -> None:
        self.stage: Literal["instruction", "pair"] = stage
        self._index = index

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """A verdict that names the item, nothing where there is none."""
        texts = [candidate.instruction] if self.stage == "instruction" else [candidate.response, candidate.reasoning]
        hits = (self._index.hit(text) for text in texts if text)
        hit = next(filter(None, hits), None)
        return [Verdict(self.name, self.version, hit.share, hit.item)] if hit else []

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A hit ends the candidate; the index itself knows the share that makes one."""
        return State.CONTAMINATED, verdict.reason
