"""One endpoint of the OpenAI API over HTTP: what is sent and what comes back, before anybody reads it.

Builds and `labgen doctor` both ask through it. Calls go through aiohttp itself, which takes a quarter of the processor
time that the `openai` client takes for the same; files go through that client. Errors of the layers below are
translated here and nowhere else, and no word that leaves it holds the key.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from labgen import __version__
from labgen.errors import BadReply, NoConnection, TeacherError, TeacherMisconfigured, TeacherTimeout, TeacherUnavailable
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.addresses import is_loopback
from labgen.teacher.endpoint_words import whole, words_in, words_of_failure
from labgen.teacher.listening import Listening, Wait
from labgen.teacher.parameters import expanded, secrets_in
from labgen.text.bounded_json import read_bounded
from labgen.text.printable import shown

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession
    from openai import OpenAI
    from yarl import URL

NO_KEY = "none"
"""Sent where no key is set: local servers ask for none, the client wants one."""

SHORTEST_SECRET_CHARS = 8
"""Shorter keys are no secrets but words that a local server is content with, such as `EMPTY`; texts may hold them."""

MOST_WORDS_CHARS = 400
"""Characters of an endpoint's own words that are repeated."""

STALE_CONNECTIONS = 3
"""Connections kept open that a server may have closed meanwhile, in a row, before it counts as a problem (count)."""

CONNECT_SEC = 10.0
"""Longest wait for a connection."""

STALE_WITHIN_SEC = 1.0
"""A connection that had been kept open, and breaks before anything came within this time, was closed before: no model
answers in no time and then says nothing. Later, the request may have been answered."""

KEPT_OPEN_SEC = 5.0
"""Time for which a connection is kept open that nothing is sent over."""

MOST_ANSWER_BYTES = 16 * 2**20
"""Longest answer that is held, where nobody says less: the longest lists of models have some 1 MB (bytes, unpacked)."""

MOST_REFUSAL_BYTES = 64 * 2**10
"""So much of a refusal is read."""


class Listener(Protocol):
    """Hears an answer while it comes. `reads`: it has taken in all of it so far, so that it need not be held."""

    @property
    def reads(self) -> bool: ...

    def __call__(self, piece: bytes) -> bool:
        """Whether enough has come, given the next piece. Raises: BadReply: it is longer than any reply."""


_JSON = {"Content-Type": "application/json"}

_KEY = re.compile(r"\b(sk|hf|gsk|nvapi|key|Bearer)[-_ ](?=[A-Za-z_*.-]{0,100}\d)[A-Za-z0-9_*.-]{6,}")


class StaleConnection(NoConnection):
    """A connection that was kept open had been closed by the server, which so never saw what was sent over it.

    llama.cpp closes each after a streamed reply without saying so, and other servers do after some seconds without a
    request. Whether that is found out on sending or only on listening is a matter of luck, and of the event loop.
    """


@dataclass(slots=True)
class _Sending:
    """A request on its way: since when, whether over a connection that was kept open, whether anything has come."""

    since: float
    kept_open: bool = False
    heard: bool = False

    @property
    def stale(self) -> bool:
        """Whether a connection that has just broken had been closed before."""
        return self.kept_open and not self.heard and time.monotonic() - self.since < STALE_WITHIN_SEC


async def _note_kept_open(session: object, context: Any, details: object) -> None:
    context.trace_request_ctx.kept_open = True


def sendable(key: str) -> bool:
    """Whether a header can carry a key: not where it was copied with a line break or a typographic mark."""
    return key.isascii() and key.isprintable()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `words` are the endpoint's own about a refusal, without any key; empty for a reply.

    `cut` says that the rest was not waited for.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    words: str = ""
    cut: bool = False

    @property
    def json(self) -> Any:
        """The decoded body. Raises: ValueError, RecursionError: it is no JSON."""
        return read_bounded(self.content)


