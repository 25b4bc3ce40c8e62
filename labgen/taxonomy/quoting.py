"""What `--fix` may quote or unquote: the text stays letter by letter what was typed, and YAML reads what was meant."""

from __future__ import annotations

from labgen.taxonomy.schema import VERSIONS, apply_schema, load_schema
from labgen.taxonomy.source import LeafSource
from labgen.taxonomy.style import Edit, StyleProblem

CODES = ("LG205", "LG210")


def find_misread(source: LeafSource) -> list[StyleProblem]:
    """Values that YAML takes for a number, a date or yes/no where text is wanted (LG205), and a version in quotes."""
    root = source.root
    node = root.get("version") if root else None
    if root is None:
        return []
    if node is not None and node.kind == "text" and node.style in ("'", '"') and node.text.strip() in ("1", "2", "3"):
        return [StyleProblem("LG210", node.start, node.end, "", (Edit(node.start, node.end, node.text.strip()),))]
    version = 1 if node is None else node.integer()
    if version not in VERSIONS or (source.kind == "knowledge" and version != VERSIONS[-1]):
        return []
    found = []
    for problem in apply_schema(root, load_schema(source.kind, int(version))):
        value = problem.node
        scalar = value.kind in ("integer", "number", "boolean", "date") and not value.style
        typed = source.text[value.start : value.end]
        if problem.word == "type" and problem.want == "string" and scalar and typed == value.text:
            edit = Edit(value.start, value.end, f'"{typed}"')
            found.append(StyleProblem("LG205", value.start, value.end, "", (edit,)))
    return found
