"""The files of a taxonomy at a base, and which of them differ now, through submodules and nested repositories."""

from __future__ import annotations

import os
from dataclasses import field
from pathlib import Path

from labgen.errors import UsageError
from labgen.git.history import SUBMODULE, Base, Blob, History, nested_repository
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES


@dataclass(frozen=True, slots=True)
class Held:
    """A file as a commit of some repository holds it."""

    history: History
    blob: Blob

    @property
    def regular(self) -> bool:
        """Whether it is a plain file: no link, no submodule."""
        return self.blob.mode in ("100644", "100755", "100664")


@dataclass
class Snapshot:
    """A taxonomy's files at a base. Paths are below its root, with forward slashes.

    Attributes:
        files: all that the base holds.
        changed: paths that differ now, or are gone, or are new (files that git ignores are not among them).
    """

    base: Base
    files: dict[str, Held] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def take_snapshot(root: Path, revision: str | None) -> Snapshot:
    """Look at the taxonomy below `root` from where HEAD and `revision` parted.

    Raises: UsageError: no repository, no such revision, a history too short, or a submodule's commit that is not here.
    """
    if not root.is_dir():
        raise UsageError(f"{root}: there is no such folder. Name the taxonomy's root with --taxonomy.")
    history = History(root)
    base = history.find_base(revision)
    snapshot = Snapshot(base)
    if base.note:
        snapshot.notes.append(base.note)
    _collect(history, base.commit, "", snapshot)
    return snapshot


def _collect(history: History, commit: str, above: str, snapshot: Snapshot) -> None:
    modules: dict[str, str] = {}
    for path, blob in history.files_at(commit).items():
        if blob.mode == SUBMODULE:
            modules[path] = blob.hash
        else:
            snapshot.files[above + path] = Held(history, blob)
    now = history.submodules()
    snapshot.changed |= {above + path for path in history.changed_since(commit) if path not in modules | now}
    for path in history.untracked():
        if path.endswith("/"):
            if not _in_branch(above + path):
                continue
            snapshot.changed |= {above + name for name in _files_below(history.folder, path)}
        else:
            snapshot.changed.add(above + path)
    for path in sorted(filter(lambda path: _in_branch(above + path), modules.keys() | now.keys())):
        _collect_submodule(history, path, modules.get(path), path in now, above, snapshot)


def _collect_submodule(
    history: History, path: str, commit: str | None, still: bool, above: str, snapshot: Snapshot
) -> None:
    name = above + path
    nested = nested_repository(history.folder / path)
    if nested is None:
        state = "is not checked out (`git submodule update --init` does that)" if still else "was removed"
        snapshot.notes.append(f"The submodule {name} {state}; its leaves are not compared.")
        return
    if commit is not None and nested.resolve(commit) is None:
        raise UsageError(
            f"{name}: the commit {commit[:10]}, which this submodule had at the base, is not here. Get it with "
            f"`git -C {history.prefix}{path} fetch origin {commit}`."
        )
    _collect(nested, commit or nested.empty_tree(), f"{name}/", snapshot)


def _in_branch(path: str) -> bool:
    return path.split("/", 1)[0] in BRANCHES


def _files_below(top: Path, folder: str) -> list[str]:
    """Files of an untracked repository in the taxonomy, which git shows as its folder alone."""
    found = []
    for here, folders, names in os.walk(top / folder):
        folders[:] = [name for name in folders if name != ".git"]
        found += [(Path(here) / name).relative_to(top).as_posix() for name in names]
    return found
