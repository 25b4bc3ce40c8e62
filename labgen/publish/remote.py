"""What the Hub has of a dataset already: read, never written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import PublishError
from labgen.export.folder import FORMAT, MANIFEST
from labgen.lazy.dataclasses import dataclass
from labgen.publish.release import CARD, ReleaseFile

if TYPE_CHECKING:
    from huggingface_hub import HfApi


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file as the Hub lists it. `sha256` is empty for files that lie in git itself, which `oid` then names."""

    size: int
    oid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Remote:
    """A dataset repository at one commit of its main branch, or its absence.

    Attributes:
        files: path to file.
        tags: name to the commit it is on.
        reached: False where nobody could be asked.
    """

    repo_id: str
    exists: bool = False
    commit: str = ""
    private: bool = True
    files: Mapping[str, RemoteFile] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    reached: bool = True

    def has(self, file: ReleaseFile) -> bool:
        """Whether exactly these bytes are there under this name, or others that say the same rows."""
        if file.kept:
            return True
        there = self.files.get(file.path)
        if there is None or there.size != file.size:
            return False
        return there.sha256 == file.sha256 if there.sha256 else there.oid == file.git_oid()


@dataclass(frozen=True, slots=True)
class EarlierRelease:
    """The release that is there: its manifest and card; its files can be fetched."""

    manifest: dict[str, Any]
    card: str
    _api: HfApi
    _remote: Remote
    _scratch: Path

    @property
    def files(self) -> set[str]:
        """What labgen put there and may take away again: the manifest's files that still exist."""
        return set(self.manifest["files"]) & set(self._remote.files)

    def still_has(self, path: str) -> bool:
        """Whether a file in large storage, as those of data are, lies there as its manifest says."""
        there, about = self._remote.files.get(path), self.manifest["files"][path]
        return there is not None and there.sha256 == about["sha256"] and there.size == about["bytes"]

    def describes(self, manifest: Mapping[str, Any]) -> bool:
        """Whether its manifest says the same, the card's own hash aside."""
        before = {**self.manifest, "files": {k: v for k, v in self.manifest["files"].items() if k != CARD}}
        return before == manifest

    def fetch(self, path: str) -> Path:
        """A file of the release, downloaded to the scratch folder."""
        return _download(self._api, self._remote, path, self._scratch)


def look_at(api: HfApi, repo_id: str) -> Remote:
    """The repository's state: commit, visibility, files and tags. A private one without access looks like none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo_id, repo_type="dataset")
    except RepositoryNotFoundError as error:
        if error.response is not None and error.response.status_code == 401 and api.token:
            raise  # the token itself is not accepted
        return Remote(repo_id)
    files = _files_at(api, repo_id, info.sha)
    refs = api.list_repo_refs(repo_id, repo_type="dataset")
    tags = {tag.name: tag.target_commit for tag in refs.tags}
    return Remote(repo_id, True, info.sha or "", bool(info.private), files, tags)


def open_pull_request(api: HfApi, remote: Remote, title: str, files: Iterable[ReleaseFile]) -> str:
    """The address of an open pull request with this title that brings exactly these files; empty where there is none.

    One whose opening was cut after it had arrived is found so, and no second one opened.
    """
    wanted = list(files)
    for each in api.get_repo_discussions(
        remote.repo_id, repo_type="dataset", discussion_type="pull_request", discussion_status="open"
    ):
        if each.title == title and each.git_reference:
            there = replace(remote, files=_files_at(api, remote.repo_id, each.git_reference))
            if all(there.has(file) for file in wanted):
                return each.url
    return ""


def _files_at(api: HfApi, repo_id: str, revision: str | None) -> dict[str, RemoteFile]:
    from huggingface_hub.hf_api import RepoFile

    return {
        entry.path: RemoteFile(entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else "")
        for entry in api.list_repo_tree(repo_id, recursive=True, revision=revision, repo_type="dataset")
        if isinstance(entry, RepoFile)
    }


def read_remote(api: HfApi, remote: Remote, scratch: Path) -> EarlierRelease | None:
    """The release that is there; None where there is none.

    Raises: PublishError: a `manifest.json` that is not labgen's, or was written by a later labgen.
    """
    if MANIFEST not in remote.files:
        return None
    try:
        manifest = json.loads(_download(api, remote, MANIFEST, scratch).read_text(encoding="utf-8"))
        known = manifest["format"] == FORMAT and isinstance(manifest["files"], dict) and bool(manifest["configs"])
    except (ValueError, LookupError, TypeError):
        known = False
    if not known:
        raise PublishError(f"{remote.repo_id}: its {MANIFEST} is not labgen's. Choose another name, or empty it first.")
    card = ""
    if CARD in remote.files:
        card = _download(api, remote, CARD, scratch).read_text(encoding="utf-8", errors="replace")
    return EarlierRelease(manifest, card, api, remote, scratch)


def _download(api: HfApi, remote: Remote, path: str, scratch: Path) -> Path:
    return Path(
        api.hf_hub_download(remote.repo_id, path, repo_type="dataset", revision=remote.commit, local_dir=scratch)
    )
