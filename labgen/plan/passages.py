"""What a slot of a leaf with documents works from: one passage, or two that stand beside each other."""

from __future__ import annotations

from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Slot, Source


def beside(plan: LeafPlan, chunk: int) -> int | None:
    """The passage after one in the same file, else the one before it; None where it is the file's only one."""
    for other in (chunk + 1, chunk - 1):
        if 0 <= other < len(plan.chunks) and _stand_together(plan, other, chunk):
            return other
    return None


def passage_of(plan: LeafPlan, slot: Slot) -> tuple[str, Source] | None:
    """The text that a slot works from, with what it stands under, and where it stands; None without documents.

    Of two passages, in the document's order and with a blank line between them, the place is from the beginning of the
    first to the end of the second.
    """
    if slot.chunk is None:
        return None
    numbers = [slot.chunk] if slot.beside is None else sorted((slot.chunk, slot.beside))
    first, last = plan.chunks[numbers[0]], plan.chunks[numbers[-1]]
    source = Source(first.source.repo, first.source.commit, first.source.file, first.source.start, last.source.end)
    return "\n\n".join(plan.chunks[number].passage for number in numbers), source


def _stand_together(plan: LeafPlan, one: int, other: int) -> bool:
    """Whether two passages are of one file, with none between them that is reserved."""
    first, last = sorted((plan.chunks[one].source, plan.chunks[other].source), key=lambda source: source.start)
    between = (
        chunk for chunk in plan.reserved if _file(chunk.source) == _file(first) and chunk.source.start >= first.end
    )
    return _file(first) == _file(last) and all(chunk.source.start >= last.start for chunk in between)


def _file(source: Source) -> tuple[str, ...]:
    return source.repo, source.commit, source.file
