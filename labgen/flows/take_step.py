"""How a step is taken. What a step of another package does wrong ends its candidates as `failed`.

It is never a pass, never a lost candidate, and never the end of the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from labgen.filters.base import SlotContext, ended
from labgen.filters.given import labgens_own_pass, plain_candidate, plain_ending
from labgen.flows.draw import nothing_drawn
from labgen.flows.steps import CandidateStep, SlotStep, Step
from labgen.packages import PackageFault, guarded
from labgen.plan.flow import Flow
from labgen.records import Candidate, State
from labgen.records.changed import changed
from labgen.teacher.asker import CandidateEnds


async def take_slot(
    flow: Flow, step: SlotStep, candidates: Sequence[Candidate], slot: SlotContext
) -> Sequence[Candidate]:
    """A slot's candidates after a step that takes them together; the first step of a flow is given none."""
    if flow.package:
        given = _given(step, slot)
        return await _guarded(flow, step, lambda: step(candidates, given), candidates, slot)
    try:
        return await step(candidates, slot)
    except CandidateEnds as end:
        return [candidate if candidate.state else ended(candidate, end) for candidate in candidates]


async def take_one(flow: Flow, step: CandidateStep, candidate: Candidate, slot: SlotContext) -> Candidate:
    """A candidate that is on its way, after a step that takes it by itself, with all calls that were made for it."""
    if not step.asks:
        return await _taken(flow, step, candidate, slot)
    own = slot.for_one()
    taken = await _taken(flow, step, candidate, own)
    # What a step or an ending names of them already is not named again.
    return changed(taken, calls=tuple(dict.fromkeys((*candidate.calls, *own.asker.history, *taken.calls))))


async def _taken(flow: Flow, step: CandidateStep, candidate: Candidate, slot: SlotContext) -> Candidate:
    if flow.package:
        given = _given(step, slot)

        async def take() -> list[Candidate]:
            return [await step(candidate, given)]

        return (await _guarded(flow, step, take, [candidate], slot))[0]
    try:
        return await step(candidate, slot)
    except CandidateEnds as end:
        return ended(candidate, end)


def _given(step: Step, slot: SlotContext) -> SlotContext:
    """What a step of another package's flow is given: one that says that it asks nobody can't."""
    return slot if step.asks else replace(slot, asker=slot.asker.refusing("it asks a model, and says `asks = False`"))


async def _guarded(
    flow: Flow,
    step: Step,
    take: Callable[[], Awaitable[Sequence[Candidate]]],
    before: Sequence[Candidate],
    slot: SlotContext,
) -> list[Candidate]:
    """What a step of another package makes of candidates; they are `failed` where it does what it may not."""
    try:
        ending = await checked(flow, take, before, slot)
    except PackageFault as fault:
        ending = CandidateEnds(State.FAILED, f"flow_{flow.name}: {type(step).__name__}: {fault}")
    if not isinstance(ending, CandidateEnds):
        return ending
    if not before:
        return [nothing_drawn(slot, ending)]
    return [candidate if candidate.state else ended(candidate, ending) for candidate in before]


async def checked(
    flow: Flow, take: Callable[[], Awaitable[Sequence[Candidate]]], before: Sequence[Candidate], slot: SlotContext
) -> list[Candidate] | CandidateEnds:
    """What a step of another package makes of candidates, as plain data: they themselves, or how they end.

    Args:
        take: takes the step; before: what it is given.
    Raises: PackageFault: the step crashed, or gave what it may not. LabgenError, NotPaid: labgen's own.
    """
    with labgens_own_pass(flow.title, slot), guarded(slot.asker.stopped, awaits=True):
        try:
            return _plain(await take(), before, slot)
        except CandidateEnds as end:
            return plain_ending(end)


def _plain(taken: Sequence[Candidate], before: Sequence[Candidate], slot: SlotContext) -> list[Candidate]:
    """What a step gave back. Raises: PackageFault: not the candidates that it was given, or no candidates."""
    found = [plain_candidate(each, slot) for each in taken]
    positions = [each.position for each in found]
    if before and positions != [each.position for each in before]:
        raise PackageFault(f"it was given {len(before)} candidates, and gave {len(found)} or others")
    if len(set(positions)) < len(positions):
        raise PackageFault("it gave two candidates of one position")
    ended_before = {each.position: each for each in before if each.state}
    return [ended_before.get(each.position) or each for each in found]
