"""Near-duplicates within a leaf: instructions are held against all that came before them in slot order.

So the result does not depend on the order in which replies come: a slot waits for its turn until every earlier one has
had its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.earlier_instructions import EarlierInstructions, thresholds_for
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State


class Seen(NamedTuple):
    """What later instructions and documents of the leaf must not resemble: slot, texts, what it is called.

    `context` is None where it does not count.
    """

    slot: int
    instruction: str
    context: str | None
    name: str


class DuplicatesInLeaf:
    """What came before in one leaf: its seed examples, then one slot after the other."""

    def __init__(self, plan: LeafPlan, thresholds: ThresholdsConfig) -> None:
        self._by_context = plan.flow.own_context
        self._examples = example_pairs(plan.leaf, plan.flow)
        self._settings = thresholds
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._passed = plan.first_slot
        self._first = plan.first_slot
        self._taken_over: list[Seen] = []

    @cached_property
    def _seen(self) -> EarlierInstructions:
        # Made when the first candidate comes: what a leaf would ask first is known without it.
        seen = EarlierInstructions(self._settings.duplicate_rouge_l, by_context=self._by_context)
        for number, example in enumerate(self._examples):
            seen.add(example.instruction, example.context, f"seed example {number}")
        return seen

    @cached_property
    def _thresholds(self) -> tuple[float, float]:
        return thresholds_for(
            [example.instruction for example in self._examples],
            [example.context for example in self._examples if example.context] if self._by_context else [],
            base=self._settings.duplicate_rouge_l,
            cap=self._settings.duplicate_rouge_l_cap,
        )

    def go_on_from(self, slots: int, seen: Iterable[Seen]) -> None:
        """Take over what slots brought before any other is drawn: with them the first `slots` are over."""
        self._passed = self._first + slots
        self._taken_over += seen

    async def turn(self, slot: int) -> None:
        """Wait until every earlier slot has ended its turn."""
        if slot > self._passed:
            self._turns[slot] = asyncio.get_running_loop().create_future()
            await self._turns[slot]

    def end_turn(self, slot: int) -> None:
        """The slot's candidates have been looked at: it is the next slot's turn."""
        self._passed = slot + 1
        following = self._turns.pop(self._passed, None)
        if following and not following.done():
            following.set_result(None)

    def look_at(self, candidate: Candidate) -> tuple[Candidate, Seen | None]:
        """A candidate that is still on its way, in its slot's turn.

        Returns: it as it was, and what later ones must not resemble from now on; or it as a duplicate, and None.
        """
        for each in self._taken_over:
            self._seen.add(each.instruction, each.context, each.name)
        self._taken_over.clear()
        threshold, context_threshold = self._thresholds
        verdict = self._seen.find(
            candidate.compared, candidate.context, threshold=threshold, context_threshold=context_threshold
        )
        if verdict is None:
            name = f"slot {candidate.slot}, position {candidate.position}"
            context = candidate.context if self._by_context else None
            self._seen.add(candidate.compared, context, name)
            return candidate, Seen(candidate.slot, candidate.compared, context, name)
        reason = f"{'of_a_seed' if verdict.reason.startswith('like seed') else 'in_leaf'}: {verdict.reason}"
        verdicts = (*candidate.verdicts, verdict)
        ended = replace(candidate, verdicts=verdicts, state=State.DUPLICATE, reason=reason, rejected_by=verdict.filter)
        return ended, None
