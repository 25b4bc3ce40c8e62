"""Calls put to an OpenAI-compatible endpoint, and what its answers mean: a reply, or one of labgen's own errors.

What an endpoint lacks (a system role, a parameter) is found
out from its own answer, once, and worked around from then on; the logical call, and so the ledger's key, stays what
it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Self

from labgen.errors import (
    BadReply,
    ContextTooLong,
    RateLimited,
    TeacherError,
    TeacherMisconfigured,
    TeacherRefused,
    TeacherUnavailable,
)
from labgen.formats.chat import ChatFormat, merge_system, strip_end_tokens
from labgen.records import Call, Reply
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.openai_client import Answer, OpenAIClient
from labgen.teacher.quirks import OPTIONAL, SYSTEM, Quirks
from labgen.teacher.rate_limit_headers import rate_limit_pause, retry_after

_TOO_LONG = re.compile(
    r"context length|context window|maximum context|too long|context_length_exceeded|max_model_len", re.I
)
_POLICY = re.compile(r"content[ _](policy|filter|management)|safety system|moderation", re.I)
_NO_SYSTEM = re.compile(r"system (role|message|prompt)|roles must alternate", re.I)

MOST_TOKENS = 10**9
"""Larger counts of tokens are no counts."""


class HttpBackend:
    """One endpoint.

    Args:
        base_url: address of the API, without `/chat/completions`.
        api_key: key, or empty for none.
        timeout_sec: longest wait for one reply.
        connections: connections kept open at most.
        chat_format: None asks `/chat/completions`; a format asks `/completions` with the prompt rendered by it.
        bos: with a format: whether the prompt spells out the beginning-of-sequence token.
        send_model: name to send where it differs from the logical model's.
        name: what messages call it; the address where it is empty.
        quirks: what it is known to lack; what is found out is added.
        pause: told for how many seconds its headers ask that nothing be sent.

    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_sec: float,
        connections: int,
        chat_format: ChatFormat | None = None,
        bos: bool = False,
        send_model: str | None = None,
        name: str = "",
        quirks: Quirks | None = None,
        pause: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self.name = name or base_url
        self._client = OpenAIClient(base_url, api_key, name=self.name, timeout_sec=timeout_sec, connections=connections)
        self._chat_format = chat_format
        self._bos = bos
        self._send_model = send_model
        self._quirks = quirks or Quirks(self.name, send_model or "")
        self._pause = pause
        self._answered = False

    @classmethod
    def of(cls, spec: EndpointSpec, quirks: Quirks, *, pause: Callable[[float], None] = lambda seconds: None) -> Self:
        """That of an endpoint in the configuration."""
        return cls(
            spec.base_url,
            spec.key,
            timeout_sec=spec.timeout_sec,
            connections=spec.concurrency,
            chat_format=spec.chat_format,
            bos=spec.bos,
            send_model=spec.send_model,
            name=spec.name,
            quirks=quirks,
            pause=pause,
        )

    async def ask(self, call: Call) -> Reply:
        """Answer one call, once.

        Raises: TeacherError: as the tree in `labgen.errors` says; messages never hold the key.

        """
        for _ in range(len(OPTIONAL) + 2):
            try:
                return await self._send(call)
            except _Lacking as lack:
                self._quirks.add(lack.name)
        raise TeacherMisconfigured(f"{self.name} refuses every form of the request. `labgen doctor` says more.")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, call: Call) -> Reply:
        path, body = ("/completions" if self._chat_format else "/chat/completions"), self._body(call)
        answer = await self._client.post(path, body)
        self._heed(answer.headers)
        if answer.status >= 400:
            raise self._refusal(answer, call, body)
        return self._read(answer)

    def _heed(self, headers: Mapping[str, str]) -> None:
        seconds = rate_limit_pause(headers)
        if seconds:
            self._pause(seconds)

    def _body(self, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._send_model or call.model,
            "max_tokens": call.max_tokens,
            "temperature": call.temperature,
            "top_p": call.top_p,
            "seed": call.seed,
        }
        stop = list(call.stop)
        if self._chat_format:
            stop += [word for word in self._chat_format.stop if word not in stop]
            body["prompt"] = self._chat_format.render(call.messages, bos=self._bos)
        else:
            messages = merge_system(call.messages) if self._quirks.lacks(SYSTEM) else call.messages
            body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        if stop:
            body["stop"] = stop
        if call.schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "verdict", "strict": True, "schema": call.schema},
            }
        if self._quirks.lacks("max_tokens"):
            body["max_completion_tokens"] = body["max_tokens"]
        for name in self._quirks.lacking:
            body.pop(name, None)
        return body

    def _read(self, answer: Answer) -> Reply:
        request_id = self._request_id(answer)
        if "html" in answer.headers.get("content-type", ""):
            words = f"{self.name} answered with a web page, not with the API"
            if not self._answered:
                raise TeacherMisconfigured(f"{words}. Check --base-url: most end in /v1.", request_id=request_id)
            raise BadReply(words, request_id=request_id)
        try:
            data = answer.json
            choice = data["choices"][0]
            text = choice["text"] if self._chat_format else choice["message"]["content"]
            usage = data.get("usage")
            reply = Reply(
                text=self._clean(text or ""),
                finish_reason=self._client.safe(str(choice.get("finish_reason") or "stop")),
                prompt_tokens=_count(usage, "prompt_tokens"),
                completion_tokens=_count(usage, "completion_tokens"),
            )
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            words = self._client.safe(repr(error))[:100]
            raise BadReply(f"a reply that is not of the API's form ({words})", request_id=request_id) from error
        if reply.finish_reason == "content_filter":
            raise TeacherRefused("stopped by the endpoint's content filter", request_id=request_id)
        self._answered = True
        return reply

    def _clean(self, text: str) -> str:
        text = self._client.without_key(text)
        return strip_end_tokens(text, self._chat_format) if self._chat_format else text

    def _request_id(self, answer: Answer) -> str:
        return self._client.safe(answer.headers.get("x-request-id", ""))

    def _refusal(self, answer: Answer, call: Call, sent: Mapping[str, Any]) -> Exception:
        words, status, request_id = answer.words, answer.status, self._request_id(answer)
        retry_after_sec = retry_after(answer.headers)
        if status in (429, 503):
            if "insufficient_quota" in words:
                return TeacherMisconfigured(f"the account's quota is used up: {words}", request_id=request_id)
            if "request too large" in words.lower():
                # Larger than the account's limit for a whole minute: no waiting helps, so its attempts may run out.
                return TeacherUnavailable(f"HTTP {status}: {words}", request_id=request_id)
            return RateLimited(f"HTTP {status}: {words}", request_id=request_id, retry_after_sec=retry_after_sec)
        if status in (401, 403):
            if _POLICY.search(words):
                return TeacherRefused(words, request_id=request_id)
            return TeacherMisconfigured(
                f"{self.name} refused the key (HTTP {status}: {words}). Set the right one in the environment.",
                request_id=request_id,
            )
        if status in (404, 405):
            return self._not_found(words, call, request_id)
        if status in (400, 413, 422):
            return self._bad_request(words, status, call, sent, request_id)
        if status >= 500 or status in (408, 409, 425):
            return TeacherUnavailable(f"HTTP {status}: {words}", request_id=request_id, retry_after_sec=retry_after_sec)
        return TeacherMisconfigured(f"{self.name} answered HTTP {status}: {words}", request_id=request_id)

    def _not_found(self, words: str, call: Call, request_id: str) -> TeacherError:
        if "model" in words.lower():
            return TeacherMisconfigured(
                f"{self.name} has no model `{self._send_model or call.model}` ({words}). Choose one with --model; "
                "most servers list theirs at /models.",
                request_id=request_id,
            )
        if self._answered:
            return TeacherUnavailable(f"HTTP 404: {words}", request_id=request_id)
        return TeacherMisconfigured(
            f"{self.name} has no such address ({words}). Check --base-url: most end in /v1. "
            f"{'Some servers have no completions API: try `api: chat`.' if self._chat_format else ''}".strip(),
            request_id=request_id,
        )

    def _bad_request(self, words: str, status: int, call: Call, sent: Mapping[str, Any], request_id: str) -> Exception:
        if _TOO_LONG.search(words) or status == 413:
            return ContextTooLong(words, request_id=request_id)
        if _POLICY.search(words):
            return TeacherRefused(words, request_id=request_id)
        lack = _lack(words, sent)
        if lack:
            return _Lacking(lack)
        if "model" in words.lower() and not self._answered and "not" in words.lower():
            return self._not_found(words, call, request_id)
        return TeacherUnavailable(f"HTTP {status}: {words}", request_id=request_id)


def _lack(words: str, sent: Mapping[str, Any]) -> str | None:
    """What a refused body held that the endpoint's words name: a parameter, or the system role; None for nothing.

    What was sent decides, not what is known by now: many calls may be under way when the first one is refused.
    """
    if any(message["role"] == "system" for message in sent.get("messages", ())) and _NO_SYSTEM.search(words):
        return SYSTEM
    if "max_tokens" in sent and "max_completion_tokens" in words:
        return "max_tokens"
    for name in OPTIONAL:
        if name in sent and re.search(rf"\b{name}\b", words):
            return name
    return "response_format" if "json_schema" in words and "response_format" in sent else None


class _Lacking(Exception):
    """The endpoint lacks something that can be worked around."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def _count(usage: Any, name: str) -> int:
    """Tokens as an endpoint counts them, 0 where it does not or says what can't be.

    The reply is paid for: an odd count beside it is no reason to ask again.
    """
    tokens = usage.get(name) if isinstance(usage, Mapping) else None
    return int(tokens) if isinstance(tokens, int | float) and 0 <= tokens <= MOST_TOKENS else 0
