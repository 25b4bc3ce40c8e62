"""The rehearsal teacher's batch API, `/v1/batches`: a file of requests in, files of replies and of errors out.

A batch is worked on beside everything else the server answers, a line at a time, so that memory does not grow with it.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from labgen.lazy.dataclasses import dataclass
from labgen.teacher.rehearsal.batch_files import BatchFiles, open_file
from labgen.teacher.rehearsal.batch_lines import InputCheck, LineError, not_run_line, parsed_line, result_line
from labgen.teacher.rehearsal.responses import as_response
from labgen.teacher.rehearsal.wire import RequestRefused, page

if TYPE_CHECKING:
    from aiohttp import web

WINDOW_SEC = 24 * 3600
NOTICE_SEC = 0.1
"""How soon a batch that waits notices that it is cancelled."""
ENDED = ("failed", "completed", "expired", "cancelled")
NOT_RUN = {
    "expired": ("batch_expired", "This request could not be executed before the completion window expired."),
    "cancelled": ("batch_cancelled", "This request was not executed: the batch was cancelled."),
}

Answer = Callable[[dict[str, Any], bool], dict[str, Any]]
"""From a request's body, and whether it is a chat, to the reply; raises RequestRefused."""


@dataclass(slots=True)
class Batch:
    """A batch under way.

    Attributes:
        moments: seconds since 1970 at which it came to a status, by status.
        begun_sec: when it was made, on a clock that nobody sets.
        total, completed, failed: requests in the file; answered; refused or never run.
        output, error: where results are written until the batch has ended, and then their ids.
    """

    id: str
    input_file_id: str
    input: Path
    endpoint: str
    metadata: dict[str, str] | None
    output: Path
    error: Path
    status: str = ""
    moments: dict[str, int] = field(default_factory=dict)
    total: int = 0
    completed: int = 0
    failed: int = 0
    errors: list[LineError] = field(default_factory=list)
    output_file_id: str | None = None
    error_file_id: str | None = None
    model: str | None = None
    begun_sec: float = field(default_factory=time.monotonic)

    def come_to(self, status: str) -> None:
        """Change the status, and note when."""
        self.status = status
        self.moments[status] = int(time.time())

    @property
    def expires_at(self) -> int:
        """End of its completion window, in seconds since 1970."""
        return self.moments["validating"] + WINDOW_SEC

    def as_json(self) -> dict[str, Any]:
        """The batch as OpenAI's API writes it."""
        names = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
        errors = {"object": "list", "data": [asdict(error) for error in self.errors]} if self.errors else None
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model,
            "errors": errors,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": self.moments["validating"],
            "expires_at": self.expires_at,
            **{f"{name}_at": self.moments.get(name) for name in names},
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "metadata": self.metadata,
        }


