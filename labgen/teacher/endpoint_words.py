"""The words in what came of a request: an endpoint's own in a refusal, the library's where a connection failed.

They may hold anything, a key too: `labgen.teacher.openai_client.OpenAIClient.safe` makes them fit for messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from labgen.lazy import re
from labgen.text.bounded_json import read_bounded

_BYTES = re.compile(r""":? ?["'(]?\bb["']""")
"""Where aiohttp begins to repeat what came."""


def words_of_body(body: Any) -> str:
    """An endpoint's own words in the decoded body of a refusal."""
    if isinstance(body, Mapping):
        error = body.get("error", body)
        if isinstance(error, Mapping) and error.get("message"):
            return " ".join(str(part) for part in (error["message"], error.get("code") or "") if part)
        body = error
    return body.strip() if isinstance(body, str) and body.strip() else "no explanation"


def words_in(content: bytes) -> str:
    """An endpoint's own words in a refusal as it came."""
    text = content.decode("utf-8", "replace").strip()
    with suppress(ValueError, RecursionError):
        body = read_bounded(content)
        error = body.get("error", body) if isinstance(body, Mapping) else None
        if isinstance(error, Mapping) and error.get("message"):
            return words_of_body(error)
    return "a web page" if "<html" in text[:500].lower() else (text or "no explanation")


def words_of_failure(error: BaseException) -> str:
    """What the library says of a failure, on one line, without the bytes that came: they may be the request, key and
    all, or a part of it, in which nobody would know the key."""
    message = getattr(error, "message", "")
    words = " ".join((message if isinstance(message, str) and message else str(error)).split())
    return _BYTES.split(words, maxsplit=1)[0] or type(error).__name__


def whole(text: str) -> str:
    """Text without lone surrogates: JSON can spell them, but neither ledger nor dataset can hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")
