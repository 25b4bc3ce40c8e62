"""What a reply is: from the body that an endpoint sends to its text and its end.

The one place that settles it, for both APIs, for one JSON object and for a stream of events (whether it was asked for
or not): content in parts is joined, reasoning is taken off and kept apart, an echo of the last turn is removed, and
what ended in an error is no reply.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field
from typing import Any

from labgen.errors import BadReply, TeacherRefused
from labgen.formats.reasoning import split_reasoning
from labgen.lazy.dataclasses import dataclass
from labgen.records import MOST_TOKENS, Message, Reply
from labgen.text.bounded_json import read_bounded

REFUSED_ENDS = frozenset({"content_filter", "safety", "recitation", "blocklist", "prohibited_content", "refusal"})
"""Endpoints' words for a reply that their policy stopped."""
FAILED_ENDS = frozenset({"error", "abort", "aborted", "cancelled", "canceled", "failed", "timeout"})
"""Endpoints' words for a reply that something stopped which is over by the next attempt."""
THINKING = frozenset({"thinking", "reasoning", "reasoning_text", "redacted_thinking"})
"""Types of content parts that hold reasoning."""
DONE = "[DONE]"


class ErrorInside(Exception):
    """A body of status 200 that says that there was an error. `status` is its own, 0 where it has none."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass
class Body:
    """One reply's content as it is put together, from one object or from many events.

    Attributes:
        text, reasoning: pieces in order.
        end: the endpoint's word for how it ended; None before it said so.
        index: the number of the reply, of several at once the one that is read; None where it has none.
        pieces: events that brought text (count): about as many tokens, where the endpoint counts none.
    """

    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    end: str | None = None
    usage: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    fingerprint: str = ""
    id: str = ""
    index: object = None
    pieces: int = 0

    def add(self, data: Any) -> None:
        """Take in one object of the API: a whole reply, or one event of a stream.

        Raises: ErrorInside: it is an error; LookupError, TypeError: it is not of the API's form.
        """
        if not isinstance(data, dict):
            raise TypeError(f"a {type(data).__name__} instead of an object")
        if data.get("error"):
            raise _error_inside(data["error"])
        self.model = self.model or _word(data.get("model"))
        self.fingerprint = self.fingerprint or _word(data.get("system_fingerprint"))
        self.id = self.id or _word(data.get("id"))
        if isinstance(data.get("usage"), Mapping):
            self.usage = data["usage"]
        choices = data["choices"]
        if choices:
            self._add_choice(choices[0])

    def _add_choice(self, choice: Any) -> None:
        index = choice.get("index")
        if self.index is None:
            self.index = index
        elif index is not None and index != self.index:
            return  # of several replies at once (`n` in the settings), whose events come in turn
        said = choice.get("message") or choice.get("delta")
        if said is not None:
            self._add_content(said.get("content"))
            for name in ("reasoning_content", "reasoning", "thinking"):
                if isinstance(said.get(name), str) and said[name]:
                    self.reasoning.append(said[name])
                    self.pieces += 1
                    break
            if isinstance(said.get("refusal"), str) and said["refusal"]:
                self.text.append(said["refusal"])
        elif isinstance(choice.get("text"), str):
            self._add_content(choice["text"])
        elif "text" not in choice and "finish_reason" not in choice:
            raise LookupError("a choice without a message")
        if choice.get("finish_reason") is not None:
            self.end = str(choice["finish_reason"])

    def _add_content(self, content: Any) -> None:
        if isinstance(content, str):
            if content:
                self.text.append(content)
                self.pieces += 1
            return
        for part in content if isinstance(content, list) else ():
            if isinstance(part, str):
                self.text.append(part)
            elif isinstance(part, dict):
                words = part.get("text") or part.get("thinking") or part.get("reasoning") or ""
                if isinstance(words, list):  # thinking may be given in parts of its own
                    words = "".join(_word(each.get("text")) for each in words if isinstance(each, dict))
                (self.reasoning if part.get("type") in THINKING else self.text).append(_word(words))


def read_body(content: bytes) -> Body:
    """What a body says. Raises: ErrorInside: it is an error; BadReply: it is nothing of the API's form."""
    with of_the_form():
        if not begins_stream(content):
            return _whole(read_bounded(content))
        body = Body()
        reader = EventReader(body, len(content))
        reader.feed(content + b"\n\n")
        reader.end()
    return body


def whole_body(data: Any) -> Body:
    """What one decoded object of the API says: a whole reply. Raises: as `read_body`."""
    with of_the_form():
        return _whole(data)


