"""What reviewers' marks do to a slot's candidates, once these have been through their flow, whichever it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labgen.filters.available import FilterSet
from labgen.filters.base import SlotContext, settle
from labgen.records import Candidate, HumanEdit, State, Verdict
from labgen.taxonomy.marks import MarkVerdict, RowMark

REVIEW = "review"
"""Name of the verdict that a mark is."""
VERSION = "1"


async def obey_marks(candidates: Sequence[Candidate], slot: SlotContext, filters: FilterSet) -> tuple[Candidate, ...]:
    """The candidates with the marks on them obeyed; those without a mark as they are.

    One that is marked bad ends, so that its place is drawn again. One that is edited says from now on what a person has
    written: the free filters look at that, and no judge does, since the person is the judge. So an edit also saves what
    a judge turned down.
    """
    return tuple([await _obeyed(each, slot, filters) for each in candidates])


async def _obeyed(candidate: Candidate, slot: SlotContext, filters: FilterSet) -> Candidate:
    mark = slot.plan.marks.on(candidate)
    if mark is None or not mark.changes_rows or not candidate.instruction:
        return candidate
    if mark.verdict is MarkVerdict.EDITED:
        flow = slot.plan.flow
        written = _written(candidate, mark)
        free = (*filters.free(flow, "instruction"), *filters.free(flow, "pair"))
        return await settle(written, free, slot.alone(written))
    if candidate.state is not None:
        return candidate
    said = Verdict(REVIEW, VERSION, 0.0, f"{mark.by or 'a reviewer'}: {mark.reason or 'marked bad'}")
    return replace(
        candidate,
        state=State.MARKED_BAD,
        reason=f"by_a_reviewer: {mark.reason}" if mark.reason else "by_a_reviewer",
        rejected_by=REVIEW,
        verdicts=(*candidate.verdicts, said),
    )


def _written(candidate: Candidate, mark: RowMark) -> Candidate:
    """A candidate with a person's words. What others said of the drawn ones says nothing of these.

    Nor does a second turn stay, which takes up words that may be gone.
    """
    instruction = candidate.instruction if mark.instruction is None else mark.instruction
    response = candidate.response if mark.response is None else mark.response
    return replace(
        candidate,
        instruction=instruction,
        response=response,
        reasoning=candidate.reasoning if response == candidate.response else "",
        verdicts=(Verdict(REVIEW, VERSION, 1.0, "edited"),),
        state=None,
        reason="",
        rejected_by="",
        truncated=False,
        rivals=(),
        follow_up=None,
        edit=HumanEdit(mark.by or "a reviewer", candidate.id, candidate.instruction, candidate.response),
    )
