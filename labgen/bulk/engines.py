"""What answers the files of a round where no batch API does: a command, such as vLLM's batch runner, or a Ray cluster.

Both write files of replies into a folder and may be killed at any time: what is there by then is read, and the rest is
asked in the next round.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from labgen.bulk.doors import Door
from labgen.bulk.reply_files import LinesTold, ReplyReader
from labgen.bulk.request_files import RequestFile, file_errors
from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.parameters import expanded

REPLIES = "replies"
"""Folder for replies, beside the files of the round."""
REQUESTS_AT, REPLIES_AT = "{requests}", "{replies}"
"""What stands in a command for the file that it is to read, and for the one that it is to write."""
LAST_WORDS_BYTES = 600


@dataclass
class ByCommand:
    """Files answered one after the other by a command that reads and writes OpenAI's batch format.

    Args:
        command: with `{requests}` and `{replies}` for the two files, and `{model}` for the model's name.
        folder: where replies are written.
    """

    command: str
    doors: Mapping[str, Door]
    reader: ReplyReader
    folder: Path
    notice: Callable[[str], None] = lambda words: None

    def answer(self, files: Sequence[RequestFile]) -> LinesTold:
        """Run the command on each file, and read what it has written, however it ended.

        Raises: UsageError: there is no such command, or it does not say where files go; LedgerError; OutputError.
        """
        told = LinesTold()
        replies = self.folder / REPLIES
        with file_errors(replies):
            replies.mkdir(parents=True, exist_ok=True)
        for number, file in enumerate(files, start=1):
            self.notice(f"File {number} of {len(files)}: {file.lines:,} calls to {file.model}.")
            path = replies / file.path.name
            words = self._run(file, path)
            if words:
                self.notice(f"The command ended with {words}")
            if path.exists():
                told.add_all(self.reader.read(path))
            elif not words:
                self.notice(
                    f"The command ended well, and has not written {path}, which is what {REPLIES_AT} stands for."
                )
        return told

    def _run(self, file: RequestFile, replies: Path) -> str:
        """Run it on a file; gives how it failed, empty where it did not."""
        filled = {
            REQUESTS_AT: str(file.path.resolve()),
            REPLIES_AT: str(replies.resolve()),
            "{model}": self.doors[file.model].spec.send_model,
        }
        arguments = [_filled(word, filled) for word in _words(self.command)]
        with file_errors(self.folder), tempfile.TemporaryFile() as said:
            try:
                done = subprocess.run(  # noqa: S603 (the user's own command)
                    arguments, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, check=False
                )
            except OSError as error:
                raise UsageError(f"--command: `{arguments[0]}` can't be run ({error.strerror}).") from error
            said.seek(max(0, said.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
            last = said.read().decode("utf-8", "replace").strip()
        return f"status {done.returncode}: ...{last}" if done.returncode else ""


def check_command(command: str) -> None:
    """Raises: UsageError: it does not say where the files go, or is no command."""
    for place in (REQUESTS_AT, REPLIES_AT):
        if not any(place in word for word in _words(command)):
            raise UsageError(
                f"--command: `{place}` is missing, which stands for a file. An example: vllm run-batch -i "
                f"{REQUESTS_AT} -o {REPLIES_AT} --model {{model}}"
            )


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command: {error}. Close the quotation mark.") from error
    if not words:
        raise UsageError("--command: it is empty.")
    return words


def _filled(word: str, filled: Mapping[str, str]) -> str:
    for place, value in filled.items():
        word = word.replace(place, value)
    return word


@dataclass
class OnRay:
    """Files answered on a Ray cluster: see `labgen.bulk.ray_data`.

    Args:
        address: of the cluster, as `ray.init` takes it; None for one that runs here, or is started.
        engine: settings of Ray's vLLM engine, for models that have no address.
        max_attempts, timeout_sec: as for calls one by one.
        folder: where replies are written; all workers see it.
    """

    address: str | None
    doors: Mapping[str, Door]
    reader: ReplyReader
    folder: Path
    engine: Mapping[str, Any] = field(default_factory=dict)
    max_attempts: int = 6
    timeout_sec: float = 180.0
    notice: Callable[[str], None] = lambda words: None

    def answer(self, files: Sequence[RequestFile]) -> LinesTold:
        """Have Ray answer the files of each model, and read what it has written.

        Raises: ConfigError: Ray is not installed, or there is no such cluster; TeacherDown: Ray gave up (what it has
            written is read by the next run); LedgerError; OutputError.
        """
        from labgen.bulk.ray_data import answer_files

        told = LinesTold()
        for model, door in self.doors.items():
            own = [file for file in files if file.model == model]
            if not own:
                continue
            total, done = sum(file.lines for file in own), 0

            def progress(lines: int, model: str = model, total: int = total) -> None:
                nonlocal done
                done += lines
                self.notice(f"Ray: {done:,} of {total:,} calls to {model}.")

            written = answer_files(
                [file.path for file in own],
                self.folder / REPLIES,
                address=self.address,
                timeout_sec=self.timeout_sec,
                max_attempts=self.max_attempts,
                progress=progress,
                **self._where(door),
            )
            for path in written:
                told.add_all(self.reader.read(path))
        return told

    def _where(self, door: Door) -> dict[str, Any]:
        spec = door.spec
        if not spec.base_url:
            if not self.engine:
                raise UsageError(
                    f"`{spec.model}` has no address, and `bulk.engine` no settings of Ray's vLLM engine, such as "
                    "`model_source`. Give one of the two."
                )
            return {"engine": self.engine}
        return {
            "base_url": spec.base_url,
            "key": spec.key,
            "headers": expanded(spec.extra_headers, "extra_headers"),
            "query": expanded(spec.extra_query, "extra_query"),
            "concurrency": spec.concurrency,
        }
