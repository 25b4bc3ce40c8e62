"""A provider's batch API, through the `openai` client's own resources: files up, batches made and watched, files down.

What differs between providers stands in `labgen.bulk.providers`. Errors come out as labgen's own, and no word that
leaves here holds the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.bulk.doors import Door
from labgen.bulk.request_files import file_errors
from labgen.errors import LabgenError, RateLimited, TeacherError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.refusals import refusal_of

if TYPE_CHECKING:
    from openai import OpenAI

ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
"""Ends of a batch."""
LISTED = 100
"""Batches of a page; so many pages are looked through for one that may have been made."""
PAGES = 20
REQUEST_SEC = 600.0
"""Longest silence in a request: an upload of 200 MB is answered late."""

_QUOTA = re.compile(
    r"token_limit_exceeded|enqueued[ _-]?token|batch_enqueued|too many (?:batches|files|requests)|queue is full|"
    r"batch(?:es)? (?:queue |rate )?limit|number of (?:in[ _-]progress )?batches",
    re.IGNORECASE,
)


class QuotaReached(LabgenError):
    """The endpoint takes no batch of that size at present."""


@dataclass(frozen=True, slots=True)
class RemoteBatch:
    """A batch as its endpoint says it is.

    Attributes:
        status: one of OpenAI's words, in small letters.
        output_id, error_id: the files with replies and with what was turned down; empty for none.
        done, total: lines (count), 0 where the endpoint does not say.
        problem: why it failed, in the endpoint's words; empty where it did not.
    """

    id: str
    status: str
    input_id: str = ""
    output_id: str = ""
    error_id: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in ENDED

    @property
    def for_quota(self) -> bool:
        """Whether it failed since too much was waiting already."""
        return self.status == "failed" and bool(_QUOTA.search(self.problem))


class BatchApi:
    """The batch API of one endpoint."""

    def __init__(self, door: Door) -> None:
        self._door, self._provider = door, door.provider

    @cached_property
    def _client(self) -> OpenAI:
        return self._door.backend.client.for_files(REQUEST_SEC)

    @property
    def _routed(self) -> dict[str, str]:
        """Headers that tell a gateway whose file it is."""
        header = self._provider.model_header
        return {header: self._door.spec.send_model} if header else {}

    def upload(self, path: Path) -> str:
        """Hand a file of calls over; gives its name there. Raises: TeacherError: as `labgen.errors` says."""
        with self._explained(), file_errors(path), path.open("rb") as file:
            if self._provider.upload_path == "/files":
                purpose: Any = self._provider.purpose
                made: Any = self._client.files.create(
                    file=(path.name, file, "application/jsonl"), purpose=purpose, extra_headers=self._routed
                )
            else:
                made = self._client.post(
                    self._provider.upload_path,
                    cast_to=object,
                    body={"purpose": self._provider.purpose, "file_name": path.name},
                    files=[("file", (path.name, file, "application/jsonl"))],
                    options={"headers": {"Content-Type": "multipart/form-data"}},
                )
        return str(_fields(made).get("id") or "")

    def create(self, file_id: str) -> RemoteBatch:
        """Have a file that was handed over answered, once: a lost answer is for `find` to make good.

        Raises: QuotaReached: too much is waiting there; TeacherError: as `labgen.errors` says.
        """
        endpoint: Any = self._door.url
        window: Any = self._provider.window
        try:
            with self._explained():
                made = self._client.batches.create(
                    input_file_id=file_id, endpoint=endpoint, completion_window=window, extra_headers=self._routed
                )
        except TeacherError as error:
            if isinstance(error, RateLimited) or _QUOTA.search(str(error)):
                raise QuotaReached(str(error)) from error
            raise
        return self._batch(made)

    def retrieve(self, batch_id: str) -> RemoteBatch:
        """How far a batch is. Raises: TeacherError: as `labgen.errors` says."""
        with self._explained():
            return self._batch(self._client.batches.retrieve(batch_id, extra_headers=self._routed))

    def find(self, file_id: str) -> RemoteBatch | None:
        """The batch that was made of a file; None where there is none. Raises: TeacherError."""
        with self._explained():
            for each in self._listed():
                if each.input_id == file_id:
                    return each
        return None

    def _listed(self) -> Iterator[RemoteBatch]:
        if self._provider.pages == "none":
            found: Any = self._client.get("/batches", cast_to=object)
            yield from (self._batch(each) for each in (found if isinstance(found, list) else ()))
            return
        query: dict[str, str] = {}
        for _ in range(PAGES):
            page: Any = self._client.batches.list(limit=LISTED, extra_headers=self._routed, extra_query=query)
            yield from (self._batch(each) for each in page.data)
            if self._provider.pages == "after":
                query = {"after": page.data[-1].id} if page.data and page.has_more else {}
            else:
                cursor = _fields(_fields(page).get("paging") or {}).get("next_cursor")
                query = {"cursor": str(cursor)} if cursor else {}
            if not query:
                return

    def cancel(self, batch_id: str) -> RemoteBatch:
        """Have a batch stopped; what is answered by then can still be fetched. Raises: TeacherError."""
        with self._explained():
            return self._batch(self._client.batches.cancel(batch_id, extra_headers=self._routed))

    def download(self, file_id: str, path: Path) -> None:
        """Fetch a file, whole or not at all. Raises: TeacherError; OutputError: the disk is full."""
        part = path.with_name(f"{path.name}.part")
        files = self._client.files.with_streaming_response
        with self._explained(), files.content(file_id, extra_headers=self._routed) as answer:
            pieces = answer.iter_bytes()
            with file_errors(path), part.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
        with file_errors(path):
            part.replace(path)

    def delete(self, file_id: str) -> None:
        """Take a file off the endpoint, where it counts against a limit. Nothing depends on how that goes."""
        with suppress(TeacherError), self._explained():
            self._client.files.delete(file_id, extra_headers=self._routed)

    def close(self) -> None:
        """Close the connections."""
        if "_client" in self.__dict__:
            self._client.close()

    def _batch(self, made: Any) -> RemoteBatch:
        data = _fields(made)
        if isinstance(data.get("job"), Mapping):  # Together's
            data = data["job"]
        counts = _fields(data.get("request_counts") or {})
        errors = data.get("errors") or data.get("error") or ()
        if isinstance(errors, Mapping) and "data" in errors:
            errors = errors["data"] or ()
        status = str(data.get("status") or "").lower()
        return RemoteBatch(
            str(data.get("id") or ""),
            {"canceled": "cancelled", "canceling": "cancelling"}.get(status, status),
            str(data.get("input_file_id") or ""),
            str(data.get("output_file_id") or ""),
            str(data.get("error_file_id") or ""),
            int(counts.get("completed") or 0) + int(counts.get("failed") or 0),
            int(counts.get("total") or 0),
            self._door.backend.safe(_said(errors)),
        )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The layers' errors as labgen's own."""
        import openai

        name = self._door.spec.name
        try:
            yield
        except openai.APIStatusError as error:
            answer = self._door.backend.client.answer_of(error)
            raise refusal_of(answer, name=name, api_hint=_NO_BATCHES, model=self._door.model, answered=False) from error
        except openai.OpenAIError as error:
            raise self._door.backend.client.no_answer(error) from error
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore"):
                raise self._door.backend.client.no_answer(error) from error  # while a file was taken in
            raise


_NO_BATCHES = "Not every endpoint has a batch API: `labgen bulk write` and `read` do without."


def _fields(made: Any) -> Mapping[str, Any]:
    """An object of the client, or decoded JSON, as a mapping with all that the endpoint has sent."""
    if isinstance(made, Mapping):
        return made
    dump = getattr(made, "to_dict", None)
    found = dump(mode="python", warnings=False) if dump else {}
    return found if isinstance(found, Mapping) else {}


def _said(errors: Any) -> str:
    if isinstance(errors, str):
        return errors
    if isinstance(errors, Mapping):
        errors = [errors]
    told = []
    for each in list(errors)[:3]:
        data = _fields(each)
        where = f" (line {data['line']})" if data.get("line") else ""
        told.append(" ".join(str(data[name]) for name in ("code", "message") if data.get(name)) + where)
    return "; ".join(told)
