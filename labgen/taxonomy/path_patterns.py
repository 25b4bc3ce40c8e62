"""Which leaves a pattern names: `knowledge/science`, `knowledge/**/cats`, `compositional_skills/*/qna.yaml`."""

from __future__ import annotations

import re
from functools import lru_cache

LEAF_FILE = "qna.yaml"


def match_path(path: str, pattern: str) -> bool:
    """Whether a pattern names a leaf.

    `*` and `?` stay within one folder name, `[abc]` is one of some characters, `**` is any number of folders. A
    pattern that matches a folder also matches everything beneath it; `folder/qna.yaml` names the leaf in that folder.

    Args:
        path: the leaf's path below the taxonomy root, with forward slashes; with or without the file name.
        pattern: as a person types it; `./` before it and a slash after it are ignored.
    """
    return _compile(pattern).fullmatch(_leaf_folder(path)) is not None


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    parts = _leaf_folder(pattern).split("/")
    if parts == [""]:
        return re.compile(".*", re.DOTALL)
    body = ""
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "**":
            body += ".+" if last else "(?:[^/]+/)*"
        else:
            body += _segment(part) + ("" if last else "/")
    return re.compile(body + "(?:/.*)?", re.DOTALL)


def _leaf_folder(path: str) -> str:
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    if parts and parts[-1] == LEAF_FILE:
        parts.pop()
    return "/".join(parts)


def _segment(part: str) -> str:
    found, position = "", 0
    while position < len(part):
        char = part[position]
        position += 1
        if char == "*":
            # A run of stars is one star; more would only make the expression slow.
            while position < len(part) and part[position] == "*":
                position += 1
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "[" and (end := part.find("]", position + 1)) > 0:
            found += _char_class(part[position:end])
            position = end + 1
        else:
            found += re.escape(char)
    return found


def _char_class(inside: str) -> str:
    negated = inside[0] in "!^"
    body = inside[1:] if negated else inside
    escaped = body.replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]").replace("^", r"\^")
    for twice in ("&&", "||", "~~", "--"):
        escaped = escaped.replace(twice, "\\" + twice[0] + "\\" + twice[1])
    try:
        re.compile(f"[{escaped}]")
    except re.error:
        return re.escape(f"[{inside}]")
    return f"(?!/)[^{escaped}]" if negated else f"(?!/)[{escaped}]"
