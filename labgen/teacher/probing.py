"""One endpoint that is being asked what it can do: short calls, what came back, and what was found out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any

from labgen.errors import TeacherError
from labgen.lazy.dataclasses import dataclass
from labgen.records import Message
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.finding import NOTHING, Finding, Tell
from labgen.teacher.openai_client import MOST_ANSWER_BYTES, Answer, Listener, OpenAIClient
from labgen.teacher.parameters import REASONING_OFF
from labgen.teacher.reply_body import Body, ErrorInside, EventReader, count_of, read_body, reply_of_body

ASK = (Message("user", "Reply with the single word: ready"),)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a configuration's longest call takes (tokens): a passage, the prompt around it, and the reply."""

    chunk_tokens: int
    around_tokens: int
    reply_tokens: int

    @property
    def tokens(self) -> int:
        """All together."""
        return self.chunk_tokens + self.around_tokens + self.reply_tokens


@dataclass
class Probe:
    """One endpoint, and what was found.

    Attributes:
        limit_name: what it calls the limit of a reply.
        lacking: see `labgen.teacher.quirks`.
        latencies_sec: of the short calls that were answered.
    """

    client: OpenAIClient
    spec: EndpointSpec
    needs: Needs
    tell: Tell
    limit_name: str = "max_tokens"
    lacking: set[str] = field(default_factory=set)
    latencies_sec: list[float] = field(default_factory=list)

    def find(self, name: str, status: str, words: str, todo: str = NOTHING) -> None:
        """Tell of a finding."""
        self.tell(Finding(self.spec.name, name, status, words, todo))

    async def models(self) -> Answer:
        """The list of models; status 0 where nothing came back."""
        try:
            return await self.client.get("/models")
        except TeacherError as error:
            return Answer(0, {}, b"", self.client.safe(str(error)))

    async def ask(
        self,
        messages: Sequence[Message] = ASK,
        *,
        chat: bool | None = None,
        limit_tokens: int = 16,
        enough: Listener | None = None,
        **more: Any,
    ) -> Answer:
        """The answer to a short call; status 0 where nothing came back.

        Args:
            chat: which API is asked; None for the configured one.
            enough: see `OpenAIClient.post`.
        """
        chat_format, begun_sec = self.spec.chat_format, time.monotonic()
        chat = chat_format is None if chat is None else chat
        body: dict[str, Any] = {"model": self.spec.send_model, self.limit_name: limit_tokens, "temperature": 0.0}
        if self.spec.parameters.get("reasoning") and chat:
            body |= {name: value for name, value in REASONING_OFF.items() if name not in self.lacking}
        body |= more
        body |= self.spec.parameters.get("extra_body", {})
        if chat:
            body["messages"] = [{"role": message.role, "content": message.content} for message in messages]
        else:
            plain = "\n\n".join(message.content for message in messages)
            body["prompt"] = chat_format.render(messages) if chat_format else plain
        try:
            answer = await self.client.post("/chat/completions" if chat else "/completions", body, enough)
        except TeacherError as error:
            return Answer(0, {}, b"", self.client.safe(str(error)))
        if messages is ASK and body_of(answer):
            self.latencies_sec.append(time.monotonic() - begun_sec)
        return answer

    async def time(self, messages: Sequence[Message], *, limit_tokens: int) -> Timed | None:
        """Have a call answered piece by piece, or all at once where it can't be, and take the time.

        Returns: None where there was no reply.
        """
        streaming: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
        for more in (streaming, {"stream": True}, {}):
            watch = _Stopwatch()
            answer = await self.ask(messages, limit_tokens=limit_tokens, enough=watch, **more)
            total_sec = time.monotonic() - watch.begun_sec
            if body := body_of(answer):
                return Timed(body, watch.first_sec if more else None, total_sec)
            if answer.status not in (400, 404, 405, 422, 501):
                return None
        return None


@dataclass(frozen=True, slots=True)
class Timed:
    """A reply and how long it took. `first_sec` is when its first words came, None where they came with the last."""

    body: Body
    first_sec: float | None
    total_sec: float

    @property
    def prompt_tokens(self) -> int:
        """As the endpoint counts, 0 where it does not."""
        return count_of(self.body.usage, "prompt_tokens")

    @property
    def cached_tokens(self) -> int | None:
        """Tokens of the prompt that it had read before; None where it does not say."""
        details = self.body.usage.get("prompt_tokens_details")
        if not isinstance(details, Mapping) or not isinstance(details.get("cached_tokens"), int):
            return None
        return count_of(details, "cached_tokens")

    @property
    def reply_tokens(self) -> int:
        """As the endpoint counts; where it does not, the pieces that came."""
        return count_of(self.body.usage, "completion_tokens") or self.body.pieces


class FirstPiece:
    """Content with the first piece of an answer."""

    reads = False

    def __call__(self, piece: bytes) -> bool:
        """Enough."""
        return True


class _Stopwatch:
    """Notes when the first words of a streamed reply come."""

    reads = False

    def __init__(self) -> None:
        self.begun_sec = time.monotonic()
        self.first_sec: float | None = None
        self._reader: EventReader | None = EventReader(Body(), MOST_ANSWER_BYTES)

    def __call__(self, piece: bytes) -> bool:
        """Never enough: the whole reply is wanted."""
        if self._reader is None:
            return False
        try:
            self._reader.feed(piece)
        except (ErrorInside, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._reader = None
            return False
        if self._reader.body.pieces:
            self.first_sec = time.monotonic() - self.begun_sec
            self._reader = None
        return False


def body_of(answer: Answer) -> Body | None:
    """The reply of an answer, as a build would take it; None for anything else."""
    try:
        return _read(answer)
    except (ErrorInside, TeacherError):
        return None


def _read(answer: Answer) -> Body | None:
    """As `body_of`. Raises: ErrorInside, TeacherError: why a build could not take it, though its status is 200."""
    if answer.status != 200:
        return None
    body = read_body(answer.content)
    reply_of_body(body, asked=())
    return body


def text_of(answer: Answer) -> str:
    """The text of a reply; empty for anything else."""
    body = body_of(answer)
    return "".join(body.text) if body else ""


def said(answer: Answer, safe: Callable[[str], str]) -> str:
    """What came back instead of a reply, in words that `safe` has taken keys out of."""
    if answer.status == 0:
        return answer.words
    page = "html" in answer.headers.get("content-type", "") or "<html" in answer.words[:500].lower()
    if page:
        return f"HTTP {answer.status}: a web page, not the API"
    try:
        _read(answer)
        words = answer.words
    except (ErrorInside, TeacherError) as error:
        words = safe(str(error))
    return f"HTTP {answer.status}: {words}"
