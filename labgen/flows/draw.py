"""Drawing a slot's candidates: the first step of every flow.

Source: LAB section 3.2. Ours draws several pairs (or instructions) with one call, from a window of the leaf's seeds
that the slot fixes; a slot of a skill with contexts is one new context with several instructions on it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from itertools import cycle, islice
from typing import Any, ClassVar

from labgen.filters.base import SlotContext, ended
from labgen.filters.rules import check_context
from labgen.flows.steps import WholeSlot
from labgen.formats.draw_forms import Drawn, context_form, document_form, instructions_form, pairs_form
from labgen.formats.prompts import Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.plan.passages import passage_of
from labgen.records import DOCUMENT_KINDS, Candidate, Source, State
from labgen.records.changed import changed
from labgen.teacher.asker import CandidateEnds, Reading
from labgen.text.sentences import sentence_spans

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
        return await _draw_pairs(prompt, slot)

    def typical(slot: SlotContext) -> Mapping[str, str]:
        shown = (
            f"<pair>\n<question>{each.instruction}</question>\n<answer>{each.response}</answer>\n</pair>"
            for each in slot.examples
        )
        return {prompt.name: _as_many_as_asked(shown, slot)}

    return Draw((prompt,), draw, typical)


def draw_from_passage(pairs: Prompt, document: Prompt) -> Draw:
    """What the slot's kind asks of its passage: question/answer pairs, or a document."""
    of_pairs = draw_pairs(pairs)

    async def draw(slot: SlotContext) -> Sequence[Candidate]:
        return await (_draw_document(document, slot) if _is_document(slot.asker.slot.kind) else of_pairs.draw(slot))

    def typical(slot: SlotContext) -> Mapping[str, str]:
        if _is_document(slot.asker.slot.kind):
            return {document.name: typical_document(slot)}
        return of_pairs.typical(slot)

    return Draw((pairs, document), draw, typical)


def _is_document(kind: str) -> bool:
    """Whether one document is all that a slot draws; a rewrite comes after pairs."""
    return kind in DOCUMENT_KINDS and kind != "rewrite"


async def _draw_pairs(prompt: Prompt, slot: SlotContext) -> list[Candidate]:
    """Question/answer pairs on the slot's passage, in the manner of the seeds."""
    which, generation = slot.asker.slot, slot.asker.generation
    text, source = _passage(slot)
    if which.kind == "rewrite":
        which = replace(which, kind="reasoning")  # what it is worth to tell a passage anew for
    form = pairs_form(generation.instructions_per_call, generation.max_pair_tokens)
    reading = await slot.asker.for_draws().ask(
        prompt.name,
        form.read,
        schema=form.schema,
        max_tokens=generation.max_pair_tokens,
        temperature=generation.temperature,
        leaf=slot.plan.leaf,
        seeds=[slot.plan.leaf.seed_examples[index] for index in which.seed_examples],
        chunk=text,
        count=generation.instructions_per_call,
        slot=which,
    )
    # No more than was asked for: what a passage yields beyond that would leave others out.
    drawn = reading.value[: generation.instructions_per_call]
    return [
        replace(
            _candidate(slot, position, pair, reading.calls),
            response=pair.response,
            context=text,
            source=source,
            kind=which.kind,
            truncated=pair.cut or (reading.truncated and position == len(drawn) - 1),
        )
        for position, pair in enumerate(drawn)
    ]


async def _draw_document(prompt: Prompt, slot: SlotContext) -> list[Candidate]:
    """One document on the slot's passage."""
    first = replace(slot, asker=slot.asker.for_draws())
    reading = await ask_document(prompt, first, chunk=_passage(slot)[0], phrasings=slot.knowledge.phrasings)
    return [document_of(reading, slot, position=0)]


async def ask_document(prompt: Prompt, slot: SlotContext, **values: Any) -> Reading[list[Drawn]]:
    """Ask for one document. Raises: CandidateEnds: as `Asker.ask`."""
    generation = slot.asker.generation
    form = document_form(generation.max_document_tokens)
    return await slot.asker.ask(
        prompt.name,
        form.read,
        schema=form.schema,
        max_tokens=generation.max_document_tokens,
        temperature=generation.temperature,
        leaf=slot.plan.leaf,
        slot=slot.asker.slot,
        **values,
    )


def document_of(reading: Reading[list[Drawn]], slot: SlotContext, *, position: int) -> Candidate:
    """A document that was asked for, as a candidate: its title as the instruction, its text as the response."""
    drawn = reading.value[0]
    text, source = _passage(slot)
    return replace(
        _candidate(slot, position, drawn, reading.calls),
        instruction=" ".join(drawn.instruction.split()),
        response=drawn.response,
        context=text,
        source=source,
        kind=slot.asker.slot.kind,
        truncated=drawn.cut or reading.truncated,
    )


