"""How an endpoint is asked to hold a reply to a schema, and what its refusals say of that.

Chat has one field for it. On plain completions vLLM and others take the same field; llama.cpp takes no notice of it
there (with status 200) and has one of its own, `json_schema`. So completions are sent both: each server heeds the one
it knows, and one that refuses a field it does not know is not sent that again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from labgen.formats.schemas import BOUNDS, without_bounds
from labgen.lazy import re
from labgen.records import Schema

FORMAT = "response_format"
OWN = "json_schema"
"""llama.cpp's own field for plain completions."""

BOUNDED = "maxLength and maxItems"
"""The keywords that bound a schema; for an endpoint that refuses them the schema goes without."""

_BOUND_WORDS = re.compile(rf"\b(?:{'|'.join(sorted(BOUNDS))})\b|\brepetitions?\b|\bgrammar\b")
_SCHEMA_WORDS = re.compile(r"json_schema|\bgrammar\b|\bschema\b")


def schema_fields(schema: Schema | None, *, chat: bool, lacking: Collection[str]) -> dict[str, Any]:
    """The fields of a body that hold its reply to a schema; none for no schema.

    Args:
        lacking: what the endpoint is known to lack; fields named there are taken out by whoever builds the body.
    """
    if schema is None:
        return {}
    asked = without_bounds(schema) if BOUNDED in lacking else schema
    wrapped = {"type": "json_schema", "json_schema": {"name": "reply", "strict": True, "schema": asked}}
    return {FORMAT: wrapped} if chat else {FORMAT: wrapped, OWN: asked}


def without_schema(body: dict[str, Any]) -> None:
    """Take out of a body what holds its reply to a schema."""
    for name in (FORMAT, OWN):
        body.pop(name, None)


def holds_schema(body: Mapping[str, Any]) -> bool:
    """Whether a body holds its reply to a schema."""
    return FORMAT in body or OWN in body


def refuses_bounds(words: str, sent: Mapping[str, Any]) -> bool:
    """Whether an endpoint's refusal may be of the keywords that bound the schema which was sent."""
    schema = _schema_in(sent)
    return schema is not None and bool(_BOUND_WORDS.search(words)) and without_bounds(schema) != schema


def refused_field(words: str, sent: Mapping[str, Any]) -> str | None:
    """Which of the fields that were sent for a schema a refusal speaks of; None for none."""
    if OWN in sent and re.search(rf"\b{OWN}\b", words):
        return OWN
    return next((name for name in (FORMAT, OWN) if name in sent), None) if _SCHEMA_WORDS.search(words) else None


def _schema_in(sent: Mapping[str, Any]) -> Any:
    if OWN in sent:
        return sent[OWN]
    return sent[FORMAT]["json_schema"]["schema"] if FORMAT in sent else None
