"""Setting and taking back marks in `marks.yaml`, so that a change is as small as it can be and nothing else is lost.

An entry is put in its place, by leaf and id, and all other lines stay as they are, comments included. The file is read
anew and replaced whole under a lock: several reviewers, and whoever edits it by hand, lose nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labgen.errors import OutputError
from labgen.lazy import re
from labgen.taxonomy.marks import KEYS, MARKS_FILE, MarksFile, RowMark, load_marks, parse_marks

HEADER = "# What reviewers say of rows (`labgen review`). The next build obeys.\n"
LOCK_SEC = 10.0
"""Longest wait for another process that writes a mark, which takes it milliseconds."""

_LOOKS_LIKE_A_NUMBER = re.compile(r"[0-9]+(?:e[0-9]*)?")
_BETWEEN = re.compile(r"#|\s*\Z")
"""A line between entries: blank, or a comment that is not indented, as the lines of a text would be."""


def set_mark(root: Path, id: str, mark: RowMark | None) -> MarksFile:
    """Put a mark on a row in place of the one that it has, or take that away (None).

    Returns: the file as it is now, with whatever others have written meanwhile.
    Raises: TaxonomyError: the file can't be read as it is, and is left alone; OutputError: it can't be written;
        ValueError: a text of the mark is too long, or its id is none.
    """
    with _locked(root):
        before = load_marks(root)
        if before.marks.get(id) == mark:
            return before
        after = parse_marks(text_with(before, id, mark))
        if after.marks.get(id) != mark or not after.sound:
            raise ValueError(f"{id}: this is no mark that can be read again")
        _write(root / MARKS_FILE, after.text)
        return after


def text_with(before: MarksFile, id: str, mark: RowMark | None) -> str:
    """The text of a sound marks file with one mark set or taken away."""
    wanted = {name: each for name, each in before.marks.items() if name != id}
    if mark:
        wanted[id] = mark
    spliced = _spliced(before, id, mark)
    if spliced is not None:
        found = parse_marks(spliced)
        if dict(found.marks) == wanted and len(found.violations) <= len(before.violations) + 1:
            return spliced
    # What was written in another style (braces, anchors) is written anew as a whole.
    in_order = sorted(wanted.items(), key=lambda item: (item[1].leaf, item[0]))
    return HEADER + "".join(entry_text(name, each) for name, each in in_order)


def _spliced(before: MarksFile, id: str, mark: RowMark | None) -> str | None:
    """The text with the lines of one entry exchanged; None where entries do not begin with their lines."""
    text = before.text or HEADER
    if not text.endswith("\n"):
        text += "\n"
    starts = sorted(before.starts.items(), key=lambda item: item[1])
    if any(start and text[start - 1] != "\n" for _, start in starts):
        return None
    ends = [*(start for _, start in starts), len(text)][1:] if starts else []
    spans = {name: (start, _end_of(text, start, end)) for (name, start), end in zip(starts, ends, strict=True)}
    new = entry_text(id, mark) if mark else ""
    if id in spans:
        start, end = spans[id]
        return text[:start] + new + text[end:]
    place = len(text)
    for number, (name, (start, _)) in enumerate(spans.items()):
        if mark and (before.marks[name].leaf, name) > (mark.leaf, id):
            place = spans[starts[number - 1][0]][1] if number else start
            break
    return text[:place] + new + text[place:]


def _end_of(text: str, start: int, end: int) -> int:
    """The end of an entry without the comments and blank lines after it, which belong to what comes next."""
    lines = text[start:end].splitlines(keepends=True)
    while len(lines) > 1 and _BETWEEN.match(lines[-1]):
        end -= len(lines.pop())
    return end


def entry_text(id: str, mark: RowMark) -> str:
    """A mark as it stands in the file."""
    values = {name: str(value) for name in KEYS if (value := getattr(mark, name)) not in (None, "")}
    return _dump({_Id(id): values})


def _dump(data: dict[Any, Any]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes texts of several lines as blocks, and ids so that no reader takes one for a number."""

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    def name(dumper: Any, value: _Id) -> Any:
        style = "'" if _LOOKS_LIKE_A_NUMBER.fullmatch(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)

    Dumper.add_representer(str, text)
    Dumper.add_representer(_Id, name)
    dumped: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return dumped


class _Id(str):
    """The id of a row, as a name in the file."""


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = root / f".{MARKS_FILE}.lock"
    lock = FileLock(path, timeout=LOCK_SEC)
    try:
        lock.acquire()
    except Timeout:
        raise OutputError(f"{path}: another process has been writing marks for {LOCK_SEC:g} s. Try again.") from None
    except OSError as error:
        raise OutputError(f"{root}: marks can't be written there ({error.strerror}).") from error
    try:
        yield
    finally:
        # Removed while it is held: whoever waits on the removed file finds it without a name and starts over.
        path.unlink(missing_ok=True)
        lock.release()


def _write(file: Path, text: str) -> None:
    target = Path(os.path.realpath(file))  # also of a link that leads in a circle
    try:
        handle, name = tempfile.mkstemp(prefix=f".{MARKS_FILE}.", dir=target.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).chmod(target.stat().st_mode & 0o777 if target.exists() else 0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise OutputError(f"{file}: can't be written ({error.strerror}). Nothing in it has changed.") from error
