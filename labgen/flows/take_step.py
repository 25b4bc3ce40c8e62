"""How a step is taken. What a step of another package does wrong ends its candidates as `failed`.

It is never a pass, never a lost candidate, and never the end of the run.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from labgen.errors import LabgenError
from labgen.filters.base import SlotContext, ended
from labgen.filters.installed import FINAL_STATES, fault_of_verdict, plain_ending, plain_verdict
from labgen.flows.draw import nothing_drawn
from labgen.flows.steps import CandidateStep, SlotStep, Step
from labgen.packages import crash
from labgen.plan.flow import Flow
from labgen.records import Candidate, State
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.ledger_only import NotPaid


async def take_slot(
    flow: Flow, step: SlotStep, candidates: Sequence[Candidate], slot: SlotContext
) -> Sequence[Candidate]:
    """A slot's candidates after a step that takes them together; the first step of a flow is given none."""
    if flow.package:
        return await _guarded(flow, step, lambda: step(candidates, slot), candidates, slot)
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
    return replace(taken, calls=tuple(dict.fromkeys((*candidate.calls, *own.asker.history, *taken.calls))))


async def _taken(flow: Flow, step: CandidateStep, candidate: Candidate, slot: SlotContext) -> Candidate:
    if flow.package:

        async def take() -> list[Candidate]:
            return [await step(candidate, slot)]

        return (await _guarded(flow, step, take, [candidate], slot))[0]
    try:
        return await step(candidate, slot)
    except CandidateEnds as end:
        return ended(candidate, end)


class _Fault(Exception):
    """What a step did is not what a step may do."""


async def _guarded(
    flow: Flow,
    step: Step,
    take: Callable[[], Awaitable[Sequence[Candidate]]],
    before: Sequence[Candidate],
    slot: SlotContext,
) -> list[Candidate]:
    """What a step of another package makes of candidates; they are `failed` where it does what it may not."""
    try:
        try:
            return _checked(await take(), before, slot)
        except CandidateEnds as end:
            ending = plain_ending(end)
            _check_state(ending.state)
    except (LabgenError, NotPaid):
        raise
    except Exception as error:
        # Anybody's code: whatever it raises must end these candidates and nothing else.
        words = str(error) if isinstance(error, _Fault) else crash(error)
        ending = CandidateEnds(State.FAILED, f"flow_{flow.name}: {type(step).__name__}: {words}")
    if not before:
        return [nothing_drawn(slot, ending)]
    return [candidate if candidate.state else ended(candidate, ending) for candidate in before]


def _checked(taken: Sequence[Candidate], before: Sequence[Candidate], slot: SlotContext) -> list[Candidate]:
    """What a step gave back, as plain data. Raises: _Fault: not the candidates that it was given, or no candidates."""
    which, found = slot.asker.slot, list(taken)
    wrong = [each for each in found if not isinstance(each, Candidate)]
    if wrong:
        raise _Fault(f"it gave a {type(wrong[0]).__name__}, which is no candidate")
    if any((each.leaf, each.slot) != (which.leaf, which.index) for each in found):
        raise _Fault("it gave a candidate of another leaf or slot")
    positions = [each.position for each in found]
    if not all(isinstance(position, int) for position in positions):
        raise _Fault("its candidates' positions are not whole numbers")
    if before and positions != [each.position for each in before]:
        raise _Fault(f"it was given {len(before)} candidates, and gave {len(found)} or others")
    if len(set(positions)) < len(positions):
        raise _Fault("it gave two candidates of one position")
    ended_before = {each.position: each for each in before if each.state}
    return [ended_before.get(each.position) or _plain(each, slot) for each in found]


def _plain(candidate: Candidate, slot: SlotContext) -> Candidate:
    """A candidate with Python's own texts and numbers. Raises: _Fault: something in it is not what it should be."""
    context = "" if candidate.context is None else candidate.context
    texts = (candidate.instruction, candidate.response, context, candidate.reason, candidate.raw)
    if not all(isinstance(text, str) for text in texts):
        raise _Fault("its candidate's instruction, response, context, reason and raw are not all text")
    which = slot.asker.slot
    if candidate.source not in (None, None if which.chunk is None else slot.plan.chunks[which.chunk].source):
        raise _Fault("its candidate's source is not that of the slot's passage")
    if not all(isinstance(index, int) for index in candidate.seed_examples):
        raise _Fault("its candidate's seed_examples are not indices of seed examples")
    if not all(isinstance(key, bytes) for key in candidate.calls):
        raise _Fault("its candidate's calls are not keys of calls")
    if candidate.state is not None:
        _check_state(candidate.state)
    for verdict in candidate.verdicts:
        if problem := fault_of_verdict(verdict):
            raise _Fault(problem)
    return replace(
        candidate,
        instruction=str(candidate.instruction),
        response=str(candidate.response),
        context=None if candidate.context is None else str(candidate.context),
        reason=str(candidate.reason),
        raw=str(candidate.raw),
        calls=tuple(candidate.calls),
        seed_examples=tuple(candidate.seed_examples),
        truncated=bool(candidate.truncated),
        verdicts=tuple(map(plain_verdict, candidate.verdicts)),
    )


def _check_state(state: State) -> None:
    if not isinstance(state, State) or state in FINAL_STATES:
        raise _Fault(f"it may not end a candidate as `{state}`")
