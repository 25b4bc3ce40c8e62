"""JSON of strangers: what would be far larger in memory than it is as text is not read."""

from __future__ import annotations

import json
from typing import Any

from labgen.lazy import re

MOST_PARTS = 20_000
"""Objects, lists and their members in one document (count): a reply has some fifty, whatever it says."""
PART_BYTES = 70
"""What each takes in memory, about."""

# The end may be missing, so that a text without one is gone through once, and not from each of its quotes.
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


def read_bounded(content: bytes) -> Any:
    """The value of a document.

    Raises: ValueError: it is no JSON, or has too many parts; RecursionError: it is nested too deep.
    """
    # Commas in texts are no parts; they are told from the others only where there are that many.
    if _parts(content) > MOST_PARTS and _parts(_TEXT.sub(b"", content)) > MOST_PARTS:
        raise ValueError(f"more than {MOST_PARTS:,} objects, lists and members")
    return json.loads(content)


def most_in_memory(content: bytes) -> int:
    """What the value of a document takes in memory at most, about (bytes)."""
    return len(content) + PART_BYTES * _parts(content)


def _parts(content: bytes) -> int:
    return content.count(b"{") + content.count(b"[") + content.count(b",")
