"""Situations that users meet: a small taxonomy, a server that does what theirs did, and what they would see."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faulty_server import Behave, Fault, FaultyServer, refusal
from local_hub import LocalHub
from workbench import TIDES, Labgen, Run, freeform, knowledge, write_leaf

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.replies import Ledger
from labgen.teacher.rehearsal.wire import answer

SKILL = "foundational_skills/requests"
ALWAYS = range(10**6)
"""Numbers of requests."""
DOCUMENTS = {
    "tides.md": TIDES.encode(),
    "empty.md": b"",
    "latin.md": TIDES.replace("sea", "m\u00e9r").encode("latin-1"),
    "pointer.md": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n",
    "short.md": b"# Tides\n\nSee elsewhere.\n",
}
"""Files of the repository of documents."""


@dataclass
class Place:
    """A folder with a taxonomy of one leaf, a server, address and commit of a repository of documents, and a Hub."""

    folder: Path
    server: FaultyServer
    documents: str
    commit: str
    hub: LocalHub = field(init=False, repr=False)
    labgen: Labgen = field(init=False, repr=False)
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.labgen = Labgen(self.folder)
        self.server.behave = lambda number, body: None
        self.server.bodies.clear()
        self.server.answered.clear()
        write_leaf(self.folder / "taxonomy", SKILL, **freeform())
        self.settings(teacher={}, documents={"allow_local_repos": True, "timeout_sec": 20})

    def settings(self, **content: Any) -> None:
        """Write labgen.yaml; nobody is waited for."""
        teacher = {"first_backoff_sec": 0.01, "outage_sec": 0.3, "concurrency": 2} | content.pop("teacher", {})
        (self.folder / "labgen.yaml").write_text(json.dumps({"teacher": teacher, **content}, indent=0))

    def run(self, *command: str) -> Run:
        """Run labgen; `SERVER` in an argument is the server's address without `/v1`."""
        address = self.server.base_url.removesuffix("/v1")
        return self.labgen(*(word.replace("SERVER", address) for word in command), **self.environment)

    def kept(self) -> int:
        """Replies in the ledger (count)."""
        with suppress(LedgerError), closing(Ledger(self.folder / ".labgen", read_only=True)) as ledger:
            return int(ledger.query("SELECT count(*) FROM replies")[0][0])
        return 0

    def answered_twice(self) -> int:
        """Requests that the server answered more than once (count)."""
        bodies = [json.dumps(body, sort_keys=True) for body in self.server.answered]
        return len(bodies) - len(set(bodies))


Arrange = Callable[[Place], object]
"""Makes a situation out of a place where all is well."""


def nothing(place: Place) -> None:
    """All is well."""


def slip(old: str, new: str) -> Arrange:
    """One in the leaf's text."""
    return saved(lambda text: text.replace(old, new, 1).encode())


def saved(change: Callable[[str], bytes]) -> Arrange:
    """The leaf's file, saved in another way."""

    def arrange(place: Place) -> None:
        file = place.folder / "taxonomy" / SKILL / "qna.yaml"
        content = change(file.read_text())
        assert content != file.read_bytes()
        file.write_bytes(content)

    return arrange


def one_more(path: str, name: str = "qna.yaml", **content: Any) -> Arrange:
    """A second leaf, whose file is called so."""

    def arrange(place: Place) -> None:
        file = write_leaf(place.folder / "taxonomy", path, **(content or freeform()))
        file.rename(file.with_name(name))

    return arrange


def document(pattern: str, **changes: str) -> Arrange:
    """A knowledge leaf beside the other; its document is in the repository, or where `changes` say."""

    def arrange(place: Place) -> None:
        source = {"repo": place.documents, "commit": place.commit, "patterns": [pattern]} | changes
        write_leaf(place.folder / "taxonomy", "knowledge/science/tides", **knowledge(document=source))

    return arrange


def settings(**content: Any) -> Arrange:
    """Other settings."""
    return lambda place: place.settings(**content)


def server(behave: Behave) -> Arrange:
    """A server that does so."""

    def arrange(place: Place) -> None:
        place.server.behave = behave

    return arrange


def refuses(numbers: range, status: int, message: str = "no", code: str | None = None, **headers: str) -> Arrange:
    """A server that turns some requests down, and answers the others."""
    fault = refusal(status, message, code, **headers)
    return server(lambda number, body: fault if number in numbers else None)


def lacks(name: str, message: str, code: str | None = None) -> Arrange:
    """A server that refuses a parameter."""
    return server(lambda number, body: refusal(400, message, code) if name in body else None)


def says(text: str | None, end: str = "stop", *, step: str = "", **more: str) -> Arrange:
    """A model that always says the same: at one step, or at all."""
    said = {"role": "assistant", "content": text, **more}
    found = {"choices": [{"finish_reason": end, "message": said}], "usage": {"completion_tokens": 9}}
    fault = Fault(body=json.dumps(found).encode())
    return server(lambda number, body: fault if f"## Task: {step}" in json.dumps(body["messages"]) else None)


def phrased(change: Callable[[str], Any], end: str = "stop") -> Arrange:
    """A model that says what it should, in another form."""

    def behave(number: int, body: dict[str, Any]) -> Fault:
        found: Any = answer({**body, "model": "labgen-rehearsal"}, chat=True)
        choice = found["choices"][0]
        choice["message"]["content"] = change(choice["message"]["content"])
        choice["finish_reason"] = end
        return Fault(body=json.dumps(found).encode())

    return server(behave)


def killed_run(place: Place) -> None:
    """A run that was killed once some of its calls were answered."""
    place.server.delay_sec = 0.02
    process = place.labgen.start("generate", "--samples", "1", "--base-url", place.server.base_url)
    try:
        while len(place.server.answered) < 6 and process.poll() is None:
            threading.Event().wait(0.01)
    finally:
        process.kill()
        process.communicate()
        place.server.delay_sec = 0.0
    assert place.kept()


def built(place: Place) -> None:
    """A dataset is there."""
    assert place.run("generate", "--samples", "1", "--base-url", "SERVER/v1").status == 0


def ledger_of(version: int) -> Arrange:
    """A ledger whose schema has that version."""

    def arrange(place: Place) -> None:
        Ledger(place.folder / ".labgen").close()
        with closing(sqlite3.connect(place.folder / ".labgen" / LEDGER_NAME)) as database:
            database.execute(f"PRAGMA user_version = {version}")

    return arrange


def file(name: str, content: str) -> Arrange:
    """A file of the user's."""

    def arrange(place: Place) -> None:
        path = place.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)

    return arrange


def both(*arranged: Arrange) -> Arrange:
    """One after the other."""

    def arrange(place: Place) -> None:
        for each in arranged:
            each(place)

    return arrange
