"""Rows of others become turns: what belongs to them is kept, and what can't be taken is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import UsageError
from labgen.formats.conversation_rows import read_conversation

PAIR = [("user", "q"), ("assistant", "a")]


def turns(row: dict[str, Any], **options: bool) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in read_conversation(row, **options)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "q", "answer": "a"}, PAIR),
        ({"instruction": "q", "prompt": None, "output": "a", "response": ""}, PAIR),
        ({"instruction": "q", "input": "x", "output": "a"}, [("user", "q\n\nx"), PAIR[1]]),
        ({"instruction": "q", "response": "a", "context": "c"}, [("user", "c\n\nq"), PAIR[1]]),
        ({"system": "s", "prompt": "q", "completion": "a"}, [("system", "s"), *PAIR]),
        ({"history": [["h", "i"]], "prompt": "q", "response": "a"}, [("user", "h"), ("assistant", "i"), *PAIR]),
        ({"history": [{"role": "user", "content": "h"}], "prompt": "q", "answer": "a"}, [("user", "h"), *PAIR]),
        (
            {"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}]},
            PAIR,
        ),
        ({"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "system": ""}, PAIR),
        (
            {
                "messages": [
                    {"role": "developer", "content": "s"},
                    {"role": "user", "content": [{"type": "text", "text": "one"}, {"text": "two"}]},
                    {"role": "assistant", "content": "a"},
                ],
                "system": "not twice",
            },
            [("system", "s"), ("user", "one\n\ntwo"), PAIR[1]],
        ),
    ],
)
def test_what_belongs_to_a_row_is_kept(row: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """System, earlier turns, input, context and parts, in every usual form."""
    assert turns(row, with_context=True) == expected


def test_a_context_can_be_left_where_it_is() -> None:
    """For those who show it in a place of its own."""
    assert turns({"question": "q", "answer": "a", "context": "c"}) == PAIR


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({}, "has neither `messages` nor `conversations` nor a question"),
        ({"question": "q"}, "has neither"),
        ({"messages": "q"}, "has a str where a list of turns should be"),
        ({"messages": ["q"]}, "turn 1 is a str"),
        ({"messages": [{"role": "user", "content": "q"}]}, "no question with an answer at its end"),
        ({"messages": [{"role": "tool", "content": "q"}]}, "turn 1 is by tool"),
        ({"messages": [{"role": "user", "content": None}]}, "turn 1 is empty, and no text"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "turn 1 calls a tool"),
        ({"messages": [{"role": "user", "content": [{"text": "x"}, {"type": "image"}]}]}, "turn 1 has image as part 2"),
        ({"question": ["q"], "answer": "a"}, "`question` has a str as part 1"),
        ({"tools": [{}], "question": "q", "answer": "a"}, "has `tools`"),
        ({"question": "q", "answer": {"text": "a"}}, "`answer` is a dict, and no text"),
        ({"history": [["h"]], "question": "q", "answer": "a"}, "`history`, entry 1 is no pair"),
        ({"history": "h", "question": "q", "answer": "a"}, "`history` is a str"),
        ({"system": {"a": 1}, "question": "q", "answer": "a"}, "`system` is a dict"),
    ],
)
def test_what_cannot_be_taken_is_named(row: dict[str, Any], words: str) -> None:
    """Where and why."""
    with pytest.raises(UsageError) as caught:
        read_conversation(row)
    assert words in str(caught.value)


VALUES = st.recursive(
    st.one_of(st.none(), st.text(max_size=3), st.integers()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["role", "from", "content", "value", "type", "text"]), inner, max_size=3),
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["messages", "conversations", "question", "answer", "system", "history", "input", "context"]),
        VALUES,
    )
)
def test_any_row_is_taken_or_refused(row: dict[str, Any]) -> None:
    """Whatever stands in it."""
    try:
        assert read_conversation(row, with_context=True)[-1].role == "assistant"
    except UsageError as error:
        assert str(error)
