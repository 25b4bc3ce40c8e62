"""Calls put to an OpenAI-compatible endpoint: what is sent, and what comes of it.

What an endpoint lacks (a system role, a parameter, streaming) is believed only where leaving it out makes the same
call succeed; it is worked around from then on, and the logical call, and so the ledger's key, stays what it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Self

from labgen.errors import BadReply, ContextTooLong, TeacherError, TeacherMisconfigured, TeacherRefused
from labgen.formats.chat import ChatFormat, merge_system, strip_end_tokens
from labgen.lazy import re
from labgen.records import Call, Reply, Served
from labgen.records.changed import changed
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.endpoint_words import words_of_body
from labgen.teacher.openai_client import Answer, OpenAIClient
from labgen.teacher.parameters import REASONING_OFF
from labgen.teacher.quirks import OPTIONAL_PARAMETERS, SYSTEM, Quirks
from labgen.teacher.rate_limit_headers import rate_limit_pause
from labgen.teacher.refusals import no_schema_fits, refusal_of
from labgen.teacher.reply_body import Body, ErrorInside, read_body, reply_of_body, whole_body
from labgen.teacher.schema_fields import (
    BOUNDED,
    holds_schema,
    refused_field,
    refuses_bounds,
    schema_fields,
    without_schema,
)
from labgen.teacher.served import BEHIND, others_listed, served_by, told_of
from labgen.teacher.stated import Stated, ask_stated
from labgen.teacher.streamed import StreamedReply

_NO_SYSTEM = re.compile(r"system (role|message|prompt)|roles must alternate", re.I)


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
        extra_headers, extra_query: see `labgen.teacher.openai_client.OpenAIClient`.
        notice: told of answers by another model than the one that is asked, once.
        resent: told of each request that is sent once more, see `labgen.teacher.openai_client.OpenAIClient`.
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
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, str] | None = None,
        notice: Callable[[str], None] = lambda words: None,
        resent: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name or base_url
        self._client = OpenAIClient(
            base_url,
            api_key,
            name=self.name,
            timeout_sec=timeout_sec,
            connections=connections,
            extra_headers=extra_headers,
            extra_query=extra_query,
            resent=resent,
        )
        self._chat_format = chat_format
        self._bos = bos
        self._send_model = send_model
        self._quirks = quirks or Quirks(self.name, send_model or "")
        self._pause = pause
        self._notice = notice
        self._answered = False
        self._listed = ""
        self._seen: set[Served] = set()

    @classmethod
    def of(
        cls,
        spec: EndpointSpec,
        quirks: Quirks,
        *,
        pause: Callable[[float], None] = lambda seconds: None,
        notice: Callable[[str], None] = lambda words: None,
        resent: Callable[[], None] = lambda: None,
    ) -> Self:
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
            extra_headers=spec.extra_headers,
            extra_query=spec.extra_query,
            notice=notice,
            resent=resent,
        )

    async def ask(self, call: Call) -> Reply:
        """Answer one call, once.

        Raises: TeacherError: as the tree in `labgen.errors` says; messages never hold the key.
        """
        left_out: dict[str, TeacherError] = {}
        while True:
            try:
                reply = await self._send(call, left_out.keys() | self._quirks.lacking)
            except Lacking as lack:
                if lack.name in left_out or len(left_out) > len(OPTIONAL_PARAMETERS) + 4:
                    raise TeacherMisconfigured(
                        f"{self.name} refuses every form of the request ({lack.refusal}). `labgen doctor` says more."
                    ) from lack
                left_out[lack.name] = lack.refusal
                continue
            except TeacherError as error:
                if not left_out:
                    raise
                # Leaving it out did not help, so it was not what was wrong: the first refusal says what is.
                first = next(iter(left_out.values()))
                raise (first if type(error) is type(first) else error) from error
            for name in left_out:
                if name != ONCE:
                    self._quirks.add(name)
            return reply

    async def stated(self) -> Stated | None:
        """What the server says of itself; None while it says nothing. Never raises for an endpoint's sake."""
        stated = await ask_stated(self._client, self._send_model or "")
        if stated and self._send_model:
            self._listed = self._client.safe(others_listed(self._send_model, stated.models))
        return stated

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    @property
    def client(self) -> OpenAIClient:
        """What asks the endpoint, for what else it has than calls."""
        return self._client

    @property
    def path(self) -> str:
        """Where calls are sent, below the base URL."""
        return "/completions" if self._chat_format else "/chat/completions"

    def body_in_file(self, call: Call) -> dict[str, Any]:
        """What `ask` would send, as it stands in a file of many calls: in no file is a reply streamed."""
        return self._body(call, {*self._quirks.lacking, "stream"})

    def reply_in_file(self, call: Call, status: int, body: Any) -> Reply:
        """The reply to such a body.

        Args:
            status: HTTP's, as the file has it; body: the decoded body of the answer.
        Raises: TeacherError: as `ask`; Lacking: it was refused for what could be left out.
        """
        answer, model = Answer(status, {}, b""), self._send_model or call.model
        if status >= 400:
            words = self._client.safe(words_of_body(body))
            told = replace(answer, content=json.dumps(body).encode(), words=words)
            raise self._refusal(told, call, self.body_in_file(call))
        return self._named(self._read(answer, call, {"model": model}, lambda: whole_body(body)), model)

    def safe(self, words: str) -> str:
        """An endpoint's words as messages may hold them."""
        return self._client.safe(words)

    def believe(self, lack: str) -> None:
        """Leave out from now on what an endpoint has refused (see `Lacking`)."""
        self._quirks.add(lack)

    async def _send(self, call: Call, lacking: Collection[str]) -> Reply:
        path, body = self.path, self._body(call, lacking)
        most_bytes = most_reply_bytes(call.max_tokens)
        stream = StreamedReply(most_bytes) if body.get("stream") else None
        answer = await self._client.post(path, body, stream, most_bytes=most_bytes)
        self._heed(answer.headers)
        if answer.status >= 300:
            raise self._refusal(answer, call, body)
        read = stream.whole if stream and stream.reads else lambda: read_body(answer.content)
        reply = self._read(answer, call, body, read, looped=answer.cut)
        return self._named(reply, body["model"])

    def _heed(self, headers: Mapping[str, str]) -> None:
        seconds = rate_limit_pause(headers)
        if seconds:
            self._pause(seconds)

    def _body(self, call: Call, lacking: Collection[str]) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._send_model or call.model,
            "max_tokens": call.max_tokens,
            "temperature": call.temperature,
            "top_p": call.top_p,
            "seed": call.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        stop = list(call.stop)
        if self._chat_format:
            stop += [word for word in self._chat_format.stop if word not in stop]
            body["prompt"] = self._chat_format.render(call.messages, bos=self._bos)
        else:
            messages = merge_system(call.messages) if SYSTEM in lacking else call.messages
            body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        if stop:
            body["stop"] = stop
        body.update(schema_fields(call.schema, chat=not self._chat_format, lacking=lacking))
        if call.reasoning == "off":
            body |= REASONING_OFF
        if "max_tokens" in lacking:
            body["max_completion_tokens"] = body["max_tokens"]
        if ONCE in lacking:
            without_schema(body)
        if "stream" in lacking:
            body.pop("stream_options")
        for name in lacking:
            body.pop(name, None)
        # What the configuration asks for is never left out: where it is refused, that is for the user to mend.
        return body | (call.extra_body or {})

    def _read(
        self,
        answer: Answer,
        call: Call,
        sent: Mapping[str, Any],
        read: Callable[[], Body],
        *,
        looped: bool = False,
    ) -> Reply:
        if "html" in answer.headers.get("content-type", ""):
            words = f"{self.name} answered with a web page, not with the API"
            if not self._answered:
                raise self._told(TeacherMisconfigured(f"{words}. Check --base-url: most end in /v1."), answer)
            raise self._told(BadReply(words), answer)
        try:
            body = read()
            reply = reply_of_body(body, asked=() if self._chat_format else call.messages)
        except ErrorInside as error:
            inside = replace(answer, status=error.status or 500, words=self._client.safe(str(error)))
            raise self._refusal(inside, call, sent) from error
        except TeacherError as error:
            raise self._told(type(error)(self._client.safe(str(error))), answer) from error
        if not self._answered:
            self._answered = True
            self._quirks.note_answered()
        return changed(
            reply,
            text=self._clean(reply.text),
            reasoning=self._client.without_key(reply.reasoning),
            finish_reason="loop" if looped else self._client.safe(reply.finish_reason),
            completion_tokens=reply.completion_tokens or (body.pieces if looped else 0),
            served=served_by(
                address=self.name,
                asked=sent["model"],
                model=self._client.safe(body.model),
                fingerprint=self._client.safe(body.fingerprint),
                id=body.id,
                headers={name: self._client.safe(answer.headers[name]) for name in BEHIND if name in answer.headers},
            ),
        )

    def _named(self, reply: Reply, asked: str) -> Reply:
        """The reply with what is to be known of where it comes from; another model than the asked one is told."""
        served = reply.served
        if served.model in ("", asked):
            served = replace(served, listed=self._listed) if self._listed else served
        if served not in self._seen:
            self._seen.add(served)
            if words := told_of(served, asked):
                self._notice(words)
        return reply if served is reply.served else replace(reply, served=served)

    def _clean(self, text: str) -> str:
        text = self._client.without_key(text)
        return strip_end_tokens(text, self._chat_format) if self._chat_format else text

    def _refusal(self, answer: Answer, call: Call, sent: Mapping[str, Any]) -> Exception:
        hint = "Some servers have no completions API: try `api: chat`." if self._chat_format else ""
        model = self._send_model or call.model
        error = refusal_of(answer, name=self.name, api_hint=hint, model=model, answered=self._answered)
        if holds_schema(sent) and no_schema_fits(answer.words):
            return Lacking(ONCE, error)
        # Only a refusal that may be of the request's form is one that leaving something out may help.
        own = {name: value for name, value in sent.items() if name not in (call.extra_body or {})}
        lack = _lack(answer.words, own) if answer.status in (400, 404, 405, 422, 500, 501) else None
        if lack and not isinstance(error, ContextTooLong | TeacherRefused):
            return Lacking(lack, self._told(error, answer))
        return self._told(error, answer)

    def _told(self, error: TeacherError, answer: Answer) -> TeacherError:
        """The error, with the request's id where the endpoint gave one."""
        error.request_id = self._client.safe(answer.headers.get("x-request-id", ""))
        return error


