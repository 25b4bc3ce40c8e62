"""Filters that ask a model: the instruction judge, the pair judge and the groundedness judge.

Source: LAB section 3.2 has a judge of instructions, a judge of pairs on a 3-point scale and a judge of groundedness,
asked separately. Ours gets all verdicts on a pair (quality, groundedness, relevance, safety) from one call, and
counts a claim as supported only when the words that the judge names as evidence are found in the passage, as a
string.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from labgen.filters.base import Cost, Ending, OnGivenText, SlotContext
from labgen.filters.calibration_items import (
    ANSWER_AS_INSTRUCTION,
    ANSWER_CUT_OFF,
    ANSWER_EXCHANGED,
    CONTEXT_EXCHANGED,
    INSTRUCTION_CUT_OFF,
    NUMBER_ALTERED,
)
from labgen.filters.groundedness import find_evidence
from labgen.filters.verdict_forms import (
    evidence_chars,
    grounded_schema,
    instructions_schema,
    most_claims,
    pair_schema,
)
from labgen.formats.prompts import Prompt
from labgen.formats.reading import read_fields, read_json, read_yes_no
from labgen.plan.example_pairs import ExamplePair
from labgen.plan.flow import Flow
from labgen.records import Candidate, Evidence, Grounding, State, Verdict
from labgen.teacher.asker import CandidateEnds, Reading


def reference(slot: SlotContext, candidate: Candidate | None = None) -> tuple[ExamplePair, ...]:
    """The seed examples that judges are shown: the leaf's first ones, the same in every call, for a server's cache.

    A candidate that is itself one of them (calibration) is not shown its own answer.
    """
    others = (
        example
        for example in slot.examples
        if candidate is None or example.instruction != candidate.instruction or example.context != candidate.context
    )
    return tuple(example for example, _ in zip(others, range(slot.plan.seeds_per_prompt), strict=False))


class InstructionJudge:
    """Is an instruction of the leaf's kind, answerable in text, and safe? One call for all of a slot's instructions."""

    name = "instruction_judge"
    version = "1"
    kind: Literal["judge"] = "judge"
    stage: Literal["instruction"] = "instruction"
    cost = Cost(reply_tokens=30.0, shared=True)
    prompts = (Prompt("judge_instructions", rehearsed_as="judge instructions"),)
    catches = (INSTRUCTION_CUT_OFF, ANSWER_AS_INSTRUCTION)

    def applies_to(self, flow: Flow) -> bool:
        """Where instructions are drawn by themselves: those on a passage come with their answers."""
        return flow.grounding is not Grounding.PASSAGE

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """The verdict on one instruction. Raises: CandidateEnds: no reply, or none that can be read."""
        reading: Reading[dict[int, dict[str, Any]]] = await slot.once(self.name, lambda: self._ask(slot))
        number = [sibling.position for sibling in slot.siblings].index(candidate.position) + 1
        fields = reading.value.get(number)
        if fields is None:
            raise CandidateEnds(State.UNPARSED, "no_verdict_judge_instructions", reading.text)
        values = [
            ("on_task", fields["on_task"]),
            ("answerable_in_text", fields["answerable"]),
            ("instruction_safety", fields["safe"]),
        ]
        hazard, reason = str(fields.get("hazard") or ""), str(fields.get("reason") or "")
        return [
            Verdict(name, self.version, float(value), hazard if name == "instruction_safety" and not value else reason)
            for name, value in values
        ]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """Off task or not answerable in text is irrelevant; unsafe is unsafe."""
        if verdict.value:
            return None
        if verdict.filter == "instruction_safety":
            return State.UNSAFE, f"instruction: {verdict.reason or 'unsafe'}"
        return State.IRRELEVANT, "off_task" if verdict.filter == "on_task" else "not_answerable_in_text"

    async def _ask(self, slot: SlotContext) -> Reading[dict[int, dict[str, Any]]]:
        instructions = [sibling.instruction for sibling in slot.siblings]

        def read(text: str) -> dict[int, dict[str, Any]] | None:
            return read_instruction_verdicts(text, len(instructions))

        return await slot.asker.judge_with(
            "judge_instructions",
            read,
            schema=instructions_schema(len(instructions), slot.asker.generation.max_verdict_tokens),
            leaf=slot.plan.leaf,
            seeds=reference(slot),
            context=slot.siblings[0].context,
            instructions=instructions,
        )


def read_instruction_verdicts(text: str, count: int) -> dict[int, dict[str, Any]] | None:
    """Verdicts by number (from 1) out of a reply to `judge_instructions`; None where not one can be read."""
    data = read_json(text)
    if isinstance(data, dict):
        data = data.get("verdicts", [data])
    if not isinstance(data, list):
        fields = read_fields(text, {"on_task": "yes_no", "answerable": "yes_no", "safe": "yes_no"})
        return {1: dict(fields)} if fields and count == 1 else None
    verdicts: dict[int, dict[str, Any]] = {}
    for place, entry in enumerate(data, start=1):
        if not isinstance(entry, dict):
            continue
        answers = {name: read_yes_no(entry.get(name)) for name in ("on_task", "answerable", "safe")}
        number = entry.get("id", place)
        number = int(number) if str(number).strip().isdigit() else place
        if None not in answers.values() and 1 <= number <= count:
            verdicts.setdefault(number, {**entry, **answers})
    return verdicts or None


class PairJudge:
    """Is a response right and good, on LAB's 3-point scale, and is the pair safe?"""

    name = "pair_judge"
    version = "1"
    kind: Literal["judge"] = "judge"
    stage: Literal["pair"] = "pair"
    cost = Cost(reply_tokens=40.0)
    prompts = (Prompt("judge_pair", rehearsed_as="judge a pair"),)
    catches = (ANSWER_EXCHANGED, NUMBER_ALTERED, ANSWER_CUT_OFF)

    def applies_to(self, flow: Flow) -> bool:
        """Where there is no text to hold an answer against."""
        return flow.grounding is Grounding.NONE

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """Score and safety. Raises: CandidateEnds: no reply, or none that can be read."""
        fields = {"score": "score3", "safe": "yes_no", "hazard": "text?", "reason": "text?"}
        reading = await slot.asker.judge_with(
            "judge_pair",
            lambda text: read_fields(text, fields),
            schema=pair_schema(slot.asker.generation.max_verdict_tokens),
            leaf=slot.plan.leaf,
            seeds=reference(slot, candidate),
            instruction=candidate.instruction,
            response=candidate.response,
        )
        return quality_and_safety(reading.value, self.version)

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """Unsafe, or below the lowest score that is kept."""
        return decide_quality_and_safety(verdict, slot)


