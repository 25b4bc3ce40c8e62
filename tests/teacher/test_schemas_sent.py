"""How a schema is sent: on chat and on completions, to servers that heed one field or the other, or refuse either."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer, make_call, refusal

from labgen.formats.draw_forms import pairs_form
from labgen.formats.known import find_format
from labgen.records import Call, Message, Reply
from labgen.teacher.http import HttpBackend
from labgen.teacher.quirks import Quirks

SCHEMA = pairs_form(4, 256).schema
READABLE = '{"pairs": [{"question": "Q?", "answer": "A."}]}'


def ask(server: FaultyServer, *calls: Call, api: str = "completions", quirks: Quirks | None = None) -> list[Reply]:
    """Replies to calls, one after the other."""

    async def run() -> list[Reply]:
        format = find_format("plain") if api == "completions" else None
        backend = HttpBackend(server.base_url, "", timeout_sec=5.0, connections=4, chat_format=format, quirks=quirks)
        try:
            return [await backend.ask(call) for call in calls]
        finally:
            await backend.close()

    return asyncio.run(run())


def reply_of(text: str) -> Fault:
    return Fault(body=json.dumps({"choices": [{"text": text, "finish_reason": "stop"}]}).encode())


@pytest.mark.parametrize("heeded", ["response_format", "json_schema"])
def test_completions_are_held_to_a_schema_by_whichever_field_the_server_knows(heeded: str) -> None:
    """vLLM knows `response_format`, llama.cpp (which ignores that one in silence) its own field; no call is in vain."""

    def behave(number: int, body: dict[str, Any]) -> Fault:
        found = body.get(heeded, {})
        schema = found["json_schema"]["schema"] if heeded == "response_format" else found
        return reply_of(READABLE if schema == SCHEMA else "Well.")

    with FaultyServer(behave) as server:
        replies = ask(server, make_call(schema=SCHEMA), make_call("more", schema=SCHEMA))
    assert [reply.text for reply in replies] == [READABLE, READABLE]
    assert len(server.bodies) == 2


@pytest.mark.parametrize(
    ("refused", "words", "other"),
    [
        ("json_schema", "json_schema: Extra inputs are not permitted", "response_format"),
        ("response_format", "Unknown parameter: response_format", "json_schema"),
    ],
)
def test_a_field_that_a_server_refuses_is_tried_once(refused: str, words: str, other: str) -> None:
    """The other one goes on being sent, and the next run knows."""
    notices: list[str] = []
    with FaultyServer(lambda number, body: refusal(400, words) if refused in body else reply_of(READABLE)) as server:
        quirks = Quirks(server.base_url, "m", notice=notices.append)
        ask(server, *(make_call(f"call {number}", schema=SCHEMA) for number in range(3)), quirks=quirks)
    assert [refused in body for body in server.bodies] == [True, False, False, False]
    assert all(other in body for body in server.bodies)
    assert len(notices) == 1


@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize(
    "words",
    [
        "Invalid schema for response_format 'reply': In context=('properties', 'pairs'), 'maxItems' is not permitted.",
        "Failed to initialize samplers: failed to parse grammar",
    ],
)
def test_a_server_without_bounds_is_sent_the_schema_without_them(api: str, words: str) -> None:
    """The form is still held to; it is said and remembered once."""
    notices: list[str] = []

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        if "maxItems" in json.dumps(body):
            return refusal(400, words)
        return reply_of(READABLE) if api == "completions" else None

    with FaultyServer(behave) as server:
        quirks = Quirks(server.base_url, "m", notice=notices.append)
        ask(server, *(make_call(f"call {number}", schema=SCHEMA) for number in range(3)), api=api, quirks=quirks)
    assert ["maxItems" in json.dumps(body) for body in server.bodies] == [True, False, False, False]
    assert all("response_format" in body for body in server.bodies)
    (notice,) = notices
    assert "they are sent without" in notice


def test_the_schema_is_in_the_key_whether_or_not_the_endpoint_has_schemas() -> None:
    """So a ledger never pays twice for an endpoint that lacks them; another schema is another call."""
    call = make_call(schema=SCHEMA)
    with FaultyServer(
        lambda number, body: refusal(400, "no response_format") if "response_format" in body else None
    ) as server:
        ask(server, call, api="chat")
    assert call.key == make_call(schema=SCHEMA).key
    assert len({call.key, make_call().key, make_call(schema=pairs_form(3, 256).schema).key}) == 3


def test_a_base_model_is_stopped_where_it_goes_on_by_itself() -> None:
    """The plain format has no turns, and four stops, which every server takes."""
    with FaultyServer(lambda number, body: reply_of(READABLE)) as server:
        ask(server, make_call(stop=("END",)))
    (body,) = server.bodies
    assert body["prompt"] == "Be kind.\n\nHello\n\nReply:\n"
    assert body["stop"] == ["END", "<example>", "<document>", "<query>", "## Task:"]
    shown = find_format("plain").render([Message("user", "<pair>\n[a pair]\n</pair>\n\nWrite two.")])
    assert shown.endswith("Write two.\n\nHere they are, each in its tags:\n\n")
