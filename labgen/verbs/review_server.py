"""The page of `labgen review` and the marks behind it, for one browser on this machine.

The server listens on the loopback interface alone. Whoever opens the address that it prints is given a cookie, and only
who has that is answered: other users of the machine, and pages of other sites, are not. Texts of the dataset go to the
page as data, and its policy lets no script run but its own.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, field
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labgen.config.whole import Config
from labgen.errors import LabgenError, OutputError
from labgen.export.folder import MANIFEST
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import ID_CHARS
from labgen.report.build import report_page
from labgen.report.write import write_page
from labgen.taxonomy.marks import MAX_EDIT_CHARS, RowMark
from labgen.text.printable import plain
from labgen.verbs.review import Reviewer

HOST = "127.0.0.1"
MAX_BODY_BYTES = 12 * MAX_EDIT_CHARS
"""Of a mark that is sent: two texts in UTF-8, each of whose characters may be escaped."""
READ_SEC = 30.0
"""Longest wait for a request that was begun."""

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"


@dataclass
class ReviewPage:
    """The page of a dataset, made anew when the dataset is another.

    Attributes:
        file: where it is kept meanwhile.
    """

    config: Config
    file: Path
    _made_for: tuple[int, int] | None = None
    _lock: Lock = field(default_factory=Lock)

    def ready(self) -> tuple[Path, str]:
        """The page's file and its policy. Raises: LabgenError: there is no sound dataset."""
        with self._lock:
            known = _changed_at(self.config.output / MANIFEST)
            if known is None or known != self._made_for:
                config = self.config
                pieces = report_page(config.output, work=config.work_folder, price=config.price, served=True)
                write_page(self.file, pieces)
                self._made_for = known
            with self.file.open(encoding="utf-8") as page:
                found = _POLICY.search(page.read(4096))
        policy = found.group(1) if found else "default-src 'none'"
        return self.file, f"{policy}; frame-ancestors 'none'"


def _changed_at(file: Path) -> tuple[int, int] | None:
    try:
        now = file.stat()
    except OSError:
        return None
    return now.st_mtime_ns, now.st_ino


class ReviewServer(ThreadingHTTPServer):
    """Serves the page and `/marks` on the loopback interface.

    Args:
        port: 0 for any that is free.
    Raises: OutputError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, reviewer: Reviewer, page: ReviewPage, port: int) -> None:
        self.reviewer, self.page = reviewer, page
        self.token, self.key = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise OutputError(
                f"port {port} can't be used ({error.strerror or error}). Choose another with --port."
            ) from error
        self.cookie = f"labgen_review_{self.server_port}"
        self.hosts = frozenset(f"{name}:{self.server_port}" for name in (HOST, "localhost"))

    @property
    def address(self) -> str:
        """What to open in a browser; who knows it may set marks."""
        return f"http://{HOST}:{self.server_port}/?key={self.key}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that went away in the middle of an answer is nothing to tell of."""


@contextmanager
def serving(config: Config, port: int = 0) -> Iterator[ReviewServer]:
    """A server that answers until the block ends. Raises: LabgenError: dataset, marks, port."""
    reviewer = Reviewer.of(config)
    with tempfile.TemporaryDirectory(prefix="labgen-review-") as folder:
        page = ReviewPage(config, Path(folder, "page.html"))
        page.ready()
        with ReviewServer(reviewer, page, port) as server:
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join()


class _Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: HTTPStatus, words: str) -> None:
        super().__init__(words)
        self.status, self.words = status, words


