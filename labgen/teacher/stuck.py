"""Replies that only repeat themselves, as weak models do to the token limit: seen while they come, and cut."""

from __future__ import annotations

from labgen.teacher.reply_body import Body, ErrorInside, EventReader

PERIODIC_CHARS = 800
"""A text whose last so many characters are one piece over and over is stuck."""
LONGEST_PERIOD_CHARS = 200
LOOK_EVERY_CHARS = 400
_ANCHOR_CHARS = 40


class StuckReply:
    """Reads a streamed reply as it comes, and says when it is stuck. What is no stream is left to be read later.

    Attributes:
        body: what has come so far.
    """

    def __init__(self) -> None:
        self.body = Body()
        self._reader: EventReader | None = EventReader(self.body)
        self._seen_pieces = 0
        self._tail = ""
        self._new_chars = 0

    def __call__(self, piece: bytes) -> bool:
        """Whether the reply is stuck, given its next bytes."""
        if self._reader is None:
            return False
        try:
            self._reader.feed(piece)
        except (ErrorInside, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._reader = None  # an error, or no stream at all: the whole body says what it is
            return False
        text = "".join(self.body.text[self._seen_pieces :])
        self._seen_pieces = len(self.body.text)
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
