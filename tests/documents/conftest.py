"""Real git repositories, and leaves that point at them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plain_git import git_home

from labgen.config.drawing import DocumentsConfig
from labgen.documents.store import DocumentStore
from labgen.records import DocumentSource, Leaf

__all__ = ["git_home"]


class Origin:
    """A git repository that a test writes to and labgen fetches from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main", ".")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str, data: bytes | None = None) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.path, input=data, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str | bytes], message: str = "change") -> str:
        """Write files, commit all, and return the full hash."""
        for name, content in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_entry(self, mode: str, sha: str, name: str) -> str:
        """Commit one tree entry as it is, without a file in the work tree."""
        self.git("update-index", "--add", "--cacheinfo", f"{mode},{sha},{name}")
        self.git("commit", "-q", "-m", f"add {name}")
        return self.git("rev-parse", "HEAD")

    def blob(self, content: bytes) -> str:
        return self.git("hash-object", "-w", "--stdin", data=content)


@pytest.fixture(autouse=True)
def plain_git(git_home: Path) -> None:
    """In all tests here."""


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


@pytest.fixture
def redirect(tmp_path: Path) -> Callable[[str, str], None]:
    """The user's own redirection of addresses that start with the second argument to the first."""

    def add(to: str, written: str) -> None:
        with (tmp_path / "home" / ".gitconfig").open("a") as file:
            file.write(f'[url "{to}"]\n\tinsteadOf = {written}\n')

    return add


@pytest.fixture
def make_leaf(tmp_path: Path) -> Callable[..., Leaf]:
    def make(repo: str, commit: str = "", *patterns: str, folder: Path | None = None) -> Leaf:
        folder = folder or tmp_path / "taxonomy" / "knowledge" / "food" / "cheese"
        folder.mkdir(parents=True, exist_ok=True)
        source = DocumentSource(repo, commit, patterns or ("*.md",), line=12)
        return Leaf(
            "knowledge/food/cheese", "knowledge", folder / "qna.yaml", 3, "", "food", "cheese", (), source, "ada"
        )

    return make


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., DocumentStore]:
    def make(folder: Path | None = None, **settings: Any) -> DocumentStore:
        settings = {"allow_local_repos": True, "timeout_sec": 20.0, **settings}
        return DocumentStore(folder or tmp_path / "documents", DocumentsConfig(**settings))

    return make
