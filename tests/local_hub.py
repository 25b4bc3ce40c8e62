"""A small Hub on loopback: the endpoints that a release uses, with faults on demand. Large files go by LFS, not Xet."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_" + "testtokentesttokentesttokentesttok"
READ_TOKEN = "hf_" + "readonlyreadonlyreadonlyreadonlyre"


@dataclass
class Blob:
    """A file's content and whether it lies in large storage."""

    data: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        """Git's name for it."""
        return hashlib.sha1(b"blob %d\0" % len(self.data) + self.data).hexdigest()

    def listed(self, path: str) -> dict[str, Any]:
        """As the tree endpoint lists it."""
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(self.data), "oid": self.oid}
        if self.lfs:
            sha256 = hashlib.sha256(self.data).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(self.data), "pointerSize": 130}
        return entry


@dataclass
class Commit:
    """One commit: its files, and what its author said."""

    oid: str
    files: dict[str, Blob]
    title: str = ""
    description: str = ""


@dataclass
class Repo:
    """A dataset repository: main's commits, tags and pull requests."""

    private: bool
    commits: list[Commit]
    tags: dict[str, str] = field(default_factory=dict)
    pulls: list[Commit] = field(default_factory=list)

    @property
    def head(self) -> Commit:
        """Main's last commit."""
        return self.commits[-1]

    def at(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a hash names."""
        if revision == "main":
            return self.head
        if revision.startswith("refs/pr/"):
            return self.pulls[int(revision.rpartition("/")[2]) - 1]
        oid = self.tags.get(revision, revision)
        return next((commit for commit in [*self.commits, *self.pulls] if commit.oid == oid), None)


@dataclass
class Fault:
    """What happens to the next `times` requests whose method (any, if empty) and path match, after so many of them.

    A status, `cut` (half of the request is read), `stall`; or it is done, and its answer is `half` there or `lost`.
    """

    method: str
    path: str
    what: int | str
    times: int = 1
    after: int = 0


class LocalHub:
    """The server: repositories, stored objects, faults, and a record of what was asked."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.objects: dict[str, bytes] = {}
        self.stored: list[str] = []
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str]] = []
        self.stalled = threading.Event()
        self.release = threading.Event()
        self.lock = threading.Lock()
        self.counter = 0
        hub = self
        handler = type("Handler", (_Handler,), {"hub": hub})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def next_oid(self) -> str:
        """A new commit hash."""
        self.counter += 1
        return hashlib.sha1(str(self.counter).encode()).hexdigest()

    def create(self, name: str, *, private: bool = True, files: dict[str, bytes] | None = None) -> Repo:
        """A repository with a first commit, as the Hub makes it."""
        first = {".gitattributes": Blob(b"*.parquet filter=lfs\n", False)}
        first |= {path: Blob(data, False) for path, data in (files or {}).items()}
        self.repos[name] = Repo(private, [Commit(self.next_oid(), first, "initial commit")])
        return self.repos[name]

    def fault(self, method: str, path: str) -> Fault | None:
        """The fault that this request runs into, if any."""
        with self.lock:
            self.asked.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("", method) and re.search(fault.path, path):
                    fault.after -= 1
                    if fault.after < 0:
                        fault.times -= 1
                        return fault
        return None

    def count(self, method: str, path: str) -> int:
        """How many requests matched."""
        return sum(1 for asked, where in self.asked if asked == method and re.search(path, where))


