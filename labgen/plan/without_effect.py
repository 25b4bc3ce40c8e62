"""Settings for single leaves that change nothing there, so that nobody waits in vain for what they would bring."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from labgen.config.whole import Config
from labgen.plan.leaf_plan import LeafPlan, overrides_of

NAMED_LEAVES = 3


def settings_without_effect(plans: Iterable[LeafPlan], config: Config) -> list[str]:
    """What to say of them, a line for each setting and reason. An entry that another one overrules is none of these."""
    found: dict[tuple[str, str], list[str]] = {}
    for plan in plans:
        for setting, why in _of(plan, config):
            found.setdefault((setting, why), []).append(plan.leaf.path)
    lines = []
    for (setting, why), leaves in found.items():
        more = f" and {len(leaves) - NAMED_LEAVES:,} more" if len(leaves) > NAMED_LEAVES else ""
        lines.append(f"`leaves`: `{setting}` has no effect on {', '.join(leaves[:NAMED_LEAVES])}{more}: {why}.")
    return lines


def _of(plan: LeafPlan, config: Config) -> Iterator[tuple[str, str]]:
    leaf, entries = plan.leaf, overrides_of(plan.leaf, config)
    asked = [entry.reasoning for entry in entries if entry.reasoning is not None]
    if leaf.branch == "knowledge" and asked and asked[-1] != "none":
        yield "reasoning", "only answers of skills come with one"
    of_package = "its flow is another package's"
    reasons = "its answers come with a reasoning, which leads to one answer alone"
    why = of_package if plan.flow.package else reasons if plan.flow.reasons else ""
    if leaf.turns > plan.flow.turns and why:
        yield "turns", why
    if why and any(entry.responses is not None and entry.responses > 1 for entry in entries):
        yield "responses", why
    if plan.reasoning_samples > 1 and leaf.reasoning != "plan":
        yield "reasoning_samples", "it is for `reasoning: plan`"
