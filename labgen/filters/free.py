"""Filters that cost no call: rules on texts, figures without a source, benchmark items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labgen.filters.base import Ending, Scene
from labgen.filters.contamination import ContaminationIndex
from labgen.filters.groundedness import unsupported_figures
from labgen.filters.rules import check_instruction, check_response
from labgen.records import Candidate, Evidence, State, Verdict

ALL_FLOWS = ("knowledge", "grounded", "freeform")


class InstructionRules:
    """Empty, of a wrong length, copied, full of leftovers, repeating itself: see `labgen.filters.rules.REASONS`."""

    name = "instruction_rules"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["instruction"] = "instruction"
    flows = ALL_FLOWS

    async def __call__(self, candidate: Candidate, scene: Scene) -> Sequence[Verdict]:
        """A verdict where a rule is broken, nothing otherwise."""
        verdict = check_instruction(
            candidate.instruction,
            seeds=scene.seed_pairs,
            thresholds=scene.thresholds,
            own_context=scene.plan.leaf.flow == "grounded",
        )
        return [verdict] if verdict else []

    def decide(self, verdict: Verdict, scene: Scene) -> Ending | None:
        """A broken rule ends the candidate."""
        return State.MALFORMED, f"instruction_{verdict.reason}"


class ResponseRules:
    """The same for responses, and broken off, and refusals."""

    name = "response_rules"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"
    flows = ALL_FLOWS

    async def __call__(self, candidate: Candidate, scene: Scene) -> Sequence[Verdict]:
        """A verdict where a rule is broken, nothing otherwise."""
        verdict = check_response(
            candidate.instruction,
            candidate.response,
            seeds=scene.seed_pairs,
            truncated=candidate.position in scene.truncated,
            thresholds=scene.thresholds,
            own_context=scene.plan.leaf.flow == "grounded",
        )
        return [verdict] if verdict else []

    def decide(self, verdict: Verdict, scene: Scene) -> Ending | None:
        """A broken rule ends the candidate."""
        return State.MALFORMED, f"response_{verdict.reason}"


class UnsupportedFigures:
    """Numbers, dates and names of an answer that stand neither in its passage nor in its question.

    They settle the matter for knowledge. A skill on a context may have to compute (a sum, a date), so there they are
    noted and left to the judge.
    """

    name = "unsupported_figures"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"
    flows = ("knowledge", "grounded")

    async def __call__(self, candidate: Candidate, scene: Scene) -> Sequence[Verdict]:
        """How many there are (count), with the words themselves."""
        found = unsupported_figures(candidate.response, candidate.context or "", candidate.instruction)
        evidence = tuple(Evidence(words) for words in found)
        return [Verdict(self.name, self.version, float(len(found)), "", evidence)]

    def decide(self, verdict: Verdict, scene: Scene) -> Ending | None:
        """More than the threshold of the flow allows."""
        allowed = scene.thresholds.max_unsupported_figures
        if scene.plan.leaf.flow != "knowledge" or verdict.value <= allowed:
            return None
        return State.UNGROUNDED, "figure_not_in_passage"


class Contamination:
    """Items of well-known benchmarks, in the instruction or the response.

    Args:
        index: what `labgen contaminate add` collected.
        stage: looked for in the instruction before a response is paid for, and in both once there is one.
    """

    name = "contamination"
    version = "1"
    kind: Literal["index"] = "index"
    flows = ALL_FLOWS

    def __init__(self, index: ContaminationIndex, stage: Literal["instruction", "pair"]) -> None:
        self.stage: Literal["instruction", "pair"] = stage
        self._index = index

    async def __call__(self, candidate: Candidate, scene: Scene) -> Sequence[Verdict]:
        """A verdict that names the item, nothing where there is none."""
        text = candidate.instruction if self.stage == "instruction" else candidate.response
        hit = self._index.hit(text)
        return [Verdict(self.name, self.version, hit.share, hit.item)] if hit else []

    def decide(self, verdict: Verdict, scene: Scene) -> Ending | None:
        """A hit ends the candidate; the index itself knows the share that makes one."""
        return State.CONTAMINATED, verdict.reason
