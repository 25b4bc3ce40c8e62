"""JSON schemas that a model can't write for ever: every text and every list in them has an end.

A model that loops inside an unbounded schema writes to the token limit, and nothing it wrote can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labgen.records import Schema

CHARS_PER_TOKEN = 4
"""Characters of a text that a token stands for, at most, where bounds are made to fit a token limit."""

BOUNDS = frozenset({"maxItems", "minItems", "maxLength", "minLength"})
"""The keywords that bound a schema. Some endpoints know none of them."""

YES_NO: Mapping[str, Any] = {"type": "string", "enum": ["yes", "no"]}


def object_of(properties: Mapping[str, Any]) -> Schema:
    """An object of exactly these fields, in this order."""
    return Schema(type="object", properties=dict(properties), required=list(properties), additionalProperties=False)


def array_of(items: Mapping[str, Any], *, least: int, most: int) -> dict[str, Any]:
    """A list of `least` to `most` items."""
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def bounded_text(most: int, *, least: int = 0) -> dict[str, Any]:
    """A text of `least` to `most` characters."""
    return {"type": "string", **({"minLength": least} if least else {}), "maxLength": most}


def without_bounds(schema: Any) -> Any:
    """A schema without what bounds its texts and lists, for an endpoint that refuses those keywords."""
    if isinstance(schema, list):
        return [without_bounds(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # A field may well be called as a keyword is; then what it holds is a schema.
    return {
        name: without_bounds(each) for name, each in schema.items() if name not in BOUNDS or not isinstance(each, int)
    }
