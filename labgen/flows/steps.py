"""What a step is, and the three that put candidates through something: filters that are free, judges, a response.

A step takes either all candidates of a slot together, or one candidate by itself. Those of the second kind never wait
for a slot's other candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, get_args

from labgen.filters.available import SHIPPED_JUDGES, FilterSet
from labgen.filters.base import Filter, SlotContext, settle
from labgen.formats.prompts import Prompt
from labgen.formats.reading import read_blocks
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Candidate
from labgen.records.changed import changed
from labgen.teacher.asker import Reading

Answer = TypeVar("Answer")
Stage = Literal["instruction", "pair"]


class SlotStep(Protocol):
    """A step that takes all candidates of a slot together. `asks`: whether it asks a model."""

    whole_slot: ClassVar[Literal[True]]
    asks: ClassVar[bool]

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """What it asks with in a flow; of judges, those that come with labgen."""

    def bind(self, flow: Flow, filters: FilterSet) -> SlotStep | None:
        """It with the filters of a run; None where it has nothing to do."""

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """Prompt to a reply as the leaf's own examples would have it, from which a plan reckons tokens."""

    async def __call__(self, candidates: Sequence[Candidate], slot: SlotContext) -> Sequence[Candidate]:
        """Take it. Those that have ended already come and go as they are.

        Raises: CandidateEnds: none of those that are on their way can go on.
        """


class CandidateStep(Protocol):
    """A step that takes one candidate by itself. All else is as in `SlotStep`."""

    whole_slot: ClassVar[Literal[False]]
    asks: ClassVar[bool]

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]: ...

    def bind(self, flow: Flow, filters: FilterSet) -> CandidateStep | None: ...

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]: ...

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """Take it, with a candidate that is still on its way. Raises: CandidateEnds: it can't go on."""


Step = SlotStep | CandidateStep


class _StepDefaults:
    """What a step does that asks nothing and needs no filters."""

    asks: ClassVar[bool] = False
    prompts: Sequence[Prompt] = ()

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Its `prompts`, whatever the flow."""
        return self.prompts

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """As it is."""
        return self

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """None: nothing is asked, or what a judge costs it says itself."""
        return {}


class WholeSlot(_StepDefaults):
    """A base for steps that take all candidates of a slot together.

    One that asks sets `asks` and `prompts`, and says with `typical_replies` what it costs.
    """

    whole_slot: ClassVar[Literal[True]] = True


class OneByOne(_StepDefaults):
    """A base for steps that take one candidate by itself. All else is as in `WholeSlot`."""

    whole_slot: ClassVar[Literal[False]] = False


@dataclass(frozen=True)
class FreeFilters(OneByOne):
    """The filters of a stage that ask nobody: rules, and benchmark items.

    Args:
        only: the one kind of candidate that it looks at, where others have been through it before; empty for all.
    """

    stage: Stage
    filters: tuple[Filter, ...] = ()
    only: str = ""

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """With those that look at this flow's candidates."""
        chosen = filters.free(flow, self.stage)
        return replace(self, filters=chosen) if chosen else None

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """Up to the first filter that ends it."""
        if self.only not in ("", candidate.kind):
            return candidate
        return await settle(candidate, self.filters, slot)


@dataclass(frozen=True)
class Judges(OneByOne):
    """The filters of a stage that ask a model: judges, a guard, those of other packages. `only`: as `FreeFilters`."""

    asks: ClassVar[bool] = True
    stage: Stage
    filters: tuple[Filter, ...] = ()
    only: str = ""

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Those of the judges that come with labgen; none where others have been through it before."""
        if self.only:
            return ()
        judges = [each for each in SHIPPED_JUDGES if each.stage == self.stage and each.applies_to(flow)]
        return [prompt for judge in judges for prompt in getattr(judge, "prompts", ())]

    def bind(self, flow: Flow, filters: FilterSet) -> Self | None:
        """With those that look at this flow's candidates."""
        chosen = filters.judges(flow, self.stage)
        return replace(self, filters=chosen) if chosen else None

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Candidate:
        """Up to the first judge that turns it down."""
        if self.only not in ("", candidate.kind):
            return candidate
        return await settle(candidate, self.filters, slot)


