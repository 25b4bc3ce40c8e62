"""The rehearsal teacher's batch API behind a server that misbehaves as told, on loopback."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, Self

from aiohttp import web
from batch_dialects import Dialect

from labgen.teacher.rehearsal.batch_lines import LineError, result_line
from labgen.teacher.rehearsal.batches import ENDED, Answer, Batch, Batches
from labgen.teacher.rehearsal.server import RehearsalServer
from labgen.teacher.rehearsal.wire import RequestRefused

OTHER_MODEL = "another-model"
QUOTA = (
    "Enqueued token limit reached for the model. Please try again once some in_progress batches have been completed."
)


@dataclass
class Faults:
    """What goes wrong. A number counts down to 0 over the server's life, so that every fault but the lasting ones ends.

    Of the server:
        upload_errors: uploads answered with 500.
        lost_creates: batches that are taken on, while the reply that would say so never comes.
        cut_downloads: downloads whose connection closes half way.
    Of batches:
        quota_refusals: batches refused as over the quota, whatever their size.
        quota_lines: lasting; most lines that may be in batches that have not ended; None: any number.
        quota_form: `failed` (OpenAI: the batch fails in validation), `429`, `400` (Azure), or `insufficient_quota`.
        failing_batches: batches that fail in validation although their file is sound.
        expiring_batches: batches that expire after half of their lines, rounded down.
        in_progress_sec: lasting; how long a batch is in progress before its first line is answered.
    Of lines, by what is asked:
        refused_parameter: lasting; lines whose body holds it are refused with 400.
        context_chars: lasting; lines with more characters of messages or prompt are refused as too long.
        line_statuses: what the next lines are refused with, such as [500, 429].
        other_models: lines that are answered under the name `OTHER_MODEL`.
    Of output files:
        shuffled, doubled, foreign: lasting; lines in any order, the first three twice, three that nobody asked for.
        broken_lines: lines that end in the middle.
        cut_files: files whose last line ends in the middle, with no newline.
    """

    upload_errors: int = 0
    lost_creates: int = 0
    cut_downloads: int = 0
    quota_refusals: int = 0
    quota_lines: int | None = None
    quota_form: Literal["failed", "429", "400", "insufficient_quota"] = "failed"
    failing_batches: int = 0
    expiring_batches: int = 0
    in_progress_sec: float = 0.0
    refused_parameter: str | None = None
    context_chars: int | None = None
    line_statuses: list[int] = field(default_factory=list)
    other_models: int = 0
    shuffled: bool = False
    doubled: bool = False
    foreign: bool = False
    broken_lines: int = 0
    cut_files: int = 0

    def take(self, name: str) -> bool:
        """Whether a fault that counts down happens now."""
        left = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return bool(left > 0)


class BatchServer(RehearsalServer):
    """A rehearsal teacher with faults in its batch API, as a context manager; `faults` may be changed at any time.

    Args:
        dialect: how its API differs from OpenAI's; None: not at all.

    Attributes:
        faults: what goes wrong from now on.
        answered: how many times each custom_id got a reply of status 200 in a batch, over all batches.
        spoiled: how many of those replies no reader can use, because a fault broke the line or the model was another.
        sizes: lines of each batch that was asked for, in order, with those that were refused.
        upload_headers: of each upload, names in small letters.
    """

    def __init__(self, faults: Faults | None = None, *, port: int = 0, dialect: Dialect | None = None) -> None:
        super().__init__(port=port)
        self.dialect = dialect or Dialect()
        self.faults = faults or Faults()
        self._folder = Path(tempfile.mkdtemp(prefix="labgen-batch-server-"))
        self._faulty = _FaultyBatches(self, self._handlers.reply, self._folder)
        self._handlers.batches = self._faulty
        self.answered: Counter[str] = Counter()
        self.spoiled: Counter[str] = Counter()
        self.sizes: list[int] = []
        self.upload_headers: list[dict[str, str]] = []

    def __exit__(self, *error: Any) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def batches(self) -> list[Batch]:
        """Batches that were taken on, in order."""
        return list(self._faulty.batches.values())

    def paid_twice(self) -> list[str]:
        """The custom_ids that were answered again after a reply that could be read."""
        return sorted(name for name, count in (self.answered - self.spoiled).items() if count > 1)

    def stop(self) -> None:
        """Stop listening; files, and batches as far as they are, are kept."""
        super().__exit__(None, None, None)

    def start(self) -> Self:
        """Listen again, on the same port; batches under way go on."""
        self._port = int(self.base_url.rsplit(":", 1)[1].split("/")[0])
        return super().__enter__()


class _FaultyBatches(Batches):
    def __init__(self, server: BatchServer, answer: Answer, folder: Path) -> None:
        super().__init__(answer, folder=folder)
        self._server = server
        self._dialect = server.dialect
        self.files.purpose = self._dialect.purpose
        self.endpoints = self._dialect.endpoints
        self._lines: dict[str, int] = {}
        self._expiring: set[str] = set()
        self.files.upload = self._upload  # type: ignore[method-assign]
        self._sound_upload = type(self.files).upload
        self.files.content = self._content  # type: ignore[method-assign]
        self._sound_content = type(self.files).content

    @property
    def _faults(self) -> Faults:
        return self._server.faults

    def add_routes(self, application: web.Application) -> None:
        if self._dialect.upload_path != "/v1/files":
            application.router.add_post("/v1/files", self._dialect.no_upload)
            application.router.add_post(self._dialect.upload_path, self.files.upload)
        super().add_routes(application)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        self._server.upload_headers.append({name.lower(): value for name, value in request.headers.items()})
        if self._faults.take("upload_errors"):
            await request.read()
            raise RequestRefused(500, "The server had an error while processing your request.")
        return await self._sound_upload(self.files, request)

    async def _content(self, request: web.Request) -> web.StreamResponse:
        if not self._faults.take("cut_downloads"):
            return await self._sound_content(self.files, request)
        whole = self.files.find(request.match_info["id"]).path.read_bytes()
        response = web.StreamResponse(headers={"Content-Length": str(len(whole))})
        await response.prepare(request)
        await response.write(whole[: len(whole) // 2])
        _hang_up(request)
        return response

    async def create(self, request: web.Request) -> web.StreamResponse:
        asked = self.files.find((await request.json())["input_file_id"])
        lines = sum(1 for line in asked.path.read_bytes().splitlines() if line.strip())
        self._server.sizes.append(lines)
        if self._faults.quota_form != "failed" and self._over_quota(lines):
            _refuse_quota(self._faults.quota_form)
        response = await super().create(request)
        self._lines[next(reversed(self.batches))] = lines
        if self._faults.take("lost_creates"):
            _hang_up(request)
            return response
        return self._dialect.created(response)

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        return self._dialect.shown(await super().retrieve(request))

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        return self._dialect.shown(await super().cancel(request))

    async def list(self, request: web.Request) -> web.StreamResponse:
        return self._dialect.listed(await super().list(self._dialect.asked(request)))

    def _over_quota(self, lines: int) -> bool:
        if self._faults.take("quota_refusals"):
            return True
        limit = self._faults.quota_lines
        under_way = (batch.id for batch in self.batches.values() if batch.status not in ENDED)
        return limit is not None and lines + sum(self._lines.get(each, 0) for each in under_way) > limit

    async def validate(self, batch: Batch, lines: BinaryIO) -> None:
        await super().validate(batch, lines)
        self.delay_sec = self._faults.in_progress_sec
        if batch.errors:
            batch.errors = [replace(error, code=self._dialect.code(error.code)) for error in batch.errors]
            return
        own = self._lines.pop(batch.id, batch.total)
        if self._faults.quota_form == "failed" and self._over_quota(own):
            batch.errors = [LineError("token_limit_exceeded", QUOTA)]
        elif self._faults.take("failing_batches"):
            batch.errors = [LineError("invalid_json_line", "This line is not parseable as valid JSON.", 1)]
        elif self._faults.take("expiring_batches"):
            self._expiring.add(batch.id)
        self._lines[batch.id] = own

    def stopped(self, batch: Batch) -> str | None:
        if batch.id in self._expiring and batch.completed + batch.failed >= batch.total // 2:
            return "expired"
        return super().stopped(batch)

    def result(self, custom_id: str, body: dict[str, Any], *, chat: bool) -> tuple[int, dict[str, Any]]:
        refusal = self._refusal(body)
        if refusal is not None:
            return refusal.status, refusal.body()
        status, found = super().result(custom_id, body, chat=chat)
        if status == 200:
            self._server.answered[custom_id] += 1
            if self._faults.take("other_models"):
                self._server.spoiled[custom_id] += 1
                found = {**found, "model": OTHER_MODEL}
        return status, found

    def _refusal(self, body: dict[str, Any]) -> RequestRefused | None:
        parameter, limit = self._faults.refused_parameter, self._faults.context_chars
        if parameter is not None and parameter in body:
            return RequestRefused(400, f"Unrecognized request argument supplied: {parameter}")
        asked = body.get("prompt") or "".join(str(each.get("content")) for each in body.get("messages", ()))
        if limit is not None and len(asked) > limit:
            message = f"This model's maximum context length is {limit} tokens. Please shorten the messages."
            return RequestRefused(400, message, code="context_length_exceeded", param="messages")
        if self._faults.line_statuses:
            return RequestRefused(self._faults.line_statuses.pop(0), "The request could not be processed now.")
        return None

    def finish(self, batch: Batch) -> None:
        lines = batch.output.read_bytes().splitlines(keepends=True)
        for place in range(len(lines)):
            if self._faults.take("broken_lines"):
                self._spoil(lines[place])
                lines[place] = lines[place][: len(lines[place]) // 2] + b"\n"
        last = lines.pop() if lines and self._faults.take("cut_files") else b""
        if self._faults.doubled:
            lines += lines[:3]
        if self._faults.foreign:
            lines += [result_line(f"foreign-{number}", 200, {"model": OTHER_MODEL}) for number in range(3)]
        if self._faults.shuffled:
            random.Random(len(lines)).shuffle(lines)  # the same order each time
        if last:
            self._spoil(last)
            lines.append(last[: len(last) // 2])
        batch.output.write_bytes(b"".join(lines))

    def hand_out(self, batch: Batch) -> None:
        empty = self._dialect.always_error_file and not batch.error.stat().st_size
        super().hand_out(batch)
        if empty:
            batch.error.touch()
            batch.error_file_id = self.files.register(batch.error, "error.jsonl", "batch_output").id

    def _spoil(self, line: bytes) -> None:
        try:
            found = json.loads(line)
        except ValueError:  # broken already
            return
        if found["response"]["body"]["model"] != OTHER_MODEL:
            self._server.spoiled[found["custom_id"]] += 1


def _refuse_quota(form: str) -> None:
    if form == "insufficient_quota":
        message = "You exceeded your current quota, please check your plan and billing details."
        raise RequestRefused(429, message, code="insufficient_quota")
    raise RequestRefused(int(form), QUOTA, code="token_limit_exceeded")


def _hang_up(request: web.Request) -> None:
    assert request.transport
    request.transport.close()
