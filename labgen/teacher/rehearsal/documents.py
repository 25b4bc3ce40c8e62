"""Documents on a passage, and the judging of their sentences: what stands in the passage, word for word."""

from __future__ import annotations

from typing import Any

from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.grounded import judge_grounded
from labgen.teacher.rehearsal.hazards import hazard_in
from labgen.teacher.rehearsal.questions import is_usable, topic_of
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import Sentence, content, sentences


def document_on(dice: Dice, request: Request, room: int) -> tuple[str, list[str]]:
    """A title, and sentences of the request's document in its order, in `room` bytes; none where it has none.

    About half of them; with a question those that have most of its words.
    """
    every = [sentence for sentence in sentences(request.document) if is_usable(sentence)]
    every = every or [sentence for sentence in sentences(request.document) if len(sentence.text) >= 10]
    order = dice.shuffled(list(range(len(every))))
    if asked := content(request.query):
        order.sort(key=lambda number: -len(every[number].stems & asked))
    chosen = sorted(order[: (len(every) + 1) // 2])
    title = topic_of(request.document) or request.description.split("\n")[-1][:60] or "On this subject"
    return title, [sentence.text for sentence in _fitting([every[number] for number in chosen], room - len(title) - 60)]


def _fitting(chosen: list[Sentence], room: int) -> list[Sentence]:
    kept: list[Sentence] = []
    for sentence in chosen:
        room -= len(sentence.text.encode("utf-8", "replace")) + 4
        if room < 0 and kept:
            break
        kept.append(sentence)
    return kept


def verdict_on_document(request: Request) -> dict[str, Any]:
    """The reply to `judge a document`."""
    hazard, _ = hazard_in(*request.candidates)
    return {
        "safe": "no" if hazard else "yes",
        "hazard": hazard or "none",
        "sentences": [_sentence(number, text, request) for number, text in enumerate(request.candidates, start=1)],
    }


def _sentence(number: int, text: str, request: Request) -> dict[str, Any]:
    claims = judge_grounded(request.document, "", text, skill=False).claims
    supported = bool(claims) and all(claim.supported for claim in claims)
    quotes = list(dict.fromkeys(claim.evidence for claim in claims if claim.supported))[:2]
    return {"id": number, "evidence": quotes if supported else [], "supported": "yes" if supported else "no"}