def typical_document(slot: SlotContext) -> str:
    """A reply that holds a document, in the passage's own words: every other sentence of it."""
    text = _passage(slot)[0]
    spans = sentence_spans(text) or [(0, len(text))]
    kept = " ".join(text[start:end] for start, end in spans[::2])
    return f"<title>{slot.plan.leaf.document_outline}</title>\n<text>\n{kept}\n</text>"


def _passage(slot: SlotContext) -> tuple[str, Source]:
    """The text that the slot works from, and its place. Raises: CandidateEnds: the leaf has no documents."""
    if (passage := passage_of(slot.plan, slot.asker.slot)) is None:
        raise CandidateEnds(State.FAILED, "no_document")
    return passage


def draw_instructions(prompt: Prompt) -> Draw:
    """New instructions in the manner of the seeds."""

    async def draw(slot: SlotContext) -> list[Candidate]:
        generation = slot.asker.generation
        form = instructions_form(generation.instructions_per_call, generation.max_instruction_tokens)
        reading = await slot.asker.for_draws().ask(
            prompt.name,
            form.read,
            schema=form.schema,
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
        form = context_form(generation.max_context_tokens)
        first = await asker.ask(
            context_prompt.name,
            form.read,
            schema=form.schema,
            max_tokens=generation.max_context_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=slot.shown,
            slot=asker.slot,
        )
        context = first.value[0].instruction
        if first.truncated or first.value[0].cut:
            raise CandidateEnds(State.MALFORMED, "context_truncated", first.text, first.calls)
        seed_contexts = [example.context or "" for example in slot.examples]
        problem = check_context(context, seed_contexts=seed_contexts, thresholds=slot.thresholds)
        if problem:
            raise CandidateEnds(State.MALFORMED, f"context_{problem.reason}", first.text, first.calls)
        form = instructions_form(generation.instructions_per_call, generation.max_instruction_tokens)
        second = await asker.ask(
            instructions_prompt.name,
            form.read,
            schema=form.schema,
            max_tokens=generation.max_instruction_tokens,
            temperature=generation.temperature,
            leaf=slot.plan.leaf,
            seeds=slot.shown,
            context=context,
            count=generation.instructions_per_call,
        )
        drawn = _instructions(slot, second.value, first.calls + second.calls, truncated=second.truncated)
        return [changed(candidate, context=context) for candidate in drawn]

    def typical(slot: SlotContext) -> Mapping[str, str]:
        contexts = sorted((example.context or "" for example in slot.examples), key=len)
        # Its words the other way round: as long, and no copy, which would end the slot.
        words = " ".join(reversed(contexts[len(contexts) // 2].split()))
        return {
            context_prompt.name: f"<context>\n{words}\n</context>",
            instructions_prompt.name: _typical_instructions(slot),
        }

    return Draw((context_prompt, instructions_prompt), draw, typical)


def _instructions(
    slot: SlotContext, drawn: list[Drawn], calls: tuple[bytes, ...], *, truncated: bool
) -> list[Candidate]:
    texts = _enough(drawn, slot)
    candidates = [_candidate(slot, position, text, calls) for position, text in enumerate(texts)]
    # An instruction that breaks off in the middle: no response can be asked for.
    return [
        replace(candidate, state=State.MALFORMED, reason="instruction_truncated")
        if text.cut or (truncated and candidate.position == len(texts) - 1)
        else candidate
        for candidate, text in zip(candidates, texts, strict=True)
    ]


def _candidate(slot: SlotContext, position: int, drawn: Drawn, calls: tuple[bytes, ...]) -> Candidate:
    which = slot.asker.slot
    return Candidate(
        leaf=which.leaf,
        slot=which.index,
        position=position,
        instruction=drawn.instruction,
        seed_examples=which.seed_examples,
        raw=drawn.raw,
        calls=calls,
    )


def _typical_instructions(slot: SlotContext) -> str:
    shown = (f"<instruction>\n{example.instruction}\n</instruction>" for example in slot.examples)
    return _as_many_as_asked(shown, slot)


def _as_many_as_asked(texts: Iterable[str], slot: SlotContext) -> str:
    return "\n\n".join(islice(cycle(texts), slot.asker.generation.instructions_per_call))


def _enough(drawn: list[Drawn], slot: SlotContext) -> list[Drawn]:
    return drawn[: MOST_PER_CALL * slot.asker.generation.instructions_per_call]
