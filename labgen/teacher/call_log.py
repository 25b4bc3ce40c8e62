"""A log of every call's outcome as JSON lines, without any of its text."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from labgen.errors import UsageError
from labgen.teacher.traffic import CallOutcome
from labgen.text.target_file import of_kind


class CallLog:
    """Appends one JSON object per outcome to a file; `watch` is what a `TeacherClient` is given.

    Fields: `time` (Unix seconds), `key` (the call's, as in the ledger), `leaf`, `step`, `model`, `endpoint`, `outcome`,
    `latency_sec`; with a reply, `finish_reason`, `prompt_tokens`, `completion_tokens`; where the endpoint gave one,
    `request_id`. Neither prompts, replies, keys nor an endpoint's own words are in it. Lines are flushed one by one, so
    that a killed run's log lacks at most its last line's end.

    Raises: UsageError: the file can't be written.
    """

    def __init__(self, path: Path) -> None:
        self.problem = ""
        if path.is_file() and not of_kind(path, b"{"):
            raise UsageError(f"{path}: this is no log, but a file of another kind. Give --log another path.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise UsageError(f"{path}: the log can't be written ({error.strerror}). Give --log another path.") from None

    def watch(self, outcome: CallOutcome) -> None:
        """Write down an outcome. A log that can't be written any more is no reason to stop a build: see `problem`."""
        if self.problem:
            return
        call, reply = outcome.call, outcome.reply
        entry: dict[str, Any] = {
            "time": round(time.time(), 3),
            "key": call.key.hex(),
            "leaf": call.leaf,
            "step": call.step,
            "model": call.model,
            "endpoint": outcome.endpoint,
            "outcome": outcome.kind,
            "latency_sec": round(outcome.latency_sec, 4),
        }
        if reply is not None:
            entry |= {
                "finish_reason": reply.finish_reason,
                "prompt_tokens": reply.prompt_tokens,
                "completion_tokens": reply.completion_tokens,
            }
        if outcome.request_id:
            entry["request_id"] = outcome.request_id
        try:
            self._file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        except OSError as error:
            self.problem = f"{self._file.name}: the log ends early ({error.strerror}). The build itself went on."

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
