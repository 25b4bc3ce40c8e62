"""The shipped JSON Schemas, applied to a tree that knows its positions.

A small reader of the few schema words that ours use, so that a problem points at the value itself, and so that checking
costs neither an import nor a copy of the leaf. The tests hold it against the `jsonschema` library.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.text.yamltree import Node

SCHEMAS = Path(__file__).parent / "schemas"
VERSIONS = (1, 2, 3)

_TYPES = {
    "string": ("text",),
    "integer": ("integer", "number"),
    "array": ("list",),
    "object": ("mapping",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """One departure from a schema.

    Attributes:
        word: the schema word that does not hold: `type`, `required`, `minLength`, `blank`,
            `minItems`, `uniqueItems`, `unknown`, `const`, `enum`.
        place: names and indices that lead to the value, such as `("seed_examples", 0, "answer")`.
        node: the value (for `unknown`, the key).
        want: what the schema says there: a type's name, a key's name, a count, the known keys or values; for
            `uniqueItems` (index, value) of the first that is the same.
    """

    word: str
    place: tuple[str | int, ...]
    node: Node
    want: Any


@cache
def load_schema(kind: str, version: int) -> dict[str, Any]:
    """The schema of `skills` or `knowledge` leaves of a version (1, 2 or 3)."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{kind}-v{version}.json").read_text(encoding="utf-8"))
    return schema


def apply_schema(node: Node, schema: dict[str, Any], place: tuple[str | int, ...] = ()) -> list[Problem]:
    """Everything in which a value departs from a schema, in the file's order as far as it goes."""
    wanted = schema["type"]
    if node.kind not in _TYPES[wanted] or (wanted == "integer" and node.integer() is None):
        return [Problem("type", place, node, wanted)]
    if wanted == "string":
        # The schema counts characters; text of nothing but white space is just as empty to a reader, and said apart.
        if schema.get("minLength") and not node.text.strip():
            return [Problem("blank" if node.text else "minLength", place, node, 1)]
        if node.text not in schema.get("enum", (node.text,)):
            return [Problem("enum", place, node, tuple(schema["enum"]))]
        return []
    if wanted == "integer":
        return [] if node.integer() == schema["const"] else [Problem("const", place, node, schema["const"])]
    if wanted == "array":
        return _apply_to_list(node, schema, place)
    return _apply_to_mapping(node, schema, place)


def _apply_to_list(node: Node, schema: dict[str, Any], place: tuple[str | int, ...]) -> list[Problem]:
    problems = []
    if len(node.items) < schema.get("minItems", 0):
        problems.append(Problem("minItems", place, node, schema["minItems"]))
    if schema.get("uniqueItems"):
        seen: dict[Any, tuple[int, Node]] = {}
        problems += [
            Problem("uniqueItems", (*place, index), item, first)
            for index, item in enumerate(node.items)
            if (first := seen.setdefault(plain_value(item), (index, item)))[1] is not item
        ]
    for index, item in enumerate(node.items):
        problems += apply_schema(item, schema["items"], (*place, index))
    return problems


def _apply_to_mapping(node: Node, schema: dict[str, Any], place: tuple[str | int, ...]) -> list[Problem]:
    known: dict[str, Any] = schema["properties"]
    required = [*schema.get("required", ()), *(() if _condition_holds(node, schema) else schema["else"]["required"])]
    problems = [Problem("required", place, node, name) for name in required if node.get(name) is None]
    closed = schema.get("additionalProperties") is False
    for key, value in node.entries:
        # A key that YAML reads as a number or a truth value is no key of ours, whatever it spells.
        if key.kind == "text" and key.text in known:
            problems += apply_schema(value, known[key.text], (*place, key.text))
        elif closed:
            problems.append(Problem("unknown", (*place, key.text), key, tuple(known)))
    return problems


def _condition_holds(node: Node, schema: dict[str, Any]) -> bool:
    """Whether the values that the schema's `if` names are there and match its patterns; what is no text does."""
    named = schema.get("if", {}).get("properties", {})
    values = [(node.get(name), wanted["pattern"]) for name, wanted in named.items()]
    return all(
        value is not None and (value.kind != "text" or re.search(wanted, value.text)) for value, wanted in values
    )


def plain_value(node: Node) -> Any:
    """A hashable value that is equal for equal content, wherever it stands and however it is written."""
    if node.kind == "list":
        return ("list", *(plain_value(item) for item in node.items))
    if node.kind == "mapping":
        return ("mapping", frozenset((key.kind, key.text, plain_value(value)) for key, value in node.entries))
    return (node.kind, node.text)
