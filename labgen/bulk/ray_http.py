"""What Ray Data's HTTP stage sends through: a session that keeps apart what the stage would throw together.

By itself the stage (`ray.data.llm.HttpRequestProcessorConfig`) passes a reply's JSON on without its status, asks the
requests of a batch one after another, and ends the whole job, with the request's text in the log, once one request was
in vain. It takes the session from its user, though. Through this one every request ends in one line of an OpenAI
batch output file, a refusal with its status and body; requests of a batch wait for their replies at the same time; and
what is asked again, and after which pause, stays Ray's to say.

This module runs on the cluster's workers, where labgen need not be installed: it imports nothing of labgen.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any

from labgen.lazy.dataclasses import dataclass

if TYPE_CHECKING:
    from aiohttp import ClientSession

CONNECT_SEC = 10.0
"""Longest wait for a connection."""
ASKED_AGAIN = frozenset({408, 429, 502, 503, 504})
"""Statuses after which Ray's stage asks again."""
MOST_REASON_CHARS = 300
"""Characters of a failed connection's cause that a line repeats."""


def reply_line(custom_id: str, status: int, request_id: str, body: Any) -> str:
    """A line of a batch output file for what an endpoint said, whatever its status. It is ASCII, without line break."""
    response = {"status_code": status, "request_id": request_id, "body": body}
    return json.dumps({"id": f"ray-{custom_id}", "custom_id": custom_id, "response": response, "error": None})


def error_line(custom_id: str | None, code: str, message: str) -> str:
    """A line of a batch output file for a request that nobody answered."""
    error = {"code": code, "message": message[:MOST_REASON_CHARS]}
    return json.dumps({"id": f"ray-{custom_id}", "custom_id": custom_id, "response": None, "error": error})


def read_batch_line(line: str) -> tuple[str, str, Mapping[str, Any]]:
    """A line of a batch input file. Returns: `custom_id`, `url`, and `body`. Raises: ValueError: it is none."""
    try:
        request = json.loads(line)
        custom_id, url, body = request["custom_id"], request["url"], request["body"]
    except (LookupError, TypeError, RecursionError) as error:
        raise ValueError(f"no request: {type(error).__name__}") from error
    if not (isinstance(custom_id, str) and isinstance(url, str) and isinstance(body, dict)):
        raise ValueError("no request: custom_id, url or body is of another type")
    return custom_id, url, body


@dataclass(frozen=True)
class Outcome:
    """What Ray's stage takes for a response. `status` is the endpoint's while the stage may ask again, else 200."""

    status: int
    reason: str
    line: str

    async def __aenter__(self) -> Outcome:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Nothing is open any more."""

    async def json(self) -> dict[str, str]:
        """What becomes of the row."""
        return {"line": self.line}


class SessionFactory:
    """Makes the sessions of one worker; Ray calls it once for each batch.

    Its representation holds no key, which is part of it as it travels to the workers and of nothing else there.

    Args:
        base_url: address of the API, up to what precedes `/chat/completions`.
        headers, query: sent with every request; the key is among the headers.
        secrets: never repeated from what an endpoint says.
        calls_at_once: calls of this worker that are under way at the same time, at most (count).
        attempts: how often a request is sent at most (count): Ray's `max_retries` and one.
        timeout_sec: silence after which a reply is no longer waited for.
        proxies: whether proxies that the worker's environment names are used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str],
        secrets: tuple[str, ...],
        calls_at_once: int,
        attempts: int,
        timeout_sec: float,
        proxies: bool,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.headers, self.query, self.secrets = dict(headers), dict(query), secrets
        self.calls_at_once, self.attempts, self.timeout_sec = calls_at_once, attempts, timeout_sec
        self.proxies = proxies
        self._free: asyncio.Semaphore | None = None

    def __repr__(self) -> str:
        return f"SessionFactory({self.calls_at_once} calls at once)"

    def __call__(self) -> BatchSession:
        # Made here and not with the factory, which is made on another machine.
        self._free = self._free or asyncio.Semaphore(self.calls_at_once)
        return BatchSession(self, self._free)


class BatchSession:
    """One batch's requests. Ray's stage calls `post` for each row, awaits what that gives, and reads its `json`."""

    def __init__(self, door: SessionFactory, free: asyncio.Semaphore) -> None:
        self._door, self._free = door, free
        self._sent: Counter[str] = Counter()
        self._under_way: list[asyncio.Task[Outcome]] = []
        self._client: ClientSession

    async def __aenter__(self) -> BatchSession:
        from aiohttp import ClientSession, ClientTimeout, TCPConnector

        silence = ClientTimeout(total=None, sock_connect=CONNECT_SEC, sock_read=self._door.timeout_sec)
        # The semaphore bounds connections, over all batches of the worker.
        self._client = ClientSession(timeout=silence, trust_env=self._door.proxies, connector=TCPConnector(limit=0))
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._client.close()

    def post(self, url: str, *, data: str, headers: Mapping[str, str]) -> Awaitable[Outcome]:
        """Send a row's request now, not only once Ray awaits it.

        Args:
            url, headers: Ray's, which are the same for all rows; the row's own line says where it goes.
            data: JSON of the row's payload: an object whose `line` is a line of a batch input file.
        """
        line = json.loads(data)["line"]
        self._sent[line] += 1
        task = asyncio.create_task(self._ask(line, last=self._sent[line] >= self._door.attempts))
        self._under_way.append(task)
        return task

    async def _ask(self, line: str, *, last: bool) -> Outcome:
        """One attempt. Raises: what Ray's stage asks again after, unless it is the last."""
        from aiohttp import ClientConnectionError, ClientError, ClientPayloadError

        try:
            custom_id, path, body = read_batch_line(line)
        except ValueError as error:
            return Outcome(200, "", error_line(None, "invalid_line", str(error)))
        try:
            async with self._free:
                return await self._exchange(custom_id, path, body, last=last)
        except (TimeoutError, ClientConnectionError, ClientPayloadError) as error:
            if not last:
                raise
            code = "timeout" if isinstance(error, TimeoutError) else "connection_error"
            return Outcome(200, "", error_line(custom_id, code, self._safe(f"{type(error).__name__}: {error}")))
        except ClientError as error:
            # What Ray's stage does not expect would end the whole job.
            reason = self._safe(f"{type(error).__name__}: {error}")
            return Outcome(200, "", error_line(custom_id, "connection_error", reason))

    async def _exchange(self, custom_id: str, path: str, body: Mapping[str, Any], *, last: bool) -> Outcome:
        sent = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
        address = self._door.base_url + path.removeprefix("/v1")
        headers = {"Content-Type": "application/json", **self._door.headers}
        async with self._client.post(address, data=sent, headers=headers, params=self._door.query) as response:
            text = (await response.read()).decode("utf-8", "replace")
            status, reason = response.status, response.reason or ""
            request_id = response.headers.get("x-request-id", "")
        if status != 200:
            text = self._safe(text)
        line = reply_line(custom_id, status, self._safe(request_id), _decoded(text))
        return Outcome(200 if last or status not in ASKED_AGAIN else status, reason, line)

    def _safe(self, words: str) -> str:
        """Words without the key, should an endpoint repeat it."""
        for secret in self._door.secrets:
            words = words.replace(secret, "***")
        return words


def _decoded(text: str) -> Any:
    """A body as JSON, or as the text that it is."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
