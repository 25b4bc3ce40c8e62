"""One git repository's clones on this machine: fetched where needed, listed once, read as blobs, never checked out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labgen.config.drawing import DocumentsConfig
from labgen.documents.address import cache_name
from labgen.documents.clone import (
    CloneFailed,
    cat_file,
    contents_in,
    is_whole_clone,
    prepare_clone,
    remove_leftovers,
    run_in_clone,
)
from labgen.documents.files import write_whole
from labgen.errors import TaxonomyError
from labgen.git.run import GitFailed, import_git
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.text.printable import shown

FULL_HASH_CHARS = (40, 64)
"""Hexadecimal digits of a whole hash: SHA-1's, and SHA-256's in repositories that use it."""

MAX_LISTING_BYTES = 64_000_000
"""What the list of a commit's files may take, about half a million of them. Linux has under 100,000; a tree of trees
that repeat themselves has billions."""

_LISTING_VERSION = 1
_OTHER_HASHES = re.compile("mismatched algorithms|unsupported object format|object format", re.IGNORECASE)
_REFUSED = re.compile(
    "not our ref|unadvertised object|want [0-9a-f]+ not valid|(couldn't find|no such) remote ref|support shallow"
)
"""What servers say that have a commit only for those who take everything, or don't have it at all."""

_SYMLINK = "120000"

