"""A judge's rating of one answer, 1 to 10, alone or as the next one of a conversation.

Source: MT-Bench's single-answer grading (arXiv 2306.05685, section 3.1 and figure 6), with a reference answer where
there is one (section 3.4). Ours has other words, says what the numbers mean, and asks for JSON.
"""

from __future__ import annotations

from functools import lru_cache

from labgen.filters.base import SlotContext
from labgen.formats.prompts import Prompt
from labgen.formats.reading import read_fields
from labgen.formats.schemas import bounded_text, object_of
from labgen.lazy.dataclasses import dataclass
from labgen.records import Schema

RATE = Prompt("rate_answer", rehearsed_as="rate an answer")
LOWEST, HIGHEST = 1, 10
REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class Rating:
    """What a judge says of an answer: a whole number from `LOWEST` to `HIGHEST`, and why."""

    value: int
    reason: str = ""


async def rate(
    question: str, answer: str, slot: SlotContext, *, context: str | None, reference: str, earlier: bool
) -> Rating:
    """Ask the judge for its rating.

    Args:
        question: with the conversation before it where `earlier` (see `labgen.formats.conversation_text`).
        context: what the answer must be borne out by; None for nothing.
        reference: an answer that is known to be good; empty for none.
    Raises: CandidateEnds: no reply, or none that can be read.
    """
    reading = await slot.asker.judge_with(
        RATE.name,
        read_rating,
        schema=rating_schema(),
        leaf=slot.plan.leaf,
        instruction=question,
        response=answer,
        context=context,
        reference=reference,
        earlier=earlier,
    )
    return reading.value


def read_rating(text: str) -> Rating | None:
    """A rating out of a reply; None where it can't be read."""
    fields = read_fields(text, {"rating": "score10", "reason": "text?"})
    return Rating(int(str(fields["rating"])), str(fields["reason"] or "")) if fields else None


@lru_cache(maxsize=1)
def rating_schema() -> Schema:
    """A rating as JSON."""
    numbers = {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))}
    return object_of({"rating": numbers, "reason": bounded_text(REASON_CHARS)})
