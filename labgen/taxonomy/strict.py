"""Reading a leaf as the field's validator does: with PyYAML's pure reader, which differs from the C one in corners.

And asking what it asks for and labgen does not.
"""

from __future__ import annotations

from labgen.lazy import re
from labgen.records import BESIDE_LEAF
from labgen.taxonomy.source import LeafSource, parse_source

_DIFFERENT = re.compile(r"[\t\ufeff]|^%|\\[uU][dD0-9]", re.MULTILINE)
"""Tabs between values, byte order marks inside the file, directives, escaped surrogates: else the two readers agree."""


def read_strictly(source: LeafSource) -> LeafSource:
    """Parse a leaf anew with the pure reader where that may make a difference; returns the same object."""
    if source.data and _DIFFERENT.search(source.text):
        source.violations.clear()
        source.tree = None
        parse_source(source, pure=True)
    return source


def check_strictly(source: LeafSource) -> None:
    """Note what the reference validator misses or refuses: no commit beside the leaf, keys that are labgen's own."""
    if source.root and source.kind == "skills" and (key := source.root.key("reasoning")) is not None:
        advice = "set it in labgen.yaml instead, as `reasoning` of an entry of `leaves`."
        source.add("LG212", key, f"InstructLab knows no key `reasoning`, and refuses the leaf; {advice}")
    document = source.root.get("document") if source.root and source.kind == "knowledge" else None
    if document is None or document.kind != "mapping" or document.get("commit") is not None:
        return
    repo = document.get("repo")
    if repo is not None and repo.text.strip() in BESIDE_LEAF:
        source.add("LG203", document, "`document` has no `commit`, which InstructLab wants for `repo: .` too; add one.")