ONCE = "response_format, this time"
"""What is left out of one call, whose schema the endpoint could not meet, and of no other."""


def most_reply_bytes(max_tokens: int) -> int:
    """Longest reply that is taken in, unpacked (bytes): with room for what gateways say besides."""
    return 2**20 + 64 * max_tokens


def _lack(words: str, sent: Mapping[str, Any]) -> str | None:
    """What a refused body held that the endpoint's words name: a parameter, or the system role; None for nothing.

    What was sent decides, not what is known by now: many calls may be under way when the first one is refused.
    """
    if any(message["role"] == "system" for message in sent.get("messages", ())) and _NO_SYSTEM.search(words):
        return SYSTEM
    if "max_tokens" in sent and "max_completion_tokens" in words:
        return "max_tokens"
    if refuses_bounds(words, sent):
        return BOUNDED
    for name in OPTIONAL_PARAMETERS:
        if name in sent and re.search(rf"\b{name}\b", words):
            return name
    if "stream" in sent and re.search(r"\bstream(?:ing)?\b", words, re.IGNORECASE):
        return "stream"
    return refused_field(words, sent)


class Lacking(Exception):
    """The endpoint may lack something that can be worked around: `name`. `refusal` is what it said, as an error."""

    def __init__(self, name: str, refusal: TeacherError) -> None:
        super().__init__(name)
        self.name = name
        self.refusal = refusal
