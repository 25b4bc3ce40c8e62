"""A request's body as Ray's vLLM engine takes it, and what the engine gives as a body of the API.

The engine takes no HTTP request but messages and sampling parameters, and gives text and counts of tokens. What a body
asks for and the engine has no word for is refused, as an endpoint would refuse it, rather than left out: a reply to
another request would be taken for one to this.

This module runs on the cluster's workers, where labgen need not be installed: it imports nothing of labgen but what
travels along.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from labgen.bulk.ray_blocks import Piece, read_piece
from labgen.bulk.ray_http import error_line, read_batch_line, reply_line

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PASSED_ON: Mapping[str, Any] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0,
    "min_p": 0.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "seed": 0,
    "ignore_eos": False,
    "min_tokens": 0,
}
"""Sampling parameters that bear the API's names, each with vLLM's default.

All stand in every row, none as None: Ray gives the rows of a block the same fields, a field that a row lacks would come
out as None, and beside a None all whole numbers of that field come out as fractions, at which vLLM's engine ends. So a
body without a seed has one made of its `custom_id`, and one without a limit of tokens has `NO_LIMIT`.
"""
NO_LIMIT = 2**31 - 1
"""More tokens than any context has: the reply ends where the context does."""
WITHOUT_EFFECT: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "stream": (False,),
    "logprobs": (False, None),
    "echo": (False,),
    "user": (),
    "store": (False,),
}
"""Other fields that a body may have, and the values with which they change nothing; empty for all."""
ERROR, REFUSED = "__inference_error__", "refused: "
"""Ray's column for what was wrong with a row, and how what this module refuses begins there."""
READ = frozenset({"model", "messages", "prompt", "stop", "max_tokens", "max_completion_tokens", "response_format"})


class Refused(ValueError):
    """A body that the engine can't be asked."""


def api_of(piece: Piece) -> str:
    """The API that a piece's first line is for. Raises: ValueError: it is for none that the engine answers."""
    url = read_batch_line(read_piece(piece.as_row())[0]["request"])[1]
    if url not in (CHAT, COMPLETIONS):
        raise ValueError(f"{url}: an engine answers {CHAT} and {COMPLETIONS}")
    return url


def sampling_params(body: Mapping[str, Any], custom_id: str) -> dict[str, Any]:
    """vLLM's sampling parameters for a body. Raises: Refused: the engine has no word for a part of it."""
    for name, value in body.items():
        if name in READ or name in PASSED_ON:
            continue
        if name not in WITHOUT_EFFECT or (WITHOUT_EFFECT[name] and value not in WITHOUT_EFFECT[name]):
            raise Refused(f"Ray's vLLM engine can't be asked with `{name}`")
    stop = body.get("stop") or []
    given = {name: body[name] for name in PASSED_ON if body.get(name) is not None}
    return {
        **PASSED_ON,
        "seed": zlib.crc32(custom_id.encode()),
        **given,
        "stop": [stop] if isinstance(stop, str) else list(stop),
        "max_tokens": body.get("max_completion_tokens") or body.get("max_tokens") or NO_LIMIT,
        "structured_outputs": _structure(body.get("response_format")),
    }


def _structure(form: Mapping[str, Any] | None) -> dict[str, str] | None:
    """What the reply has to be, as vLLM takes it. A schema goes as text: as fields, Ray would add those of others."""
    kind = (form or {}).get("type", "text")
    if form is None or kind == "text":
        return None
    if kind == "json_object":
        return {"json": json.dumps({"type": "object"})}
    if kind == "json_schema":
        return {"json": json.dumps(form["json_schema"]["schema"])}
    raise Refused(f"Ray's vLLM engine can't be asked for a response_format of type `{kind}`")


def engine_row(row: Mapping[str, Any], *, api: str) -> dict[str, Any]:
    """What Ray's stages read of a request.

    A refusal stands where Ray's own stages put a row's error, so that they pass it by.
    """
    found: dict[str, Any] = {"sampling_params": sampling_params({}, ""), ERROR: ""}
    try:
        custom_id, url, body = read_batch_line(row["request"])
        if url != api:
            raise Refused(f"a file for {api} holds a request for {url}")
        found["sampling_params"] = sampling_params(body, custom_id)
        if api == CHAT:
            found["messages"] = [{"role": each["role"], "content": _text(each)} for each in body["messages"]]
        else:
            found["prompt"] = body["prompt"]
    except (ValueError, LookupError, TypeError) as error:
        found[ERROR] = f"{REFUSED}{error}"
    return found


def _text(message: Mapping[str, Any]) -> str:
    if not isinstance(message["content"], str):
        raise Refused("a message is no text")
    return message["content"]


def engine_reply(row: Mapping[str, Any], *, context_tokens: int | None) -> dict[str, str]:
    """A row that came out of the engine, as a line.

    Ray does not pass on why a reply ended. One that has all tokens that it may have counts as cut, even where it ended
    by itself with the last of them: taking a cut reply for a whole one would be worse.

    Args:
        context_tokens: the model's context, where it is known.
    """
    custom_id, url, body = read_batch_line(row["request"])
    read, wrote = int(row["num_input_tokens"]), int(row["num_generated_tokens"])
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    cut = (most is not None and wrote >= most) or (context_tokens is not None and read + wrote >= context_tokens)
    said: dict[str, Any] = {"index": 0, "finish_reason": "length" if cut else "stop", "logprobs": None}
    if url == CHAT:
        said["message"] = {"role": "assistant", "content": row["generated_text"]}
    else:
        said["text"] = row["generated_text"]
    reply = {
        "id": f"ray-{custom_id}",
        "object": "chat.completion" if url == CHAT else "text_completion",
        "created": 0,
        "model": body.get("model", ""),
        "choices": [said],
        "usage": {"prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote},
    }
    return {"line": reply_line(custom_id, 200, "", reply)}


def engine_line(row: Mapping[str, Any]) -> dict[str, str]:
    """A row's line, whether the engine answered it or not: a refusal has the status of one."""
    error = row.get(ERROR) or ""
    if not error:
        return {"line": row["line"]}
    try:
        custom_id = read_batch_line(row["request"])[0]
    except ValueError as fault:
        return {"line": error_line(None, "invalid_line", str(fault))}
    if error.startswith(REFUSED):
        said = {"error": {"message": error.removeprefix(REFUSED), "type": "invalid_request_error"}}
        return {"line": reply_line(custom_id, 400, "", said)}
    return {"line": error_line(custom_id, "engine_error", error)}