def quality_and_safety(fields: Mapping[str, Any], version: str) -> list[Verdict]:
    """The verdicts that all judges of pairs share; safety comes first, so that it names the state."""
    safe = bool(fields["safe"])
    return [
        Verdict("safety", version, float(safe), "" if safe else str(fields.get("hazard") or "unnamed hazard")),
        Verdict("pair_score", version, float(fields["score"]), str(fields.get("reason") or "")),
    ]


def decide_quality_and_safety(verdict: Verdict, slot: SlotContext) -> Ending | None:
    """What those verdicts mean."""
    if verdict.filter == "safety" and not verdict.value:
        return State.UNSAFE, f"pair: {verdict.reason}"
    if verdict.filter == "pair_score" and verdict.value < slot.thresholds.min_pair_score:
        return State.LOW_QUALITY, f"score_{int(verdict.value)}"
    return None


class GroundednessJudge(OnGivenText):
    """Is every claim of an answer borne out by its passage, word for word? And is the pair relevant, good and safe?"""

    name = "groundedness_judge"
    version = "2"
    kind: Literal["judge"] = "judge"
    stage: Literal["pair"] = "pair"
    # Each claim of the answer is said again, with the words that bear it out.
    cost = Cost(reply_tokens=75.0, per_response_token=2.0)
    prompts = (Prompt("judge_grounded", rehearsed_as="judge a grounded pair"),)
    catches = (ANSWER_EXCHANGED, CONTEXT_EXCHANGED, NUMBER_ALTERED, ANSWER_CUT_OFF)

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """Groundedness with evidence (offsets count characters of the candidate's context), relevance, score, safety.

        Returns: nothing of a document: see `labgen.flows.check_document`.
        Raises: CandidateEnds: no reply, none that can be read, or one that ends before its claims do.
        """
        if candidate.is_document:
            return []
        fields = {
            "answerable": "yes_no",
            "claims": "list",
            "relevant": "yes_no",
            "score": "score3",
            "safe": "yes_no",
            "hazard": "text?",
            "reason": "text?",
        }
        most, max_tokens = most_claims(candidate.response), slot.asker.generation.max_verdict_tokens
        reading = await slot.asker.judge_with(
            "judge_grounded",
            lambda text: read_fields(text, fields),
            schema=grounded_schema(most, max_tokens),
            leaf=slot.plan.leaf,
            context=candidate.context,
            instruction=candidate.instruction,
            response=candidate.response,
        )
        value: dict[str, Any] = reading.value
        grounded = self._groundedness(value["claims"], candidate.context or "", evidence_chars(most, max_tokens))
        broken_off = reading.truncated and not reading.text.rstrip("` \n").endswith("}")
        if grounded.value == 1.0 and (broken_off or len(value["claims"]) == most):
            # What the claims that it had no room for would have come to, nobody knows.
            raise CandidateEnds(State.UNPARSED, "claims_cut_off_judge_grounded", reading.text, reading.calls)
        safety, score = quality_and_safety(value, self.version)
        return [
            safety,
            Verdict("answerable", self.version, float(bool(value["answerable"]))),
            grounded,
            Verdict("relevance", self.version, float(bool(value["relevant"]))),
            score,
        ]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """Not answerable from the passage, a claim without evidence, off the question, or as the pair judge."""
        if verdict.filter == "answerable" and not verdict.value:
            return State.UNGROUNDED, "not_answerable_from_passage"
        if verdict.filter == "groundedness" and verdict.value < slot.thresholds.min_supported_share:
            return State.UNGROUNDED, verdict.reason
        if verdict.filter == "relevance" and not verdict.value:
            return State.IRRELEVANT, "does_not_answer_the_question"
        return decide_quality_and_safety(verdict, slot)

    def _groundedness(self, claims: Any, passage: str, most_chars: int) -> Verdict:
        evidence: list[Evidence] = []
        unsupported: list[str] = []
        for claim in claims:
            quote = str(claim.get("evidence") or "") if isinstance(claim, dict) else ""
            if len(quote) == most_chars:
                quote = quote.rpartition(" ")[0] or quote  # the schema's bound ended it, in the middle of a word
            said_so = read_yes_no(claim.get("supported")) if isinstance(claim, dict) else False
            span = find_evidence(quote, passage) if quote.strip() else None
            if span and said_so is not False:
                evidence.append(Evidence(passage[span[0] : span[1]], *span))
            else:
                words = claim.get("claim") or quote if isinstance(claim, dict) else claim
                unsupported.append(str(words))
        evidence += [Evidence(words[:500]) for words in unsupported]
        share = 1.0 - len(unsupported) / len(claims) if claims else 0.0
        reason = "no_claim_named" if not claims else "claim_without_evidence" if unsupported else ""
        return Verdict("groundedness", self.version, share, reason, tuple(evidence))
