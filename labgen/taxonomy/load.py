"""A taxonomy's folders and `qna.yaml` files become leaves; what cannot be used becomes violations."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from labgen.errors import UsageError
from labgen.records import BRANCHES, DocumentSource, Leaf, Pair, SeedExample, Severity, Taxonomy, Violation
from labgen.taxonomy.path_patterns import match_path
from labgen.taxonomy.rules import RULES
from labgen.taxonomy.scaffold import GAP, SCHEMA_FOLDERS
from labgen.taxonomy.scan import find_strays
from labgen.taxonomy.source import (
    LeafSource,
    find_leaf_files,
    leaf_path,
    note_same_elsewhere,
    open_source,
    parse_source,
)
from labgen.taxonomy.structure import check_structure
from labgen.text.yamltree import Node

KeptLeaf = Callable[[Path, bytes, Callable[[], Leaf | None]], Leaf | None]
"""Gives the leaf of a file, with its content and a way to read it where it is not known."""


def load_taxonomy(root: Path, *, leaf_patterns: Sequence[str] = (), kept: KeptLeaf | None = None) -> Taxonomy:
    """Read every leaf below a root, in path order.

    A leaf that cannot be used costs only itself: it is named in `excluded`, with an error in `violations` that says
    where, what and what to do. What can be used is used: unknown keys, fewer examples than the version asks for and a
    missing author stop nothing. Outer white space of texts is removed. Nothing outside the root is read.

    Args:
        root: folder that holds one or more of the three branches.
        leaf_patterns: read only leaves that one of these matches (see `match_path`); none: all.
        kept: gives what was read before of a file of the same content; None where nothing is kept.
    Returns: leaves, and violations of severity error only (the full set of rules is `labgen check`).
    Raises: UsageError: no such folder, no branch or no leaf in it, or a pattern that matches nothing.
    """
    root = Path(root)
    files = select_leaf_files(root, leaf_patterns)
    leaves: list[Leaf] = []
    violations: list[Violation] = []
    excluded: list[str] = []
    read = [load_leaf(root, file, kept) for file in files]
    note_same_elsewhere(root, [source for _, source in read])
    for leaf, source in read:
        if leaf is None or not source.usable:
            excluded.append(source.path)
            violations += [
                found
                for found in source.violations
                if found.severity is Severity.ERROR and RULES[found.code].blocks_reading
            ]
        else:
            leaves.append(leaf)
    return Taxonomy(root, tuple(leaves), tuple(violations), tuple(excluded))


def select_leaf_files(root: Path, leaf_patterns: Sequence[str] = ()) -> list[Path]:
    """The leaf files below a root that the patterns name (all without patterns), by path.

    Raises: UsageError: as `load_taxonomy`.
    """
    if not root.exists():
        raise UsageError(f"{root}: there is no such folder. Name the taxonomy's root with --taxonomy.")
    if not root.is_dir():
        raise UsageError(f"{root}: this is a file, not a folder. Name the taxonomy's root with --taxonomy.")
    if not is_taxonomy(root):
        wanted = ", ".join(f"{branch}/" for branch in BRANCHES)
        raise UsageError(f"{root}: this is no taxonomy, it has none of {wanted}. Name its root with --taxonomy.")
    files = find_leaf_files(root)
    if not files:
        passed = "".join(f"\n{stray.name}:1:1: {stray.message}" for stray in find_strays(root))
        if passed:
            raise UsageError(f"{root}: no leaf in this taxonomy is read:{passed}")
        raise UsageError(f"{root}: there is no leaf in this taxonomy yet. `labgen new` writes a first one.")
    if not leaf_patterns:
        return files
    paths = [leaf_path(root, file) for file in files]
    for pattern in leaf_patterns:
        if not any(match_path(path, pattern) for path in paths):
            raise UsageError(f"no leaf in {root} matches `{pattern}`.{_near_leaves(pattern, paths)}")
    return [
        file
        for file, path in zip(files, paths, strict=True)
        if any(match_path(path, pattern) for pattern in leaf_patterns)
    ]


def is_taxonomy(root: Path) -> bool:
    """Whether a folder has a branch, or the schemas that `labgen init` puts into a taxonomy without leaves."""
    return any((root / name).is_dir() for name in (*BRANCHES, SCHEMA_FOLDERS[0]))


def load_leaf(root: Path, file: Path, kept: KeptLeaf | None = None) -> tuple[Leaf | None, LeafSource]:
    """Read one leaf: the leaf (None where it cannot be used), and its file with what is wrong with it.

    Args:
        kept: as `load_taxonomy`; of a leaf that is found there, nothing is told that keeps nobody from using it.
    """
    source = open_source(root, file)

    def read() -> Leaf | None:
        if not source.violations:
            parse_source(source)
        version = check_structure(source)
        leaf = to_leaf(source, version) if source.usable else None
        return leaf if source.usable else None

    leaf = read() if kept is None or source.violations else kept(file, source.data, read)
    return leaf, source


def to_leaf(source: LeafSource, version: int) -> Leaf | None:
    """The leaf that a source of sound structure holds; None (and a violation) where nothing complete is left.

    Examples with a text of nothing but white space, or with a gap that is yet to be filled, are left out.
    """
    root = source.root
    if root is None:
        return None
    knowledge = source.kind == "knowledge"
    examples = _seed_examples(root, knowledge)
    document = _document(source, root) if knowledge else None
    seeds = root.get("seed_examples") or root
    if not examples:
        source.add("LG208", seeds, "not one example is complete; write at least one.")
        return None
    if document is not None and not (document.repo and document.patterns):
        where = root.get("document") or root
        source.add("LG206", where, "`document` has no address or no pattern; write `repo` and `patterns`.")
        return None
    return Leaf(
        path=source.path,
        branch=source.branch,
        file=source.file,
        version=version,
        task_description="" if knowledge else _text(root, "task_description"),
        domain=_text(root, "domain") if knowledge else "",
        document_outline=_text(root, "document_outline") if knowledge else "",
        seed_examples=examples,
        document=document,
        created_by=_text(root, "created_by"),
        reasoning="" if knowledge else _text(root, "reasoning"),
    )


def _seed_examples(root: Node, knowledge: bool) -> tuple[SeedExample, ...]:
    seeds = root.get("seed_examples")
    examples: list[SeedExample] = []
    for item in seeds.items if seeds else []:
        context = _seed_text(item, "context") or None
        listed = item.get("questions_and_answers") if knowledge else None
        nodes = (listed.items if listed else []) if knowledge else [item]
        pairs = [Pair(_seed_text(node, "question"), _seed_text(node, "answer")) for node in nodes]
        whole = tuple(pair for pair in pairs if pair.question and pair.answer)
        if whole and (context or not knowledge):
            examples.append(SeedExample(len(examples), context, whole))
    return tuple(examples)


def _document(source: LeafSource, root: Node) -> DocumentSource | None:
    document = root.get("document")
    if document is None:
        return None
    patterns = document.get("patterns")
    return DocumentSource(
        repo=_text(document, "repo"),
        commit=_text(document, "commit"),
        patterns=tuple(item.text.strip() for item in patterns.items if item.text.strip()) if patterns else (),
        line=source.where((root.key("document") or document).start)[0],
    )


def _text(node: Node, name: str) -> str:
    value = node.get(name)
    return value.text.strip() if value is not None and value.kind == "text" else ""


def _seed_text(node: Node, name: str) -> str:
    text = _text(node, name)
    return "" if text.startswith(GAP) else text


def _near_leaves(pattern: str, paths: Sequence[str]) -> str:
    wanted = pattern.rstrip("/").removesuffix("/qna.yaml")
    found = [path for path in paths if path.rsplit("/", 1)[-1] == wanted.rsplit("/", 1)[-1]][:3]
    found = found or difflib.get_close_matches(wanted, paths, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(f'`{path}`' for path in found)}?" if found else f" A leaf's path: `{paths[0]}`."
