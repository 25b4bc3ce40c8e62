"""The rehearsal teacher's HTTP bodies: OpenAI requests checked, OpenAI replies and errors built. No sockets here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.records import REHEARSAL_MODEL, Message
from labgen.teacher.rehearsal.model import BYTES_PER_TOKEN, Completion, reply

CONTEXT_TOKENS = 131_072
"""Longest prompt and reply together, in estimated tokens; `/v1/models` gives it as `max_model_len`."""
DEFAULT_MAX_TOKENS = 4096
"""Reply limit of a request that names none."""
MOST_CHOICES = 128


class RequestRefused(Exception):
    """A request that is not answered: an HTTP status and OpenAI's error fields."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param

    def body(self) -> dict[str, Any]:
        """The error as OpenAI's API writes it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A checked request."""

    messages: tuple[Message, ...]
    choices: int
    max_tokens: int
    temperature: float
    seed: int
    stop: tuple[str, ...]
    schema: Mapping[str, Any] | None


def answer(body: object, *, chat: bool, tasks: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The reply to a decoded JSON body of `/v1/chat/completions` (`chat`) or `/v1/completions`.

    Args:
        tasks: see `labgen.teacher.rehearsal.model.reply`.
    Raises: RequestRefused: what the body lacks or has wrong.
    """
    asked = _checked(body, chat=chat)
    completions = [
        reply(
            asked.messages,
            seed=asked.seed,
            temperature=asked.temperature,
            max_tokens=asked.max_tokens,
            index=index,
            stop=asked.stop,
            schema=asked.schema,
            tasks=tasks,
        )
        for index in range(asked.choices)
    ]
    digest = blake2b(repr(asked).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
    return {
        # Gateways write their own name over the model's, and pass on the id.
        "id": f"{'chatcmpl' if chat else 'cmpl'}-{REHEARSAL_MODEL}-{digest}",
        "object": "chat.completion" if chat else "text_completion",
        # The reply depends on the request alone, so it carries no time of day.
        "created": 0,
        "model": REHEARSAL_MODEL,
        "system_fingerprint": REHEARSAL_MODEL,
        "choices": [_choice(index, completion, chat=chat) for index, completion in enumerate(completions)],
        "usage": _usage(completions),
    }


def as_events(found: dict[str, Any], body: Mapping[str, Any]) -> bytes:
    """A reply as the stream of events that `stream` in the request's body asks for: each choice in one piece."""
    chat = found["object"] == "chat.completion"
    common = {name: found[name] for name in ("id", "created", "model", "system_fingerprint")}
    common["object"] = "chat.completion.chunk" if chat else found["object"]
    events: list[dict[str, Any]] = []
    for choice in found["choices"]:
        piece = {"index": choice["index"], "finish_reason": None, "logprobs": None}
        piece |= {"delta": choice["message"]} if chat else {"text": choice["text"]}
        last = {"index": choice["index"], "finish_reason": choice["finish_reason"], "logprobs": None}
        last["delta" if chat else "text"] = {} if chat else ""
        events += [common | {"choices": [piece]}, common | {"choices": [last]}]
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        events.append(common | {"choices": [], "usage": found["usage"]})
    # ASCII only, as for replies in one object.
    lines = [f"data: {json.dumps(event)}" for event in events]
    return "\n\n".join([*lines, "data: [DONE]", ""]).encode("ascii")


def page(entries: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, most: int, default: int) -> dict[str, Any]:
    """A list as OpenAI's API gives it out in pages.

    Args:
        entries: all of it, in order; each has an `id`.
        query: of the request: `limit`, entries on this page; `after`, the id that the page before ended with.
        most, default: for `limit`.
    Raises: RequestRefused: no such limit.
    """
    stated = query.get("limit", str(default))
    limit = int(stated) if stated.isdecimal() and len(stated) < 10 else 0
    if not 1 <= limit <= most:
        raise RequestRefused(400, f"`limit` must be a whole number from 1 to {most}.", param="limit")
    places = {entry["id"]: place for place, entry in enumerate(entries)}
    first = places.get(query.get("after", ""), -1) + 1
    shown = entries[first : first + limit]
    return {
        "object": "list",
        "data": list(shown),
        "first_id": shown[0]["id"] if shown else None,
        "last_id": shown[-1]["id"] if shown else None,
        "has_more": first + limit < len(entries),
    }


def models() -> dict[str, Any]:
    """The reply to `/v1/models`."""
    only = {
        "id": REHEARSAL_MODEL,
        "object": "model",
        "created": 0,
        "owned_by": "labgen",
        "max_model_len": CONTEXT_TOKENS,
    }
    return {"object": "list", "data": [only]}


def _choice(index: int, completion: Completion, *, chat: bool) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": index, "finish_reason": completion.finish_reason, "logprobs": None}
    if chat:
        choice["message"] = {"role": "assistant", "content": completion.text, "refusal": None}
    else:
        choice["text"] = completion.text
    return choice


def _usage(completions: list[Completion]) -> dict[str, int]:
    prompt = completions[0].prompt_tokens
    written = sum(completion.completion_tokens for completion in completions)
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}


