"""Other packages that add to labgen: what messages call them, and what went wrong in their code, in words."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

MOST_WORDS_CHARS = 200
"""Characters of an error's own words that are repeated."""


def installed_names(group: str) -> list[str]:
    """The names under which packages add to a group of entry points, sorted, without importing any."""
    return sorted({entry.name for entry in entry_points(group=group)})


def package_of(entry: EntryPoint) -> str:
    """Name and version of the distribution that an entry point comes from."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def crash(error: BaseException) -> str:
    """An error that anybody's code raised, in words: its type, and the beginning of what it says."""
    try:
        words = str(error)
    except Exception:
        # An error's words are anybody's code, too.
        words = "(no words)"
    return f"{type(error).__name__}: {words[:MOST_WORDS_CHARS]}"
