"""What refusals mean, in the words of servers that people use; and what words nobody knows come to."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from faulty_server import Fault, FaultyServer, make_call

from labgen.errors import (
    CallRejected,
    ContextTooLong,
    RateLimited,
    TeacherError,
    TeacherMisconfigured,
    TeacherRefused,
    TeacherStarting,
    TeacherUnavailable,
)
from labgen.teacher.http import HttpBackend


def refused(status: int, body: Any) -> TeacherError:
    """The error that an endpoint's refusal becomes."""
    content = json.dumps(body).encode() if not isinstance(body, str) else body.encode()

    async def ask(base_url: str) -> Any:
        backend = HttpBackend(base_url, "", timeout_sec=5.0, connections=1)
        try:
            return await backend.ask(make_call())
        finally:
            await backend.close()

    with FaultyServer(lambda number, asked: Fault(status, content)) as server:
        with pytest.raises(TeacherError) as caught:
            asyncio.run(ask(server.base_url))
        assert len(server.bodies) <= 2
    return caught.value


def openai(message: str, **more: Any) -> dict[str, Any]:
    """OpenAI's form of an error."""
    return {"error": {"message": message, **more}}


TOO_LONG = {
    "llama.cpp": (
        400,
        openai(
            "request (1899 tokens) exceeds the available context size (512 tokens), try increasing it",
            code=400,
            type="exceed_context_size_error",
            n_prompt_tokens=1899,
            n_ctx=512,
        ),
        (1899, 512),
    ),
    "llama.cpp, as a server error": (
        500,
        openai("the request exceeds the available context size. try increasing the context size", code=500),
        None,
    ),
    "vLLM": (
        400,
        openai(
            "This model's maximum context length is 4096 tokens. However, you requested 5210 tokens (3162 in the "
            "messages, 2048 in the completion). Please reduce the length of the messages or completion.",
            code=400,
        ),
        (5210, 4096),
    ),
    "vLLM, max_tokens": (
        400,
        openai("'max_tokens' or 'max_completion_tokens' is too large: 2048. This model's maximum context length is "
               "2048 tokens and your request has 1100 input tokens", code=400),
        None,
    ),
    "TGI": (
        422,
        {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` "
         "tokens and 512 `max_new_tokens`", "error_type": "validation"},
        None,
    ),
    "Gemini": (
        400,
        openai("The input token count (1196265) exceeds the maximum number of tokens allowed (1048576).",
               code=400, status="INVALID_ARGUMENT"),
        (1196265, 1048576),
    ),
    "Anthropic": (400, openai("prompt is too long: 210512 tokens > 200000 maximum"), (210512, 200000)),
    "Mistral": (
        400,
        openai("Prompt contains 40012 tokens, too large for model with 32768 maximum context length"),
        (40012, 32768),
    ),
    "SGLang": (
        400,
        openai("The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        (9000, 8192),
    ),
    "LM Studio": (
        400,
        {"error": "Trying to keep the first 5020 tokens when context the overflows. However, the model is loaded with "
         "context length of only 4096 tokens, which is not enough."},
        (5020, 4096),
    ),
    "a gateway": (413, "Request Entity Too Large", None),
}  # fmt: skip


@pytest.mark.parametrize("who", TOO_LONG)
def test_a_prompt_that_is_too_long_is_told_with_its_numbers(who: str) -> None:
    """Final for its call, under any status; prompt and context as the server says them."""
    status, body, numbers = TOO_LONG[who]
    error = refused(status, body)
    assert isinstance(error, ContextTooLong), error
    if numbers:
        assert f"{numbers[0]} tokens, the context {numbers[1]}" in str(error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, openai("Incorrect API key provided: sk-x***y")),
        (400, openai("API key not valid. Please pass a valid API key.", status="INVALID_ARGUMENT")),
        (403, openai("Invalid API Key")),
        (500, openai("Authentication Error, No api key passed in.")),
        (404, {"detail": "Unauthorized"}),
        (422, {"error": "missing api key"}),
    ],
)
def test_a_wrong_key_stops_at_once_under_any_status(status: int, body: Any) -> None:
    """Asking again can't help."""
    error = refused(status, body)
    assert isinstance(error, TeacherMisconfigured) and "refused the key" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, openai("Loading model", code=503, type="unavailable_error"), TeacherStarting),
        (503, openai("Model is still loading, please retry"), TeacherStarting),
        (503, openai("The engine is currently overloaded"), RateLimited),
        (529, openai("Overloaded", type="overloaded_error"), RateLimited),
        (429, openai("Resource has been exhausted (e.g. check quota)."), RateLimited),
        (429, openai("You exceeded your current quota, please check your plan", code="insufficient_quota"),
         TeacherMisconfigured),
        (402, openai("Insufficient Balance"), TeacherMisconfigured),
        (400, openai("Output blocked by content filtering policy"), TeacherRefused),
        (500, openai("CUDA error: an illegal memory access"), TeacherUnavailable),
        (502, "<html>Bad gateway</html>", TeacherUnavailable),
        (400, openai("zorp: the flim is not flam"), CallRejected),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "no"}]}, CallRejected),
        (451, "", CallRejected),
    ],
)  # fmt: skip
def test_every_other_refusal_is_what_it_says(status: int, body: Any, kind: type[TeacherError]) -> None:
    """A start-up is no load, load is no outage, and what nobody knows is rejected for that call."""
    assert type(refused(status, body)) is kind
