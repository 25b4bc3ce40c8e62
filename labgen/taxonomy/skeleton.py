"""A whole taxonomy repository: example leaves, settings, editor support, a hook, workflows, words for contributors.

The files lie in `starter/`, each under its own name (`dot-` stands for the dot before hidden ones).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path

from labgen.errors import OutputError, UsageError
from labgen.git.history import History, begin_repository
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.taxonomy.install_source import PLACEHOLDER
from labgen.taxonomy.path_patterns import LEAF_FILE
from labgen.taxonomy.scaffold import SCHEMA_FOLDERS, copy_schemas
from labgen.taxonomy.source import find_leaf_files

STARTER = Path(__file__).parent / "starter"
TAXONOMY = "taxonomy"
WORKFLOW = ".github/workflows/check-leaves.yml"
EXAMPLES = (
    "knowledge/science/astronomy/moon_phases",
    "foundational_skills/reasoning/logic/ordering_from_clues",
    "compositional_skills/extraction/action_items",
)
"""Leaves that a new taxonomy begins with: one of each branch, each explaining its keys."""

_SCHEMA_LINE = re.compile(r"^# yaml-language-server: \$schema=\S*/(?P<name>[\w-]+\.json)$", re.MULTILINE)


@dataclass
class Made:
    """What was made: files written, files that were there and are as they were, and what a user should know."""

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_repository(folder: Path, *, examples: Path | None, source: str = "", git: bool = True) -> Made:
    """Fill a folder with what a taxonomy repository needs; nothing that is there is overwritten.

    Args:
        folder: made where it is missing.
        examples: taxonomy that the example leaves are copied from; None for none. Where the folder has leaves already,
            none are copied.
        source: a pinned requirement that the workflows install labgen by; empty: they stop, and say what to fill in.
        git: make it a git repository, where it is not in one, and put in a hook that checks leaves before a commit.
    Raises: UsageError: the folder is a file; OutputError: it can't be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: a file is there. Name a folder.")
    made = Made()
    root = folder / TAXONOMY
    has_leaves = root.is_dir() and bool(find_leaf_files(root))
    try:
        for name, content in _starter_files(source):
            _write(folder, name, content, made)
        if not (root / SCHEMA_FOLDERS[0]).exists():
            copy_schemas(root)
            made.written.append(f"{TAXONOMY}/{SCHEMA_FOLDERS[0]}/")
        if examples is not None and not has_leaves:
            for name, content in _example_files(examples):
                _write(folder, f"{TAXONOMY}/{name}", content, made)
        if git:
            _begin_history(folder, made)
        if not source and WORKFLOW in made.written:
            made.notes.append(
                f"How labgen was installed here names no commit or hash, so {WORKFLOW} has none to install it by: fill "
                "in LABGEN there (or give `--labgen ADDRESS`). Until then the check of pull requests stops at that."
            )
    except OSError as error:
        raise OutputError(f"{folder}: can't be written to ({error.strerror}).") from error
    return made


def _starter_files(source: str) -> Iterator[tuple[str, bytes]]:
    for file in sorted(STARTER.rglob("*")):
        if file.is_file():
            parts = file.relative_to(STARTER).parts
            name = "/".join(f".{part[4:]}" if part.startswith("dot-") else part for part in parts)
            yield name, file.read_bytes().replace(b"@SOURCE@", (source or PLACEHOLDER).encode())


def _example_files(taxonomy: Path) -> Iterator[tuple[str, bytes]]:
    for leaf in EXAMPLES:
        for file in sorted((taxonomy / leaf).iterdir()):
            if not file.is_file():
                continue
            content = file.read_bytes()
            if file.name == LEAF_FILE:
                up = "../" * len(leaf.split("/"))
                line = rf"# yaml-language-server: $schema={up}{SCHEMA_FOLDERS[0]}/\g<name>"
                content = _SCHEMA_LINE.sub(line, content.decode()).encode()
            yield f"{leaf}/{file.name}", content


def _write(folder: Path, name: str, content: bytes, made: Made) -> None:
    target = folder / name
    if os.path.lexists(target):
        made.kept.append(name)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    made.written.append(name)


def _begin_history(folder: Path, made: Made) -> None:
    try:
        history = History(folder)
    except UsageError:
        try:
            begin_repository(folder)
            history = History(folder)
        except UsageError as error:
            made.notes.append(f"This folder could not be made a git repository: {error}")
            return
        made.written.append(".git/")
    if history.prefix:
        made.notes.append(
            f"This folder lies in the repository {history.top}; GitHub reads workflows only at its top, and the hook "
            "was not installed."
        )
        return
    _install_hook(history, made)


def _install_hook(history: History, made: Made) -> None:
    hooks = history.own_hooks()
    if hooks is None:
        made.notes.append("Your git keeps its hooks elsewhere (core.hooksPath), so none was installed.")
        return
    hook = hooks / "pre-commit"
    if os.path.lexists(hook):
        made.kept.append(".git/hooks/pre-commit")
        return
    hooks.mkdir(parents=True, exist_ok=True)
    hook.write_text(hook_text(), encoding="utf-8")
    hook.chmod(0o755)
    made.written.append(".git/hooks/pre-commit")


def hook_text() -> str:
    """The hook: check the leaves that the commit changes; errors stop it, warnings and style don't.

    It runs in a folder that others may have filled, so Python looks for modules nowhere in it: neither because it was
    started there, nor because a path in the environment is empty or relative.
    """
    python = shlex.quote(sys.executable or "python3")
    return f"""#!/bin/sh
# Written by `labgen init`: checks the changed leaves before each commit. `git commit --no-verify` goes without.
# This folder holds what others wrote: Python imports nothing from it, and no program is taken from it.
PYTHONSAFEPATH=1
export PYTHONSAFEPATH
unset PYTHONPATH PYTHONHOME
case $(command -v labgen) in
  /*) set -- labgen ;;
  *) set -- {python} -P -m labgen ;;
esac
if git rev-parse --quiet --verify HEAD >/dev/null; then
  exec "$@" check --base HEAD
else
  exec "$@" check
fi
"""
