"""Skills whose answers come with what led to them, as `labgen.flows.reasoned_response` has it kept."""

from __future__ import annotations

from dataclasses import replace

from labgen.flows.freeform import FREEFORM
from labgen.flows.grounded import GROUNDED
from labgen.flows.reasoned_response import RespondReasoned
from labgen.flows.self_consistency import SelfConsistency
from labgen.flows.steps import Respond
from labgen.plan.flow import Flow


def _reasoned(flow: Flow, summary: str) -> Flow:
    """A flow whose responses come with their reasoning, for the leaves of it that ask for that."""
    return replace(
        flow,
        name=f"{flow.name}_reasoned",
        summary=summary,
        suits=lambda leaf: bool(leaf.reasoning) and leaf.branch != "knowledge" and flow.suits(leaf),
        steps=(*(RespondReasoned() if isinstance(step, Respond) else step for step in flow.steps), SelfConsistency()),
        like=flow.name,
    )


FREEFORM_REASONED = _reasoned(FREEFORM, "As `freeform`, and what led to each response is kept beside it.")
GROUNDED_REASONED = _reasoned(GROUNDED, "As `grounded`, and what led to each response is kept beside it.")
