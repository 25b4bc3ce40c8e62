"""The models that an endpoint lists: asked for beside its first call, so that nobody waits for the list."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from labgen.errors import TeacherError
from labgen.teacher.openai_client import Answer

LONGEST_SEC = 5.0
"""Longest wait for the list."""
MOST_LISTED = 3
"""Models of a list that are named."""


def listed_models(answer: Answer) -> list[dict[str, Any]]:
    """The entries of an answer to `/models`; none for what is of another form."""
    try:
        data = answer.json if answer.status == 200 else None
    except (ValueError, RecursionError):
        return []
    entries = data.get("data") if isinstance(data, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def listed_names(answer: Answer) -> list[str]:
    """The names in an answer to `/models`."""
    return [str(entry["id"]) for entry in listed_models(answer) if entry.get("id")]


def others_listed(asked: str, models: Sequence[str]) -> str:
    """The models that an endpoint lists, in words, where the one that it is asked for is not among them; else empty."""
    if not models or asked in models:
        return ""
    more = len(models) - MOST_LISTED
    return ", ".join(models[:MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


class ModelList:
    """What one endpoint lists instead of the model that it is asked for.

    Args:
        get: asks it for what is at a path.
        asked: the model's name as it is sent there.
    """

    def __init__(self, get: Callable[[str], Awaitable[Answer]], asked: str) -> None:
        self._get, self._asked = get, asked
        self._looking: asyncio.Task[str] | None = None

    def begin(self) -> None:
        """Ask for the list, where that was not done yet."""
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())

    @property
    def others(self) -> str:
        """See `others_listed`; empty where no list has come (yet): a reply that is paid for waits for nothing."""
        looking = self._looking
        return looking.result() if looking and looking.done() and not looking.cancelled() else ""

    async def close(self) -> None:
        """Ask no longer."""
        if self._looking and not self._looking.done():
            self._looking.cancel()
            with suppress(asyncio.CancelledError):
                await self._looking

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(LONGEST_SEC):
                return others_listed(self._asked, listed_names(await self._get("/models")))
        except (TeacherError, TimeoutError):
            return ""
