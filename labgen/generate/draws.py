"""How a slot of each flow draws its candidates: the calls that come before any filter.

Source: LAB section 3.2. Ours draws several pairs (or instructions) with one call, from a window of the leaf's seeds
that the slot fixes; a grounded skill's slot is one new context with several instructions on it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from labgen.config import ThresholdsConfig
from labgen.filters.rules import check_context
from labgen.formats.reading import read_blocks, strip_reasoning
from labgen.plan.example_pairs import examples_of
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State
from labgen.teacher.asker import Asker, CandidateEnds

_QUESTION = re.compile(r"(?=<\s*question\b)", re.IGNORECASE)

MOST_PER_CALL = 4
"""A reply may hold this many times what was asked for; the rest of it is left aside."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The candidates of a slot before any filter, and the positions whose text was cut off by the token limit."""

    candidates: tuple[Candidate, ...]
    truncated: frozenset[int] = frozenset()


async def draw(plan: LeafPlan, asker: Asker, thresholds: ThresholdsConfig) -> Draw:
    """Draw a slot's candidates with the flow of its leaf. Raises: CandidateEnds: the slot yields nothing."""
    if plan.leaf.flow == "knowledge":
        return await draw_knowledge(plan, asker)
    if plan.leaf.flow == "freeform":
        return await draw_freeform(plan, asker)
    return await draw_grounded(plan, asker, thresholds)


async def draw_knowledge(plan: LeafPlan, asker: Asker) -> Draw:
    """Question/answer pairs on one chunk, in the manner of the seeds."""
    slot = asker.slot
    if slot.chunk is None:
        raise CandidateEnds(State.FAILED, "no_document")
    chunk = plan.chunks[slot.chunk]
    reading = await asker.ask(
        "knowledge_pairs",
        _blocks("pair", needs=("question", "answer")),
        max_tokens=asker.generation.max_pair_tokens,
        temperature=asker.generation.temperature,
        leaf=plan.leaf,
        seeds=[plan.leaf.seed_examples[index] for index in slot.seed_examples],
        chunk=chunk.text,
        count=asker.generation.instructions_per_call,
        slot=slot,
    )
    candidates = []
    for position, block in enumerate(_enough(reading.value, asker)):
        candidates.append(
            Candidate(
                leaf=slot.leaf,
                slot=slot.index,
                position=position,
                instruction=_first(block, "question"),
                response=_first(block, "answer"),
                context=chunk.text,
                source=chunk.source,
                seed_examples=slot.seed_examples,
                raw=block,
                calls=reading.calls,
            )
        )
    return Draw(tuple(candidates), frozenset([len(candidates) - 1] if reading.truncated else []))


async def draw_freeform(plan: LeafPlan, asker: Asker) -> Draw:
    """New instructions in the manner of the seeds."""
    reading = await asker.ask(
        "freeform_instructions",
        _blocks("instruction"),
        max_tokens=asker.generation.max_instruction_tokens,
        temperature=asker.generation.temperature,
        leaf=plan.leaf,
        seeds=examples_of(plan.leaf, asker.slot.seed_examples),
        count=asker.generation.instructions_per_call,
        slot=asker.slot,
    )
    return _instructions(asker, _enough(reading.value, asker), reading.truncated, None, reading.calls)


async def draw_grounded(plan: LeafPlan, asker: Asker, thresholds: ThresholdsConfig) -> Draw:
    """A new context in the manner of the seeds', then instructions on it."""
    slot, seeds = asker.slot, examples_of(plan.leaf, asker.slot.seed_examples)
    first = await asker.ask(
        "grounded_context",
        _blocks("context"),
        max_tokens=asker.generation.max_context_tokens,
        temperature=asker.generation.temperature,
        leaf=plan.leaf,
        seeds=seeds,
        slot=slot,
    )
    context = first.value[0]
    if first.truncated:
        raise CandidateEnds(State.MALFORMED, "context_truncated", first.text, first.calls)
    seed_contexts = [example.context or "" for example in examples_of(plan.leaf)]
    problem = check_context(context, seed_contexts=seed_contexts, thresholds=thresholds)
    if problem:
        raise CandidateEnds(State.MALFORMED, f"context_{problem.reason}", first.text, first.calls)
    second = await asker.ask(
        "grounded_instructions",
        _blocks("instruction"),
        max_tokens=asker.generation.max_instruction_tokens,
        temperature=asker.generation.temperature,
        leaf=plan.leaf,
        seeds=seeds,
        context=context,
        count=asker.generation.instructions_per_call,
    )
    calls = first.calls + second.calls
    return _instructions(asker, _enough(second.value, asker), second.truncated, context, calls)


def _instructions(
    asker: Asker, texts: list[str], truncated: bool, context: str | None, calls: tuple[bytes, ...]
) -> Draw:
    slot = asker.slot
    candidates = tuple(
        Candidate(
            leaf=slot.leaf,
            slot=slot.index,
            position=position,
            instruction=text,
            context=context,
            seed_examples=slot.seed_examples,
            raw=text,
            calls=calls,
        )
        for position, text in enumerate(texts)
    )
    if truncated and candidates:
        # The last instruction breaks off in the middle: no response can be asked for.
        last = candidates[-1]
        end = CandidateEnds(State.MALFORMED, "instruction_truncated")
        candidates = (*candidates[:-1], _ended(last, end))
    return Draw(candidates)


def _ended(candidate: Candidate, end: CandidateEnds) -> Candidate:
    return replace(candidate, state=end.state, reason=end.reason)


def _blocks(tag: str, needs: tuple[str, ...] = ()) -> Callable[[str], list[str] | None]:
    """A reader of `<tag>` blocks; None where there is none, or none that holds all the tags that it needs."""

    def read(text: str) -> list[str] | None:
        blocks = _pair_blocks(text) if tag == "pair" else [block for block in read_blocks(text, tag) if block]
        whole = any(all(read_blocks(block, need) for need in needs) for block in blocks)
        return blocks if blocks and whole else None

    return read


def _pair_blocks(text: str) -> list[str]:
    # Each pair runs from its question to the next one, whether or not the tags around it are closed.
    return [block.strip() for block in _QUESTION.split(strip_reasoning(text))[1:]]


def _first(block: str, tag: str) -> str:
    found = read_blocks(block, tag)
    return found[0] if found else ""


def _enough(blocks: list[str], asker: Asker) -> list[str]:
    return blocks[: MOST_PER_CALL * asker.generation.instructions_per_call]
