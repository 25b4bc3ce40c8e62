"""What a build will draw from each leaf: the plan. Pure, no call is made here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from labgen.config.drawing import LeafOverride
from labgen.config.whole import Config
from labgen.formats.prompts import PromptSet
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow, flow_of
from labgen.plan.persona import Persona, persona_of
from labgen.plan.reserved import reserved_passages
from labgen.records import DOCUMENT_KINDS, Chunk, Leaf
from labgen.taxonomy.marks import LeafMarks, MarksFile
from labgen.taxonomy.path_patterns import PatternList

FINGERPRINT_VERSION = 1
TURNS = 20
"""Draws after which kinds come in the same turns again: shares are kept to a twentieth."""


@dataclass(frozen=True, slots=True)
class LeafPlan:
    """A leaf with all that decides its rows.

    Attributes:
        flow: what draws on it.
        order: 0-based place in the build; earlier leaves are asked first and win near-duplicates across leaves.
        chunks: spans of its documents, in order; empty for skills.
        wanted: accepted rows to draw.
        persona: voice of the responses, and why that one.
        attributes: what its draws vary, by name, with all values of each (one or more).
        kinds: what is drawn from its documents, in turns; empty for skills.
        fingerprint: 16 hex digits over exactly what changes the leaf's rows (see `fingerprint`).
        prompt_version: version of the prompts of its flow.
        responses: to each instruction (count); more than one where preferences are asked for.
        reserved: spans of its documents that training does not draw from, in order.
        first_slot: number of its first draw; above 0 for rows that are held out.
        reasoning_samples: plans made of an answer that states a result, the one that is kept included (count).
        marks: what reviewers say of its rows.
    """

    leaf: Leaf
    flow: Flow
    order: int
    chunks: tuple[Chunk, ...]
    wanted: int
    persona: Persona
    seeds_per_prompt: int
    fingerprint: str
    prompt_version: str
    attributes: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kinds: tuple[str, ...] = ()
    responses: int = 1
    reserved: tuple[Chunk, ...] = ()
    first_slot: int = 0
    reasoning_samples: int = 1
    marks: LeafMarks = field(default_factory=LeafMarks)


def plan_leaves(
    leaves: Sequence[Leaf],
    chunks: Mapping[str, tuple[Chunk, ...]],
    config: Config,
    prompts: PromptSet,
    flows: Sequence[Flow],
    marks: MarksFile | None = None,
) -> tuple[LeafPlan, ...]:
    """Plan every leaf, in the order given.

    Args:
        leaves: usable leaves, in path order.
        chunks: leaf path to its chunks, for knowledge leaves.
        flows: all there are; a leaf's is the first that suits it.
        marks: what reviewers say of rows.
    Returns: one plan per leaf; those with nothing wanted (`samples: 0`) are left out.
    """
    versions = {flow.name: prompts.version(flow.prompts) for flow in flows}
    plans: list[LeafPlan] = []
    for leaf in (as_set(leaf, config) for leaf in leaves):
        overrides = overrides_of(leaf, config)
        all_chunks, flow = chunks.get(leaf.path, ()), flow_of(leaf, flows)
        reserved = reserved_passages(all_chunks, config.held_out.reading_passages, leaf=leaf.path, seed=config.seed)
        own_chunks = tuple(chunk for chunk in all_chunks if chunk not in reserved)
        wanted = rows_wanted(config, overrides, passages=len(own_chunks))
        if wanted == 0:
            continue
        own_marks = (marks or MarksFile()).of_leaf(leaf.path)
        plans.append(
            LeafPlan(
                leaf=leaf,
                flow=flow,
                order=len(plans),
                chunks=own_chunks,
                wanted=wanted,
                persona=chosen_persona(leaf, config),
                seeds_per_prompt=_last(overrides, "seeds_per_prompt", config.generation.seeds_per_prompt),
                fingerprint=fingerprint(leaf, own_chunks, own_marks),
                prompt_version=versions[flow.name],
                attributes=_attributes(leaf, overrides, config),
                kinds=kinds_in_turns(config.knowledge.kinds) if own_chunks and not flow.package else (),
                responses=_last(overrides, "responses", config.preferences.responses if config.preferences else 1),
                reserved=reserved,
                reasoning_samples=_last(overrides, "reasoning_samples", 1),
                marks=own_marks,
            )
        )
    return tuple(plans)


def rows_wanted(config: Config, overrides: Sequence[LeafOverride], *, passages: int) -> int:
    """Accepted rows wanted of a leaf with so many passages; 0 skips it.

    By default so many that every passage is drawn from, even if all that is drawn is accepted.
    """
    samples: int = _last(overrides, "samples", config.samples)
    per_passage: float | None = _last(overrides, "samples_per_passage", config.samples_per_passage)
    if not samples or not passages:
        return samples
    if per_passage is None:
        turns = kinds_in_turns(config.knowledge.kinds)
        return max(samples, _most_of(passages - 1, turns, config.generation.instructions_per_call) + 1)
    return max(samples, math.ceil(per_passage * passages))


def candidates_of(kind: str, per_call: int) -> int:
    """Candidates that a slot is asked for (count): one document, or questions; a rewrite comes beside these."""
    if kind == "rewrite":
        return per_call + 1
    return 1 if kind in DOCUMENT_KINDS else per_call


def per_slot(plan: LeafPlan, per_call: int) -> float:
    """Candidates that a slot of a leaf is asked for on average (count)."""
    return sum(candidates_of(kind, per_call) for kind in plan.kinds) / len(plan.kinds) if plan.kinds else per_call


def fewest_slots(plan: LeafPlan, per_call: int) -> int:
    """How many slots a leaf takes at least, where all that is drawn is accepted (count)."""
    low, high = 0, plan.wanted
    while low < high:
        middle = (low + high) // 2
        enough = _most_of(middle, plan.kinds or ("",), per_call) >= plan.wanted
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def _most_of(slots: int, turns: Sequence[str], per_call: int) -> int:
    """The most rows that so many slots in a row can bring, wherever in the turns they begin."""
    each = [candidates_of(kind, per_call) for kind in turns]
    rounds, rest = divmod(slots, len(each))
    return rounds * sum(each) + max(sum((each + each)[begin : begin + rest]) for begin in range(len(each)))


def kinds_in_turns(shares: Mapping[str, float]) -> tuple[str, ...]:
    """Kinds in turns, so that any first few are near their shares: `TURNS` of them, then again."""
    total, given = sum(shares.values()), dict.fromkeys(shares, 0)
    turns: list[str] = []
    for turn in range(1, TURNS + 1):
        # The kind that is furthest behind its share; of those, the one that was named first.
        kind = max(shares, key=lambda name: shares[name] / total * turn - given[name])
        given[kind] += 1
        turns.append(kind)
    return tuple(turns)


def _attributes(
    leaf: Leaf, overrides: Sequence[LeafOverride], config: Config
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    section = config.knowledge if leaf.document is not None else config.generation
    attributes = dict(section.attributes)
    for entry in overrides:
        attributes.update(entry.attributes)
    return tuple((name, values) for name, values in attributes.items() if values)


def overrides_of(leaf: Leaf, config: Config) -> list[LeafOverride]:
    """The settings for single leaves that hold for this one, in their order."""
    entries = config.leaves
    if id(entries) not in _patterns:
        _patterns.clear()
        _patterns[id(entries)] = entries, PatternList([entry.match for entry in entries])
    return [entries[place] for place in _patterns[id(entries)][1].matching(leaf.path)]


_patterns: dict[int, tuple[tuple[LeafOverride, ...], PatternList]] = {}
"""The entries that were looked at last, with their patterns: leaf after leaf is held against the same ones."""


def as_set(leaf: Leaf, config: Config) -> Leaf:
    """The leaf with what the settings say in place of its own keys."""
    overrides = overrides_of(leaf, config)
    leaf = replace(leaf, turns=_last(overrides, "turns", 1))
    reasoning = _last(overrides, "reasoning", None)
    if reasoning is None or leaf.branch == "knowledge":
        return leaf
    return replace(leaf, reasoning="" if reasoning == "none" else reasoning)


def chosen_persona(leaf: Leaf, config: Config) -> Persona:
    """The voice that answers a leaf's instructions: as it is set, else as the kind of task is."""
    chosen = _last(overrides_of(leaf, config), "persona", None)
    return Persona(chosen, "`persona` in labgen.yaml") if chosen else persona_of(leaf)


def fingerprint(leaf: Leaf, chunks: Sequence[Chunk], marks: LeafMarks | None = None) -> str:
    """Hash of what changes a leaf's rows: path, task, seed examples, kind of reasoning, turns, its documents'
    content by chunk, and the marks that change rows.

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
        *(["reasoning", leaf.reasoning] if leaf.reasoning else []),
        *(["turns", leaf.turns] if leaf.turns > 1 else []),
        *(["marks", marks.fingerprint] if marks and marks.fingerprint else []),
    ]
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()[:16]


def _last(overrides: Sequence[LeafOverride], name: str, default: Any) -> Any:
    given = [getattr(entry, name) for entry in overrides if getattr(entry, name) is not None]
    return given[-1] if given else default
