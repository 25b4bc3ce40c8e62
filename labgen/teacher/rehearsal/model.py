"""The rehearsal teacher's model: a pure function from a request to a completion.

The reply depends on the request's logical content (what its headers and tags hold), the seed, the temperature, the
token limit and the number of the choice; not on the prompt format it came in, on time, or on other requests.
At temperature 0 the seed plays no part, as with a real model that decodes greedily.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.records import Message
from labgen.teacher.rehearsal import slips
from labgen.teacher.rehearsal.compare import rating_of, verdict_on_two
from labgen.teacher.rehearsal.dice import Dice
from labgen.teacher.rehearsal.documents import document_on, verdict_on_document
from labgen.teacher.rehearsal.judge import verdict_on_grounded, verdict_on_instructions, verdict_on_pair
from labgen.teacher.rehearsal.planned import plan_of
from labgen.teacher.rehearsal.questions import question_answer_pairs
from labgen.teacher.rehearsal.request import Request, read_request
from labgen.teacher.rehearsal.respond import response
from labgen.teacher.rehearsal.vary import instructions_on, new_context, new_instructions

BYTES_PER_TOKEN = 4
"""The estimate behind usage counts and `max_tokens`: UTF-8 bytes to a token."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """How a draw or a response is asked for.

    Attributes:
        room: bytes that the reply has.
        erring: whether to err now and then.
        as_json: whether a schema holds the reply to JSON; it comes in tags otherwise.
    """

    room: int
    erring: bool
    as_json: bool


_Writer = Callable[[Dice, Request, _Asked], str]


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
        schema: a JSON schema the reply is held to: verdicts come as bare JSON, never malformed; draws come as JSON
            too, but for those that err on purpose.
        tasks: the words after `## Task:` in a prompt, to the skill (of `SKILLS`) that answers it; a skill's own name
            needs no entry.
    Returns: the completion; never raises for anything a prompt may hold.
    """
    request = read_request(messages, tasks or {})
    dice = Dice(request.content(), seed if temperature > 0 else 0, index)
    write = _WRITERS.get(request.task)
    if write is not None:
        asked = _Asked(max_tokens * BYTES_PER_TOKEN, temperature > 0, schema is not None)
        text = write(dice, request, asked)
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


def _knowledge_pairs(dice: Dice, request: Request, asked: _Asked) -> str:
    seeds = [pair[0] for example in request.examples for pair in example.pairs]
    room = asked.room
    pairs: list[tuple[str, str]] = []
    for drawn in question_answer_pairs(dice, request):
        question, answer = drawn
        if asked.erring and seeds and dice.chance(slips.NEAR_DUPLICATE_SHARE):
            question = slips.near_duplicate(dice, dice.pick(seeds))
        elif asked.erring and dice.chance(slips.UNGROUNDED_SHARE):
            answer = slips.ungrounded(dice, answer)
        room -= len(_pair(question, answer).encode("utf-8", "replace")) + 2
        if room < 0 and pairs:
            break
        pairs.append((question, answer))
    if not pairs:
        return _formed(dice, request, asked, "There is nothing in this that could be asked.", None)
    items = [{"question": question, "answer": answer} for question, answer in pairs]
    return _formed(dice, request, asked, "\n\n".join(_pair(*pair) for pair in pairs), {"pairs": items})


def _pair(question: str, answer: str) -> str:
    return f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"


def _document(dice: Dice, request: Request, asked: _Asked) -> str:
    title, said = document_on(dice, request, asked.room)
    if not said:
        return _formed(dice, request, asked, "There is nothing in this that could be told.", None)
    if asked.erring and dice.chance(len(said) * slips.UNGROUNDED_SHARE):
        place = dice.below(len(said))
        said[place] = slips.ungrounded(dice, said[place])
    text = "\n".join(f"- {sentence}" for sentence in said)
    form = f"<title>{title}</title>\n<text>\n{text}\n</text>"
    return _formed(dice, request, asked, form, {"title": title, "text": text})


