"""The judges' replies: verdicts computed from what is shown, as JSON."""

from __future__ import annotations

import json
from typing import Any

from labgen.formats.conversation_text import question_now
from labgen.lazy import re
from labgen.teacher.rehearsal.grounded import Claim, judge_grounded
from labgen.teacher.rehearsal.hazards import hazard_in
from labgen.teacher.rehearsal.instructing import fault_of
from labgen.teacher.rehearsal.pairs import judge_pair
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import STOP_WORDS, split_words, stems

_BEYOND = re.compile(
    r"\b(?:attached (?:file|image|picture|document|photo)|"
    r"in the (?:image|picture|photo|video) (?:above|below|attached)|"
    r"(?:look at|see|watch|listen to) (?:this|the) (?:image|picture|photo|video|recording|audio)|"
    r"(?:browse|search) the (?:web|internet)|(?:open|visit) (?:this|the) (?:link|url|website)|what time is it now|"
    r"(?:today's|current) (?:weather|stock price|news)|my (?:calendar|inbox|screen)|"
    r"we talked (?:about )?(?:last|yesterday))\b",
    re.IGNORECASE,
)


def verdict_on_instructions(request: Request) -> dict[str, Any]:
    """The reply to `judge instructions`."""
    manner = stems(request.description)
    common: set[str] = set()
    for example in request.examples:
        manner |= stems(example.instruction)
        common |= {word.lower() for word in split_words(example.instruction)}
    verdicts = [
        _instruction(number, text, manner, common, request) for number, text in enumerate(request.candidates, start=1)
    ]
    return {"verdicts": verdicts}


def _instruction(number: int, text: str, manner: frozenset[str], common: set[str], request: Request) -> dict[str, Any]:
    hazard, _ = hazard_in(text)
    own = stems(text)
    on_task = bool(own & manner) or not manner or bool(own & stems(request.document))
    if not on_task and len(own) < 6:
        on_task = any(word.lower() in common for word in split_words(text) if word.lower() in STOP_WORDS)
    if not on_task and request.examples:
        asking = sum("?" in example.instruction for example in request.examples)
        on_task = "?" in text and 2 * asking >= len(request.examples)
    fault = fault_of(text, tuple(example.instruction for example in request.examples))
    answerable = _BEYOND.search(text) is None
    reason = "fits"
    if fault:
        on_task, reason = False, fault
    elif not on_task:
        reason = "another kind of task"
    elif not answerable:
        reason = "needs more than text"
    elif hazard:
        reason = hazard
    return {
        "id": number,
        "on_task": _yes(on_task),
        "answerable": _yes(answerable),
        "safe": _yes(not hazard),
        "hazard": hazard or "none",
        "reason": reason,
    }


def verdict_on_pair(request: Request) -> dict[str, Any]:
    """The reply to `judge a pair`."""
    score, reason = judge_pair(request.examples, question_now(request.query), request.reply)
    hazard, _ = hazard_in(request.query, request.reply)
    return {"score": score, "safe": _yes(not hazard), "hazard": hazard or "none", "reason": reason}


def verdict_on_grounded(request: Request, max_tokens: int) -> dict[str, Any]:
    """The reply to `judge a grounded pair`, its claims shortened to what `max_tokens` has room for."""
    # A knowledge leaf's prompt has no task description, nor has that of a skill without one; but knowledge is asked.
    query = question_now(request.query)
    skill = bool(request.description) or not any(mark in query for mark in "?？؟")
    found = judge_grounded(request.document, query, request.reply, skill=skill)
    hazard, _ = hazard_in(request.query, request.reply)
    return {
        "answerable": _yes(found.answerable),
        "relevant": _yes(found.relevant),
        "score": found.score,
        "safe": _yes(not hazard),
        "hazard": hazard or "none",
        "reason": found.reason,
        "claims": [
            {"claim": _short(claim.text), "evidence": claim.evidence, "supported": _yes(claim.supported)}
            for claim in _fitting(found.claims, max_tokens)
        ],
    }


def _fitting(claims: tuple[Claim, ...], max_tokens: int) -> list[Claim]:
    """As many claims as fit, those without support first, since they decide."""
    room = max_tokens * 3 - 400
    kept: list[tuple[int, Claim]] = []
    for _, number, claim in sorted(
        ((claim.supported, number, claim) for number, claim in enumerate(claims)), key=lambda row: row[:2]
    ):
        room -= len(json.dumps([_short(claim.text), claim.evidence], ensure_ascii=False).encode()) + 60
        if room < 0 and kept:
            break
        kept.append((number, claim))
    return [claim for _, claim in sorted(kept, key=lambda pair: pair[0])]


def _short(text: str) -> str:
    return text if len(text) <= 120 else text[:119].rsplit(" ", 1)[0] + "…"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