RESPOND = Prompt("respond", rehearsed_as="respond")


@dataclass(frozen=True)
class Respond(OneByOne):
    """The teacher's response to an instruction, as the leaf's persona.

    Source: LAB section 3.2, response generation. Ours shows the seed examples that the instruction was drawn with.
    """

    asks: ClassVar[bool] = True
    prompt: Prompt = RESPOND

    def prompts_of(self, flow: Flow) -> Sequence[Prompt]:
        """Its one prompt."""
        return (self.prompt,)

    def typical_replies(self, slot: SlotContext) -> Mapping[str, str]:
        """A seed example's response, of middling length."""
        responses = sorted((example.response for example in slot.examples), key=len)
        return {self.prompt.name: responses[len(responses) // 2]}

    async def __call__(self, candidate: Candidate, slot: SlotContext, *, keep_reasoning: bool = False) -> Candidate:
        """The candidate with its response. Raises: CandidateEnds: `failed` or `unparsed`, where there is none.

        Args:
            keep_reasoning: whether what the model thought aloud before it is kept beside it.
        """
        reading = await ask_for_response(self.prompt, read_response, candidate, slot)
        found = answered(candidate, reading)
        return replace(found, reasoning=reading.reasoning) if keep_reasoning else found


async def ask_for_response(
    prompt: Prompt,
    read: Callable[[str], Answer | None],
    candidate: Candidate,
    slot: SlotContext,
    *,
    voice: str = "",
    max_tokens: int | None = None,
    temperature: float | None = None,
    sample: int = 0,
    **shown: Any,
) -> Reading[Answer]:
    """What the teacher answers to a candidate's instruction.

    Args:
        read: makes something of the reply; None for what can't be read.
        voice: persona that it answers as; empty for the leaf's own.
        max_tokens, temperature: as `generation` has them for responses of that voice where None.
        sample: number of the answer, where several are asked for with one prompt.
        shown: what else the prompt shows, by name.
    Raises: CandidateEnds: there is none.
    """
    voice = voice or slot.plan.persona.name
    return await slot.asker.ask(
        prompt.name,
        read,
        max_tokens=slot.asker.generation.max_response_tokens if max_tokens is None else max_tokens,
        temperature=usual_temperature(voice, slot) if temperature is None else temperature,
        sample=sample,
        leaf=slot.plan.leaf,
        seeds=slot.shown,
        persona=voice,
        context=candidate.context,
        instruction=candidate.instruction,
        **shown,
    )


def usual_temperature(voice: str, slot: SlotContext) -> float:
    """The temperature of responses in a voice."""
    generation = slot.asker.generation
    return generation.creative_temperature if voice == "creative" else generation.precise_temperature


def answered(candidate: Candidate, reading: Reading[str]) -> Candidate:
    """A candidate with a response that was asked for, and with the calls that it took."""
    return changed(
        candidate,
        response=reading.value,
        raw=reading.text,
        calls=candidate.calls + reading.calls,
        truncated=reading.truncated,
    )


def read_response(text: str) -> str | None:
    """A response out of a reply: all of it, without a `<response>` tag around it; None for nothing at all."""
    blocks = read_blocks(text, "response") if text.lstrip().lower().startswith("<response") else []
    return (blocks[0] if blocks else text.strip()) or None


def wrong_step(step: Any) -> str:
    """Why something is no step of a flow, in words; empty where it is one."""
    if isinstance(step, type):
        return f"its step {step.__name__} is a class. Make one of it: `{step.__name__}()`"
    name = type(step).__name__
    for needed in ("whole_slot", "asks", "prompts_of", "bind", "typical_replies"):
        if not hasattr(step, needed):
            return f"its step {name} has no `{needed}`: see labgen.flows.steps"
    if type(step.whole_slot) is not bool or type(step.asks) is not bool:
        return f"`whole_slot` and `asks` of its step {name} are not each True or False"
    if not callable(step):
        return f"its step {name} can't be called: see labgen.flows.steps"
    if isinstance(step, FreeFilters | Judges) and step.stage not in get_args(Stage):
        return f"its step {name} has the stage `{step.stage}`. There are: {', '.join(get_args(Stage))}"
    return ""
