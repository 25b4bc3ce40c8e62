"""File patterns of a leaf: Python's `glob`, relative to the root of the repository (or to the leaf's folder).

`*`, `?` and `[...]` stay within one name and pass over names that start with a dot; `**` stands for any number of
folders (the reference reads it as `*`, so a pattern finds here at least what it finds there). Upper and lower case
differ on every system. Patterns are matched against names alone: none is ever opened, or handed to another program.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from labgen.text.printable import shown

MAX_PATTERN_CHARS = 1000
MAX_PATTERNS = 200
_MAGIC = re.compile(r"[*?\[]")


def pattern_problem(pattern: str) -> str | None:
    """Why `pattern` can match nothing anywhere, or None where it could match something."""
    said = f"pattern `{shown(pattern)}`"
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"{said} is longer than {MAX_PATTERN_CHARS} characters."
    if pattern.startswith("/"):
        return f"{said} matches nothing: patterns start below the root. Write `{shown(pattern.lstrip('/'))}`."
    if ".." in pattern.split("/"):
        return f"{said} leads out of the documents' folder, which no pattern may. Take out the `..`."
    if not _segments(pattern) or pattern.endswith(("/", "/.")):
        return f"{said} names a folder, and a pattern names files. Write for example `docs/*.md`."
    return None


def match_files(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` (relative, forward slashes) that `pattern` matches, in the order given."""
    if pattern_problem(pattern):
        return []
    segments = _segments(pattern)
    literal = _literal_start(segments)
    return [
        path
        for path in paths
        if (same := _composed(path)).startswith(literal) and _matches(segments, tuple(same.split("/")))
    ]


def _segments(pattern: str) -> tuple[str, ...]:
    """The pattern's parts without `.` and empty ones, runs of `**` made one."""
    parts: list[str] = []
    for part in _composed(pattern).split("/"):
        if part in ("", ".") or (part == "**" and parts and parts[-1] == "**"):
            continue
        parts.append(part)
    # At the end it stands for files too, but not for none.
    return (*parts, "*") if parts and parts[-1] == "**" else tuple(parts)


def _literal_start(segments: tuple[str, ...]) -> str:
    """What every matching path starts with: a quick test before the real one."""
    plain: list[str] = []
    for segment in segments:
        magic = _MAGIC.search(segment)
        if magic:
            plain.append(segment[: magic.start()])
            break
        plain.append(segment)
    return "/".join(plain)


def _matches(segments: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Whether the parts of a pattern match those of a path; work grows with their product, not exponentially."""
    # reached[j]: the parts seen so far match the first j names.
    reached = [True] + [False] * len(names)
    for segment in segments:
        following = [False] * (len(names) + 1)
        if segment == "**":
            following[0] = reached[0]
            for j, name in enumerate(names):
                following[j + 1] = reached[j + 1] or (following[j] and not name.startswith("."))
        else:
            for j, name in enumerate(names):
                following[j + 1] = reached[j] and _name_matches(segment, name)
        reached = following
    return reached[-1]


def _name_matches(segment: str, name: str) -> bool:
    if not _MAGIC.search(segment):
        return segment == name
    if name.startswith(".") and not segment.startswith("."):
        return False
    return _compiled(segment).match(name) is not None


@lru_cache(maxsize=1024)
def _compiled(segment: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(segment))


def _composed(text: str) -> str:
    """One spelling for accented letters: macOS hands out another one than authors type."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