class _Handler(BaseHTTPRequestHandler):
    """One request. Every answer bears the same headers."""

    server: ReviewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "labgen", ""
    timeout = READ_SEC

    def do_GET(self) -> None:
        """The page, or the marks."""
        self._answered(self._get)

    def do_POST(self) -> None:
        """Set or take away a mark."""
        self._answered(self._post)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address has a key in it."""

    def _answered(self, answer: Callable[[], None]) -> None:
        try:
            self._check_host()
            answer()
        except _Refused as refusal:
            self._say(refusal.status, {"error": refusal.words})
        except LabgenError as error:
            self._say(HTTPStatus.CONFLICT, {"error": plain(str(error))})

    def _check_host(self) -> None:
        """Raises: _Refused: the request is for another host (a name that was made to lead here)."""
        # What was not read of a refused request must not be taken for the next one.
        self.close_connection = True
        if self.headers.get("Host", "") not in self.server.hosts:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, f"This server is {HOST}, and no other name.")
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and self.command != "GET":
            raise _Refused(HTTPStatus.FORBIDDEN, "Pages of other sites may not ask this server.")

    def _get(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == "/" and (given := parse_qs(asked.query).get("key")):
            self._let_in(given[0])
            return
        self._check_cookie()
        if asked.path == "/":
            self._send_page()
        elif asked.path == "/marks":
            reviewer = self.server.reviewer
            marks = {id: mark_json(mark) for id, mark in reviewer.marks().marks.items()}
            said = {"token": self.server.token, "by": reviewer.by, "marks": marks, "agreement": reviewer.agreement()}
            self._say(HTTPStatus.OK, said)
        else:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def _let_in(self, key: str) -> None:
        """Give whoever knows the key a cookie in its place, so that it stands in the address no longer."""
        if not secrets.compare_digest(key.encode(), self.server.key.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, _NO_KEY)
        cookie = f"{self.server.cookie}={self.server.key}; Path=/; HttpOnly; SameSite=Strict"
        self._begin(HTTPStatus.SEE_OTHER, "text/plain; charset=utf-8", 0, {"Location": "/", "Set-Cookie": cookie})

    def _check_cookie(self) -> None:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self.server.cookie)
        except CookieError:
            cookie = None
        if cookie is None or not secrets.compare_digest(cookie.value.encode(), self.server.key.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, _NO_KEY)

    def _post(self) -> None:
        if urlsplit(self.path).path != "/marks":
            raise _Refused(HTTPStatus.NOT_FOUND, "There is nothing here.")
        self._check_cookie()
        origin = self.headers.get("Origin")
        if origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}:
            raise _Refused(HTTPStatus.FORBIDDEN, "Pages of other sites may not ask this server.")
        if not secrets.compare_digest(self.headers.get("X-Labgen-Token", "").encode(), self.server.token.encode()):
            raise _Refused(HTTPStatus.FORBIDDEN, "This page is of an earlier `labgen review`. Load it again.")
        said = self._body()
        id, mark = said.get("id"), said.get("mark")
        if not isinstance(id, str) or not (mark is None or isinstance(mark, dict)):
            raise _Refused(HTTPStatus.BAD_REQUEST, "A mark has an `id` and a `mark`.")
        if mark is None:
            if not re.fullmatch(rf"[0-9a-f]{{{ID_CHARS}}}", id):
                raise _Refused(HTTPStatus.BAD_REQUEST, "That is no id of a row.")
            self.server.reviewer.unmark(id)
            self._say(HTTPStatus.OK, {"mark": None})
            return
        self._say(HTTPStatus.OK, {"mark": mark_json(self.server.reviewer.mark(id, mark))})

    def _body(self) -> dict[str, Any]:
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A mark is sent as JSON.")
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal() or "Transfer-Encoding" in self.headers:
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "How long the mark is has to be said.")
        if len(length) > 12 or int(length) > MAX_BODY_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A mark has {MAX_BODY_BYTES:,} bytes at most.")
        try:
            said = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "What was sent is no JSON.") from None
        if not isinstance(said, dict):
            raise _Refused(HTTPStatus.BAD_REQUEST, "A mark has an `id` and a `mark`.")
        return said

    def _send_page(self) -> None:
        file, policy = self.server.page.ready()
        with file.open("rb") as page:
            size = file.stat().st_size
            self._begin(HTTPStatus.OK, "text/html; charset=utf-8", size, {"Content-Security-Policy": policy})
            while piece := page.read(1 << 20):
                self.wfile.write(piece)

    def _say(self, status: HTTPStatus, data: dict[str, Any]) -> None:
        body = json.dumps(data, ensure_ascii=False).encode(errors="replace")
        self._begin(status, "application/json; charset=utf-8", len(body), {})
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, kind: str, size: int, more: dict[str, str]) -> None:
        self.send_response(status)
        own = {"Content-Type": kind, "Content-Length": str(size), "Connection": "close"}
        for name, value in ({"Content-Security-Policy": _NOTHING} | _HEADERS | own | more).items():
            self.send_header(name, value)
        self.end_headers()


_NO_KEY = "Open the address that `labgen review` printed: it has the key to these marks in it."


def mark_json(mark: RowMark) -> dict[str, Any]:
    """A mark as the page knows it: what is empty is left out."""
    return {name: value for name, value in asdict(mark).items() if value not in (None, "") and name != "text"}
