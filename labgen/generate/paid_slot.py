"""How far the ledger takes a slot whose draw is paid. Nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.steps import CandidateStep, SlotStep
from labgen.flows.take_step import take_slot
from labgen.generate.context import RunContext
from labgen.generate.slot_run import slot_context
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Candidate
from labgen.teacher.ledger_only import LedgerOnly, NotPaid


@dataclass(frozen=True, slots=True)
class PaidSlot:
    """How far the ledger takes the candidates of a slot whose draw is paid.

    Attributes:
        passed: candidates that passed everything (count).
        waiting: for each candidate that an unpaid call holds up, the call's step in the ledger.
    """

    passed: int
    waiting: tuple[str, ...]


async def take_paid(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, index: int, duplicates: DuplicatesInLeaf
) -> PaidSlot | None:
    """Take a slot as far as the ledger allows; what is lacking is then `missing` in its client, that of `run`.

    Returns: None where the draw itself is not paid.
    """
    client.begin()
    slot = slot_context(plan, run, index, duplicates, [])
    candidates: list[Candidate] = []
    waiting: list[str] = []
    bound = run.bound(plan.flow)
    for whole, steps in bound.stretches:
        if whole:
            try:
                for step in cast(tuple[SlotStep, ...], steps):
                    candidates = list(await take_slot(bound.flow, step, candidates, slot))
            except NotPaid as lacking:
                if not candidates:
                    return None
                if lacking.call.step in bound.added:
                    waiting.append(lacking.call.step)  # what it adds is lacking, and all else is there
                    continue
                waiting += [lacking.call.step for candidate in candidates if candidate.state is None]
                candidates = []
                duplicates.end_turn(slot.asker.slot.index)  # it may have been to come, and the next slot waits for it
            continue
        going = [candidate for candidate in candidates if candidate.state is None]
        slot, candidates = replace(slot, siblings=tuple(going)), []
        for candidate in going:
            try:
                candidates.append(await bound.through(cast(tuple[CandidateStep, ...], steps), candidate, slot))
            except NotPaid as lacking:
                waiting.append(lacking.call.step)
    return PaidSlot(sum(candidate.state is None for candidate in candidates), tuple(waiting))
