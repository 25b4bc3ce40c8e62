"""The shipped JSON Schemas, and our reader of them against the `jsonschema` library."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from labgen.taxonomy.schema import SCHEMAS, apply_schema, load_schema
from labgen.text.yamltree import parse_tree

KINDS = [(kind, version) for kind in ("skills", "knowledge") for version in (1, 2, 3)]


@pytest.mark.parametrize("name", sorted(path.name for path in SCHEMAS.glob("*.json")))
def test_every_schema_is_a_valid_schema(name: str) -> None:
    """Editors read them as they are."""
    jsonschema.Draft202012Validator.check_schema(json.loads((SCHEMAS / name).read_text()))


def test_the_schema_for_editors_picks_the_version() -> None:
    """Without a version, version 1 holds."""
    schemas = {path.name: json.loads(path.read_text()) for path in SCHEMAS.glob("*.json")}
    registry = Registry().with_resources([(name, Resource.from_contents(schema)) for name, schema in schemas.items()])
    validator = jsonschema.Draft202012Validator(schemas["skills.json"], registry=registry)
    one = {"created_by": "a", "task_description": "b", "seed_examples": [{"question": "c", "answer": "d"}]}
    assert validator.is_valid(one)
    assert not validator.is_valid({"version": 3, **one})
    assert not validator.is_valid({"version": 9, **one})


TEXT = st.sampled_from(["", "a", "b", "long text", 3, True, None, ["a"], {"a": "b"}])
PAIR = st.dictionaries(st.sampled_from(["question", "answer", "context", "other"]), TEXT, max_size=4)
SEED = st.one_of(
    PAIR,
    st.fixed_dictionaries({"question": st.sampled_from("abcdef"), "answer": st.just("x")}),
    st.fixed_dictionaries({"context": st.sampled_from("abcdef"), "questions_and_answers": st.lists(PAIR, max_size=4)}),
)
LEAF = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from([1, 2, 3, 3.0, "3", True, 4]),
        "created_by": TEXT,
        "task_description": TEXT,
        "domain": TEXT,
        "document_outline": TEXT,
        "seed_examples": st.one_of(TEXT, st.lists(SEED, max_size=7)),
        "document": st.one_of(
            TEXT,
            st.dictionaries(
                st.sampled_from(["repo", "commit", "patterns", "x"]), st.one_of(TEXT, st.lists(TEXT, max_size=3))
            ),
            st.fixed_dictionaries(
                {"repo": st.sampled_from([".", " ./ ", "..", "https://example.org/a"]), "patterns": st.just(["a"])},
                optional={"commit": TEXT},
            ),
        ),
        "unknown": TEXT,
    },
)


@given(LEAF, st.sampled_from(KINDS))
def test_our_reader_agrees_with_the_library(leaf: dict[str, Any], kind: tuple[str, int]) -> None:
    """Valid for one is valid for the other, for leaves of any shape (white space alone, LG211, is ours)."""
    schema = load_schema(*kind)
    root = parse_tree(yaml.safe_dump(leaf)).root
    assert root is not None
    ours = [problem for problem in apply_schema(root, schema) if problem.word != "blank"]
    assert (not ours) == jsonschema.Draft202012Validator(schema).is_valid(leaf)
