"""Calls as files in OpenAI's batch format: one model a file, within a provider's limits, whole or not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import field
from pathlib import Path
from typing import BinaryIO

from labgen.bulk.providers import Provider
from labgen.errors import OutputError
from labgen.lazy.dataclasses import dataclass

PART = ".part"
"""End of the name of a file that is being written."""


@dataclass(frozen=True, slots=True)
class RequestFile:
    """A file of calls to one model (the logical name)."""

    path: Path
    model: str
    lines: int
    size_bytes: int


@dataclass
class _Open:
    path: Path
    file: BinaryIO
    lines: int = 0
    size_bytes: int = 0


@dataclass
class RequestFiles:
    """Writes lines to files, and begins another one where a limit would be passed.

    Args:
        folder: where they go; made where it is missing.

    Attributes:
        written: the files that are complete.
    """

    folder: Path
    written: list[RequestFile] = field(default_factory=list)
    _open: dict[str, _Open] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)

    def add(self, model: str, line: bytes, provider: Provider) -> None:
        """Write a line. Raises: OutputError: the disk is full, or the folder can't be written to."""
        with file_errors(self.folder):
            now = self._open.get(model)
            if now and (now.lines >= provider.max_lines or now.size_bytes + len(line) > provider.max_bytes):
                self._finish(model)
                now = None
            if now is None:
                now = self._begin(model)
            now.file.write(line)
            now.lines += 1
            now.size_bytes += len(line)

    def finish(self) -> list[RequestFile]:
        """Complete all files; returns them. Raises: OutputError: as `add`."""
        with file_errors(self.folder):
            for model in list(self._open):
                self._finish(model)
        return self.written

    def close(self) -> None:
        """Give up files that are not complete; nothing of them stays."""
        for each in self._open.values():
            each.file.close()
            each.path.with_name(each.path.name + PART).unlink(missing_ok=True)
        self._open.clear()

    def _begin(self, model: str) -> _Open:
        self.folder.mkdir(parents=True, exist_ok=True)
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.") or "model"
        while True:
            # Two models may come to the same name.
            number = self._numbers[name] = self._numbers.get(name, 0) + 1
            path = self.folder / f"{name}-{number:04d}.jsonl"
            if not path.exists():
                break
        self._open[model] = _Open(path, path.with_name(path.name + PART).open("wb"))
        return self._open[model]

    def _finish(self, model: str) -> None:
        now = self._open.pop(model)
        now.file.close()
        now.path.with_name(now.path.name + PART).rename(now.path)
        self.written.append(RequestFile(now.path, model, now.lines, now.size_bytes))


def halves(file: RequestFile) -> tuple[RequestFile, RequestFile]:
    """A file of two lines or more as two files, which take its place. Raises: OutputError: as `RequestFiles.add`."""
    parts = []
    with file_errors(file.path), file.path.open("rb") as lines:
        for name, count in (("a", (file.lines + 1) // 2), ("b", file.lines // 2)):
            path = file.path.with_name(f"{file.path.stem}{name}.jsonl")
            with path.open("wb") as part:
                size = sum(part.write(lines.readline()) for _ in range(count))
            parts.append(RequestFile(path, file.model, count, size))
        file.path.unlink()
    return parts[0], parts[1]


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Says of what the system refuses where it was, and what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or path}: {error.strerror}. Make room, or name a folder that can be written to; what was "
            "paid for is in the ledger."
        ) from error
