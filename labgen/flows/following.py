"""Flows as a configuration has them that asks for conversations of two turns: beside each, one that goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labgen.config.whole import Config
from labgen.flows.follow_up import FollowUp
from labgen.plan.flow import Flow
from labgen.records import Leaf

_SUFFIX = "_two_turns"


def following(flows: Sequence[Flow], config: Config) -> tuple[Flow, ...]:
    """The flows of a run, those of two turns before the others; as they are where nothing asks for two."""
    if all(entry.turns in (None, 1) for entry in config.leaves):
        return tuple(flows)
    return (*(two_turns(flow) for flow in flows if can_follow(flow)), *flows)


def can_follow(flow: Flow) -> bool:
    """Whether rows of a flow can have a second turn.

    Not those with a reasoning, which leads to one answer, nor those of other packages.
    """
    return not flow.package and not flow.reasons


def two_turns(flow: Flow) -> Flow:
    """A flow whose rows are taken one turn further, for the leaves of it that ask for that."""
    if flow.turns > 1:
        return flow

    def suits(leaf: Leaf) -> bool:
        return leaf.turns > 1 and (not leaf.reasoning or leaf.branch == "knowledge") and flow.suits(leaf)

    return replace(
        flow,
        name=f"{flow.name}{_SUFFIX}",
        summary=f"As `{flow.name}`, and a second question on the same, with its answer.",
        suits=suits,
        steps=(*flow.steps, FollowUp()),
        like=flow.like or flow.name,
    )


def one_turn(flow: Flow) -> Flow:
    """The same without the second turn."""
    if flow.turns == 1:
        return flow
    steps = tuple(step for step in flow.steps if not isinstance(step, FollowUp))
    return replace(flow, name=flow.name.removesuffix(_SUFFIX), steps=steps)
