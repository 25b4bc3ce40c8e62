"""The rehearsal teacher's model: a pure function from a request to a completion.

The reply depends on the request's logical content (what its headers and tags hold), the seed, the temperature, the
token limit and the number of the choice; not on the prompt format it came in, on time, or on other requests.
At temperature 0 the seed plays no part, as with a real model that decodes greedily.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labgen.records import Message
from labgen.teacher.rehearsal import slips
from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.judge import verdict_on_grounded, verdict_on_instructions, verdict_on_pair
from labgen.teacher.rehearsal.questions import question_answer_pairs
from labgen.teacher.rehearsal.request import Request, read_request
from labgen.teacher.rehearsal.respond import response
from labgen.teacher.rehearsal.vary import instructions_on, new_context, new_instructions

BYTES_PER_TOKEN = 4
"""The estimate behind usage counts and `max_tokens`: UTF-8 bytes to a token."""


_Writer = Callable[[Dice, Request, int, bool], str]
"""From the dice, the request, the room in bytes, and whether to err now and then, to a text."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply. `finish_reason` is `stop` or `length`; token counts are estimates."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


def reply(
    messages: Sequence[Message],
    *,
    seed: int,
    temperature: float,
    max_tokens: int,
    index: int = 0,
    stop: Sequence[str] = (),
    schema: Mapping[str, Any] | None = None,
    tasks: Mapping[str, str] | None = None,
) -> Completion:
    """Answer a conversation, or a plain prompt given as one user message.

    Args:
        messages: the conversation; one that has none of labgen's headers gets a plain sentence.
        seed: any whole number; another seed, another draw (except at temperature 0).
        temperature: 0 or more; 0 makes no errors but `slips.MALFORMED_VERDICT_SHARE`.
        max_tokens: at least 1; the text is cut there, with `finish_reason` `length`.
        index: number of the choice where several are asked for; each gets its own text.
        stop: the text ends before the first of these.
        schema: a JSON schema the reply is held to: verdicts come as bare JSON, never malformed.
        tasks: the words after `## Task:` in a prompt, to the skill (of `SKILLS`) that answers it; a skill's own name
            needs no entry.
    Returns: the completion; never raises for anything a prompt may hold.
    """
    request = read_request(messages, tasks or {})
    dice = Dice(request.content(), seed if temperature > 0 else 0, index)
    write = _WRITERS.get(request.task)
    if write is not None:
        text = write(dice, request, max_tokens * BYTES_PER_TOKEN, temperature > 0)
    elif request.task in _JUDGES:
        text = _verdict(dice, request, max_tokens, bare=schema is not None)
    else:
        text = _plain_sentence(dice, request)
    finish_reason = "stop"
    if write is not None and temperature > 0 and not request.restating and dice.chance(slips.TRUNCATED_SHARE):
        text, finish_reason = text[: max(1, len(text) * 2 // 3)], "length"
    places = [place for mark in stop if mark and (place := text.find(mark)) >= 0]
    if places:
        text, finish_reason = text[: min(places)], "stop"
    encoded = text.encode("utf-8", "replace")
    if len(encoded) > max_tokens * BYTES_PER_TOKEN:
        encoded = encoded[: max_tokens * BYTES_PER_TOKEN]
        text, finish_reason = encoded.decode("utf-8", "ignore"), "length"
    prompt_bytes = sum(len(message.content.encode("utf-8", "replace")) for message in messages)
    return Completion(text, finish_reason, _tokens(prompt_bytes), _tokens(len(encoded)))


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _knowledge_pairs(dice: Dice, request: Request, room: int, erring: bool) -> str:
    seeds = [pair[0] for example in request.examples for pair in example.pairs]
    pairs: list[str] = []
    for drawn in question_answer_pairs(dice, request):
        question, answer = drawn
        if erring and seeds and dice.chance(slips.NEAR_DUPLICATE_SHARE):
            question = slips.near_duplicate(dice, dice.pick(seeds))
        elif erring and dice.chance(slips.UNGROUNDED_SHARE):
            answer = slips.ungrounded(dice, answer)
        pair = f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"
        room -= len(pair.encode("utf-8", "replace")) + 2
        if room < 0 and pairs:
            break
        pairs.append(pair)
    return _formed(dice, request, "\n\n".join(pairs) or "There is nothing in this that could be asked.", erring)


def _instructions(
    draw: Callable[[Dice, Request, int], list[str]],
) -> _Writer:
    def write(dice: Dice, request: Request, room: int, erring: bool) -> str:
        seeds = [example.instruction for example in request.examples if example.instruction]
        texts = [
            slips.near_duplicate(dice, dice.pick(seeds))
            if erring and seeds and dice.chance(slips.NEAR_DUPLICATE_SHARE)
            else text
            for text in draw(dice, request, room)
        ]
        form = "\n\n".join(f"<instruction>\n{text}\n</instruction>" for text in texts)
        return _formed(dice, request, form, erring)

    return write


def _context(dice: Dice, request: Request, room: int, erring: bool) -> str:
    return _formed(dice, request, f"<context>\n{new_context(dice, request, room - 40)}\n</context>", erring)


def _response(dice: Dice, request: Request, room: int, erring: bool) -> str:
    text = response(dice, request, room)
    if erring and dice.chance(slips.REFUSAL_SHARE):
        return dice.pick(slips.REFUSALS)
    if erring and request.document and dice.chance(slips.UNGROUNDED_SHARE):
        return slips.ungrounded(dice, text)
    return text


def _formed(dice: Dice, request: Request, text: str, erring: bool) -> str:
    # Drawn before looking at `restating`, so that both turns draw alike and the content stays the same.
    slipped = dice.chance(slips.MALFORMED_SHARE)
    return slips.malformed(dice, text) if slipped and erring and not request.restating else text


def _verdict(dice: Dice, request: Request, max_tokens: int, *, bare: bool) -> str:
    if not bare and not request.restating and dice.chance(slips.MALFORMED_VERDICT_SHARE):
        return slips.malformed_verdict(dice)
    if request.task == "judge a grounded pair":
        found = verdict_on_grounded(request, max_tokens)
    else:
        found = _JUDGES[request.task](request)
    text = json.dumps(found, ensure_ascii=False)
    if bare or request.restating:
        return text
    return dice.pick(("{}", "{}", "{}", "{}", "```json\n{}\n```", "Here is my judgement.\n\n{}")).replace("{}", text, 1)


def _plain_sentence(dice: Dice, request: Request) -> str:
    about = " ".join(request.query.split()[-8:])[-80:]
    opening = dice.pick(("This is a rehearsal", "I only rehearse", "Nothing but a rehearsal"))
    return f"{opening}: I know the prompts of labgen and no others. You wrote: {about}"


_WRITERS: dict[str, _Writer] = {
    "question-answer pairs": _knowledge_pairs,
    "new instructions": _instructions(new_instructions),
    "new context": _context,
    "new instructions on a context": _instructions(instructions_on),
    "respond": _response,
}
_JUDGES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "judge instructions": verdict_on_instructions,
    "judge a pair": verdict_on_pair,
    "judge a grounded pair": lambda request: verdict_on_grounded(request, 1024),
}

SKILLS = (*_WRITERS, *_JUDGES, "restate")
"""What the rehearsal teacher can do. In the prompts that come with labgen, `## Task:` names the skill itself."""
