"""Which leaves a change touches: the working tree against the place where it parted from a base.

Uncommitted and untracked work counts, for what matters is what a build would read now.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import field
from functools import cached_property
from itertools import islice
from pathlib import Path

from labgen.errors import OutputError
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES, Leaf
from labgen.taxonomy.describe import Detail, describe_leaf
from labgen.taxonomy.load import load_leaf, to_leaf
from labgen.taxonomy.marks import MARKS_FILE, MarksFile, MarkVerdict, parse_marks, read_marks
from labgen.taxonomy.names import leads_out
from labgen.taxonomy.path_patterns import LEAF_FILE, match_path
from labgen.taxonomy.renames import find_renames
from labgen.taxonomy.scan import Stray, find_strays, find_strays_around
from labgen.taxonomy.snapshot import Held, Snapshot, take_snapshot
from labgen.taxonomy.source import MAX_BYTES, LeafSource, find_leaf_files, leaf_path, parse_source
from labgen.taxonomy.structure import check_structure

MAX_FILE_BYTES = 20_000_000
"""Files beside a leaf that are larger are not compared by content, nor taken over from the base."""

MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class LeafChange:
    """What became of one leaf.

    Attributes:
        kind: `added`, `modified`, `deleted` or `renamed`.
        path: the leaf's path now; where it was deleted, the path it had.
        old_path: the path it had at the base; empty for an added leaf.
        details: what changed, in words; for an added leaf what it is.
        before: the leaf as it was at the base; None for an added one and where it could not be read.
        after: the leaf as it is; None for a deleted one and where it can't be read.
    """

    kind: str
    path: str
    old_path: str = ""
    details: tuple[Detail, ...] = ()
    before: Leaf | None = None
    after: Leaf | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """All leaves that a change touches, in path order.

    Attributes:
        base: the revision that was compared with, as named; empty where there is no commit yet.
        commit: full hash of the commit whose files are the old ones (where HEAD and the base parted).
        notes: what a user should know beside: leaves that git ignores, submodules that are not here.
        misplaced: changed files that look like leaves and are read by nobody, for their place or their name.
        files: every file below the root that differs, is gone or is new.
    """

    root: Path
    base: str
    commit: str
    leaves: tuple[LeafChange, ...]
    notes: tuple[str, ...] = ()
    misplaced: tuple[Stray, ...] = ()
    files: frozenset[str] = frozenset()
    _at_base: dict[str, Held] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"Changes({len(self.leaves)} leaves since {self.base!r})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        rows = [(each.kind, each.path, "; ".join(one.words for one in each.details)) for each in self.leaves]
        return html_table(repr(self), ("", "leaf", "what changed"), rows)

    @property
    def paths(self) -> tuple[str, ...]:
        """Paths of the changed leaves that are there now."""
        return tuple(change.path for change in self.leaves if change.kind != "deleted")

    def patterns(self, within: Iterable[str] = ()) -> tuple[str, ...]:
        """Patterns that match exactly `paths` (and leaves in their folders), or those that one of `within` matches."""
        wanted = tuple(within)
        return tuple(
            exact_pattern(path)
            for path in self.paths
            if not wanted or any(match_path(path, pattern) for pattern in wanted)
        )

    def restore(self, change: LeafChange, folder: Path) -> bool:
        """Write a leaf as it was at the base, with the files beside it, into a taxonomy rooted at `folder`.

        A renamed leaf is written to its new path, so that what is compared is what it says, not where it lies.
        Links are left out, and so are files that are larger than 20 MB.

        Returns: whether there was anything to write.
        Raises: OutputError: the folder can't be written to.
        """
        own = {
            path.removeprefix(f"{change.old_path}/"): held
            for path, held in self._at_base.items()
            if change.old_path and path.startswith(f"{change.old_path}/") and held.regular
        }
        content = _read_all(own)
        try:
            for name, data in content.items():
                target = folder / change.path / name
                if leads_out(target, folder):
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        except OSError as error:
            raise OutputError(f"{folder}: can't be written to ({error.strerror}).") from error
        return LEAF_FILE in content


def changed_around(root: Path, base: str | None = None) -> list[Stray]:
    """Leaves that lie beside a taxonomy, and differ from a base: see `find_strays_around`."""
    around = find_strays_around(root)
    changed = take_snapshot(Path(), base).changed if around else set()
    return [stray for stray in around if stray.name in changed]


def exact_pattern(path: str) -> str:
    """A pattern that matches a path and nothing that only looks like it."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in path)


