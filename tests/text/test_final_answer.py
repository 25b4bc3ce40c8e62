"""A final answer is read where a rule can tell it, agrees with itself, and no text breaks the reader."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.final_answer import CHECKERS, FinalAnswer, agrees, final_answer

OPTIONS = "Which is the largest?\nA) Mars\nB) Jupiter\nC) Venus"


@pytest.mark.parametrize(
    ("instruction", "response", "found"),
    [
        ("What is 12 x 7?", "84", ("number", "84")),
        ("What is 12 x 7?", "12 x 7 = 84", ("number", "84")),
        ("What is 12 x 7?", "First 10 x 7 = 70.\nThe answer is 84.", ("number", "84")),
        ("How much?", "It adds up.\nTotal: $1,200.50", ("number", "1200.5")),
        ("How much?", "#### -3", ("number", "-3")),
        ("How much?", "So we get\n\\boxed{7}", ("number", "7")),
        ("How far?", "42 km", ("number", "42")),
        ("How far?", "From 12 to 15 km, as a rule.", None),
        (OPTIONS, "B", ("choice", "B")),
        (OPTIONS, "It is a gas giant.\nThe answer is (B).", ("choice", "B")),
        (OPTIONS, "B) Jupiter", ("choice", "B")),
        (OPTIONS, "D", None),
        ("Is this review positive?", "Positive.", ("exact_words", "positive")),
        ("New Delhi or Agra?", "Well, let us see.\nAnswer: New Delhi", ("exact_words", "new delhi")),
        ("Is it so?", "No.", ("exact_words", "no")),
        ("A title for a talk on bees?", "Life in the Hive", None),
        ("Explain tides.", "Tides are the rise and fall of the sea, and they have many causes.", None),
        ("Explain tides.", "", None),
    ],
)
def test_final_answers_are_told_by_their_form(instruction: str, response: str, found: tuple[str, str] | None) -> None:
    """Numbers, choices, few words; prose has none."""
    assert final_answer(instruction, response) == (FinalAnswer(*found) if found else None)


@pytest.mark.parametrize(
    ("checker", "answer", "right", "wrong"),
    [
        (
            "number",
            "84",
            ["84", "84.0", "That makes 84.", "= 84", "**84**", "Answer: 84 km"],
            ["83", "", "12 x 84 = 7"],
        ),
        ("number", "1200.5", ["1,200.50", "$1200.50"], ["1200", "1,20"]),
        ("choice", "B", ["B", "(B)", "B.", "I think so.\nThe answer is B"], ["A", "Both", ""]),
        (
            "exact_words",
            "new delhi",
            ["New Delhi", "new delhi.", "Hm.\nAnswer: New Delhi"],
            ["Delhi", "New Delhi it is, I say"],
        ),
    ],
)
def test_another_response_is_held_against_the_answer(
    checker: str, answer: str, right: list[str], wrong: list[str]
) -> None:
    """In whatever spelling it comes."""
    assert [agrees(checker, answer, each) for each in right] == [True] * len(right)
    assert [agrees(checker, answer, each) for each in wrong] == [False] * len(wrong)


def test_json_is_checked_by_its_shape() -> None:
    """Names and types of fields count, values do not."""
    found = final_answer("As JSON.", '```json\n{"name": "Ada", "born": 1815, "tags": ["x", "y"]}\n```')
    assert found and found.checker == "json_shape"
    assert agrees(*_of(found), '{"born": 1, "name": "", "tags": ["z"]}')
    for other in ('{"name": "Ada"}', '{"name": 1, "born": 1, "tags": []}', "[]", "no JSON", '{"name": "Ada", "born": '):
        assert not agrees(*_of(found), other)
    assert not agrees(*_of(found), "[" * 100_000)


def _of(found: FinalAnswer) -> tuple[str, str]:
    return found.checker, found.answer


def test_an_unknown_checker_is_an_error() -> None:
    """A row of another program does not pass for wrong."""
    with pytest.raises(ValueError, match="there is no checker `python`"):
        agrees("python", "1", "1")


@given(st.text(max_size=300), st.one_of(st.text(max_size=300), st.integers().map(str), st.decimals().map(str)))
def test_a_response_agrees_with_its_own_answer(instruction: str, response: str) -> None:
    """Whatever stands in it; and no text makes any checker raise."""
    found = final_answer(instruction, response)
    if found:
        assert agrees(found.checker, found.answer, response)
    for checker, answer in (("number", "1"), ("choice", "A"), ("exact_words", "x"), ("json_shape", '{"type": "null"}')):
        assert checker in CHECKERS and agrees(checker, answer, response) in (True, False)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(
    LEAVES, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=3), below, max_size=3)
)


@given(st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=4))
def test_any_object_has_its_own_shape(value: dict[str, object]) -> None:
    """Nested, with lists of one kind or of several."""
    text = json.dumps(value)
    found = final_answer("", text)
    assert found and agrees(found.checker, found.answer, text)


@pytest.mark.parametrize("unit", ["9", "9,", "= ", "answer ", "A) ", "(", "{", "[", "\n", "- ", "1.", "\\boxed{"])
def test_long_texts_are_read_at_once(unit: str) -> None:
    """The longest text that is looked at, of one thing over and over: the reader comes to an end."""
    text = unit * (100_000 // len(unit))
    final_answer(text, text)
    for checker in ("number", "choice", "exact_words"):
        agrees(checker, "1", text)
