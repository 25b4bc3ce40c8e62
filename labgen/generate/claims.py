"""First wins, within a leaf: instructions claim their words in slot order, whatever the order in which replies come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from labgen.filters.first_wins import FirstWins, thresholds_for
from labgen.generate.context import Kit
from labgen.plan.example_pairs import Example
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate, State


class Claim(NamedTuple):
    """What later instructions must not resemble: the slot it comes from, its texts, what it is called.

    `context` is None where it does not count, for all but skills with contexts.
    """

    slot: int
    instruction: str
    context: str | None
    name: str


class Claims:
    """What is claimed in one leaf: by its seed examples, then by one slot after the other.

    Args:
        examples: the leaf's seed examples.
        on_claimed: told of each instruction that claims its words.
    """

    def __init__(
        self, plan: LeafPlan, examples: Sequence[Example], kit: Kit, on_claimed: Callable[[Claim], None]
    ) -> None:
        self._grounded = plan.leaf.flow == "grounded"
        self._examples = examples
        self._settings = kit.config.thresholds
        self._looks = kit.check_duplicates
        self._on_claimed = on_claimed
        self._turns: dict[int, asyncio.Future[None]] = {}
        self._passed = 0

    @cached_property
    def _first_wins(self) -> FirstWins:
        # Made when the first candidate comes: what a leaf would ask first is known without it.
        claims = FirstWins(self._settings.duplicate_rouge_l, by_context=self._grounded)
        for number, example in enumerate(self._examples):
            claims.add(example.instruction, example.context, f"seed example {number}")
        return claims

    @cached_property
    def _thresholds(self) -> tuple[float, float]:
        return thresholds_for(
            [example.instruction for example in self._examples],
            [example.context for example in self._examples if example.context] if self._grounded else [],
            base=self._settings.duplicate_rouge_l,
            cap=self._settings.duplicate_rouge_l_cap,
        )

    def go_on_from(self, slots: int, claimed: Iterable[Claim]) -> None:
        """Take over what the first `slots` slots claimed, before any other is drawn."""
        self._passed = slots
        for claim in claimed:
            self._first_wins.add(claim.instruction, claim.context, claim.name)

    async def turn(self, slot: int, on_waiting: Callable[[], None]) -> None:
        """Wait until every earlier slot has ended its turn; `on_waiting` is called first, where there is one."""
        if slot > self._passed:
            on_waiting()
            self._turns[slot] = asyncio.get_running_loop().create_future()
            await self._turns[slot]

    def end_turn(self, slot: int) -> None:
        """The slot's candidates have claimed their words: it is the next slot's turn."""
        self._passed = slot + 1
        following = self._turns.pop(self._passed, None)
        if following and not following.done():
            following.set_result(None)

    def claim(self, candidate: Candidate) -> Candidate:
        """Let a candidate claim its words: it comes back as it was, or as a duplicate of an earlier one."""
        if candidate.state is not None or not self._looks:
            return candidate
        threshold, context_threshold = self._thresholds
        verdict = self._first_wins.find(
            candidate.instruction, candidate.context, threshold=threshold, context_threshold=context_threshold
        )
        if verdict is None:
            name = f"slot {candidate.slot}, position {candidate.position}"
            context = candidate.context if self._grounded else None
            self._first_wins.add(candidate.instruction, context, name)
            self._on_claimed(Claim(candidate.slot, candidate.instruction, context, name))
            return candidate
        return replace(
            candidate,
            verdicts=(*candidate.verdicts, verdict),
            state=State.DUPLICATE,
            reason=f"{'of_a_seed' if verdict.reason.startswith('like seed') else 'in_leaf'}: {verdict.reason}",
        )
