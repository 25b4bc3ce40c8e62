"""What a filter is. Filters measure, thresholds decide: a moved threshold asks no paid call again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

from labgen.config import ThresholdsConfig
from labgen.plan.example_pairs import Example
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, Pair, State, Verdict
from labgen.teacher.asker import Asker, CandidateEnds

Ending = tuple[State, str]
"""How a candidate ends, and why."""


@dataclass
class Scene:
    """What a filter may look at beside the candidate itself.

    Attributes:
        plan: the leaf and its settings.
        examples: all pairs of the leaf's seed examples.
        shown: those the draw's prompt showed.
        asker: for judges.
        siblings: the slot's candidates that reached the same place, for judges that take them in one call.
        truncated: positions whose text the token limit cut off.
    """

    plan: LeafPlan
    examples: tuple[Example, ...]
    shown: tuple[Example, ...]
    asker: Asker
    thresholds: ThresholdsConfig
    siblings: tuple[Candidate, ...] = ()
    truncated: frozenset[int] = frozenset()
    _shared: dict[str, asyncio.Future[Any]] = field(default_factory=dict)

    @cached_property
    def seed_pairs(self) -> tuple[Pair, ...]:
        """The leaf's seed examples as plain pairs."""
        return tuple(Pair(example.instruction, example.response) for example in self.examples)

    async def once(self, name: str, work: Callable[[], Awaitable[Any]]) -> Any:
        """The result of `work`, which is done once for the slot however many of its candidates ask."""
        if name in self._shared:
            return await self._shared[name]
        result = self._shared[name] = asyncio.get_running_loop().create_future()
        try:
            result.set_result(await work())
        except BaseException as error:
            # Whoever waits gets the same error; retrieved here, since nobody may be waiting.
            result.set_exception(error) if isinstance(error, Exception) else result.cancel()
            if not result.cancelled():
                result.exception()
            raise
        return result.result()


class Filter(Protocol):
    """One look at a candidate.

    Attributes:
        name: its word in configuration, verdicts, funnel and documentation.
        version: bumped when its meaning changes.
        kind: `rule` and `index` cost nothing; `judge` asks a model.
        stage: `instruction` runs before a response is asked for, `pair` once there is one.
        flows: which of `knowledge`, `grounded`, `freeform` it applies to.

    A judge may have `catches` as well, the kinds of defect (of `labgen.filters.calibration_items.DEFECTS`) that it must
    not let pass: then it is put to the test in every leaf.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def kind(self) -> Literal["rule", "index", "judge"]: ...

    @property
    def stage(self) -> Literal["instruction", "pair"]: ...

    @property
    def flows(self) -> tuple[str, ...]: ...

    async def __call__(self, candidate: Candidate, scene: Scene) -> Sequence[Verdict]:
        """Measure. Raises: CandidateEnds: it can't be measured."""

    def decide(self, verdict: Verdict, scene: Scene) -> Ending | None:
        """What a verdict of this filter means under the scene's thresholds; None lets the candidate go on."""


async def settle(candidate: Candidate, filters: Sequence[Filter], scene: Scene) -> Candidate:
    """Look at a candidate with each filter in turn, up to the first that ends it.

    Returns: the candidate with its verdicts, and `state` and `reason` where it ended.
    """
    for look in filters:
        try:
            verdicts = tuple(await look(candidate, scene))
        except CandidateEnds as end:
            return ended(candidate, end)
        if verdicts:
            candidate = replace(candidate, verdicts=candidate.verdicts + verdicts)
        for verdict in verdicts:
            ending = look.decide(verdict, scene)
            if ending:
                return replace(candidate, state=ending[0], reason=ending[1])
    return candidate


def ended(candidate: Candidate, end: CandidateEnds) -> Candidate:
    """The candidate as `end` leaves it; the text that could not be used is added to what it was read from."""
    raw = f"{candidate.raw}\n\n{end.raw}" if candidate.raw and end.raw else candidate.raw or end.raw
    return replace(candidate, state=end.state, reason=end.reason, raw=raw, calls=candidate.calls + end.calls)
