"""Whether a file may be written where a user said: what is there may be something that nobody has twice."""

from __future__ import annotations

from pathlib import Path


def why_not_replaced(path: Path, begins: bytes) -> str:
    """Why what is at a path is not to be written over, in words; empty where nothing is, or a file of the same kind.

    Args:
        begins: what files of that kind begin with, in lower case.
    """
    if not path.name or (path.exists() and not path.is_file()):
        return "this is no plain file"
    return "" if of_kind(path, begins) else "a file of another kind is there, and stays as it is"


def of_kind(path: Path, begins: bytes) -> bool:
    """Whether a file is empty or begins so; also where it is missing or can't be read, which whoever writes is told."""
    try:
        with path.open("rb") as file:
            head = file.read(len(begins))
    except OSError:
        return True
    return head.lower() in (b"", begins)
