"""Patterns for paths, and which leaves one names: `knowledge/science`, `knowledge/**/cats`, `compositional_skills/*`.

What a pattern's segments mean is said here once, for leaves and for the documents of a leaf
(`labgen.documents.file_patterns`): `*` and `?` stay within one name, `[abc]`, `[a-c]` and `[!abc]` are one character,
`**` is any number of folders, and at the end one name or more. Upper and lower case differ on every system. Patterns
and paths may be strangers': work grows with the product of their lengths, never faster.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from functools import lru_cache

from labgen.lazy import re

LEAF_FILE = "qna.yaml"

MAGIC = re.compile(r"[*?\[]")
"""What makes a segment more than a name."""

_FOLDERS = "**"
_CLASS = re.compile(r"\[(?P<sign>[!^]?+)(?P<chars>\]?+[^\]]{0,200}+)\]")


def match_path(path: str, pattern: str) -> bool:
    """Whether a pattern names a leaf.

    A pattern that matches a folder also matches everything beneath it; `folder/qna.yaml` names the leaf in that folder.
    Names that start with a dot are names like others, a backslash is a slash, and `[^abc]` is another way to write
    `[!abc]`.

    Args:
        path: the leaf's path below the taxonomy root, with forward slashes; with or without the file name.
        pattern: as a person types it; `./` before it and a slash after it are ignored.
    """
    folder = _leaf_folder(path)
    return match_names(_leaf_segments(pattern), folder.split("/") if folder else [], beneath=True)


class PatternList:
    """Patterns in order, of which those that name a leaf are found without looking at each: of thousands that are
    plain paths, one for each leaf, say.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._plain: dict[tuple[str, ...], list[int]] = {}
        self._magic: list[tuple[int, tuple[str, ...]]] = []
        for number, segments in enumerate(_leaf_segments(pattern) for pattern in patterns):
            if any(MAGIC.search(segment) for segment in segments):
                self._magic.append((number, segments))
            else:
                self._plain.setdefault(segments, []).append(number)

    def matching(self, path: str) -> list[int]:
        """Places of the patterns that name a leaf, as `match_path` says of each; in order."""
        folder = _leaf_folder(path)
        names = tuple(folder.split("/")) if folder else ()
        found = [number for number, segments in self._magic if match_names(segments, names, beneath=True)]
        for length in range(len(names) + 1):
            found += self._plain.get(names[:length], ())
        return sorted(found)


def split_pattern(pattern: str) -> tuple[str, ...]:
    """The segments of a pattern, without `.` and empty ones. Runs of `**` are one."""
    segments: list[str] = []
    for part in pattern.split("/"):
        if part in ("", ".") or (part == _FOLDERS and segments and segments[-1] == _FOLDERS):
            continue
        segments.append(part)
    # At the end it stands for files too, but not for none.
    return (*segments, "*") if segments and segments[-1] == _FOLDERS else tuple(segments)


def match_names(
    segments: Sequence[str], names: Sequence[str], *, beneath: bool = False, skip_hidden: bool = False
) -> bool:
    """Whether the segments of a pattern (see `split_pattern`) match the names that a path consists of.

    Args:
        beneath: it is enough that they match the path or a folder above it.
        skip_hidden: `**`, and a segment that begins with `*`, `?` or `[`, pass over names that start with a dot.
    """
    # How many names the segments so far can stand for.
    reached = {0}
    for segment in segments:
        if segment == _FOLDERS:
            reached = _spread(reached, names, skip_hidden)
        else:
            reached = {n + 1 for n in reached if n < len(names) and _is_named(names[n], segment, skip_hidden)}
        if not reached:
            return False
    return beneath or len(names) in reached


def _spread(reached: set[int], names: Sequence[str], skip_hidden: bool) -> set[int]:
    """What is reached when any number of folders may follow."""
    found: set[int] = set()
    for n in range(len(names) + 1):
        follows = n - 1 in found and not (skip_hidden and names[n - 1].startswith("."))
        if n in reached or follows:
            found.add(n)
    return found


def _is_named(name: str, segment: str, skip_hidden: bool) -> bool:
    expression = _compile(segment)
    if expression is None:
        return segment == name
    if skip_hidden and name.startswith(".") and not segment.startswith("."):
        return False
    return expression.match(name) is not None


@lru_cache(maxsize=1024)
def _compile(segment: str) -> re.Pattern[str] | None:
    """The segment as an expression; None where it is a plain name."""
    if not MAGIC.search(segment):
        return None
    # After the last `]` no class can begin; said beforehand, `translate` need not look for its end at each `[`.
    classes, close, rest = segment.rpartition("]")
    return re.compile(fnmatch.translate(classes + close + rest.replace("[", "[[]")))


@lru_cache(maxsize=1024)
def _leaf_segments(pattern: str) -> tuple[str, ...]:
    return tuple(_with_exclamation_mark(segment) for segment in split_pattern(_leaf_folder(pattern)))


def _with_exclamation_mark(segment: str) -> str:
    """The segment with `[!abc]` for `[^abc]`."""
    classes, close, rest = segment.rpartition("]")
    return (
        _CLASS.sub(lambda found: f"[!{found['chars']}]" if found["sign"] == "^" else found[0], classes + close) + rest
    )


def _leaf_folder(path: str) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and parts[-1] == LEAF_FILE:
        parts.pop()
    return "/".join(parts)
