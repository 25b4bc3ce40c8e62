"""Reasoning inside a reply is told from the answer in every notation that models use, and only where it is one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.formats.reasoning import split_reasoning

THOUGHT = "The user wants a colour.\nGreen <b>fits</b>."
NOTATIONS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("[THINK]", "[/THINK]"),
    ("<reasoning>", "</reasoning>"),
    ("<thought>", "</thought>"),
    ("◁think▷", "◁/think▷"),
    ("<seed:think>", "</seed:think>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "assistantfinal"),
)


@pytest.mark.parametrize(("opening", "closing"), NOTATIONS)
@pytest.mark.parametrize("before", ["", "\n ", "\ufeff"])
def test_what_stands_in_front_is_taken_off_and_kept(opening: str, closing: str, before: str) -> None:
    """In every notation, whatever the thoughts hold."""
    assert split_reasoning(f"{before}{opening}{THOUGHT}{closing}\n\nGreen.") == ("Green.", THOUGHT)


@pytest.mark.parametrize("closing", [closing for opening, closing in NOTATIONS[:3]])
def test_a_template_may_have_written_the_opening(closing: str) -> None:
    """Then the reply begins in the middle of the thoughts."""
    assert split_reasoning(f"{THOUGHT}{closing}Green.") == ("Green.", THOUGHT)


@pytest.mark.parametrize("opening", ["<think>", "[THINK]", "<thinking>\n", "<|channel|>analysis<|message|>"])
def test_thoughts_that_never_end_leave_no_answer(opening: str) -> None:
    """The token limit came first."""
    assert split_reasoning(f"{opening}{THOUGHT}") == ("", THOUGHT)


def test_several_thoughts_in_a_row() -> None:
    """All of them."""
    assert split_reasoning("<think>a</think>\n<think>b</think>c") == ("c", "a\n\nb")


@pytest.mark.parametrize(
    "text",
    [
        "The tag <think> opens, </think> closes.",
        "Write [THINK] first, then [/THINK].",
        "<analysis>\nThis report is on bees, and its tag is never closed.",
        "analysis of variance compares means.",
        "Use </reasoning> at the end.",
        "",
        "  plain text ",
    ],
)
def test_a_text_that_only_speaks_of_it_stays_as_it_is(text: str) -> None:
    """To the letter."""
    assert split_reasoning(text) == (text, "")


@given(st.text(), st.lists(st.sampled_from([mark for pair in NOTATIONS for mark in pair] + ["a ", "\n"]), max_size=8))
def test_any_text_is_split_without_loss_of_the_answer(text: str, marks: list[str]) -> None:
    """Nothing raises, and what is split off was there."""
    whole = "".join(marks) + text
    answer, reasoning = split_reasoning(whole)
    assert answer.strip() in whole or "<|" in whole
    assert all(part in whole for part in reasoning.split("\n\n") if part)
