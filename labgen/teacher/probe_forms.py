"""Which forms of a request an endpoint takes: the other API, a system role, a seed, a schema for each API."""

from __future__ import annotations

import json
from typing import Any

from labgen.records import Message
from labgen.teacher.finding import NOTHING
from labgen.teacher.openai_client import Answer
from labgen.teacher.probing import ASK, Probe, body_of, text_of

SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "ready", "strict": True, "schema": SCHEMA}}
SCHEMA_TOKENS = 48
"""Reply limit of a call with a schema; a dozen tokens fill it."""


async def probe_forms(probe: Probe) -> None:
    """Find out what is taken, at the price of six to eight short calls."""
    chat = probe.spec.chat_format is None
    other = await _other_api(probe)
    await _system_role(probe)
    await _seed(probe)
    for api in (chat, *((not chat,) if other else ())):
        await _schema(probe, chat=api)


async def _other_api(probe: Probe) -> bool:
    chat = probe.spec.chat_format is not None
    answer = await probe.ask(chat=chat)
    there = bool(body_of(answer))
    words = "answered" if there else f"not here (HTTP {answer.status})" if answer.status else "no reply"
    probe.find("chat" if chat else "completions", "ok", words, "Not asked for.")
    return there


async def _system_role(probe: Probe) -> None:
    if probe.spec.chat_format is not None:
        probe.find("system role", "skip", "the prompt format writes it")
        return
    answer = await probe.ask((Message("system", "You answer in one word."), *ASK))
    if body_of(answer):
        probe.find("system role", "ok", "accepted")
        return
    probe.lacking.add("system")
    words = f"refused ({answer.words}); system text goes into the first user turn"
    probe.find("system role", "warn", words, "Nothing to do: labgen works around it.")


async def _seed(probe: Probe) -> None:
    first, second = [await probe.ask(seed=7, temperature=1.0) for _ in range(2)]
    if not (body_of(first) and body_of(second)):
        refused = first.status == 400 or second.status == 400
        if refused:
            probe.lacking.add("seed")
        words = "refused: it is left out" if refused else f"not found out ({first.words or second.words})"
        probe.find("seed", "warn", words, "Nothing to do: the ledger makes builds repeatable all the same.")
        return
    same = text_of(first) == text_of(second)
    words = "the same reply twice" if same else "accepted, but replies differ"
    probe.find("seed", "ok", words, NOTHING if same else "Nothing to do: the ledger makes builds repeatable.")


async def _schema(probe: Probe, *, chat: bool) -> None:
    """Whether a reply is held to a schema that its prompt says nothing of."""
    name = f"JSON schema ({'chat' if chat else 'completions'})"
    configured = chat is (probe.spec.chat_format is None)
    answer = await probe.ask(chat=chat, response_format=FORMAT, limit_tokens=SCHEMA_TOKENS)
    if _held(answer):
        probe.find(name, "ok", "honoured")
        return
    refused = answer.status in (400, 422)
    if refused and configured:
        probe.lacking.add("response_format")
    own = await probe.ask(chat=chat, json_schema=SCHEMA, limit_tokens=SCHEMA_TOKENS)
    if _held(own):
        what = "refused" if refused else "ignored"
        words = f"`response_format` is {what}, the server's own field `json_schema` is honoured"
        probe.find(name, "ok", words, "Nothing to do: labgen finds that out by itself.")
        return
    if refused:
        words = "refused: it is left out, replies are read from text"
    elif body_of(answer):
        words = "accepted, but not honoured: replies are read from text"
    else:
        words = f"not found out ({answer.words or 'no reply'})"
    todo = "Nothing to do; a server that honours it wastes fewer calls." if configured else "Not asked for."
    probe.find(name, "warn", words, todo)


def _held(answer: Answer) -> bool:
    try:
        value: Any = json.loads(text_of(answer))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and isinstance(value.get("ready"), bool)
