"""Responses: extractive where there is a document, else built from the instruction's words in the seeds' manner."""

from __future__ import annotations

import re

from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.request import Request
from labgen.teacher.rehearsal.sentences import ASKING_WORDS, content, is_wide, sentences, split_words, stem, stems
from labgen.teacher.rehearsal.vary import TOKEN, is_english, task_words

_OPENINGS = (
    "As for {0}:",
    "On {0}, this is what I would say.",
    "Here is an answer about {0}.",
    "You asked about {0}.",
    "With {0} in mind:",
)
_WARM_OPENINGS = (
    "What a fine thing to ask about: {0}!",
    "Gladly, let us turn to {0}.",
    "Picture it for a moment: {0}.",
)


def response(dice: Dice, request: Request, room: int) -> str:
    """A response to the request's query, of at most `room` bytes where it has a sentence's end before that."""
    text = _extracted(dice, request) if request.document else _composed(dice, request)
    if len(text) * 4 <= room or len(text.encode("utf-8", "replace")) <= room:
        return text
    short = text.encode("utf-8", "replace")[:room].decode("utf-8", "ignore")
    end = max(short.rfind(mark) for mark in (". ", ".\n", "\n", "。"))
    return short[: end + 1] if end > len(short) // 2 else text


def _extracted(dice: Dice, request: Request) -> str:
    """The document's sentences that are closest to the query, in the document's order, at about the seeds' length."""
    every = sentences(request.document)
    if not every:
        return request.document or request.query
    wanted = stems(request.query)
    order = dice.shuffled(range(len(every)))
    ranked = sorted(order, key=lambda number: -len(every[number].stems & wanted))
    limit = _usual_length(request)
    taken: list[int] = []
    length = 0
    for number in ranked:
        taken.append(number)
        length += len(every[number].text)
        if length >= limit or len(taken) == 8:
            break
    return " ".join(every[number].text for number in sorted(taken))


def _usual_length(request: Request) -> int:
    """Middle length of the examples' responses in characters, 40 to 2000."""
    lengths = sorted(len(example.response) for example in request.examples) or [200]
    return min(max(lengths[len(lengths) // 2], 40), 2000)


def _composed(dice: Dice, request: Request) -> str:
    """An example's response with its subject words exchanged for the query's, after a sentence that names them."""
    subjects = _subjects(request)
    given = [example for example in request.examples if example.response]
    if not given:
        return f"{', '.join(subjects[:6])}."
    base = dice.pick(given)
    text = base.response
    if not subjects:
        return text
    if not is_wide(text):
        text = _resubjected(dice, text, base.instruction, subjects, request)
    if not is_english(" ".join(example.instruction for example in given)):
        return f"{', '.join(subjects[:5])}: {text}"
    first, later = subjects[:5], [word for word in subjects[5:20] if word[0].isdigit()]
    named = ", ".join([*first[:-1], *later]) + (" and " if first[1:] else "") + first[-1]
    opening = dice.pick(_WARM_OPENINGS if request.creative else _OPENINGS).format(named)
    return f"{opening}{chr(10) if chr(10) in text else ' '}{text}"


def _subjects(request: Request) -> list[str]:
    """The query's content words that the task as such does not have, longest stretch of text first to last."""
    shared = task_words(request, [example.instruction for example in request.examples])
    found = [word for word in split_words(request.query) if word.lower() not in ASKING_WORDS]
    own = [word for word in found if stem(word) not in shared and (len(word) > 2 or word[0].isdigit())]
    return list(dict.fromkeys(own or found))


def _resubjected(dice: Dice, text: str, instruction: str, subjects: list[str], request: Request) -> str:
    there = content(instruction)
    shared = task_words(request, [example.instruction for example in request.examples])
    chosen: dict[str, str] = {}
    plain = [word for word in subjects if not word[0].isdigit()] or subjects
    # A sum that is half exchanged would be wrong on the face of it.
    figures = [] if "=" in text else [word for word in subjects if word[0].isdigit()]

    def exchange(match: re.Match[str]) -> str:
        word = match[0]
        if word[-1] in ".)":
            return word
        key = stem(word)
        if word[0].isdigit():
            return chosen.setdefault(key, dice.pick(figures) if figures else word)
        if len(word) < 4 or word.lower() in ASKING_WORDS or key in shared or key not in there:
            return word
        return chosen.setdefault(key, dice.pick(plain))

    return TOKEN.sub(exchange, text)
