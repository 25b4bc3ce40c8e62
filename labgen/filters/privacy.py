"""Secrets and personal data in instructions and responses: what a model must not learn and a dataset not release."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labgen.filters.base import Ending, EveryFlow, SlotContext
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.text.secrets import find_sensitive
from labgen.text.sensitive_span import SECRET, SensitiveSpan


class Privacy(EveryFlow):
    """How many secrets and how much personal data a text holds, each hit with category and place.

    Args:
        stage: looked for in the instruction before a response is paid for, and in the response once there is one.
    """

    name = "privacy"
    version = "2"
    kind: Literal["rule"] = "rule"

    def __init__(self, stage: Literal["instruction", "pair"]) -> None:
        self.stage: Literal["instruction", "pair"] = stage

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """A verdict for each of the two kinds that was found; the words themselves are not repeated."""
        if self.stage == "instruction":
            return self._verdicts("instruction", candidate.instruction)
        reasoning = self._verdicts("reasoning", candidate.reasoning) if candidate.reasoning else []
        return [*self._verdicts("response", candidate.response), *reasoning]

    def _verdicts(self, where: str, text: str) -> list[Verdict]:
        found = find_sensitive(text)
        return [
            self._verdict(name, where, hits)
            for name, hits in (
                ("secrets", [hit for hit in found if hit.kind == SECRET]),
                ("personal_data", [hit for hit in found if hit.kind != SECRET]),
            )
            if hits
        ]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """More than the thresholds allow is unsafe."""
        thresholds = slot.thresholds
        allowed = thresholds.max_secrets if verdict.filter == "secrets" else thresholds.max_personal_data
        return (State.UNSAFE, f"{verdict.filter}_in_{verdict.reason}") if verdict.value > allowed else None

    def _verdict(self, name: str, where: str, hits: Sequence[SensitiveSpan]) -> Verdict:
        categories = ", ".join(dict.fromkeys(hit.category for hit in hits))
        evidence = tuple(Evidence(hit.category, hit.start, hit.end) for hit in hits)
        return Verdict(name, self.version, float(len(hits)), f"{where}: {categories}", evidence)
