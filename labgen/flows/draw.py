"""Drawing a slot's candidates: the first step of every flow.

Source: LAB section 3.2. Ours draws several pairs (or instructions) with one call, from a window of the leaf's seeds
that the slot fixes; a slot of a skill with contexts is one new context with several instructions on it.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from typing import ClassVar

from labgen.filters.base import SlotContext, ended
from labgen.filters.rules import check_context
from labgen.flows.steps import WholeSlot
from labgen.formats.prompts import Prompt
from labgen.formats.reading import read_blocks
from labgen.records import Candidate, State
from labgen.teacher.asker import CandidateEnds

_QUESTION = re.compile(r"(?=<\s*question\b)", re.IGNORECASE)

MOST_PER_CALL = 4
"""A reply may hold this many times what was asked for; the rest of it is left aside."""


@dataclass(frozen=True)
class Draw(WholeSlot):
    """Asks for a slot's candidates.

    Args:
        prompts: what it asks with, in order.
        draw: from a slot to its candidates, each still on its way unless its text broke off. Raises CandidateEnds
            where the slot yields nothing.
        typical: prompt to a reply of the leaf's own examples in the form that is asked for.
    """

    prompts: tuple[Prompt, ...] = field()  # none by default: a draw asks
    draw: Callable[[SlotContext], Awaitable[Sequence[Candidate]]]
    typical: Callable[[SlotContext], Mapping[str, str]]
    asks: ClassVar[bool] = True

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """What `typical` says."""
        return self.typical(slot)

    async def __call__(self, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
        """The slot's candidates; a single one that says why, where it yields none."""
        try:
            return await self.draw(slot)
        except CandidateEnds as end:
            return [nothing_drawn(slot, end)]


def nothing_drawn(slot: SlotContext, end: CandidateEnds) -> Candidate:
    """What stands for the candidates of a slot that yields none, and says why."""
    which = slot.asker.slot
    return ended(Candidate(which.leaf, which.index, 0, seed_examples=which.seed_examples), end)


def draw_pairs(prompt: Prompt) -> Draw:
    """Question/answer pairs on the slot's passage, in the manner of the seeds."""

    async def draw(slot: SlotContext) -> list[Candidate]:
        which, generation = slot.asker.slot, slot.asker.generation
        if which.chunk is None:
            raise CandidateEnds(State.FAILED, "no_document")
        chunk = slot.plan.chunks[which.chunk]
        reading = await slot.asker.for_draws().ask(
            prompt.name,
            _blocks("pair", needs=("question", "answer")),
            max_tokens=generation.max_pair_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=[slot.plan.leaf.seed_examples[index] for index in which.seed_examples],
            chunk=chunk.text,
            count=generation.instructions_per_call,
            slot=which,
        )
        blocks = _enough(reading.value, slot)
        return [
            replace(
                _candidate(slot, position, _first(block, "question"), block, reading.calls),
                response=_first(block, "answer"),
                context=chunk.text,
                source=chunk.source,
                truncated=reading.truncated and position == len(blocks) - 1,
            )
            for position, block in enumerate(blocks)
        ]

    def typical(slot: SlotContext) -> Mapping[str, str]:
        pairs = (
            f"<pair>\n<question>{each.instruction}</question>\n<answer>{each.response}</answer>\n</pair>"
            for each in slot.examples
        )
        return {prompt.name: _as_many_as_asked(pairs, slot)}

    return Draw((prompt,), draw, typical)


def draw_instructions(prompt: Prompt) -> Draw:
    """New instructions in the manner of the seeds."""

    async def draw(slot: SlotContext) -> list[Candidate]:
        generation = slot.asker.generation
        reading = await slot.asker.for_draws().ask(
            prompt.name,
            _blocks("instruction"),
            max_tokens=generation.max_instruction_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=slot.shown,
            count=generation.instructions_per_call,
            slot=slot.asker.slot,
        )
        return _instructions(slot, reading.value, reading.calls, truncated=reading.truncated)

    return Draw((prompt,), draw, lambda slot: {prompt.name: _typical_instructions(slot)})


