"""Replies that come as a stream of events, read while they come: nothing is held but what they say.

Some only repeat themselves, as weak models do to the token limit: that is seen meanwhile, and they are cut.
"""

from __future__ import annotations

from labgen.teacher.openai_client import too_large
from labgen.teacher.reply_body import Body, ErrorInside, EventReader, begins_stream, of_the_form

PERIODIC_CHARS = 800
"""A text whose last so many characters are one piece over and over is stuck."""
LONGEST_PERIOD_CHARS = 200
LOOK_EVERY_CHARS = 400
_ANCHOR_CHARS = 40
_FIRST_BYTES = 200
WIRE_TIMES = 40
"""A stream may have so many times the bytes of what it says: each token comes in an event of some 300."""


class StreamedReply:
    """Reads a streamed reply as it comes, and says when it is stuck. What is no stream is left to be read later.

    Args:
        most_bytes: the longest that what it says may be.

    Attributes:
        reads: whether it is a stream, by its first bytes.
    """

    def __init__(self, most_bytes: int) -> None:
        self.reads = False
        self._most_bytes = most_bytes
        self._body = Body()
        self._reader = EventReader(self._body, most_bytes)
        self._first: bytes | None = b""
        self._problem: Exception | None = None
        self._came_bytes = self._said_chars = self._new_chars = 0
        self._seen_texts = self._seen_thoughts = 0
        self._tail = ""
        self._stuck = False

    def __call__(self, piece: bytes) -> bool:
        """Whether the reply is stuck, given its next bytes. Raises: BadReply: it is longer than it may be."""
        if self._first is not None:
            self._first = (self._first + piece).lstrip()  # white space before it may be long, and come in many pieces
            if len(self._first) < _FIRST_BYTES and b"\n" not in self._first.strip():
                return False
            piece, self._first = self._first, None
            self.reads = begins_stream(piece)
        if not self.reads:
            return False
        self._came_bytes += len(piece)
        if self._came_bytes > WIRE_TIMES * self._most_bytes:
            raise too_large(WIRE_TIMES * self._most_bytes)
        if self._problem is None:
            try:
                self._reader.feed(piece)
            except (ErrorInside, ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
                self._problem = problem  # told once all of it has come
        self._stuck = self._repeats_itself()
        return self._stuck

    def whole(self) -> Body:
        """What it said, once nothing more comes. Raises: as `labgen.teacher.reply_body.read_body`."""
        if self._stuck:
            return self._body
        with of_the_form():
            if self._problem:
                raise self._problem
            self._reader.feed(b"\n\n")
            self._reader.end()
        return self._body

    def _repeats_itself(self) -> bool:
        text = "".join(self._body.text[self._seen_texts :])
        thoughts = self._body.reasoning[self._seen_thoughts :]
        self._seen_texts, self._seen_thoughts = len(self._body.text), len(self._body.reasoning)
        self._said_chars += len(text) + sum(map(len, thoughts))
        if self._said_chars > self._most_bytes:
            raise too_large(self._most_bytes)
        self._new_chars += len(text)
        self._tail = (self._tail + text)[-PERIODIC_CHARS:]
        if self._new_chars < LOOK_EVERY_CHARS:
            return False
        self._new_chars = 0
        return is_periodic(self._tail)


def is_periodic(tail: str) -> bool:
    """Whether a text of `PERIODIC_CHARS` characters is one piece of at most `LONGEST_PERIOD_CHARS`, over and over."""
    if len(tail) < PERIODIC_CHARS:
        return False
    anchor = len(tail) - _ANCHOR_CHARS
    before = tail.rfind(tail[anchor:], anchor - LONGEST_PERIOD_CHARS, len(tail) - 1)
    period = anchor - before
    return before >= 0 and tail[period:] == tail[:-period]