class Batches:
    """The batches of one server, and their HTTP handlers.

    Args:
        answer: answers the body of a line.
        delay_sec: how long a batch is in progress before its first line is answered.
        folder: see `BatchFiles`.
    """

    endpoints: tuple[str, ...] = ("/v1/chat/completions", "/v1/completions")

    def __init__(self, answer: Answer, delay_sec: float = 0.0, folder: Path | None = None) -> None:
        self.answer = answer
        self.delay_sec = delay_sec
        self.files = BatchFiles(folder)
        self.batches: dict[str, Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add_routes(self, application: web.Application) -> None:
        """Have an application answer below `/v1/files` and `/v1/batches`."""
        self.files.add_routes(application)
        router = application.router
        router.add_post("/v1/batches", self.create)
        router.add_get("/v1/batches", self.list)
        router.add_get("/v1/batches/{id}", self.retrieve)
        router.add_post("/v1/batches/{id}/cancel", self.cancel)
        application.on_startup.append(self._start)
        application.on_cleanup.append(self._stop)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Take a batch on; whether its file is sound shows later, in its status."""
        try:
            body = await request.json()
        except (ValueError, RecursionError):
            raise RequestRefused(400, "The request body is not JSON.") from None
        batch = self._new_batch(body)
        self.batches[batch.id] = batch
        self._begin(batch)
        return as_response(200, batch.as_json())

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Batches, the newest first, as pages."""
        newest_first = [batch.as_json() for batch in reversed(self.batches.values())]
        return as_response(200, page(newest_first, request.query, most=100, default=20))

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        """How far a batch is."""
        return as_response(200, self._find(request).as_json())

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        """Stop a batch before its next line; what was answered can be fetched."""
        batch = self._find(request)
        if batch.status in ENDED or batch.status == "finalizing":
            raise RequestRefused(409, f"Cannot cancel a batch with status '{batch.status}'.")
        if batch.status != "cancelling":
            batch.come_to("cancelling")
        return as_response(200, batch.as_json())

    async def validate(self, batch: Batch, lines: BinaryIO) -> None:
        """Check every line before any is answered: sets the batch's `errors`, `total` and `model`."""
        check = InputCheck(batch.endpoint)
        for raw in lines:
            check.take(raw)
            await asyncio.sleep(0)
        check.end()
        batch.total, batch.errors, batch.model = check.total, check.errors, check.model

    def result(self, custom_id: str, body: dict[str, Any], *, chat: bool) -> tuple[int, dict[str, Any]]:
        """Status and body of the response to a line."""
        try:
            if body.get("stream"):
                raise RequestRefused(400, "Streaming is not supported in batches.", param="stream")
            return 200, self.answer(body, chat)
        except RequestRefused as refusal:
            return refusal.status, refusal.body()

    def stopped(self, batch: Batch) -> str | None:
        """The status with which to end a batch before its next line; None: go on."""
        if batch.status == "cancelling":
            return "cancelled"
        return "expired" if time.monotonic() > batch.begun_sec + WINDOW_SEC else None

    def finish(self, batch: Batch) -> None:
        """Called when every line has its result, before the files are handed out."""

    def hand_out(self, batch: Batch) -> None:
        """Make the files that hold anything known under ids."""
        for path, name in ((batch.output, "output"), (batch.error, "error")):
            if path.stat().st_size:
                stored = self.files.register(path, f"{batch.id}_{name}.jsonl", "batch_output")
                setattr(batch, f"{name}_file_id", stored.id)
            else:
                path.unlink()

    def _new_batch(self, body: object) -> Batch:
        if not isinstance(body, dict):
            raise RequestRefused(400, "The request body must be a JSON object.")
        file_id, endpoint, metadata = body.get("input_file_id"), body.get("endpoint"), body.get("metadata")
        if not isinstance(file_id, str):
            raise RequestRefused(400, "Missing required parameter: 'input_file_id'.", param="input_file_id")
        if endpoint not in self.endpoints:
            raise RequestRefused(400, f"'endpoint' must be one of {', '.join(self.endpoints)}.", param="endpoint")
        if body.get("completion_window") != "24h":
            raise RequestRefused(400, "'completion_window' must be '24h'.", param="completion_window")
        stored = self.files.find(file_id)
        if stored.purpose != self.files.purpose:
            message = f"{file_id} was not uploaded with purpose '{self.files.purpose}'."
            raise RequestRefused(400, message, param="input_file_id")
        _check_metadata(metadata)
        batch = Batch(
            id=f"batch_{secrets.token_hex(12)}",
            input_file_id=file_id,
            input=stored.path,
            endpoint=endpoint,
            metadata=metadata,
            output=self.files.new_path(),
            error=self.files.new_path(),
        )
        batch.come_to("validating")
        return batch

    def _find(self, request: web.Request) -> Batch:
        batch_id = request.match_info["id"]
        if batch_id not in self.batches:
            raise RequestRefused(404, f"No batch found with id '{batch_id[:200]}'.", param="batch_id")
        return self.batches[batch_id]

    async def _start(self, application: web.Application) -> None:
        for batch in self.batches.values():  # left by a server that was stopped and is started again
            if batch.status not in ENDED:
                self._begin(batch)

    async def _stop(self, application: web.Application) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.files.close()

    def _begin(self, batch: Batch) -> None:
        task = asyncio.get_running_loop().create_task(self._work_or_fail(batch))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_or_fail(self, batch: Batch) -> None:
        try:
            await self._work(batch)
        except OSError as error:
            message = f"The files of this batch cannot be read or written: {error.strerror}."
            batch.errors = [LineError("file_unreadable", message)]
            batch.come_to("failed")

    async def _work(self, batch: Batch) -> None:
        with open_file(batch.input, "rb") as lines:
            await self.validate(batch, lines)
            if batch.errors:
                batch.come_to("failed")
                return
            if batch.status == "validating":
                batch.come_to("in_progress")
            await self._wait(batch)
            lines.seek(0)
            ended_as = await self._answer_lines(batch, lines)
        if batch.status != "cancelling":
            batch.come_to("finalizing")
            await asyncio.sleep(0)
        self.finish(batch)
        self.hand_out(batch)
        batch.come_to(ended_as)

    async def _wait(self, batch: Batch) -> None:
        until = time.monotonic() + self.delay_sec
        while self.stopped(batch) is None and (left_sec := until - time.monotonic()) > 0:  # noqa: ASYNC110  an event would be tied to one loop
            await asyncio.sleep(min(left_sec, NOTICE_SEC))

    async def _answer_lines(self, batch: Batch, lines: BinaryIO) -> str:
        chat = batch.endpoint.endswith("/chat/completions")
        ended_as = "completed"
        skip = batch.completed + batch.failed  # answered before the server was stopped and started again
        with open_file(batch.output, "ab") as output, open_file(batch.error, "ab") as error:
            for raw in lines:
                entry = parsed_line(raw)
                if not isinstance(entry, dict):
                    continue
                if skip:
                    skip -= 1
                    continue
                custom_id = entry["custom_id"]
                ended_as = self.stopped(batch) or ended_as
                if ended_as in NOT_RUN:
                    status, line = 0, not_run_line(custom_id, *NOT_RUN[ended_as])
                else:
                    status, found = self.result(custom_id, entry["body"], chat=chat)
                    line = result_line(custom_id, status, found)
                good = status == 200
                (output if good else error).write(line)
                batch.completed, batch.failed = batch.completed + good, batch.failed + (not good)
                await asyncio.sleep(0)
        return ended_as


def _check_metadata(metadata: object) -> None:
    if metadata is None:
        return
    fits = isinstance(metadata, dict) and len(metadata) <= 16
    if not fits or not all(
        isinstance(value, str) and len(name) <= 64 and len(value) <= 512
        for name, value in (metadata.items() if isinstance(metadata, dict) else ())
    ):
        message = "'metadata' must be at most 16 texts of at most 512 characters, with names of at most 64."
        raise RequestRefused(400, message, param="metadata")