def _instructions(
    draw: Callable[[Dice, Request, int], list[str]],
) -> _Writer:
    def write(dice: Dice, request: Request, asked: _Asked) -> str:
        seeds = [example.instruction for example in request.examples if example.instruction]
        texts = [
            slips.near_duplicate(dice, dice.pick(seeds))
            if asked.erring and seeds and dice.chance(slips.NEAR_DUPLICATE_SHARE)
            else text
            for text in draw(dice, request, asked.room)
        ]
        form = "\n\n".join(f"<instruction>\n{text}\n</instruction>" for text in texts)
        return _formed(dice, request, asked, form, {"instructions": texts})

    return write


def _context(dice: Dice, request: Request, asked: _Asked) -> str:
    text = new_context(dice, request, asked.room - 40)
    return _formed(dice, request, asked, f"<context>\n{text}\n</context>", {"context": text})


def _response(dice: Dice, request: Request, asked: _Asked) -> str:
    text = response(dice, request, asked.room)
    if asked.erring and dice.chance(slips.REFUSAL_SHARE):
        return dice.pick(slips.REFUSALS)
    if asked.erring and request.document and dice.chance(slips.UNGROUNDED_SHARE):
        return slips.ungrounded(dice, text)
    return text


def _planned_response(dice: Dice, request: Request, asked: _Asked) -> str:
    answer = _response(dice, request, replace(asked, room=asked.room // 2))
    plan = plan_of(dice, request, answer)
    tagged = f"<plan>\n{plan}\n</plan>\n<response>\n{answer}\n</response>"
    return _formed(dice, request, asked, tagged, None)


def _follow_up(dice: Dice, request: Request, asked: _Asked) -> str:
    """What may be asked next: on a passage another of its facts, else one more instruction of the kind."""
    if request.document and not request.examples:
        wider = replace(request, count=8)
        pairs = [pair for pair in question_answer_pairs(dice, wider) if pair[1] not in request.reply]
        question, answer = pairs[0] if pairs else ("", "")
    else:
        one = replace(request, count=1)
        question = (instructions_on if request.document else new_instructions)(dice, one, asked.room // 4)[0]
        answer = response(dice, replace(request, query=question), asked.room // 2)
    if not answer:
        return _formed(dice, request, asked, "There is nothing more that could be asked.", None)
    if asked.erring and request.document and dice.chance(slips.UNGROUNDED_SHARE):
        answer = slips.ungrounded(dice, answer)
    return _formed(dice, request, asked, _pair(question, answer), {"pairs": [{"question": question, "answer": answer}]})


def _formed(dice: Dice, request: Request, asked: _Asked, tagged: str, fields: Mapping[str, Any] | None) -> str:
    """A draw in tags, or as JSON where that is asked for, or so that nobody can read it."""
    # Drawn before looking at `restating`, so that both turns draw alike and the content stays the same.
    slipped = dice.chance(slips.MALFORMED_SHARE)
    if slipped and asked.erring and not request.restating:
        return slips.malformed(dice, tagged)
    return json.dumps(fields, ensure_ascii=False) if asked.as_json and fields else tagged


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
    "a document on a passage": _document,
    "a passage rewritten for a question": _document,
    "new instructions": _instructions(new_instructions),
    "new context": _context,
    "new instructions on a context": _instructions(instructions_on),
    "respond": _response,
    "answer again": _response,
    "respond with a plan": _planned_response,
    "a follow-up question": _follow_up,
}
_JUDGES: dict[str, Callable[[Request], dict[str, Any]]] = {
    "judge instructions": verdict_on_instructions,
    "judge a pair": verdict_on_pair,
    "judge a grounded pair": lambda request: verdict_on_grounded(request, 1024),
    "judge a document": verdict_on_document,
    "compare two responses": verdict_on_two,
    "rate an answer": rating_of,
}

SKILLS = (*_WRITERS, *_JUDGES, "restate")
"""What the rehearsal teacher can do. In the prompts that come with labgen, `## Task:` names the skill itself."""