def draw_context_and_instructions(context_prompt: Prompt, instructions_prompt: Prompt) -> Draw:
    """A new context in the manner of the seeds', then instructions on it."""

    async def draw(slot: SlotContext) -> list[Candidate]:
        asker, generation = slot.asker.for_draws(), slot.asker.generation
        first = await asker.ask(
            context_prompt.name,
            _blocks("context"),
            max_tokens=generation.max_context_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=slot.shown,
            slot=asker.slot,
        )
        context = first.value[0]
        if first.truncated:
            raise CandidateEnds(State.MALFORMED, "context_truncated", first.text, first.calls)
        seed_contexts = [example.context or "" for example in slot.examples]
        problem = check_context(context, seed_contexts=seed_contexts, thresholds=slot.thresholds)
        if problem:
            raise CandidateEnds(State.MALFORMED, f"context_{problem.reason}", first.text, first.calls)
        second = await asker.ask(
            instructions_prompt.name,
            _blocks("instruction"),
            max_tokens=generation.max_instruction_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=slot.shown,
            context=context,
            count=generation.instructions_per_call,
        )
        drawn = _instructions(slot, second.value, first.calls + second.calls, truncated=second.truncated)
        return [replace(candidate, context=context) for candidate in drawn]

    def typical(slot: SlotContext) -> Mapping[str, str]:
        contexts = sorted((example.context or "" for example in slot.examples), key=len)
        # Its words the other way round: as long, and no copy, which would end the slot.
        words = " ".join(reversed(contexts[len(contexts) // 2].split()))
        return {
            context_prompt.name: f"<context>\n{words}\n</context>",
            instructions_prompt.name: _typical_instructions(slot),
        }

    return Draw((context_prompt, instructions_prompt), draw, typical)


def _instructions(slot: SlotContext, texts: list[str], calls: tuple[bytes, ...], *, truncated: bool) -> list[Candidate]:
    candidates = [_candidate(slot, position, text, text, calls) for position, text in enumerate(_enough(texts, slot))]
    if truncated and candidates:
        # The last instruction breaks off in the middle: no response can be asked for.
        candidates[-1] = replace(candidates[-1], state=State.MALFORMED, reason="instruction_truncated")
    return candidates


def _candidate(slot: SlotContext, position: int, instruction: str, raw: str, calls: tuple[bytes, ...]) -> Candidate:
    which = slot.asker.slot
    return Candidate(
        leaf=which.leaf,
        slot=which.index,
        position=position,
        instruction=instruction,
        seed_examples=which.seed_examples,
        raw=raw,
        calls=calls,
    )


def _typical_instructions(slot: SlotContext) -> str:
    shown = (f"<instruction>\n{example.instruction}\n</instruction>" for example in slot.examples)
    return _as_many_as_asked(shown, slot)


def _as_many_as_asked(texts: Iterable[str], slot: SlotContext) -> str:
    return "\n\n".join(islice(cycle(texts), slot.asker.generation.instructions_per_call))


def _blocks(tag: str, needs: tuple[str, ...] = ()) -> Callable[[str], list[str] | None]:
    """A reader of `<tag>` blocks; None where there is none, or none that holds all the tags that it needs."""

    def read(text: str) -> list[str] | None:
        blocks = _pair_blocks(text) if tag == "pair" else [block for block in read_blocks(text, tag) if block]
        whole = any(all(read_blocks(block, need) for need in needs) for block in blocks)
        return blocks if blocks and whole else None

    return read


def _pair_blocks(text: str) -> list[str]:
    # Each pair runs from its question to the next one, whether or not the tags around it are closed.
    return [block.strip() for block in _QUESTION.split(text)[1:]]


def _first(block: str, tag: str) -> str:
    found = read_blocks(block, tag)
    return found[0] if found else ""


def _enough(blocks: list[str], slot: SlotContext) -> list[str]:
    return blocks[: MOST_PER_CALL * slot.asker.generation.instructions_per_call]
