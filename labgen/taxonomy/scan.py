"""What lies in a taxonomy and is no leaf, though somebody may think it is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from labgen.records import BRANCHES
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.taxonomy.source import near


@dataclass(frozen=True, slots=True)
class Stray:
    """A file or link that is not read: the rule's code, its name below the root, and what to do."""

    code: str
    name: str
    message: str


def find_strays(root: Path) -> list[Stray]:
    """Misnamed leaves, leaves outside the branches and links to folders, by name. Documents are none of these."""
    strays = [*_outside(root)]
    for branch in BRANCHES:
        if (root / branch).is_symlink():
            strays.append(_link(root, root / branch))
            continue
        for folder, folders, files in os.walk(root / branch):
            strays += [_link(root, Path(folder, name)) for name in sorted(folders) if Path(folder, name).is_symlink()]
            folders[:] = [name for name in folders if not name.startswith(".")]
            if LEAF_FILE not in files:
                strays += [wrong_name(root, Path(folder, name)) for name in sorted(files) if looks_like_leaf(name)]
    return sorted(strays, key=lambda stray: stray.name)


def looks_like_leaf(name: str) -> bool:
    """Whether a file is YAML by its name, or called `qna` something."""
    folded = name.lower()
    return folded.endswith((".yaml", ".yml")) or folded in ("qna", "qna.yaml.txt")


def wrong_name(root: Path, file: Path) -> Stray:
    """The stray for a leaf file that is not called `qna.yaml`."""
    return Stray("LG107", _name(root, file), f"only `{LEAF_FILE}` is read; rename the file to `{LEAF_FILE}`.")


def _link(root: Path, folder: Path) -> Stray:
    return Stray("LG318", _name(root, folder), "this folder is a link and is not read; put the leaves themselves here.")


def _outside(root: Path) -> list[Stray]:
    strays = []
    if (root / LEAF_FILE).is_file():
        message = "a leaf lies in a folder of its own beneath one of the three branches."
        strays.append(Stray("LG108", LEAF_FILE, message))
    for folder in sorted(root.iterdir()) if root.is_dir() else []:
        meant = near(folder.name, BRANCHES, cutoff=0.75)
        if folder.name in BRANCHES or not meant or folder.is_symlink() or not folder.is_dir():
            continue
        for parent, _, files in os.walk(folder):
            if LEAF_FILE in files:
                message = f"`{folder.name}/` is no branch, so this leaf is not read; is `{meant}/` meant?"
                strays.append(Stray("LG108", _name(root, Path(parent, LEAF_FILE)), message))
    return strays


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
