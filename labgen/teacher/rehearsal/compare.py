"""Comparing two responses, and rating one: by the score as a pair, then by how much of the query it takes up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from labgen.formats.conversation_text import question_now
from labgen.teacher.rehearsal.grounded import judge_grounded
from labgen.teacher.rehearsal.pairs import judge_pair
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import content, stems


def verdict_on_two(request: Request) -> dict[str, Any]:
    """The reply to `compare two responses`; neither is better where there are not two."""
    if len(request.candidates) != 2:
        return {"better": 0, "strength": 1, "reason": "there are not two responses"}
    (first, why_first), (second, why_second) = (_marks(request, each) for each in request.candidates)
    if first == second:
        return {"better": 0, "strength": 1, "reason": "both do equally well"}
    better, worse_is = (1, why_second) if first > second else (2, why_first)
    strength = 1 + min(2, abs(first[0] - second[0]))
    return {"better": better, "strength": strength, "reason": f"of the other one: {worse_is}"}


def rating_of(request: Request) -> dict[str, Any]:
    """The reply to `rate an answer`: 2, 5 or 8 by its score as a pair, and up to 2 more by what it takes up."""
    query = question_now(request.query)
    (score, taken_up), reason = _marks(replace(request, query=query), request.reply)
    more = min(2, 2 * taken_up // max(1, len(content(query))))
    return {"rating": 3 * score - 1 + more, "reason": reason}


def _marks(request: Request, reply: str) -> tuple[tuple[int, int], str]:
    """How good a response is, the larger the better, and what is to be said of it."""
    if request.document:
        found = judge_grounded(request.document, request.query, reply, skill=bool(request.description))
        score, reason = found.score, found.reason
    else:
        score, reason = judge_pair(request.examples, request.query, reply)
    return (score, len(content(request.query) & stems(reply))), reason