def changed_leaves(root: Path, base: str | None = None) -> Changes:
    """The leaves below `root` that differ from a base, by git.

    Compared with the base is the working tree, from the commit where HEAD parted from it: what others did on the base
    since then is no change, and neither is what was merged from it.

    Args:
        root: the taxonomy's root, anywhere in a repository (a subfolder, a submodule, a linked working tree).
        base: a revision; None for the branch that `origin` calls its own, else main or master.
    Raises: UsageError: no repository, no such revision, or a history that is too short; the message says what to do.
    """
    snapshot = take_snapshot(root, base)
    old = {path.removesuffix(f"/{LEAF_FILE}") for path in snapshot.files if _is_leaf_file(path)}
    changed_files = {path.removesuffix(f"/{LEAF_FILE}") for path in snapshot.changed if _is_leaf_file(path)}
    here = {leaf_path(root, file) for file in find_leaf_files(root)}
    ignored = sorted(here - old - changed_files)
    new = here - set(ignored)
    notes = [*snapshot.notes, *(f"{path}: git ignores this leaf, so no commit will hold it." for path in ignored)]
    misplaced = [stray for stray in find_strays(root) if stray.name in snapshot.changed]
    compared = _Comparison(root, snapshot, old, new)
    gone = (old - new) & changed_files
    renamed = find_renames(gone, new - old, compared.old_data, compared.new_data)
    changes = [compared.renamed(path, before) for path, before in renamed.items()]
    changes += [compared.added(path) for path in new - old - set(renamed)]
    changes += [compared.deleted(path) for path in gone - set(renamed.values())]
    changes += [change for path in compared.touched() if (change := compared.modified(path))]
    ordered = tuple(sorted(changes, key=lambda change: change.path))
    return Changes(
        root,
        snapshot.base.name,
        snapshot.base.commit,
        ordered,
        tuple(notes),
        tuple(misplaced),
        frozenset(snapshot.changed),
        snapshot.files,
    )


def _is_leaf_file(path: str) -> bool:
    folders = path.split("/")
    hidden = any(part.startswith(".") for part in folders[:-1])
    return folders[-1] == LEAF_FILE and folders[0] in BRANCHES and len(folders) > 2 and not hidden


