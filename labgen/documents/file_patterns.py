"""File patterns of a leaf: Python's `glob`, relative to the root of the repository (or to the leaf's folder).

What segments mean is said in `labgen.taxonomy.path_patterns`. Here they pass over names that start with a dot, a
pattern that names a folder names none of its files, and accented letters may be written in either way that Unicode has
(the reference reads `**` as `*`, so a pattern finds here at least what it finds there). Patterns are matched against
names alone: none is ever opened, or handed to another program.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from labgen.taxonomy.path_patterns import MAGIC, match_names, split_pattern
from labgen.text.printable import shown

MAX_PATTERN_CHARS = 1000
MAX_PATTERNS = 200


def pattern_problem(pattern: str) -> str | None:
    """Why `pattern` can match nothing anywhere, or None where it could match something."""
    said = f"pattern `{shown(pattern)}`"
    if len(pattern) > MAX_PATTERN_CHARS:
        return f"{said} is longer than {MAX_PATTERN_CHARS} characters."
    if pattern.startswith("/"):
        return f"{said} matches nothing: patterns start below the root. Write `{shown(pattern.lstrip('/'))}`."
    if ".." in pattern.split("/"):
        return f"{said} leads out of the documents' folder, which no pattern may. Take out the `..`."
    if not split_pattern(pattern) or pattern.endswith(("/", "/.")):
        return f"{said} names a folder, and a pattern names files. Write for example `docs/*.md`."
    return None


def match_files(pattern: str, paths: Iterable[str]) -> list[str]:
    """Those of `paths` (relative, forward slashes) that `pattern` matches, in the order given."""
    if pattern_problem(pattern):
        return []
    segments = split_pattern(_composed(pattern))
    literal = _literal_start(segments)
    return [
        path
        for path in paths
        if (same := _composed(path)).startswith(literal) and match_names(segments, same.split("/"), skip_hidden=True)
    ]


def _literal_start(segments: tuple[str, ...]) -> str:
    """What every matching path starts with: a quick test before the real one."""
    plain: list[str] = []
    for segment in segments:
        magic = MAGIC.search(segment)
        if magic:
            plain.append(segment[: magic.start()])
            break
        plain.append(segment)
    return "/".join(plain)


def _composed(text: str) -> str:
    """One spelling for accented letters: macOS hands out another one than authors type."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
