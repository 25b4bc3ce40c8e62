"""Files of the rehearsal teacher's batch API, `/v1/files`: kept on disk, received and sent piece by piece."""

from __future__ import annotations

import secrets
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from labgen.lazy.dataclasses import dataclass
from labgen.teacher.rehearsal.responses import as_response
from labgen.teacher.rehearsal.wire import RequestRefused, page

if TYPE_CHECKING:
    from aiohttp import BodyPartReader, web

MAX_FILE_BYTES = 200 * 2**20
"""Longest file that is taken, OpenAI's limit for a batch."""
PIECE_BYTES = 2**19
"""How much of an upload is read at a time: more than a socket delivers at once (256 KiB), or aiohttp has to put bytes
back, with a function that it deprecates itself."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that was uploaded, or that a batch wrote; `created_at` in seconds since 1970."""

    id: str
    filename: str
    purpose: str
    created_at: int
    path: Path

    def as_json(self) -> dict[str, Any]:
        """The file as OpenAI's API writes it."""
        return {
            "id": self.id,
            "object": "file",
            "bytes": self.path.stat().st_size,
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
            "status": "processed",
            "expires_at": None,
            "status_details": None,
        }


class BatchFiles:
    """The files of one server, and their HTTP handlers.

    Args:
        folder: where to keep them; None: a temporary folder, made for the first file and removed by `close`.
        purpose: what uploads have to name as theirs.
    """

    def __init__(self, folder: Path | None = None, purpose: str = "batch") -> None:
        self.purpose = purpose
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._files: dict[str, StoredFile] = {}

    def close(self) -> None:
        """Remove the temporary folder; a folder that was given stays as it is."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = self._folder = None
            self._files.clear()

    def new_path(self) -> Path:
        """Where a file may be written that nobody knows yet."""
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="labgen-rehearsal-")
            self._folder = Path(self._temporary.name)
        return self._folder / f"{secrets.token_hex(12)}.jsonl"

    def register(self, path: Path, filename: str, purpose: str) -> StoredFile:
        """Make a written file known under an id. Args: path: from `new_path`."""
        stored = StoredFile(f"file-{path.stem}", filename, purpose, int(time.time()), path)
        self._files[stored.id] = stored
        return stored

    def find(self, file_id: str) -> StoredFile:
        """The file of this id. Raises: RequestRefused: there is none."""
        stored = self._files.get(file_id)
        if stored is None:
            raise RequestRefused(404, f"No such File object: {file_id[:200]}", param="id")
        return stored

    def add_routes(self, application: web.Application) -> None:
        """Have an application answer below `/v1/files`."""
        router = application.router
        router.add_post("/v1/files", self.upload)
        router.add_get("/v1/files", self.list)
        router.add_get("/v1/files/{id}", self.retrieve)
        router.add_get("/v1/files/{id}/content", self.content)
        router.add_delete("/v1/files/{id}", self.delete)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Receive a file as a form's `file`, beside its `purpose`."""
        from aiohttp import BodyPartReader

        if request.content_type != "multipart/form-data":
            raise RequestRefused(400, "Send the file as multipart/form-data, with the fields `purpose` and `file`.")
        purpose, filename, path, kept = "", "", self.new_path(), False
        try:
            async for part in await request.multipart():
                if not isinstance(part, BodyPartReader):
                    continue
                if part.name == "purpose":
                    purpose = (await part.read_chunk(PIECE_BYTES))[:1000].decode("utf-8", "replace")
                elif part.name == "file":
                    filename = part.filename or ""
                    await _receive(part, path)
            self._check_upload(purpose, filename, path)
            kept = True
            return as_response(200, self.register(path, filename, purpose).as_json())
        finally:
            if not kept:
                path.unlink(missing_ok=True)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """Files, the newest first, as pages; `purpose` chooses among them, `order` `asc` turns them round."""
        purpose = request.query.get("purpose")
        found = [stored for stored in self._files.values() if purpose in (None, stored.purpose)]
        if request.query.get("order") != "asc":
            found.reverse()
        return as_response(
            200, page([stored.as_json() for stored in found], request.query, most=10_000, default=10_000)
        )

    async def retrieve(self, request: web.Request) -> web.StreamResponse:
        """What is known of a file."""
        return as_response(200, self.find(request.match_info["id"]).as_json())

    async def content(self, request: web.Request) -> web.StreamResponse:
        """A file's bytes."""
        from aiohttp import web

        path = self.find(request.match_info["id"]).path
        return web.FileResponse(path, headers={"Content-Type": "application/octet-stream"})

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Forget a file; a batch that reads it goes on."""
        stored = self.find(request.match_info["id"])
        del self._files[stored.id]
        stored.path.unlink(missing_ok=True)
        return as_response(200, {"id": stored.id, "object": "file", "deleted": True})

    def _check_upload(self, purpose: str, filename: str, path: Path) -> None:
        if purpose != self.purpose:
            message = f"'{purpose[:200]}' is no purpose of this server. Upload with purpose '{self.purpose}'."
            raise RequestRefused(400, message, param="purpose")
        if not path.exists():
            raise RequestRefused(400, "'file' is a required property.", param="file")
        if not filename.endswith(".jsonl"):
            raise RequestRefused(400, "Invalid file format for Batch API. Must be .jsonl", param="file")


async def _receive(part: BodyPartReader, path: Path) -> None:
    with open_file(path, "wb") as target:
        while piece := await part.read_chunk(PIECE_BYTES):
            if target.tell() + len(piece) > MAX_FILE_BYTES:
                message = f"The file is larger than the limit of {MAX_FILE_BYTES} bytes. Split it into several."
                raise RequestRefused(413, message, param="file")
            target.write(piece)


def open_file(path: Path, mode: str) -> BinaryIO:
    """A file opened for bytes, from a coroutine: reading and writing here never waits for another machine."""
    opened: Any = path.open(mode)
    found: BinaryIO = opened
    return found