class _Comparison:
    """Leaves at the base and now, read as they are asked for."""

    def __init__(self, root: Path, snapshot: Snapshot, old: set[str], new: set[str]) -> None:
        self._root, self._snapshot, self._old, self._new = root, snapshot, old, new
        self._old_data: dict[str, bytes] = {}
        self._before: dict[str, Leaf | None] = {}

    def old_data(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The leaf files at the base; those too large, or links, are left out."""
        missing = {path: self._snapshot.files[f"{path}/{LEAF_FILE}"] for path in paths if path not in self._old_data}
        self._old_data |= _read_all({path: held for path, held in missing.items() if held.regular}, MAX_BYTES)
        return {path: self._old_data[path] for path in paths if path in self._old_data}

    def new_data(self, paths: Iterable[str]) -> dict[str, bytes]:
        """The leaf files as they are."""
        read = {path: _read_file(self._root / path / LEAF_FILE, MAX_BYTES) for path in paths}
        return {path: data for path, data in read.items() if data is not None}

    def touched(self) -> set[str]:
        """Leaves that are there before and now, and had a file of theirs changed."""
        both, either = self._old & self._new, self._old | self._new
        found = set()
        for path in self._snapshot.changed:
            for depth, folder in enumerate(_folders_above(path, either)):
                if folder in both and (depth == 0 or self._is_document(folder, path)):
                    found.add(folder)
        found |= {path for path in both if self._marks(path)}
        self.old_data(found)
        return found

    def added(self, path: str) -> LeafChange:
        """A leaf that the base has not."""
        after = self._after(path)
        details = [Detail("unreadable", _UNREADABLE_NOW)] if after is None else [_introduce(after)]
        return LeafChange("added", path, "", tuple(details), None, after)

    def deleted(self, path: str) -> LeafChange:
        """A leaf that is there no more."""
        return LeafChange("deleted", path, path, (), self._leaf_before(path))

    def renamed(self, path: str, old_path: str) -> LeafChange:
        """A leaf that lies elsewhere now, perhaps changed as well."""
        before, after, details = self._compare(path, old_path)
        return LeafChange("renamed", path, old_path, tuple(details), before, after)

    def modified(self, path: str) -> LeafChange | None:
        """A leaf that differs; None where it does not after all (a file's mode, or line endings that git converts)."""
        before, after, details = self._compare(path, path)
        return LeafChange("modified", path, path, tuple(details), before, after) if details else None

    def _compare(self, path: str, old_path: str) -> tuple[Leaf | None, Leaf | None, list[Detail]]:
        before, after = self._leaf_before(old_path), self._after(path)
        details = []
        if before and after:
            details = describe_leaf(before, after)
        elif after:
            details = [Detail("readable", "it could not be read before, and can be now")]
        same_text = _normal(self.old_data([old_path]).get(old_path)) == _normal(self.new_data([path]).get(path))
        if not after and not same_text:
            details = [Detail("unreadable", _UNREADABLE_NOW)]
        if not details and not same_text:
            details = [Detail("layout", "only its layout, comments or keys that labgen does not read changed")]
        return before, after, details + self._beside(path, old_path, before, after) + self._marks(path)

    def _after(self, path: str) -> Leaf | None:
        return load_leaf(self._root, self._root / path / LEAF_FILE)[0]

    def _leaf_before(self, path: str) -> Leaf | None:
        if path not in self._before:
            self._before[path] = self._load_before(path)
        return self._before[path]

    def _load_before(self, path: str) -> Leaf | None:
        data = self.old_data([path]).get(path)
        if data is None:
            return None
        name = f"{path}/{LEAF_FILE}"
        source = parse_source(LeafSource(path, self._root / name, name, data))
        version = check_structure(source)
        return to_leaf(source, version) if source.usable else None

    def _beside(self, path: str, old_path: str, before: Leaf | None, after: Leaf | None) -> list[Detail]:
        """What happened to the files beside a leaf."""
        beside = any(leaf and leaf.document and leaf.document.beside_leaf for leaf in (before, after))
        details = []
        for name in sorted(self._names_beside(path, old_path)):
            held, file = self._snapshot.files.get(f"{old_path}/{name}"), self._root / path / name
            here = os.path.lexists(file)
            if held and here and self._same(held, file):
                continue
            verb = "changed" if held and here else "added" if here else "removed"
            if name == "attribution.txt":
                details.append(Detail("attribution", f"attribution.txt {verb}"))
            elif held or here:
                kind = "document" if beside else "file"
                details.append(Detail(f"{kind}_{verb}", f"{kind} {name} beside the leaf {verb}"))
        return details

    def _marks(self, path: str) -> list[Detail]:
        """What reviewers have said of a leaf's rows since the base, where a build comes to other rows by it."""
        if MARKS_FILE not in self._snapshot.changed:
            return []
        before, now = (file.of_leaf(path) for file in self._marks_files)
        if before.fingerprint == now.fingerprint:
            return []
        counts = {verdict: now.count(verdict) for verdict in (MarkVerdict.BAD, MarkVerdict.EDITED)}
        told = " and ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
        return [Detail("marks", f"marks of reviewers changed: {told or 'no row bad or edited'} now")]

    @cached_property
    def _marks_files(self) -> tuple[MarksFile, MarksFile]:
        """Marks at the base, and now. Those that can't be read are none here: `labgen check` says why."""
        held = self._snapshot.files.get(MARKS_FILE)
        old = _read_all({MARKS_FILE: held}) if held and held.regular else {}
        return parse_marks(old.get(MARKS_FILE, b"").decode(errors="replace")), read_marks(self._root)

    def _names_beside(self, path: str, old_path: str) -> set[str]:
        """Files beside a leaf that may differ, relative to its folder: for a leaf that was moved, all."""
        if path == old_path:
            return self._own(path, self._snapshot.changed, self._old | self._new)
        here = islice((file for file in (self._root / path).rglob("*") if file.is_file()), MAX_FILES)
        now = [file.relative_to(self._root).as_posix() for file in here]
        return self._own(old_path, self._snapshot.files, self._old) | self._own(path, now, self._new)

    def _own(self, leaf: str, paths: Iterable[str], leaves: set[str]) -> set[str]:
        return {
            path.removeprefix(f"{leaf}/")
            for path in paths
            if path.startswith(f"{leaf}/") and self._belongs(leaf, path, leaves)
        }

    def _belongs(self, leaf: str, path: str, leaves: set[str]) -> bool:
        """Whether a file below a leaf's folder is one of that leaf's own, not of a leaf further down."""
        if path == f"{leaf}/{LEAF_FILE}":
            return False
        return next(iter(_folders_above(path, leaves)), "") == leaf or self._is_document(leaf, path)

    def _is_document(self, leaf: str, path: str) -> bool:
        """Whether a file below the folder of a leaf further down is a document of `leaf`."""
        if path.endswith((f"/{LEAF_FILE}", "/attribution.txt")):
            return False
        found = self._leaf_before(leaf) if leaf in self._old else self._after(leaf)
        document = found.document if found else None
        name = path.removeprefix(f"{leaf}/")
        return bool(document and document.beside_leaf and any(match_path(name, one) for one in document.patterns))

    def _same(self, held: Held, file: Path) -> bool:
        content = _read_all({"": held}).get("")
        return content is not None and _normal(content) == _normal(_read_file(file, MAX_FILE_BYTES))


_UNREADABLE_NOW = "it can't be read as it is now; `labgen check` says why"


def _introduce(leaf: Leaf) -> Detail:
    seeds = len(leaf.seed_examples)
    kind = "knowledge" if leaf.branch == "knowledge" else "skill with context" if leaf.grounded else "skill"
    return Detail("new_leaf", f"{kind}, {seeds} seed example{'s' if seeds != 1 else ''}")


def _folders_above(path: str, leaves: set[str]) -> list[str]:
    """Those folders above a path that are leaves, the nearest first."""
    parts = path.split("/")
    folders = ("/".join(parts[:count]) for count in range(len(parts) - 1, 1, -1))
    return [folder for folder in folders if folder in leaves]


def _read_all(files: dict[str, Held], max_bytes: int = MAX_FILE_BYTES) -> dict[str, bytes]:
    """Content of files at the base by name, fetched from each repository at once."""
    content: dict[str, bytes] = {}
    for history in {id(held.history): held.history for held in files.values()}.values():
        own = {name: held.blob.hash for name, held in files.items() if held.history is history}
        blobs = history.read(own.values(), max_bytes)
        content |= {name: blobs[digest] for name, digest in own.items() if digest in blobs}
    return content


def _read_file(file: Path, max_bytes: int) -> bytes | None:
    """A plain file's content; None for anything else, and for what is too large or can't be read."""
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            return None
        with file.open("rb") as stream:
            data = stream.read(max_bytes + 1)
    except OSError:
        return None
    return data if len(data) <= max_bytes else None


def _normal(data: bytes | None) -> bytes | None:
    # Git may convert line endings on the way to the working tree; the leaf stays the same.
    return data if data is None else data.replace(b"\r\n", b"\n")
