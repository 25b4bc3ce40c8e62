"""What stands where something else is wanted, in words."""

from __future__ import annotations

from typing import Any

LONGEST_SHOWN_CHARS = 20
"""Words of the settings that are as long as this may be a key in the wrong place, and are not repeated."""


def kind_in_words(value: Any) -> str:
    """What was given, in words; the value itself where it is too short to be a key that stands in the wrong place."""
    if value is None or value == "":
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "`name: value` lines"
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty list"
    text = str(value)
    kind = "the text" if isinstance(value, str) else "the number" if isinstance(value, int | float) else "the value"
    words = f"`{text}`" if isinstance(value, str) else text
    return f"{kind} {words}" if len(text) < LONGEST_SHOWN_CHARS else "a longer text"
