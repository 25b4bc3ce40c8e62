"""A page as a file, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from labgen.errors import OutputError
from labgen.text.target_file import why_not_replaced

HTML_BEGINS = b"<!doctype html"


def write_page(path: Path, pieces: Iterable[str]) -> int:
    """Write a page in place of what is there. Returns: its size in bytes. Raises: OutputError: it can't be written."""
    if problem := why_not_replaced(path, HTML_BEGINS):
        raise OutputError(f"{path}: {problem}. Choose another file for the page.")
    temporary = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            for piece in pieces:
                file.write(piece)
        size = temporary.stat().st_size
        temporary.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: can't be written ({error.strerror or error}). Choose another file.") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return size
