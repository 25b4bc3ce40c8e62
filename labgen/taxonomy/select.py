"""Which leaves the paths on a command line mean: files, folders or patterns, as a person types them."""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES
from labgen.taxonomy.load import is_taxonomy, select_leaf_files
from labgen.taxonomy.marks import MARKS_FILE
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.taxonomy.scan import Stray, find_strays, find_strays_around, looks_like_leaf, wrong_name
from labgen.taxonomy.source import find_leaf_files


@dataclass(slots=True)
class Selection:
    """Leaves of one taxonomy: its root as typed, leaf files below it, and what lies there but is no leaf.

    `around` is the root of the taxonomy that the strays lie beside, where they lie in none; `marks` says whether its
    marks are meant as well.
    """

    root: Path
    files: set[Path] = field(default_factory=set)
    strays: set[Stray] = field(default_factory=set)
    around: Path | None = None
    marks: bool = False


def select_paths(paths: Sequence[str], taxonomy: Path) -> list[Selection]:
    """Find the leaves that are meant, by taxonomy.

    Args:
        paths: leaf files, folders of leaves, whole taxonomies, or patterns on leaves of `taxonomy`; none: all of it.
            Files that are no leaves (documents, attributions) mean the leaf beside them, or nothing.
        taxonomy: the root to take where nothing else is said.
    Returns: selections with one root each, by root. A taxonomy that has no leaf yet is one, too.
    Raises: UsageError: a path that does not exist and matches nothing, or a folder of no taxonomy.
    """
    found: dict[Path, Selection] = {}
    for path in paths or [str(taxonomy)]:
        if path and Path(path).exists():
            _select_existing(Path(path), taxonomy, found)
        else:
            if not paths:
                raise UsageError(
                    f"{path}: there is no such folder. Name the taxonomy's root with --taxonomy, or make one with "
                    "`labgen init`."
                )
            _select_pattern(path, taxonomy, found)
    if not paths and (around := find_strays_around(taxonomy)):
        return [*found.values(), Selection(Path(), set(), set(around), taxonomy)]
    return [found[root] for root in sorted(found)]


def _select_pattern(pattern: str, taxonomy: Path, found: dict[Path, Selection]) -> None:
    if not taxonomy.is_dir() and not any(sign in pattern for sign in "*?["):
        raise UsageError(f"{pattern}: there is no such file or folder.")
    # A pattern may be typed from where one stands, with the taxonomy's folder before it.
    prefix = f"{taxonomy.as_posix().removeprefix('./').rstrip('/')}/"
    bare = pattern.removeprefix("./")
    files = select_leaf_files(taxonomy, [bare.removeprefix(prefix)])
    found.setdefault(taxonomy, Selection(taxonomy)).files.update(files)


def _select_existing(path: Path, taxonomy: Path, found: dict[Path, Selection]) -> None:
    if path.is_dir() and (is_taxonomy(path) or (path == taxonomy and find_strays(path))):
        selection = found.setdefault(path, Selection(path))
        selection.files.update(find_leaf_files(path))
        selection.strays.update(find_strays(path))
        selection.marks = True
        return
    if path == taxonomy:
        select_leaf_files(path)  # says what is missing
    root = find_root(path, taxonomy)
    if path.is_dir():
        if root is None and _whole(path).is_relative_to(_whole(taxonomy)):
            root = taxonomy
        _select_folder(path, root, found)
    else:
        _select_file(path, root, found)


def _select_folder(folder: Path, root: Path | None, found: dict[Path, Selection]) -> None:
    inside = set() if root is None else _below(root, folder)
    strays = set() if root is None else _strays_below(root, folder)
    if root is None or not (inside or strays):
        raise UsageError(f"{folder}: there is no leaf (a folder with a {LEAF_FILE}) in this folder.")
    selection = found.setdefault(root, Selection(root))
    selection.files.update(inside)
    selection.strays.update(strays)


def _strays_below(root: Path, folder: Path) -> set[Stray]:
    prefix = f"{_whole(folder).relative_to(_whole(root)).as_posix()}/"
    return {stray for stray in find_strays(root) if stray.name.startswith(prefix)}


def _below(root: Path, folder: Path) -> set[Path]:
    whole = _whole(folder)
    return {file for file in find_leaf_files(root) if _whole(file).is_relative_to(whole)}


def _whole(path: Path) -> Path:
    """The absolute path without `..`. Links stay: a leaf's place is where it was found, not what a link names."""
    return Path(os.path.normpath(path.absolute()))


def _select_file(file: Path, root: Path | None, found: dict[Path, Selection]) -> None:
    if file.name == LEAF_FILE and root is not None:
        found.setdefault(root, Selection(root)).files.add(root / _whole(file).relative_to(_whole(root)))
    elif file.name == LEAF_FILE:
        branches = ", ".join(f"`{branch}/`" for branch in BRANCHES)
        message = f"a leaf lies in a folder of its own beneath one of {branches}; move it there."
        found.setdefault(file.parent, Selection(file.parent)).strays.add(Stray("LG108", file.name, message))
    elif file.name == MARKS_FILE and any((file.parent / branch).is_dir() for branch in BRANCHES):
        found.setdefault(file.parent, Selection(file.parent)).marks = True
    elif (file.parent / LEAF_FILE).is_file():
        _select_file(file.parent / LEAF_FILE, root, found)
    elif looks_like_leaf(file.name):
        found.setdefault(file.parent, Selection(file.parent)).strays.add(wrong_name(file.parent, file))


def find_root(path: Path, taxonomy: Path) -> Path | None:
    """The taxonomy that a path lies in: `taxonomy` where that holds it, else what stands before the branch's name."""
    whole, home = _whole(path), _whole(taxonomy)
    if whole.is_relative_to(home) and whole.relative_to(home).parts[:1] in [(branch,) for branch in BRANCHES]:
        return taxonomy
    typed = path.parts
    at = next((number for number, part in enumerate(typed) if part in BRANCHES), None)
    if at is not None and not path.is_absolute():
        return Path(*typed[:at]) if at else Path()
    parts = whole.parts
    places = [number for number, part in enumerate(parts) if part in BRANCHES]
    return Path(*parts[: places[-1]]) if places else None
