"""Flows as a configuration that asks for preferences has them: with steps that repair, and that compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from labgen.config.whole import Config
from labgen.flows.compare import Compare
from labgen.flows.repair import RepairingJudges, RepairingRules
from labgen.flows.steps import FreeFilters, Judges, Respond, Step
from labgen.plan.flow import Flow


def preferring(flows: Sequence[Flow], config: Config, responder: str = "") -> tuple[Flow, ...]:
    """The flows of a run; those of other packages, those that reason, and all where nothing is asked for, as they are.

    A repaired or further response would stand beside a plan that led to another one.

    Args:
        responder: logical name of the model that gives further responses by turns with the teacher; empty for none.
    """
    preferences = config.preferences
    if preferences is None:
        return tuple(flows)
    compare = max([preferences.responses, *(entry.responses or 1 for entry in config.leaves)]) > 1
    return tuple(
        flow
        if flow.package or any(getattr(step, "reasons", False) for step in flow.steps)
        else replace(
            flow, steps=tuple(_steps(flow, preferences.repair, Compare(responder=responder) if compare else None))
        )
        for flow in flows
    )


def _steps(flow: Flow, repair: bool, compare: Compare | None) -> Iterator[Step]:
    """A flow's steps. What a rule turns down is repaired where it has been looked at for near-duplicates by then."""
    responded = False
    for step in flow.steps:
        responded = responded or isinstance(step, Respond)
        if isinstance(step, FreeFilters) and step.stage == "pair" and repair and responded:
            yield RepairingRules(step.stage, only=step.only)
        elif isinstance(step, Judges) and step.stage == "pair" and not step.only:
            yield RepairingJudges(step.stage) if repair else step
            if compare:
                yield compare
        else:
            yield step