def _whole(data: Any) -> Body:
    body = Body()
    body.add(data)
    if not data["choices"]:
        raise LookupError("no choice")
    if body.end is None:
        body.end = "stop"  # some servers leave it out of whole replies
    return body


@contextmanager
def of_the_form() -> Iterator[None]:
    """Read what may be of no form. Raises: BadReply: it is of none."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise BadReply(f"a reply that is not of the API's form ({str(error)[:100] or type(error).__name__})") from error


class EventReader:
    """Reads a stream of events (`data: {...}` lines) as its bytes come, into a body; none may be of `most_bytes`."""

    def __init__(self, body: Body, most_bytes: int) -> None:
        self.body = body
        self._most_bytes = most_bytes
        self.done = False
        self._rest = bytearray()  # of an event that has begun

    def feed(self, chunk: bytes) -> None:
        """Take in bytes. Raises: as `Body.add`; ValueError: an event that is no JSON."""
        *lines, rest = chunk.split(b"\n")
        if lines:
            # Put together once it has ended: a long event may come in very many pieces.
            lines[0], self._rest = bytes(self._rest + lines[0]), bytearray()
        self._rest += rest
        if len(self._rest) > self._most_bytes:
            self._rest = bytearray()
            raise ValueError(f"an event of more than {self._most_bytes / 2**20:.1f} MB")
        for line in lines:
            name, _, value = line.strip().partition(b":")
            if name != b"data":
                continue  # comments that keep the connection alive, names and numbers of events
            words = value.strip()
            if words == DONE.encode():
                self.done = True
            elif words and not self.done:
                self.body.add(read_bounded(words))

    def end(self) -> None:
        """Nothing more comes. Raises: ValueError: it broke off before the reply was said to be over."""
        if self.body.end is None and not self.done:
            raise ValueError("the stream broke off")
        if self.body.end is None:
            self.body.end = "stop"


def reply_of_body(body: Body, *, asked: tuple[Message, ...]) -> Reply:
    """The reply that a body holds; where it comes from is for others to say (see `labgen.teacher.served`).

    Args:
        asked: the conversation as it was sent; empty for a plain prompt.
    Raises: TeacherRefused: the endpoint's policy stopped it; BadReply: something else did.
    """
    end = (body.end or "stop").lower()
    if end in REFUSED_ENDS:
        raise TeacherRefused(f"stopped by the endpoint's content filter ({end})")
    if end in FAILED_ENDS:
        raise BadReply(f"the endpoint ended its reply with `{end}`")
    answer, thoughts = split_reasoning(without_echo("".join(body.text), asked))
    reasoning = "\n\n".join(filter(None, ("".join(body.reasoning).strip(), thoughts)))
    return Reply(
        text=answer,
        finish_reason=body.end or "stop",
        prompt_tokens=count_of(body.usage, "prompt_tokens"),
        completion_tokens=count_of(body.usage, "completion_tokens"),
        reasoning=reasoning,
    )


def without_echo(text: str, asked: tuple[Message, ...]) -> str:
    """The text without the turn of the assistant's that it goes on from, where a server says that once more."""
    if asked and asked[-1].role == "assistant" and asked[-1].content:
        return text.removeprefix(asked[-1].content)
    return text


def count_of(usage: Any, name: str) -> int:
    """Tokens as an endpoint counts them, 0 where it does not or says what can't be.

    The reply is paid for: an odd count beside it is no reason to ask again.
    """
    tokens = usage.get(name) if isinstance(usage, Mapping) else None
    return int(tokens) if isinstance(tokens, int | float) and 0 <= tokens <= MOST_TOKENS else 0


def begins_stream(content: bytes) -> bool:
    """Whether a body is a stream of events, by its first bytes."""
    head = content[:200].lstrip()
    return head.startswith((b"data:", b"event:", b"id:", b": ", b":\n"))


def _error_inside(error: Any) -> ErrorInside:
    if not isinstance(error, Mapping):
        return ErrorInside(0, str(error))
    code = error.get("code")
    digits = str(code) if str(code).isdecimal() else str(error.get("status") or "")
    status = int(digits) if digits.isdecimal() and 400 <= int(digits) <= 599 else 0
    kinds = " ".join(str(part) for part in (error.get("type"), code) if part and not str(part).isdecimal())
    return ErrorInside(status, " ".join(filter(None, (str(error.get("message") or ""), kinds))) or "no explanation")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""
