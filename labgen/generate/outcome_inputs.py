"""All that a leaf's outcome depends on, as one hash; for replies and thresholds see `labgen.generate.leaf_outcomes`.

What is left out of the settings is what no row can depend on: addresses, keys and places, pace, price, and what is done
with rows that are there. Whatever is not named here counts, so that a new setting is never forgotten.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from labgen.config.models import ModelConfig
from labgen.config.section import Section
from labgen.config.whole import Config
from labgen.generate.context import RunContext
from labgen.outcomes.hashing import as_plain, code_version, plain_hash
from labgen.plan.leaf_plan import LeafPlan

_ELSEWHERE = {"taxonomy", "output", "work", "prompts", "documents", "check", "mix", "held_out", "price", "bulk"}
_ELSEWHERE |= {"expected_yield", "options", "outcomes"}
"""Settings that no leaf's outcome depends on, beyond what its plan and the prompts' texts say of them."""
_IN_PLAN = {"samples", "samples_per_passage", "leaves"}
"""Settings that a leaf's plan is made of; its plan counts."""
_OF_MODEL = {"model", "kind", "extra_body", "reasoning"}
"""What a reply depends on of how a model is reached."""
_NO_CALL = {"feedback", "checkable"}
"""Settings of preferences that only say which rows are written."""


def run_inputs(run: RunContext) -> bytes:
    """Hash of what all leaves of a run have in common (`HASH_BYTES` bytes)."""
    plain = [
        code_version(),
        settings_that_matter(run.config),
        run.prompts.fingerprint,
        [run.teacher, run.judge],
        as_plain(run.parameters),
        [[each.name, each.version, as_plain(type(each))] for each in run.filters.filters],
        run.filters.find_duplicates,
        run.filters.contamination.fingerprint if run.filters.contamination else "",
    ]
    return plain_hash(plain)


def leaf_inputs(plan: LeafPlan, run: bytes, *further: Any) -> bytes:
    """Hash of what one leaf's outcome depends on (`HASH_BYTES` bytes).

    Args:
        run: `run_inputs` of its run.
        further: what kind of outcome it is, and what else that depends on; plain data.
    """
    own = [as_plain(getattr(plan, each.name)) for each in fields(plan) if each.name not in ("order", "flow")]
    flow = plan.flow
    return plain_hash([run.hex(), own, flow.name, flow.like, flow.grounding.value, as_plain(flow.steps), list(further)])


def settings_that_matter(config: Config) -> dict[str, Any]:
    """The settings on which outcomes depend, as plain data; thresholds are noted as they are used."""
    found: dict[str, Any] = {}
    for name in Config.__struct_fields__:
        if name not in _ELSEWHERE | _IN_PLAN | {"thresholds"}:
            found[name] = _setting(getattr(config, name))
    for name in _NO_CALL:
        (found["preferences"] or {}).pop(name, None)
    return found


def _setting(value: Any) -> Any:
    if isinstance(value, ModelConfig):
        return {name: _setting(getattr(value, name)) for name in value.__struct_fields__ if name in _OF_MODEL}
    if isinstance(value, Section):
        return {name: _setting(getattr(value, name)) for name in value.__struct_fields__}
    return as_plain(value)