# What is not UTF-8 arrives as lone surrogates; the marks change the direction of what follows.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one commit: path (forward slashes) to the blob's hash, or to "" for a symbolic link.

    `clone` names the clone that holds the blobs.
    """

    commit: str
    clone: str
    files: dict[str, str]


class _SingleRefused(TaxonomyError):
    """The server gives out no single commits, or not this one."""


class Repository:
    """The clones of one address below `folder`: a shallow one for full hashes, a whole one for abbreviated ones.

    Safe for several processes at once. What was fetched is never fetched again; what could not be is tried once.
    """

    def __init__(self, repo: str, folder: Path, config: DocumentsConfig) -> None:
        self.repo = repo
        self.folder = folder / cache_name(repo)
        self._config = config
        self._listings: dict[str, Listing] = {}
        self._whole_is_fresh = False
        self._unreachable: TaxonomyError | None = None
        self._missing: dict[str, TaxonomyError] = {}

    def cached(self, commit: str) -> Listing | None:
        """The listing of `commit` (full or abbreviated) where it is on this machine; no network, no git."""
        commit = commit.lower()
        if commit not in self._listings:
            listing = self._read_listing(commit)
            if listing is None:
                return None
            self._listings[commit] = listing
        return self._listings[commit]

    def listing(self, commit: str) -> Listing:
        """The listing of `commit`, fetched where need be.

        Raises: TaxonomyError: no such commit, several begin so, the repository can't be reached, or it is too large.
        """
        commit = commit.lower()
        found = self.cached(commit)
        if found is not None:
            return found
        if commit in self._missing:
            raise self._missing[commit]
        _import_git()
        try:
            with self._locked():
                found = self.cached(commit) or self._fetch(commit)
        except TaxonomyError as error:
            self._missing[commit] = error
            raise
        self._listings[commit] = found
        return found

    def read(self, listing: Listing, paths: Sequence[str]) -> dict[str, bytes]:
        """The content of files of a listing, by path, in the order given.

        Raises: TaxonomyError: the files are too large, or the clone on this machine is damaged.
        """
        clone = self.folder / listing.clone
        hashes = [listing.files[path] for path in paths]
        try:
            said = cat_file(clone, hashes, "--batch-check=%(objectsize)", 80 * len(hashes)).decode("ascii").split("\n")
            sizes = {path: int(size) for path, size in zip(paths, said, strict=False)}
            check_sizes(sizes, self._config)
            contents = cat_file(clone, hashes, "--batch=", sum(sizes.values()) + len(hashes))
            return dict(zip(paths, contents_in(contents, sizes.values()), strict=True))
        except (ValueError, GitFailed) as error:
            raise self._damaged(error) from None

    def _damaged(self, error: Exception) -> TaxonomyError:
        return TaxonomyError(
            f"the clone in {self.folder} is damaged ({shown(str(error))}). Delete that folder; it is fetched again."
        )

    def _fetch(self, commit: str) -> Listing:
        if len(commit) in FULL_HASH_CHARS:
            return self._list(commit, self._fetch_full(commit))
        full = self._resolve(commit)
        if full is None:
            self._fetch_whole()
            full = self._resolve(commit)
        if full is None:
            raise TaxonomyError(
                f"no commit of {shown(self.repo)} starts with {commit}. Look at its history and write the full hash."
            )
        listing = self._list(full, "whole.git")
        write_whole(self._listing_file(commit), json.dumps({"commit": full}).encode())
        return listing

    def _fetch_full(self, commit: str) -> str:
        """Have a commit by its full hash: alone where the server gives it out, else with everything."""
        # A clone has hashes of one kind only, so one for each, whichever the repository turns out to have.
        kind_of_hash = "-sha256" if len(commit) == FULL_HASH_CHARS[1] else ""
        clones = shallow, whole = f"shallow{kind_of_hash}.git", f"whole{kind_of_hash}.git"
        for clone in clones:
            if self._kind(clone, commit) == "commit":
                return clone
        try:
            self._fetch_into(shallow, [f"{commit}:refs/labgen/{commit}"], ["--depth=1"])
        except _SingleRefused:
            self._fetch_whole(whole)
        for clone in clones:
            kind = self._kind(clone, commit)
            if kind == "commit":
                return clone
            if kind is not None:
                raise TaxonomyError(f"{commit} is no commit of {shown(self.repo)} but a {kind}. Write a commit's hash.")
        raise TaxonomyError(
            f"there is no commit {commit} in {shown(self.repo)}. Look at its history and write the hash of a commit "
            "that was pushed."
        )

    def newest_commit(self) -> str:
        """The full hash of the commit that the repository's own branch is at, asked of it now.

        Raises: TaxonomyError: it can't be asked, or has no commit.
        """
        path = self.folder / "newest.git"
        prepare_clone(path)
        ask = ["ls-remote", "--", self.repo, "HEAD"]
        try:
            said = run_in_clone(ask, path, timeout_sec=self._config.timeout_sec, transports=self._transports(path))
        except CloneFailed as error:
            raise TaxonomyError(f"{shown(self.repo)} can't be asked: {error}. Check the address.") from None
        found = re.match(r"(?:[0-9a-f]{40}|[0-9a-f]{64})(?=\s)", said)
        if not found:
            raise TaxonomyError(f"{shown(self.repo)} has no commit yet.")
        return found[0]

    def _fetch_whole(self, clone: str = "whole.git") -> None:
        if not self._whole_is_fresh:
            self._fetch_into(clone, ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], [])
            self._whole_is_fresh = True

    def _fetch_into(self, clone: str, refspecs: list[str], options: list[str]) -> None:
        if self._unreachable is not None:
            raise self._unreachable
        path = self.folder / clone
        transports: list[str] = []
        try:
            try:
                transports = self._take(path, refspecs, options)
            except CloneFailed as error:
                remove_leftovers(path)
                if error.at_limit or is_whole_clone(path):
                    raise
                # Half a clone, of a git or a disk that was stopped at the wrong moment.
                shutil.rmtree(path)
                transports = self._take(path, refspecs, options)
        except CloneFailed as error:
            remove_leftovers(path)
            if _OTHER_HASHES.search(error.stderr):
                raise TaxonomyError(
                    f"{shown(self.repo)} names its commits by hashes of another kind. Write a commit's full hash, with "
                    "the 40 or 64 digits that `git rev-parse` prints for it."
                ) from None
            if clone.startswith("shallow") and _REFUSED.search(error.stderr):
                raise _SingleRefused(str(error)) from None
            public = " For a public repository write its https address." if "ssh" in transports else ""
            self._unreachable = TaxonomyError(
                f"{shown(self.repo)} can't be fetched: {error}. Check the address, and that `git ls-remote` on it "
                f"works.{public}"
            )
            raise self._unreachable from None

    def _take(self, path: Path, refspecs: list[str], options: list[str]) -> list[str]:
        """Have git fetch into a clone. Returns: the transports that it might speak."""
        prepare_clone(path)
        fetch = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", *options]
        transports = self._transports(path)
        run_in_clone(
            [*fetch, "--", self.repo, *refspecs],
            path,
            timeout_sec=self._config.timeout_sec,
            transports=transports,
            max_bytes=self._config.max_clone_bytes,
        )
        return transports

    def _transports(self, path: Path) -> list[str]:
        """What the address as written needs, and what the user's own redirection of it needs."""
        meant = run_in_clone(["ls-remote", "--get-url", "--", self.repo], path).strip()
        return sorted({_transport(self.repo), _transport(meant)})

    def _resolve(self, prefix: str) -> str | None:
        """The one commit of the whole clone that starts with `prefix`; names of branches don't count."""
        path = self.folder / "whole.git"
        if not (path / "HEAD").is_file():
            return None
        found = run_in_clone(["rev-parse", f"--disambiguate={prefix}"], path).split()
        commits = [each for each in found if self._kind("whole.git", each) == "commit"]
        if len(commits) > 1:
            raise TaxonomyError(
                f"{len(commits)} commits of {shown(self.repo)} start with {prefix} ({', '.join(sorted(commits)[:4])}). "
                "Write the full hash."
            )
        return commits[0] if commits else None

    def _kind(self, clone: str, name: str) -> str | None:
        """`commit`, `tag`, `tree` or `blob`; None where the clone has no such object."""
        path = self.folder / clone
        if not (path / "HEAD").is_file():
            return None
        try:
            return run_in_clone(["cat-file", "-t", name], path).strip()
        except CloneFailed:
            return None

    def _list(self, commit: str, clone: str) -> Listing:
        try:
            output = run_in_clone(
                ["ls-tree", "-r", "-z", "--full-tree", commit],
                self.folder / clone,
                timeout_sec=self._config.timeout_sec,
                max_stdout_bytes=MAX_LISTING_BYTES,
            )
        except CloneFailed as error:
            raise error if error.at_limit else self._damaged(error) from None
        files: dict[str, str] = {}
        for entry in filter(None, output.split("\0")):
            about, path = entry.split("\t", 1)
            mode, kind, blob = about.split(" ")
            # Submodules are of kind `commit`.
            if kind == "blob" and _plain_path(path):
                files[path] = "" if mode == _SYMLINK else blob
        listing = Listing(commit, clone, dict(sorted(files.items())))
        content = {"version": _LISTING_VERSION, "commit": commit, "clone": clone, "files": listing.files}
        write_whole(self._listing_file(commit), json.dumps(content).encode())
        return listing

    def _read_listing(self, commit: str) -> Listing | None:
        try:
            content = json.loads(self._listing_file(commit).read_bytes())
            if len(commit) not in FULL_HASH_CHARS:
                return self.cached(content["commit"])
            if content["version"] != _LISTING_VERSION or not (self.folder / content["clone"] / "HEAD").is_file():
                return None
            return Listing(content["commit"], content["clone"], content["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # not there, or from another version: it is made anew

    def _listing_file(self, commit: str) -> Path:
        return self.folder / f"{commit}.json"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Only one process at a time fetches from an address; the others then find what it fetched."""
        import filelock

        self.folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.folder / "lock", timeout=3 * self._config.timeout_sec)
        try:
            with lock:
                yield
        except filelock.Timeout:
            raise TaxonomyError(
                f"another labgen has been fetching {shown(self.repo)} for very long. Wait for it, or stop it."
            ) from None


def check_sizes(sizes: dict[str, int], config: DocumentsConfig) -> None:
    """Refuse files (path to bytes) that are too large, each or together.

    Raises: TaxonomyError: naming the first file that is, or the sum.
    """
    for path, size in sizes.items():
        if size > config.max_file_bytes:
            raise TaxonomyError(
                f"`{shown(path)}` has {size} bytes, more than the {config.max_file_bytes} that a document may have "
                "(documents.max_file_bytes). Split it, or take it out of the patterns."
            )
    if sum(sizes.values()) > config.max_total_bytes:
        raise TaxonomyError(
            f"the {len(sizes)} files have {sum(sizes.values())} bytes together, more than the "
            f"{config.max_total_bytes} that a leaf may have (documents.max_total_bytes). Narrow the patterns."
        )


def _import_git() -> Any:
    """GitPython. Raises: TaxonomyError: the program git is missing."""
    try:
        return import_git()
    except GitFailed as error:
        raise TaxonomyError(str(error)) from None


def _transport(address: str) -> str:
    """The name by which git allows or refuses what `address` needs."""
    match = re.match(r"(?P<helper>[A-Za-z0-9]+)::|(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://", address)
    if match:
        return match["helper"] or match["scheme"]
    return "ssh" if ":" in address.split("/", 1)[0] else "file"


def _plain_path(path: str) -> bool:
    """Whether a path is one that rows can carry: UTF-8, no control characters, and nowhere but below the root."""
    return not _CONTROL.search(path) and not {"", ".", ".."} & set(path.split("/"))
