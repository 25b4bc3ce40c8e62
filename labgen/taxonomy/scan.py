"""What lies in a taxonomy and is no leaf, though somebody may think it is."""

from __future__ import annotations

import os
from pathlib import Path

from labgen.config.file import CONFIG_NAME
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.taxonomy.source import near

_LEAF_NAMES = (LEAF_FILE, "qna.yml", "qna", "qna.yaml.txt")
_ANYWHERE = f"move it beneath {', '.join(f'`{branch}/`' for branch in BRANCHES)}."


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
    """Leaves below a root that lie in none of its branches."""
    return [Stray("LG108", name, _advice(name)) for name in _leaf_like(root, {root / branch for branch in BRANCHES})]


def find_strays_around(root: Path) -> list[Stray]:
    """Leaves beside a taxonomy, in the folder whose `labgen.yaml` is in force here; names are as typed from here.

    A folder that is a taxonomy of its own is somebody else's business.
    """
    here = Path()
    if not (here / CONFIG_NAME).is_file() or root.resolve() == here.resolve() or not root.is_dir():
        return []
    return [
        Stray("LG108", name, f"this leaf lies outside the taxonomy and is not read; move it beneath `{root}/`.")
        for name in _leaf_like(here, {root}, others=True)
    ]


def _leaf_like(top: Path, known: set[Path], *, others: bool = False) -> list[str]:
    """Names of what is called as a leaf, below `top` and not in `known` folders. Hidden folders are not looked into."""
    found = []
    for folder, folders, files in os.walk(top):
        here = Path(folder)
        found += [_name(top, here / name) for name in files if name.lower() in _LEAF_NAMES]
        folders[:] = [name for name in folders if not name.startswith(".") and here / name not in known]
        folders[:] = [name for name in folders if not _foreign(here / name, others)]
    return sorted(found)


def _foreign(folder: Path, others: bool) -> bool:
    """Whether a folder is an installation of Python, which may hold labgen's own leaves, or another taxonomy."""
    return (folder / "pyvenv.cfg").exists() or (others and any((folder / branch).is_dir() for branch in BRANCHES))


def _advice(name: str) -> str:
    first, _, rest = name.partition("/")
    if not rest:
        return "a leaf lies in a folder of its own beneath one of the three branches."
    place = _ANYWHERE
    if meant := near(first, BRANCHES, cutoff=0.75):
        place = f"is `{meant}/` meant?"
    elif "skill" in first.lower():
        place = "move it beneath `foundational_skills/` or `compositional_skills/`."
    return f"`{first}/` is no branch, so this leaf is not read; {place}"


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix().encode(errors="backslashreplace").decode()
