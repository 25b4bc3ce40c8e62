"""How batch APIs differ from OpenAI's, for `batch_server`, as Azure OpenAI, Groq and Together document them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NoReturn

from aiohttp import web

from labgen.teacher.rehearsal.responses import as_response
from labgen.teacher.rehearsal.wire import RequestRefused


class Dialect:
    """A provider's ways; this one's are OpenAI's.

    Attributes:
        purpose: of uploads.
        upload_path: where files are posted to.
        endpoints: what `endpoint` and the url of lines may be.
        always_error_file: whether a batch that ended has an error file even when it is empty.
        codes: its own names for OpenAI's codes of faulty input files.
    """

    purpose = "batch"
    upload_path = "/v1/files"
    endpoints: tuple[str, ...] = ("/v1/chat/completions", "/v1/completions")
    always_error_file = False
    codes: Mapping[str, str] = MappingProxyType({})

    def batch(self, found: dict[str, Any]) -> dict[str, Any]:
        """A batch as it writes it. Args: found: as OpenAI does."""
        return found

    def code(self, code: str) -> str:
        """Its name for a code."""
        return self.codes.get(code, code)

    def created(self, response: web.StreamResponse) -> web.StreamResponse:
        """The reply to a batch that is created."""
        return self.shown(response)

    def shown(self, response: web.StreamResponse) -> web.StreamResponse:
        """The reply to one that is retrieved or cancelled."""
        return as_response(200, self.batch(_read(response)))

    def asked(self, request: web.Request) -> web.Request:
        """A request for the list, as OpenAI would be asked."""
        return request

    def listed(self, response: web.StreamResponse) -> web.StreamResponse:
        """A page of the list."""
        found = _read(response)
        return as_response(200, found | {"data": [self.batch(entry) for entry in found["data"]]})

    async def no_upload(self, request: web.Request) -> NoReturn:
        """Where OpenAI takes uploads and this provider takes none that is one form with the file."""
        raise RequestRefused(400, "Missing required fields: file_name, file_type, checksum.")


class Azure(Dialect):
    """Azure OpenAI, with the paths of its deployments: no `/v1`, empty texts for ids, an error file always."""

    endpoints = ("/chat/completions",)
    always_error_file = True
    codes = MappingProxyType({"invalid_url": "url_mismatch", "mismatched_model": "model_mismatch"})

    def batch(self, found: dict[str, Any]) -> dict[str, Any]:
        """Ids that are not there yet are empty; the endpoint is null at first."""
        early = found["status"] == "validating"
        ids = {name: found[name] or "" for name in ("output_file_id", "error_file_id")}
        return found | ids | {"endpoint": None if early else found["endpoint"]}


class Groq(Dialect):
    """Groq: pages of the list by a cursor of its own, while `after` is ignored; errors as a bare list."""

    endpoints = ("/v1/chat/completions",)

    def batch(self, found: dict[str, Any]) -> dict[str, Any]:
        """Errors have nothing around them."""
        return found | {"errors": found["errors"] and found["errors"]["data"]}

    def asked(self, request: web.Request) -> web.Request:
        """Its cursor is the last id; a page has two batches, so that few are enough to see pages."""
        query = {"limit": "2"}
        if "cursor" in request.query:
            query["after"] = request.query["cursor"]
        return request.clone(rel_url=request.rel_url.with_query(query))

    def listed(self, response: web.StreamResponse) -> web.StreamResponse:
        """A page with the cursor of the next, where there is one."""
        found = _read(response)
        entries = [self.batch(entry) for entry in found["data"]]
        paging = {"next_cursor": found["last_id"]} if found["has_more"] else {}
        return as_response(200, {"object": "list", "data": entries, "paging": paging})


class Together(Dialect):
    """Together: another purpose and upload path, a wrapped reply, status in capitals, times as texts, a bare list."""

    purpose = "batch-api"
    upload_path = "/v1/files/upload"
    endpoints = ("/v1/chat/completions",)

    def batch(self, found: dict[str, Any]) -> dict[str, Any]:
        """A job; there are no counts of requests, and one text for what is wrong."""
        status = {"finalizing": "in_progress", "cancelling": "cancelled"}.get(found["status"], found["status"])
        counts, errors = found["request_counts"], found["errors"]
        done = counts["completed"] + counts["failed"]
        return {
            "id": found["id"],
            "status": status.upper(),
            "endpoint": found["endpoint"],
            "input_file_id": found["input_file_id"],
            "output_file_id": found["output_file_id"],
            "error_file_id": found["error_file_id"],
            "error": errors["data"][0]["message"] if errors else None,
            "progress": 100.0 * done / counts["total"] if counts["total"] else 0.0,
            "model_id": found["model"],
            "created_at": _moment(found["created_at"]),
            "completed_at": _moment(found["completed_at"]),
        }

    def created(self, response: web.StreamResponse) -> web.StreamResponse:
        """The job in a wrapping."""
        return as_response(200, {"job": self.batch(_read(response)), "warning": None})

    def listed(self, response: web.StreamResponse) -> web.StreamResponse:
        """A list with nothing around it."""
        return as_response(200, [self.batch(entry) for entry in _read(response)["data"]])


def _read(response: web.StreamResponse) -> dict[str, Any]:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    found: dict[str, Any] = json.loads(response.body)
    return found


def _moment(second: int | None) -> str | None:
    return None if second is None else datetime.fromtimestamp(second, UTC).isoformat()
