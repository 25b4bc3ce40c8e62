"""Names of folders and files that not every system, tool and reader takes for the same name."""

from __future__ import annotations

import os.path
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from labgen.lazy import re

MOST_NAME_CHARS = 100
MOST_PATH_CHARS = 300
"""Systems take names of 255 bytes, and some paths of 260 characters in all."""

_UNSEEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    r"\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e007f]"
)
_NOT_EVERYWHERE = re.compile(r"[<>:\"\\|?*]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\..*)?", re.IGNORECASE | re.DOTALL)


def unseen_in_name(path: str) -> str:
    """What makes a path look like another than it is, or longer than systems take, in words; empty for nothing."""
    if found := _UNSEEN.search(path):
        return f"holds a character that nobody sees (U+{ord(found.group()):04X})"
    if len(path) > MOST_PATH_CHARS:
        return f"has {len(path)} characters in all; {MOST_PATH_CHARS} are the most"
    long = next((name for name in path.split("/") if len(name) > MOST_NAME_CHARS), "")
    return f"has a name of {len(long)} characters; {MOST_NAME_CHARS} are the most" if long else ""


def unfit_name(path: str) -> str:
    """What keeps the path of a leaf from being the same on every system, in words; empty for nothing."""
    if problem := unseen_in_name(path):
        return problem
    if found := _NOT_EVERYWHERE.search(path):
        return f"holds `{found.group()}`, which Windows has no names with"
    for name in path.split("/"):
        if _RESERVED.fullmatch(name):
            return f"has the name `{name}`, which Windows keeps for a device"
        if name.endswith((".", " ")) or name.startswith(" "):
            return f"has the name `{name}`, with a space or full stop at an end, which Windows takes off"
    return ""


def leads_out(path: Path, folder: Path) -> bool:
    """Whether a link at a path, or above it, leads out of a folder. One that leads in a circle does not."""
    # `Path.resolve` raises for a circle, before Python 3.13, and every leaf has such paths: text is faster to compare.
    inside, top = (os.path.normcase(os.path.realpath(each)) for each in (path, folder))
    return inside != top and not inside.startswith(f"{top.rstrip(os.sep)}{os.sep}")


def same_elsewhere(paths: Iterable[str]) -> dict[str, str]:
    """Of paths that some systems take for the same, each but the first one, with that."""
    first: dict[str, str] = {}
    found: dict[str, str] = {}
    for path in sorted(paths):
        # Case is folded and accents are composed, by file systems of macOS and Windows.
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
        if first.setdefault(folded, path) != path:
            found[path] = first[folded]
    return found
