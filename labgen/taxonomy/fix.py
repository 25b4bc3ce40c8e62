"""Mending a leaf without touching what its author typed: edits of the text, proven harmless before anything is written.

Edits move and drop characters between values and leave the rest as the author wrote it, so that a change shows what it
changes. (Writing the whole file anew through a YAML library would refold and requote most leaves.) What comes out is
read again: unless every value and every comment is what it was, the edit is not made. Values that YAML misread are
quoted; of them the text must be what was typed.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from labgen.errors import OutputError
from labgen.records import Severity
from labgen.taxonomy.quoting import CODES, find_misread
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.schema import plain_value
from labgen.taxonomy.source import LeafSource, parse_source
from labgen.taxonomy.structure import check_structure
from labgen.taxonomy.style import Edit, StyleProblem, find_comments, find_style_problems
from labgen.text.yamltree import Node, walk

NEWEST_SKILL_VERSION = 3
_MAX_ROUNDS = 50  # a bound only; most leaves need one round for each of the eight rules


def fix_style(source: LeafSource, wanted: Callable[[StyleProblem], bool] = lambda problem: True) -> LeafSource:
    """The leaf with style and misread values mended, as `--fix` writes it; the very same object where nothing changes.

    Args:
        source: a leaf that could be parsed; others come back as they are.
        wanted: which problems to mend (rules that are switched off are not).
    Idempotent: a mended leaf has nothing left to mend.
    """
    current = source
    for _ in range(_MAX_ROUNDS):
        mended = _mend_once(current, wanted)
        if mended is None:
            break
        current = mended
    return current


def _mend_once(source: LeafSource, wanted: Callable[[StyleProblem], bool]) -> LeafSource | None:
    """Mend all problems of one code: together, or one by one where together something would change."""
    by_code: dict[str, list[StyleProblem]] = {}
    for problem in [*find_style_problems(source), *find_misread(source)]:
        if problem.edits and wanted(problem):
            by_code.setdefault(problem.code, []).append(problem)
    for code, problems in by_code.items():
        together = [edit for problem in problems for edit in problem.edits]
        for edits in (together, *(problem.edits for problem in problems)):
            mended = _apply(source, edits)
            if mended.data != source.data and _same_meaning(source, mended, code):
                return mended
    return None


def _apply(source: LeafSource, edits: Sequence[Edit]) -> LeafSource:
    text = source.text
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return with_text(source, text)


def with_text(source: LeafSource, text: str) -> LeafSource:
    """The same leaf with another text, parsed anew."""
    return parse_source(replace(source, data=text.encode(), text="", tree=None, violations=[], _positions=None))


def _same_meaning(before: LeafSource, after: LeafSource, code: str) -> bool:
    if before.root is None or after.root is None:
        return False
    if code in CODES:
        return _typed(before.root) == _typed(after.root) and _comments(before) == _comments(after)
    old, new = _values(before.root), _values(after.root)
    if code == "LG401":
        new.pop("version", None)
    return old == new and _comments(before) == _comments(after)


def _values(root: Node) -> dict[str, object]:
    return {
        f"{key.kind}:{key.text}" if key.kind != "text" else key.text: plain_value(value) for key, value in root.entries
    }


def _typed(root: Node) -> list[str]:
    """Every key and value as it is typed, whatever YAML takes it for."""
    return [node.text if node.kind not in ("list", "mapping") else node.kind for node in walk(root)]


def _comments(source: LeafSource) -> Counter[str]:
    lines = []
    for start in find_comments(source.text, source.root):
        end = source.text.find("\n", start)
        lines.append(source.text[start : end if end >= 0 else len(source.text)].rstrip())
    return Counter(lines)


def upgrade_version(source: LeafSource) -> LeafSource:
    """A version 1 or 2 skill as version 3, where it is valid as such; else the very same object."""
    root = source.root
    if root is None or source.kind != "skills" or not _clean(source):
        return source
    node = root.get("version")
    if node is not None and (node.integer() is None or node.integer() == NEWEST_SKILL_VERSION):
        return source
    if node is None:
        first = min(key.start for key, _ in root.entries)
        if source.where(first)[1] != 1 or root.style == "[":
            return source
        edit = Edit(first, first, f"version: {NEWEST_SKILL_VERSION}\n")
    else:
        edit = Edit(node.start, node.end, str(NEWEST_SKILL_VERSION))
    upgraded = _apply(source, [edit])
    if not _clean(upgraded) or not _same_meaning(without_version(source), without_version(upgraded), ""):
        return source
    return upgraded


def without_version(source: LeafSource) -> LeafSource:
    """For comparisons: the leaf as if it declared no version."""
    root = source.root
    if root is None or source.tree is None:
        return source
    entries = [(key, value) for key, value in root.entries if key.text != "version"]
    return replace(source, tree=replace(source.tree, root=replace(root, entries=entries)))


def _clean(source: LeafSource) -> bool:
    """Whether a leaf has no error, strictly by its version's schema: unknown keys and same entries count here."""
    judged = parse_source(replace(source, violations=[], tree=None, text="", _positions=None))
    check_structure(judged)
    return not any(
        found.severity is Severity.ERROR or RULES[found.code].instructlab == "error" for found in judged.violations
    )


def write_leaf(file: Path, data: bytes) -> None:
    """Replace a leaf's file in one step, keeping its permissions.

    Raises: OutputError: the folder or the disk does not allow it; the file is then as it was.
    """
    try:
        mode = file.stat().st_mode & 0o777
        handle, name = tempfile.mkstemp(prefix=".qna-", dir=file.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror}). Check the folder's permissions.") from error