class OpenAIClient:
    """Sends requests to one endpoint.

    Args:
        base_url: address of the API, without `/chat/completions`.
        key: or empty for none.
        name: what messages call it.
        timeout_sec: silence after which an answer is no longer waited for, see `labgen.teacher.listening`.
        connections: kept open at most.
        extra_headers, extra_query: sent with every request, with `${NAME}` for what the environment holds.
        resent: told of each request that is sent once more at once, since the connection kept open for it was closed.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        name: str,
        timeout_sec: float,
        connections: int,
        extra_headers: Mapping[str, str] | None = None,
        extra_query: Mapping[str, str] | None = None,
        resent: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._resent = resent
        self._headers, self._query = extra_headers or {}, extra_query or {}
        known = (key, *secrets_in(self._headers), *secrets_in(self._query))
        self._secrets = tuple(each for each in known if len(each) >= SHORTEST_SECRET_CHARS)
        self.listening = Listening(timeout_sec, time.monotonic)
        self.base_url = base_url
        self._key = key
        self._connections = connections
        self._addresses: dict[str, URL] = {}

    @cached_property
    def _session(self) -> ClientSession:
        # Made for the first call: a build that the ledger answers does without the library.
        from aiohttp import ClientSession, ClientTimeout, TCPConnector, TraceConfig
        from multidict import CIMultiDict

        headers = CIMultiDict({"Accept": "application/json", "User-Agent": f"labgen/{__version__}"})
        headers.update(self._sent_headers())
        connector = TCPConnector(
            limit=self._connections + 8, keepalive_timeout=KEPT_OPEN_SEC, ssl=_trusted(self.base_url)
        )
        # How long is waited for is not the library's to say, but for a connection.
        timeout = ClientTimeout(total=None, sock_connect=CONNECT_SEC)
        traced = TraceConfig()
        traced.on_connection_reuseconn.append(_note_kept_open)
        proxy = _proxy_to(self.base_url)
        return ClientSession(connector=connector, headers=headers, timeout=timeout, proxy=proxy, trace_configs=[traced])

    def _address(self, path: str) -> URL:
        """Of a path below the base URL; an address stays as it is."""
        if path not in self._addresses:
            from yarl import URL

            address = URL(path if "://" in path else self.base_url.rstrip("/") + path)
            self._addresses[path] = address.extend_query(expanded(self._query, "extra_query"))
        return self._addresses[path]

    def _check_key(self) -> None:
        if not sendable(self._key):
            raise TeacherMisconfigured(
                f"{self.name}: the key in the environment holds characters that no key has, such as a line break or a "
                "typographic dash. Copy it anew."
            )

    def prepare(self) -> None:
        """Load what is needed to ask, which takes a moment, so that no call's time holds it."""
        _ = self._session

    async def post(
        self,
        path: str,
        body: Mapping[str, Any],
        listener: Listener | None = None,
        *,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> Answer:
        """Send a body, and take in the answer as it comes.

        Args:
            listener: given each piece of a good answer; where it says so, the rest is not waited for.
            most_bytes: longest answer that is held, unpacked.
        Raises: TeacherError: nothing came back; BadReply: it is longer.
        """
        return await self._exchange("POST", path, body, listener, most_bytes)

    async def get(self, path: str) -> Answer:
        """Ask for what is at a path, or at an address of the same server. Raises: TeacherError: nothing came back."""
        return await self._exchange("GET", path, None, None, MOST_ANSWER_BYTES)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None, listener: Listener | None, most_bytes: int
    ) -> Answer:
        for _ in range(STALE_CONNECTIONS):
            try:
                return await self._exchange_once(method, path, body, listener, most_bytes)
            except StaleConnection:
                self._resent()
                await asyncio.sleep(0)  # the connection is taken out of the pool meanwhile
        return await self._exchange_once(method, path, body, listener, most_bytes)

    async def _exchange_once(
        self, method: str, path: str, body: Mapping[str, Any] | None, listener: Listener | None, most_bytes: int
    ) -> Answer:
        from aiohttp import ClientError
        from msgspec.json import encode

        session, address, wait = self._session, self._address(path), self.listening.begin()
        sending = _Sending(time.monotonic())
        sent: dict[str, Any] = {"trace_request_ctx": sending}
        if body is not None:
            sent |= {"data": encode(body, enc_hook=str.__str__), "headers": _JSON}
        try:
            async with asyncio.timeout(None) as limit:
                unwatch = self.listening.watch(wait, limit)
                try:
                    # A prompt, and a key, are for whom the user named.
                    async with session.request(method, address, allow_redirects=False, **sent) as response:
                        sending.heard = True
                        return await self._take_in(response, wait, listener, most_bytes)
                finally:
                    unwatch()
        except ClientError as error:
            raise self._nothing_over_http(error, stale=sending.stale and not _had_begun(error)) from error
        except TimeoutError as error:
            raise TeacherTimeout("no reply in time") from error
        except OSError as error:
            raise self._nothing_over_http(error) from error  # while it was taken in
        finally:
            self.listening.end(wait)

    async def _take_in(
        self, response: ClientResponse, wait: Wait, listener: Listener | None, most_bytes: int
    ) -> Answer:
        """The answer, once all of it (or enough) has come."""
        if response.status >= 300:
            return await self._refusal(response, wait)
        pieces: list[bytes] = []
        held_bytes = 0
        cut = False
        async for piece in response.content.iter_any():
            self.listening.heard(wait, piece)
            if listener and listener(piece):
                cut = True
                response.close()
                break
            if listener and listener.reads:
                pieces.clear()
                continue
            pieces.append(piece)
            held_bytes += len(piece)
            if held_bytes > most_bytes:
                response.close()
                raise too_large(most_bytes)
        self.listening.answered(wait)
        return Answer(response.status, response.headers, b"".join(pieces), cut=cut)

    async def _refusal(self, response: ClientResponse, wait: Wait) -> Answer:
        """A refusal, or where somebody else is named who answers, as far as it is of use."""
        content = b""
        async for piece in response.content.iter_any():
            content += piece
            if len(content) > MOST_REFUSAL_BYTES:
                response.close()
                break
        self.listening.heard(wait)
        content = content[:MOST_REFUSAL_BYTES]
        words = words_in(content)
        if response.status < 400:
            words = f"it names {shown(response.headers.get('Location', 'no address'))} instead"
        return Answer(response.status, response.headers, content, self.safe(words))

    def for_files(self, timeout_sec: float) -> OpenAI:
        """A client for what takes long and is asked for one by one, such as files; nothing is tried again by itself.

        Raises: TeacherMisconfigured: as any request.
        """
        from openai import DefaultHttpx2Client, Omit, OpenAI

        headers: dict[str, Any] = dict(self._sent_headers())
        if "authorization" not in map(str.lower, headers):
            headers["Authorization"] = Omit()
        return OpenAI(
            base_url=self.base_url,
            api_key=self._key or NO_KEY,
            max_retries=0,
            timeout=timeout_sec,
            http_client=DefaultHttpx2Client(
                trust_env=not is_loopback(self.base_url),
                timeout=timeout_sec,
                event_hooks={"request": [self._keep_at_home]},
            ),
            default_headers=headers,
            default_query=expanded(self._query, "extra_query"),
        )

    def _keep_at_home(self, request: Any) -> None:
        """Let a request follow to another server, as downloads of files do, without keys and prompts."""
        if _server(str(request.url)) == _server(self.base_url):
            return
        if request.method not in ("GET", "HEAD"):
            raise TeacherMisconfigured(
                f"{self.name} sends callers on to {shown(str(request.url))}. Prompts are sent to no other address than "
                "the one in the settings: check --base-url, and name the address that answers."
            )
        for name in ("Authorization", *self._headers):
            request.headers.pop(name, None)

    def _sent_headers(self) -> dict[str, str]:
        """The configured headers, and the key, except where none is set and one of the headers may well be it."""
        self._check_key()
        headers = expanded(self._headers, "extra_headers")
        if "authorization" in map(str.lower, headers) or (headers and not self._key):
            return headers
        return headers | {"Authorization": f"Bearer {self._key or NO_KEY}"}

    def answer_of(self, error: Any) -> Answer:
        """A refusal that the client raised."""
        response, content = error.response, b""
        with suppress(Exception):  # of a stream nothing may have been read, or can be any more
            content = response.read()
        return Answer(error.status_code, response.headers, b"", self.safe(words_in(content)))

    def no_answer(self, error: BaseException) -> TeacherError:
        """What the client raised where there was no answer."""
        causes = _causes(error)
        if isinstance(causes[-1], TeacherError):
            return causes[-1]
        words = self.safe(str(causes[-1]) or type(causes[-1]).__name__)
        if any("ConnectError" in type(cause).__name__ for cause in causes):
            return NoConnection(f"{self.name}: no connection ({words[:200]})")
        if any("Timeout" in type(cause).__name__ for cause in causes):
            return TeacherTimeout(f"{self.name}: no reply in time")
        return TeacherUnavailable(f"{self.name}: the connection broke ({words[:200]})")

    def _nothing_over_http(self, error: BaseException, *, stale: bool = False) -> TeacherError:
        """What was raised where there was no answer over HTTP. `stale`: the connection had been closed before."""
        import aiohttp

        if isinstance(error, aiohttp.InvalidURL):  # the endpoint's own was looked at before; it may hold a password
            return TeacherMisconfigured(
                f"{self.name}: the environment names a proxy that is no address. Correct HTTP_PROXY, HTTPS_PROXY or "
                "ALL_PROXY, or name this endpoint's host in NO_PROXY."
            )
        causes = _causes(error)
        words = self.safe(words_of_failure(causes[-1]))
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
            return NoConnection(f"no connection ({words})")
        if stale or any(isinstance(cause, aiohttp.ClientConnectionResetError) for cause in causes):
            return StaleConnection(f"the connection was closed ({words})")
        what = (
            "what came can't be read as HTTP"
            if isinstance(error, aiohttp.ClientResponseError)
            else "the connection broke"
        )
        problem = TeacherUnavailable(f"{what} ({words})")
        # The request was on its way: the endpoint may well have answered it.
        problem.maybe_paid = True
        return problem

    async def close(self) -> None:
        """Close the connections."""
        if "_session" in self.__dict__:
            await self._session.close()

    def safe(self, words: str) -> str:
        """An endpoint's words as messages may hold them: short, and without anything that looks like a key."""
        return _KEY.sub("[key]", self.without_key(words))[:MOST_WORDS_CHARS]

    def without_key(self, text: str) -> str:
        """A text without the key: some gateways echo the request, key and all, in errors or even in a reply."""
        text = whole(text)
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text


def too_large(most_bytes: int) -> BadReply:
    """The error of an answer that is longer than what was asked for can be."""
    return BadReply(f"an answer of more than {most_bytes / 2**20:.1f} MB, the rest of which was not read")


def _server(address: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _proxy_to(address: str) -> str | None:
    """The proxy that the environment names for an address; None for none, as always on this machine."""
    from urllib.request import getproxies, proxy_bypass

    parts = urlsplit(address)
    if is_loopback(address) or proxy_bypass(parts.netloc):
        return None
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _trusted(address: str) -> Any:
    """Which certificates are believed: those that the `openai` client believes."""
    if urlsplit(address).scheme != "https":
        return True
    import httpx2

    return httpx2.create_ssl_context(trust_env=not is_loopback(address))


def _had_begun(error: BaseException) -> bool:
    """Whether something of an answer had come: a head that can't be read, or the begin of one, which aiohttp names."""
    from aiohttp import ClientResponseError

    return isinstance(error, ClientResponseError) or not isinstance(getattr(error, "message", ""), str)


def _causes(error: BaseException) -> list[BaseException]:
    causes = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    return causes
