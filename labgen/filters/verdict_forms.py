"""The schemas of verdicts, made to fit the judge's token limit: no judge can loop to its end inside one.

What is required and short comes before what is long, so that a verdict which breaks off still says the most.
"""

from __future__ import annotations

from functools import lru_cache

from labgen.formats.schemas import CHARS_PER_TOKEN, YES_NO, array_of, bounded_text, object_of
from labgen.lazy import re
from labgen.records import Schema

HAZARD_CHARS = 40
"""The longest name of a hazard has 32."""

REASON_CHARS = 200
_LEAST_REASON_CHARS = 20
_VERDICT_CHARS = 160
"""Characters of a verdict beside its texts: names, answers, brackets and white space."""

_CLAIM_CHARS = 70
"""The same of one claim."""

_EVIDENCE_SHARE = 0.65
"""Part of a claim's characters that its evidence may have: it is copied in full, the claim itself may be shortened."""

_QUOTES = 2
"""Stretches of words that may bear out one sentence of a document."""

_STEPS = (6, 12, 20)
"""How many claims a verdict may have; few different schemas, since servers compile each one that they meet."""

_SENTENCE_END = re.compile(r"[.!?;:\n。！？]+")
_SCORE = {"type": "integer", "enum": [1, 2, 3]}


@lru_cache(maxsize=64)
def instructions_schema(count: int, max_tokens: int) -> Schema:
    """Verdicts on `count` instructions in a reply of at most `max_tokens`."""
    room = max_tokens * CHARS_PER_TOKEN // count - _VERDICT_CHARS - HAZARD_CHARS
    verdict = object_of(
        {
            "id": {"type": "integer", "enum": list(range(1, count + 1))},
            "on_task": YES_NO,
            "answerable": YES_NO,
            "safe": YES_NO,
            "hazard": bounded_text(HAZARD_CHARS),
            "reason": _reason(room),
        }
    )
    return object_of({"verdicts": array_of(verdict, least=count, most=count)})


@lru_cache(maxsize=8)
def pair_schema(max_tokens: int) -> Schema:
    """A verdict on a pair in a reply of at most `max_tokens`."""
    room = max_tokens * CHARS_PER_TOKEN - _VERDICT_CHARS - HAZARD_CHARS
    return object_of({"score": _SCORE, "safe": YES_NO, "hazard": bounded_text(HAZARD_CHARS), "reason": _reason(room)})


@lru_cache(maxsize=32)
def grounded_schema(claims: int, max_tokens: int) -> Schema:
    """A verdict on a grounded pair with at most so many claims in a reply of at most `max_tokens`."""
    claim = object_of(
        {
            "claim": bounded_text(int(_claim_room(claims, max_tokens) * (1 - _EVIDENCE_SHARE))),
            "evidence": bounded_text(evidence_chars(claims, max_tokens)),
            "supported": YES_NO,
        }
    )
    return object_of(
        {
            "answerable": YES_NO,
            "relevant": YES_NO,
            "score": _SCORE,
            "safe": YES_NO,
            "hazard": bounded_text(HAZARD_CHARS),
            "reason": _reason(REASON_CHARS),
            "claims": array_of(claim, least=0, most=claims),
        }
    )


@lru_cache(maxsize=64)
def document_schema(count: int, max_tokens: int) -> Schema:
    """Verdicts on `count` sentences of a document in a reply of at most `max_tokens`."""
    quote = bounded_text(document_evidence_chars(count, max_tokens))
    sentence = object_of(
        {
            "id": {"type": "integer", "enum": list(range(1, count + 1))},
            "evidence": array_of(quote, least=0, most=_QUOTES),
            "supported": YES_NO,
        }
    )
    return object_of(
        {
            "safe": YES_NO,
            "hazard": bounded_text(HAZARD_CHARS),
            "sentences": array_of(sentence, least=count, most=count),
        }
    )


def document_evidence_chars(count: int, max_tokens: int) -> int:
    """The most characters of one stretch of words that bears out one of `count` sentences of a document."""
    room = max_tokens * CHARS_PER_TOKEN - _VERDICT_CHARS - HAZARD_CHARS
    return max(_LEAST_REASON_CHARS, (room // count - _CLAIM_CHARS) // _QUOTES)


def most_claims(response: str) -> int:
    """How many claims a verdict on a response may list: well above what its sentences hold."""
    likely = 2 * (1 + len(_SENTENCE_END.findall(response.strip().rstrip(".!?。！？")))) + 3
    return next((step for step in _STEPS if step >= likely), _STEPS[-1])


def evidence_chars(claims: int, max_tokens: int) -> int:
    """The most characters of the words that bear out one of so many claims."""
    return int(_claim_room(claims, max_tokens) * _EVIDENCE_SHARE)


def _claim_room(claims: int, max_tokens: int) -> int:
    room = max_tokens * CHARS_PER_TOKEN - _VERDICT_CHARS - HAZARD_CHARS - REASON_CHARS
    return max(60, room // claims - _CLAIM_CHARS)


def _reason(room: int) -> dict[str, object]:
    return bounded_text(max(_LEAST_REASON_CHARS, min(REASON_CHARS, room)))