def _checked(body: object, *, chat: bool) -> CheckedRequest:
    if not isinstance(body, dict):
        raise RequestRefused(400, "The request body must be a JSON object.")
    model = body.get("model")
    if not isinstance(model, str):
        raise RequestRefused(400, "You must provide a model parameter.", param="model")
    if model != REHEARSAL_MODEL:
        message = f"The model `{model[:200]}` does not exist. This server has only `{REHEARSAL_MODEL}`."
        raise RequestRefused(404, message, code="model_not_found", param="model")
    limit = body.get("max_completion_tokens")
    asked = CheckedRequest(
        messages=_messages(body.get("messages")) if chat else _prompt(body.get("prompt")),
        choices=_whole(body, "n", 1, 1, MOST_CHOICES),
        max_tokens=_whole(
            body if limit is None else {"max_tokens": limit}, "max_tokens", DEFAULT_MAX_TOKENS, 1, 1 << 31
        ),
        temperature=_number(body, "temperature", 1.0, 0.0, 2.0),
        seed=_whole(body, "seed", 0, -(1 << 63), 1 << 64),
        stop=_stop(body.get("stop")),
        schema=_schema(body.get("response_format")),
    )
    length = sum(len(message.content.encode("utf-8", "replace")) for message in asked.messages) // BYTES_PER_TOKEN
    if length >= CONTEXT_TOKENS:
        raise RequestRefused(
            400,
            f"This model's maximum context length is {CONTEXT_TOKENS} tokens, however you requested {length} tokens. "
            "Please reduce the length of the messages.",
            code="context_length_exceeded",
            param="messages" if chat else "prompt",
        )
    return asked


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list) or not value:
        raise RequestRefused(400, "`messages` must be a list of at least one message.", param="messages")
    return tuple(_message(entry, number) for number, entry in enumerate(value))


def _message(entry: object, number: int) -> Message:
    where = f"messages[{number}]"
    if not isinstance(entry, dict) or entry.get("role") not in ("system", "developer", "user", "assistant"):
        raise RequestRefused(400, f"`{where}` needs a role: system, user or assistant.", param=where)
    content = entry.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict) and part.get("type") == "text"]
        if len(texts) == len(content) and all(isinstance(text, str) for text in texts):
            content = "".join(str(text) for text in texts)
    if not isinstance(content, str):
        raise RequestRefused(400, f"`{where}.content` must be text.", param=f"{where}.content")
    return Message(str(entry["role"]), content)


def _prompt(value: object) -> tuple[Message, ...]:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str) or not value:
        raise RequestRefused(400, "`prompt` must be one text.", param="prompt")
    return (Message("user", value),)


def _whole(body: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise RequestRefused(400, f"`{name}` must be a whole number from {low} to {high}.", param=name)
    return value


def _number(body: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RequestRefused(400, f"`{name}` must be a number from {low:g} to {high:g}.", param=name)
    return float(value)


def _stop(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    marks = [value] if isinstance(value, str) else value
    if not isinstance(marks, list) or not all(isinstance(mark, str) for mark in marks):
        raise RequestRefused(400, "`stop` must be a text or a list of texts.", param="stop")
    return tuple(marks)


def _schema(value: object) -> Mapping[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        raise RequestRefused(
            400, "`response_format` must have a type: text, json_object or json_schema.", param="response_format"
        )
    if value["type"] == "text":
        return None
    if value["type"] == "json_object":
        return {}
    wrapped = value.get("json_schema")
    schema = wrapped.get("schema") if isinstance(wrapped, dict) else None
    if not isinstance(schema, dict):
        raise RequestRefused(
            400, "`response_format.json_schema.schema` must be a JSON schema.", param="response_format"
        )
    return schema
