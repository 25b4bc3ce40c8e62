"""Lines of a batch's files: requests checked before any is answered, and results as OpenAI writes them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from labgen.lazy.dataclasses import dataclass

MAX_LINES = 50_000
"""Most requests in a file, OpenAI's limit."""
MOST_ERRORS = 50
"""Most errors that a failed batch lists."""


@dataclass(frozen=True, slots=True)
class LineError:
    """Why a batch is not begun; `line` counts from 1."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class InputCheck:
    """Takes the lines of an input file one by one.

    Attributes:
        errors: what is wrong with them; the first `MOST_ERRORS`.
        total: requests.
        model: the model that all of them name.
    """

    def __init__(self, endpoint: str) -> None:
        self.errors: list[LineError] = []
        self.total = 0
        self._endpoint = endpoint
        self.model: str | None = None
        self._line = 0
        self._seen: set[str] = set()

    def take(self, raw: bytes) -> None:
        """Check the next line; blank ones count as lines, not as requests."""
        self._line += 1
        if not raw.strip():
            return
        self.total += 1
        error = self._too_many() if self.total > MAX_LINES else self._fault(parsed_line(raw))
        if error is not None and len(self.errors) < MOST_ERRORS:
            self.errors.append(LineError(error[0], error[1], self._line, error[2]))

    def end(self) -> None:
        """Say that there are no more lines."""
        if not self.total:
            self.errors.append(LineError("empty_file", "The input file is empty. It must hold at least one request."))

    def _too_many(self) -> tuple[str, str, None] | None:
        if self.total > MAX_LINES + 1:
            return None
        return "too_many_tasks", f"The file has more than the limit of {MAX_LINES} requests. Split it.", None

    def _fault(self, entry: object) -> tuple[str, str, str | None] | None:
        if not isinstance(entry, dict):
            return "invalid_json_line", "This line is not parseable as valid JSON.", None
        custom_id, body = entry.get("custom_id"), entry.get("body")
        for name, kind in (("custom_id", str), ("method", str), ("url", str), ("body", dict)):
            if not isinstance(entry.get(name), kind) or not entry[name]:
                return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
        if entry["method"] != "POST":
            return "invalid_method", "The method of a request must be POST.", "method"
        if entry["url"] != self._endpoint:
            return "invalid_url", "The URL provided for this request does not match the batch endpoint.", "url"
        if custom_id in self._seen:
            message = f"The custom_id '{str(custom_id)[:200]}' was used before in this file. It must be unique."
            return "duplicate_custom_id", message, "custom_id"
        self._seen.add(str(custom_id))
        model = body.get("model") if isinstance(body, dict) else None
        self.model = self.model or model
        if model != self.model:
            return "mismatched_model", "All requests of a batch must be for the same model.", "body.model"
        return None


def parsed_line(raw: bytes) -> object:
    """The JSON value of a line; None where it is not JSON."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def result_line(custom_id: str, status: int, body: Mapping[str, Any]) -> bytes:
    """A line of an output file, or with a status of 400 and more of an error file."""
    response = {"status_code": status, "request_id": f"req_{secrets.token_hex(12)}", "body": body}
    return _line(custom_id, response, None)


def not_run_line(custom_id: str, code: str, message: str) -> bytes:
    """A line of an error file for a request that was never begun."""
    return _line(custom_id, None, {"code": code, "message": message})


def _line(custom_id: str, response: object, error: object) -> bytes:
    line = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": custom_id, "response": response, "error": error}
    # ASCII only, as for replies to one request.
    return json.dumps(line).encode("ascii") + b"\n"
