"""A flow with the filters of a run in it: what the engine folds over, what a plan prices, what the tables show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

from labgen.errors import ConfigError
from labgen.filters.available import DUPLICATES, FilterSet
from labgen.filters.base import Filter, SlotContext
from labgen.filters.sentence_support import NAME as SENTENCE_SUPPORT
from labgen.flows.check_document import CheckDocument
from labgen.flows.draw import Draw
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.rewrite import Rewrite
from labgen.flows.self_consistency import NAME as SELF_CONSISTENCY
from labgen.flows.self_consistency import SelfConsistency
from labgen.flows.steps import CandidateStep, FreeFilters, Judges, SlotStep, Step, wrong_step
from labgen.flows.take_step import take_one, take_slot
from labgen.lazy.dataclasses import dataclass
from labgen.packages import PackageFault, guarded
from labgen.plan.flow import Flow
from labgen.records import Candidate


@dataclass(frozen=True)
class BoundFlow:
    """A flow as a run takes it.

    Attributes:
        steps: the flow's, each with its filters; those that have nothing to do are left out.
    """

    flow: Flow
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, flow: Flow, filters: FilterSet) -> BoundFlow:
        """A flow with the filters of a run. Raises: ConfigError: a step of another package can't take them."""
        if not flow.package:
            bound = [step.bind(flow, filters) for step in flow.steps]
            return cls(flow, tuple(step for step in bound if step is not None))
        try:
            with guarded():
                return cls(flow, tuple(_bound(flow, filters)))
        except PackageFault as fault:
            raise ConfigError(
                f"{flow.title} can't be given the filters ({fault}). Mend the package, or remove it."
            ) from fault

    @cached_property
    def stretches(self) -> tuple[tuple[bool, tuple[Step, ...]], ...]:
        """Its steps in stretches: those that take a slot together, and those that take candidates one by one.

        A stretch ends before a step with a judge that is asked once for all candidates which reach it: they have to be
        known then.
        """
        found: list[tuple[bool, list[Step]]] = []
        for step in self.steps:
            if found and found[-1][0] == step.whole_slot and not _asks_for_all(step):
                found[-1][1].append(step)
            else:
                found.append((step.whole_slot, [step]))
        return tuple((whole, tuple(steps)) for whole, steps in found)

    async def fold(
        self, slot: SlotContext, note: Callable[[Sequence[Candidate]], None] = lambda candidates: None
    ) -> tuple[Candidate, ...]:
        """Take a slot through all steps. Each candidate goes as fast as it can: none waits for the others.

        Args:
            note: told of the candidates after each stretch.
        """
        candidates: Sequence[Candidate] = ()
        for whole, steps in self.stretches:
            if all(getattr(step, "only", "") not in ("", slot.asker.slot.kind) for step in steps):
                continue  # nothing of such a kind is drawn here, and a wait for it would only cost time
            if whole:
                for step in cast(tuple[SlotStep, ...], steps):
                    candidates = await take_slot(self.flow, step, candidates, slot)
            else:
                candidates = await self._each(cast(tuple[CandidateStep, ...], steps), candidates, slot)
            note(candidates)
        return tuple(candidates)

    async def _each(
        self, steps: Sequence[CandidateStep], candidates: Sequence[Candidate], slot: SlotContext
    ) -> list[Candidate]:
        going = [candidate for candidate in candidates if candidate.state is None]
        slot = replace(slot, siblings=tuple(going))
        ways = [self.through(steps, candidate, slot) for candidate in going]
        # What asks nobody is done at once: tasks of its own would only cost time.
        at_once = not any(step.asks for step in steps)
        taken = iter([await way for way in ways] if at_once else await asyncio.gather(*ways))
        return [candidate if candidate.state is not None else next(taken) for candidate in candidates]

    async def through(self, steps: Sequence[CandidateStep], candidate: Candidate, slot: SlotContext) -> Candidate:
        """A candidate through a stretch of its steps, up to the one that ends it."""
        for step in steps:
            if candidate.state is not None:
                break
            candidate = await take_one(self.flow, step, candidate, slot)
        return candidate

    @cached_property
    def added(self) -> frozenset[str]:
        """Names of the prompts by which candidates are added to those that were drawn."""
        rewrites = (step for step in self.steps if isinstance(step, Rewrite))
        return frozenset(prompt.name for step in rewrites for prompt in step.prompts)

    @property
    def judges(self) -> tuple[Filter, ...]:
        """The filters that ask a model, in the order in which a candidate meets them."""
        found: list[Filter] = []
        for step in self.steps:
            found += step.filters if isinstance(step, Judges) else ()
        return tuple(dict.fromkeys(found))

    @property
    def filters(self) -> tuple[Filter | str, ...]:
        """All filters, in the order in which a candidate meets them; those that are steps by their names."""
        found: list[Filter | str] = []
        for step in self.steps:
            if isinstance(step, FindDuplicates):
                found.append(DUPLICATES)
            elif isinstance(step, CheckDocument):
                found.append(SENTENCE_SUPPORT)
            elif isinstance(step, SelfConsistency):
                found.append(SELF_CONSISTENCY)
            elif isinstance(step, FreeFilters | Judges):
                found += step.filters
        return tuple(dict.fromkeys(found))


def _bound(flow: Flow, filters: FilterSet) -> Iterator[Step]:
    """The steps of another package's flow with the filters of a run. Raises: PackageFault: no steps, or other ones."""
    for step in flow.steps:
        found = step.bind(flow, filters)
        if found is None and not isinstance(step, Draw):
            continue
        if problem := wrong_step(found):
            raise PackageFault(f"the `bind` of its step {type(step).__name__} gave something else: {problem}")
        if isinstance(found, Draw) is not isinstance(step, Draw):
            raise PackageFault(f"the `bind` of its step {type(step).__name__} gave a {type(found).__name__}")
        if isinstance(found, FreeFilters | Judges) and not all(
            any(each is one for one in filters.filters) for each in found.filters
        ):
            raise PackageFault(f"the `bind` of its step {type(step).__name__} gave it filters that are not the run's")
        yield found


def _asks_for_all(step: Step) -> bool:
    costs = (getattr(judge, "cost", None) for judge in step.filters) if isinstance(step, Judges) else ()
    return any(cost.shared for cost in costs if cost)