@contextmanager
def running_hub() -> Iterator[LocalHub]:
    """A hub that serves until the block ends."""
    hub = LocalHub()
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        hub.server.shutdown()
        thread.join()
        hub.server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A running local Hub, which huggingface_hub takes for the real one; Xet off, a token that may write."""
    import huggingface_hub.constants

    with running_hub() as server:
        # Both are read from the environment when huggingface_hub is imported, which may have been long ago.
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield server


class _Handler(BaseHTTPRequestHandler):
    hub: LocalHub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def _serve(self, method: str) -> None:
        path = unquote(urlsplit(self.path).path)
        fault = self.hub.fault(method, path)
        self._fault = fault.what if fault else ""
        if fault and fault.what == "cut":
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            return self._hang_up()
        if fault and fault.what == "stall":
            self.hub.stalled.set()
            self.hub.release.wait(30)
            self.close_connection = True
            return
        body = self._body()
        if fault and isinstance(fault.what, int):
            return self._reply(fault.what, {"error": "injected"})
        for pattern, methods, serve in _ROUTES:
            if method in methods and (match := re.fullmatch(pattern, path)):
                with self.hub.lock:
                    return serve(self, body, *match.groups())
        return self._reply(404, {"error": f"no such endpoint: {method} {path}"})

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline().strip(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _reply(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        content = data if isinstance(data, bytes) else json.dumps(data).encode()
        if self._fault == "lost":
            return self._hang_up()
        if self._fault == "half":
            self.wfile.write(b"HTTP/1.1 %d \r\nContent-Length: %d\r\n" % (status, len(content)))
            if content:
                self.wfile.write(b"\r\n" + content[: len(content) // 2])
            return self._hang_up()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Request-Id", "req-1")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)
        return None

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _repo(self, name: str, *, write: bool = False) -> Repo | None:
        """The repository, or None after an answer that says why not."""
        token = self._token()
        if token and token not in (TOKEN, READ_TOKEN):
            message = "Invalid credentials in Authorization header"
            return self._reply(401, {"error": message}, {"X-Error-Message": message})
        repo = self.hub.repos.get(name)
        if repo is None or (repo.private and not token):
            status = 404 if token else 401
            return self._reply(status, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
        if write and token != TOKEN:
            return self._reply(403, {"error": "forbidden"})
        return repo

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if self._token() != TOKEN:
            return self._reply(403 if self._token() == READ_TOKEN else 401, {"error": "no"})
        if name in self.hub.repos:
            return self._reply(409, {"error": "You already created this dataset repo"})
        self.hub.create(name, private=asked.get("visibility") == "private")
        return self._reply(200, {"url": f"{self.hub.url}/datasets/{name}", "name": name})

    def info(self, body: bytes, name: str, revision: str | None = None) -> None:
        repo = self._repo(name)
        if repo and (commit := repo.at(revision or "main")):
            data = {"id": name, "author": name.split("/")[0], "sha": commit.oid, "private": repo.private}
            self._reply(200, data | {"siblings": [], "tags": [], "downloads": 0, "likes": 0, "disabled": False})

    def tree(self, body: bytes, name: str, revision: str, folder: str = "") -> None:
        repo = self._repo(name)
        if repo and (commit := repo.at(revision)):
            files = {path: blob for path, blob in commit.files.items() if path.startswith(folder)}
            self._reply(200, [blob.listed(path) for path, blob in sorted(files.items())])

    def paths_info(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name)
        if repo and (commit := repo.at(revision)):
            paths = parse_qs(body.decode())["paths"]
            self._reply(200, [commit.files[path].listed(path) for path in paths if path in commit.files])

    def refs(self, body: bytes, name: str) -> None:
        repo = self._repo(name)
        if repo:
            branch = {"name": "main", "ref": "refs/heads/main", "targetCommit": repo.head.oid}
            tags = [{"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": oid} for tag, oid in repo.tags.items()]
            self._reply(200, {"branches": [branch], "converts": [], "tags": tags})

    def discussions(self, body: bytes, name: str) -> None:
        repo = self._repo(name)
        if repo:
            about = {"repo": {"name": name, "type": "dataset"}, "status": "open", "isPullRequest": True}
            about |= {"author": {"name": "ada"}, "createdAt": "2026-01-01T00:00:00.000Z"}
            listed = [about | {"title": each.title, "num": number} for number, each in enumerate(repo.pulls, 1)]
            self._reply(200, {"discussions": listed, "count": len(listed), "start": 0})

    def preupload(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name, write="create_pr" not in self.path)
        if repo:
            files = []
            for file in json.loads(body)["files"]:
                there = repo.head.files.get(file["path"])
                mode = "lfs" if file["path"].endswith(".parquet") else "regular"
                oid = None
                if there:
                    oid = hashlib.sha256(there.data).hexdigest() if there.lfs else there.oid
                files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid})
            self._reply(200, {"files": files})

    def batch(self, body: bytes, name: str) -> None:
        objects = []
        for entry in json.loads(body)["objects"]:
            if entry["oid"] not in self.hub.objects:
                entry["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{entry['oid']}"}}
                entry["actions"]["verify"] = {"href": f"{self.hub.url}/verify"}
            objects.append(entry)
        self._reply(200, {"transfer": "basic", "objects": objects})

    def store(self, body: bytes, oid: str) -> None:
        if hashlib.sha256(body).hexdigest() != oid:
            return self._reply(400, {"error": "not these bytes"})
        self.hub.objects[oid] = body
        self.hub.stored.append(oid)
        return self._reply(200, b"")

    def verify(self, body: bytes) -> None:
        asked = json.loads(body)
        self._reply(200 if len(self.hub.objects.get(asked["oid"], b"")) == asked["size"] else 404, {})

    def commit(self, body: bytes, name: str, revision: str) -> None:
        pull = "create_pr" in self.path
        repo = self._repo(name, write=not pull)
        if not repo:
            return None
        files = dict(repo.head.files)
        new = Commit(self.hub.next_oid(), files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                new.title, new.description = value["summary"], value["description"]
                if value.get("parentCommit", repo.head.oid) != repo.head.oid:
                    return self._reply(412, {"error": "A commit has happened since. Please refresh and try again."})
            elif line["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = Blob(self.hub.objects[value["oid"]], True)
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        (repo.pulls if pull else repo.commits).append(new)
        url = f"{self.hub.url}/datasets/{name}"
        answer = {"success": True, "commitOid": new.oid, "commitUrl": f"{url}/commit/{new.oid}", "hookOutput": ""}
        if pull:
            answer["pullRequestUrl"] = f"{url}/discussions/{len(repo.pulls)}"
        return self._reply(200, answer)

    def tag(self, body: bytes, name: str, revision: str) -> None:
        repo = self._repo(name, write=True)
        if repo and (commit := repo.at(revision)):
            tag = json.loads(body)["tag"]
            if tag in repo.tags:
                return self._reply(409, {"error": "Tag exists"})
            repo.tags[tag] = commit.oid
            self._reply(200, {})
        return None

    def resolve(self, body: bytes, name: str, revision: str, path: str) -> None:
        repo = self._repo(name)
        commit = repo.at(revision) if repo else None
        if not commit:
            return None
        blob = commit.files.get(path)
        if blob is None:
            return self._reply(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
        headers = {"ETag": f'"{blob.oid}"', "X-Repo-Commit": commit.oid}
        if blob.lfs:
            sha256 = hashlib.sha256(blob.data).hexdigest()
            headers |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(blob.data))}
        return self._reply(200, blob.data, headers)

    def whoami(self, body: bytes) -> None:
        known = self._token() in (TOKEN, READ_TOKEN)
        self._reply(200 if known else 401, {"type": "user", "name": "ada", "orgs": []} if known else {"error": "no"})

    def validate(self, body: bytes) -> None:
        self._reply(200, {"errors": [], "warnings": []})


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES: list[tuple[str, tuple[str, ...], Any]] = [
    (r"/api/repos/create", ("POST",), _Handler.create),
    (r"/api/whoami-v2", ("GET",), _Handler.whoami),
    (r"/api/validate-yaml", ("POST",), _Handler.validate),
    (rf"/api/datasets/{_NAME}", ("GET",), _Handler.info),
    (rf"/api/datasets/{_NAME}/revision/(.+)", ("GET",), _Handler.info),
    (rf"/api/datasets/{_NAME}/tree/(refs/pr/\d+|[^/]+)/?(.*)", ("GET",), _Handler.tree),
    (rf"/api/datasets/{_NAME}/paths-info/([^/]+)", ("POST",), _Handler.paths_info),
    (rf"/api/datasets/{_NAME}/discussions", ("GET",), _Handler.discussions),
    (rf"/api/datasets/{_NAME}/refs", ("GET",), _Handler.refs),
    (rf"/api/datasets/{_NAME}/preupload/([^/]+)", ("POST",), _Handler.preupload),
    (rf"/datasets/{_NAME}\.git/info/lfs/objects/batch", ("POST",), _Handler.batch),
    (r"/lfs/([0-9a-f]{64})", ("PUT",), _Handler.store),
    (r"/verify", ("POST",), _Handler.verify),
    (rf"/api/datasets/{_NAME}/commit/([^/]+)", ("POST",), _Handler.commit),
    (rf"/api/datasets/{_NAME}/tag/([^/]+)", ("POST",), _Handler.tag),
    (rf"/datasets/{_NAME}/resolve/([^/]+)/(.+)", ("GET", "HEAD"), _Handler.resolve),
]
