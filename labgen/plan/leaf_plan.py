"""What a build will draw from each leaf: the plan. Pure, no call is made here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labgen.config import Config, LeafOverride
from labgen.formats.prompts import PromptSet
from labgen.plan.flow import Flow, flow_of
from labgen.records import Chunk, Leaf
from labgen.taxonomy.path_patterns import match_path

FINGERPRINT_VERSION = 1


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """A leaf with all that decides its rows.

    Attributes:
        flow: what draws on it.
        order: 0-based place in the build; earlier leaves are asked first and win near-duplicates across leaves.
        chunks: spans of its documents, in order; empty for skills.
        wanted: accepted rows to draw.
        persona: voice of the responses, `precise` or `creative`.
        fingerprint: 16 hex digits over exactly what changes the leaf's rows (see `fingerprint`).
        prompt_version: version of the prompts of its flow.
    """

    leaf: Leaf
    flow: Flow
    order: int
    chunks: tuple[Chunk, ...]
    wanted: int
    persona: str
    seeds_per_prompt: int
    fingerprint: str
    prompt_version: str


def plan_leaves(
    leaves: Sequence[Leaf],
    chunks: Mapping[str, tuple[Chunk, ...]],
    config: Config,
    prompts: PromptSet,
    flows: Sequence[Flow],
) -> tuple[LeafPlan, ...]:
    """Plan every leaf, in the order given.

    Args:
        leaves: usable leaves, in path order.
        chunks: leaf path to its chunks, for knowledge leaves.
        flows: all there are; a leaf's is the first that suits it.
    Returns: one plan per leaf; those with nothing wanted (`samples: 0`) are left out.
    """
    versions = {flow.name: prompts.version(flow.prompts) for flow in flows}
    plans: list[LeafPlan] = []
    for leaf in leaves:
        overrides = [entry for entry in config.leaves if match_path(leaf.path, entry.match)]
        wanted = _last(overrides, "samples", config.samples)
        if wanted == 0:
            continue
        own_chunks, flow = chunks.get(leaf.path, ()), flow_of(leaf, flows)
        plans.append(
            LeafPlan(
                leaf=leaf,
                flow=flow,
                order=len(plans),
                chunks=own_chunks,
                wanted=wanted,
                persona=_last(overrides, "persona", default_persona(leaf)),
                seeds_per_prompt=_last(overrides, "seeds_per_prompt", config.generation.seeds_per_prompt),
                fingerprint=fingerprint(leaf, own_chunks),
                prompt_version=versions[flow.name],
            )
        )
    return tuple(plans)


def default_persona(leaf: Leaf) -> str:
    """`creative` for compositional skills, `precise` for all else.

    Source: LAB section 3.2 has both personas and lets the kind of task choose; the branch is our stand-in for the kind.
    """
    return "creative" if leaf.branch == "compositional_skills" else "precise"


def fingerprint(leaf: Leaf, chunks: Sequence[Chunk]) -> str:
    """Hash of what changes a leaf's rows: path, task, seed examples, and its documents' content by chunk.

    The contributor's name, comments, the attribution and the schema version are no part of it.
    """
    content = [
        FINGERPRINT_VERSION,
        leaf.path,
        leaf.task_description,
        leaf.domain,
        leaf.document_outline,
        [[seed.context, [[pair.question, pair.answer] for pair in seed.pairs]] for seed in leaf.seed_examples],
        [[chunk.source.repo, chunk.source.commit, chunk.source.file, chunk.passage] for chunk in chunks],
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]


def _last(overrides: Sequence[LeafOverride], name: str, default: Any) -> Any:
    given = [getattr(entry, name) for entry in overrides if getattr(entry, name) is not None]
    return given[-1] if given else default
