"""Draws come in tags or as JSON; one reader takes both, and nothing that the model only copied or went on to invent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.formats.draw_forms import DrawForm, before_invented, context_form, instructions_form, pairs_form
from labgen.formats.prompts import PromptSet
from labgen.formats.schemas import without_bounds

PAIRS = pairs_form(4, 2048)
INSTRUCTIONS = instructions_form(4, 1024)
CONTEXT = context_form(1024)

TAGGED = "<pair>\n<question>Why?</question>\n<answer>So.</answer>\n</pair>\n<pair>\n<question>Who?</question>\n<answer>He.</answer>\n</pair>"  # noqa: E501


def pairs(text: str) -> list[tuple[str, str]] | None:
    found = PAIRS.read(text)
    return None if found is None else [(each.instruction, each.response) for each in found]


def instructions(text: str) -> list[str] | None:
    found = INSTRUCTIONS.read(text)
    return None if found is None else [each.instruction for each in found]


@pytest.mark.parametrize(
    "text",
    [
        TAGGED,
        '{"pairs": [{"question": "Why?", "answer": "So."}, {"question": "Who?", "answer": "He."}]}',
        '```json\n[{"question": "Why?", "answer": "So."}, {"question": "Who?", "answer": "He."}]\n```',
        'Here they are:\n{"pairs": [{"Question": "Why?", "Answer": "So."}, {"question": "Who?", "answer": "He."}]}',
        '{"question": "Why?", "answer": "So."}\n{"question": "Who?", "answer": "He."}',
        '{"pairs": [{"question": "<question>Why?</question>", "answer": "<answer>So."},'
        ' {"question": "Who?", "answer": "He."',
        '{"result": {"pairs": [{"question": "Why?", "answer": "So."}, {"question": "Who?", "answer": "He."}]}}',
    ],
)
def test_pairs_are_read_from_tags_and_json_alike(text: str) -> None:
    """Fenced, wrapped, in a row, with tags inside, or broken off: the same two pairs."""
    assert pairs(text) == [("Why?", "So."), ("Who?", "He.")]


@pytest.mark.parametrize("text", ["[Insert instruction here]", "Well [2J\x1b, no.", "I have [1, 2] and no more.", "[]"])
def test_brackets_in_prose_are_no_instructions(text: str) -> None:
    """Only a reply that is a list of quoted texts is one."""
    assert instructions(text) is None
    assert instructions('["Sing.", "Dance."]') == ["Sing.", "Dance."]


def test_instructions_and_contexts_too() -> None:
    """A list of texts, a list of objects, one object."""
    assert instructions('{"instructions": ["Sing.", "Dance."]}') == ["Sing.", "Dance."]
    assert instructions('{"instructions": [{"instruction": "Sing."}]}') == ["Sing."]
    assert instructions("<instruction>\nSing.\n</instruction>") == ["Sing."]
    assert instructions('<instruction>Mend this: {"instructions": ["x"]}</instruction>') == [
        'Mend this: {"instructions": ["x"]}'
    ]
    assert [each.instruction for each in CONTEXT.read('{"context": "A note."}') or ()] == ["A note."]
    assert [each.instruction for each in CONTEXT.read("<context>{1: 2}</context>") or ()] == ["{1: 2}"]


@pytest.mark.parametrize(
    "text",
    ["", "Certainly!", "{}", "[]", '{"pairs": []}', '{"pairs": [{"question": "Why?"}]}', '{"answer": "So."}', "[1, 2]"],
)
def test_what_holds_no_whole_pair_cannot_be_read(text: str) -> None:
    """None, and never a guess."""
    assert pairs(text) is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["pairs", "question", "answer", "context", "x"]), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_the_reader_raise(value: Any) -> None:
    """Whatever is nested in whatever."""
    for form in (PAIRS, INSTRUCTIONS, CONTEXT):
        found = form.read(json.dumps(value))
        assert found is None or all(isinstance(each.instruction, str) for each in found)


@pytest.mark.parametrize(
    "further",
    [
        "<example>\n<passage>\nInvented.\n</passage>\n",
        "<passage>Invented.</passage>",
        "This is the passage to work from.\n\n<document>\nInvented.\n</document>\n",
        "## Task: question-answer pairs\n",
        "<domain>Other</domain>",
    ],
)
def test_nothing_is_taken_from_an_example_that_the_model_invents(further: str) -> None:
    """A base model goes on with examples of its own; the reply ends where the first one begins."""
    assert pairs(f"{TAGGED}\n{further}<question>Invented?</question><answer>Yes.</answer>") == [
        ("Why?", "So."),
        ("Who?", "He."),
    ]
    assert pairs(f"{further}{TAGGED}") is None
    assert before_invented("<context>x</context>", "context") == "<context>x</context>"
    assert before_invented("<instruction>x</instruction><context>y") == "<instruction>x</instruction>"


@pytest.mark.parametrize("max_tokens", [64, 256, 1024, 2048])
@pytest.mark.parametrize("count", [1, 4, 16])
def test_the_bounds_of_a_schema_fit_the_token_limit(count: int, max_tokens: int) -> None:
    """The longest reply that a schema allows is no longer than the call, at four characters a token."""
    forms: list[tuple[DrawForm, dict[str, Any]]] = []
    form = pairs_form(count, max_tokens)
    forms.append((form, {"pairs": [{name: "x" * most for name, most in form.bounds.items()}] * count}))
    form = instructions_form(count, max_tokens)
    forms.append((form, {"instructions": ["x" * form.bounds["instruction"]] * count}))
    form = context_form(max_tokens)
    forms.append((form, {"context": "x" * form.bounds["context"]}))
    for form, longest in forms:
        assert all_bounded(form.schema)
        if max_tokens * 4 // count > 120:
            assert len(json.dumps(longest)) <= max_tokens * 4


def all_bounded(schema: Any) -> bool:
    """Whether every text and list in a schema has an end."""
    if schema.get("type") == "object":
        return all(all_bounded(each) for each in schema["properties"].values())
    if schema.get("type") == "array":
        return "maxItems" in schema and all_bounded(schema["items"])
    return "enum" in schema or "maxLength" in schema


def test_a_text_that_its_bound_ended_is_known_to_break_off() -> None:
    """A grammar stops a text in the middle of a word, and the reply looks whole."""
    most = PAIRS.bounds["answer"]
    found = PAIRS.read(
        json.dumps({"pairs": [{"question": "Q?", "answer": "x" * most}, {"question": "R?", "answer": "y"}]})
    )
    assert [each.cut for each in found or ()] == [True, False]


def test_bounds_can_be_left_out() -> None:
    """For endpoints that refuse them; a field that is called like a keyword stays."""
    assert "maxLength" not in json.dumps(without_bounds(PAIRS.schema))
    assert without_bounds({"properties": {"maxItems": {"type": "string", "maxLength": 3}}}) == {
        "properties": {"maxItems": {"type": "string"}}
    }


@pytest.mark.parametrize(
    "step", ["knowledge_pairs", "freeform_instructions", "grounded_context", "grounded_instructions"]
)
def test_the_form_of_a_draw_copied_gives_nothing(step: str) -> None:
    """With its brackets or without, in tags or put into JSON."""
    prompts = PromptSet()
    form, echo = prompts.form(step), prompts.echo(step)
    assert echo
    read = {"knowledge_pairs": PAIRS, "grounded_context": CONTEXT}.get(step, INSTRUCTIONS).read
    assert read(form)  # It would be read, if nobody knew that it is the form.
    bare = form.replace("[", "").replace("]", "")
    as_json = json.dumps({"pairs": [{"question": "[a question]", "answer": "its answer"}]})
    for copied in (form, f"{form}\n{form}", bare, *([as_json] if step == "knowledge_pairs" else [])):
        assert read(echo.sub("", copied)) is None, copied
