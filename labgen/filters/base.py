"""What a filter is. Filters measure, thresholds decide: a moved threshold asks no paid call again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

from labgen.config.drawing import KnowledgeConfig
from labgen.config.filtering import ThresholdsConfig
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf, Seen
from labgen.lazy.dataclasses import dataclass
from labgen.plan.example_pairs import ExamplePair
from labgen.plan.flow import Flow
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, Grounding, Pair, State, Verdict
from labgen.records.changed import changed
from labgen.teacher.asker import Asker, CandidateEnds

Ending = tuple[State, str]
"""How a candidate ends, and why."""

MOST_COST = 1e6
"""Calls for one candidate, or tokens of one reply: more are a mistake."""


@dataclass(frozen=True)
class SlotContext:
    """What steps and filters may look at, beside the candidate itself, and what they ask with. Nobody can change it.

    Attributes:
        plan: the leaf, its flow and its settings.
        examples: all pairs of the leaf's seed examples.
        shown: those that the draw's prompt showed.
        asker: for what asks a model.
        duplicates: what came before in the leaf.
        siblings: the slot's candidates that reached the same step, for judges that take them in one call.
        seen: what this slot's candidates added to `duplicates`.
        knowledge: settings of what is drawn from documents.
    """

    plan: LeafPlan
    examples: tuple[ExamplePair, ...]
    shown: tuple[ExamplePair, ...]
    asker: Asker
    thresholds: ThresholdsConfig
    duplicates: DuplicatesInLeaf
    siblings: tuple[Candidate, ...] = ()
    seen: list[Seen] = field(default_factory=list)
    knowledge: KnowledgeConfig = field(default_factory=KnowledgeConfig)
    _shared: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    @cached_property
    def seed_pairs(self) -> tuple[Pair, ...]:
        """The leaf's seed examples as plain pairs."""
        return tuple(Pair(example.instruction, example.response) for example in self.examples)

    def for_one(self) -> SlotContext:
        """The same for one candidate, so that its calls can be told from those of the slot's others."""
        return changed(self, asker=changed(self.asker, history=[]))

    def alone(self, candidate: Candidate) -> SlotContext:
        """The same for a candidate that is looked at by itself: nothing that was said of the slot's others holds."""
        return replace(self, siblings=(candidate,), _shared={})

    async def once(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, which is done once for the slot however many of its candidates ask.

        The calls that it takes are in the history of every candidate that asks.
        """
        if name in self._shared:
            found, calls = await self._shared[name]
            self.asker.history.extend(calls)
            return found
        result = self._shared[name] = asyncio.get_running_loop().create_future()
        before = len(self.asker.history)
        try:
            found = await work()
            result.set_result((found, self.asker.history[before:]))
            return found
        except BaseException as error:
            # Whoever waits gets the same error, where a future takes it; retrieved here, since nobody may be waiting.
            other = isinstance(error, asyncio.CancelledError | KeyboardInterrupt | StopIteration)
            result.cancel() if other else result.set_exception(error)
            if not result.cancelled():
                result.exception()
            raise


@dataclass(frozen=True, slots=True)
class Cost:
    """What a judge asks for, as a plan reckons with it. The tokens of its prompts are counted, not stated.

    Attributes:
        calls: for one candidate (count); where `shared`, for all candidates of a slot together. None: as many as the
            judge asks when it is given `typical_replies`, and 1 where it has none.
        reply_tokens: of one reply; of its part on one candidate, where `shared` (count).
        per_response_token: tokens of a reply for each token of the response that it is about, on top of that.
        typical_replies: a judge's prompt to what a teacher typically replies to it, for a judge whose next prompt
            depends on the reply to the one before. Tokens of these replies are counted, not stated.
    Raises: TypeError, ValueError: a number that is none, below 0 or above `MOST_COST`; a `shared` that is neither;
        replies that are no texts.
    """

    calls: float | None = None
    reply_tokens: float = 60.0
    per_response_token: float = 0.0
    shared: bool = False
    typical_replies: Mapping[str, str] = field(default_factory=dict)

    @property
    def usual_calls(self) -> float:
        """Calls for one candidate, or for a slot where `shared`: those stated, or one for each prompt it speaks of."""
        return float(max(1, len(self.typical_replies))) if self.calls is None else self.calls

    def __post_init__(self) -> None:
        replies = self.typical_replies
        if not isinstance(replies, dict) or not all(isinstance(each, str) for pair in replies.items() for each in pair):
            raise TypeError("`typical_replies` of a Cost map names of prompts to texts")
        # As they are now, in Python's own texts: a package might change them later.
        copied = {str.__str__(name): str.__str__(text) for name, text in replies.items()}
        object.__setattr__(self, "typical_replies", copied)
        for name in ("calls", "reply_tokens", "per_response_token"):
            number = getattr(self, name)
            if name == "calls" and number is None:
                continue
            if type(number) not in (int, float):
                raise TypeError(f"`{name}` of a Cost is a number, not {number!r:.60}")
            if not 0 <= number <= MOST_COST:  # nan is neither
                raise ValueError(f"`{name}` of a Cost is a number from 0 to {MOST_COST:g}, not {number!r:.60}")
        if type(self.shared) is not bool:
            raise TypeError(f"`shared` of a Cost is True or False, not {self.shared!r:.60}")


class Filter(Protocol):
    """Measures one thing in a candidate.

    Attributes:
        name: its word in configuration, verdicts, funnel and documentation.
        version: bumped when its meaning changes.
        kind: `rule` and `index` cost nothing; `judge` asks a model.
        stage: `instruction` for what can be said before there is a response, `pair` for the rest.

    A judge has `cost` as well, and may have `catches`, the kinds of defect (of
    `labgen.filters.calibration_items.DEFECTS`) that it must not let pass: then it is put to the test in every leaf. One
    that asks with a prompt of labgen's has `prompts`.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def kind(self) -> Literal["rule", "index", "judge"]: ...

    @property
    def stage(self) -> Literal["instruction", "pair"]: ...

    def applies_to(self, flow: Flow) -> bool:
        """Whether it looks at the candidates of a flow."""

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """Measure. Raises: CandidateEnds: it can't be measured."""

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """What a verdict of this filter means under the slot's thresholds; None lets the candidate go on."""


class EveryFlow:
    """A base for filters that look at the candidates of every flow."""

    def applies_to(self, flow: Flow) -> bool:
        """To every flow."""
        return True


class OnGivenText:
    """A base for filters that hold an answer against a text."""

    def applies_to(self, flow: Flow) -> bool:
        """Where there is a text to hold an answer against."""
        return flow.grounding is not Grounding.NONE


async def settle(candidate: Candidate, filters: Sequence[Filter], slot: SlotContext) -> Candidate:
    """Put a candidate through filters in turn, up to the first that ends it.

    Returns: the candidate with its verdicts, and `state` and `reason` where it ended.
    """
    for each in filters:
        try:
            verdicts = tuple(await each(candidate, slot))
        except CandidateEnds as end:
            return ended(candidate, end)
        if verdicts:
            candidate = changed(candidate, verdicts=candidate.verdicts + verdicts)
        for verdict in verdicts:
            ending = each.decide(verdict, slot)
            if ending:
                return changed(candidate, state=ending[0], reason=ending[1], rejected_by=verdict.filter)
    return candidate


def ended(candidate: Candidate, end: CandidateEnds) -> Candidate:
    """The candidate as `end` leaves it; the text that could not be used is added to what it was read from."""
    raw = f"{candidate.raw}\n\n{end.raw}" if candidate.raw and end.raw else candidate.raw or end.raw
    return changed(candidate, state=end.state, reason=end.reason, raw=raw, calls=candidate.calls + end.calls)
