"""The statements of a text: all of it is in one of them, and each can be taken out without touching the others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.statements import statements_of, without_statements

TEXTS = st.text(alphabet="ab1 .!?\n-#*>|\"'éß。字", max_size=200)


def said(text: str) -> list[str]:
    """The statements as texts."""
    return [text[each.start : each.end] for each in statements_of(text)]


@pytest.mark.parametrize(("text", "statements"), [
    ("The sea rises. It falls.", ["The sea rises.", "It falls."]),
    ("- One fact\n- Another. And more", ["One fact", "Another.", "And more"]),
    ("1. First.\n2) Second.", ["First.", "Second."]),
    ("## Heading\nA line that\ngoes on. Done.", ["A line that\ngoes on.", "Done."]),
    ("Dr. Lee saw it, e.g. at 5 p.m. on Monday. J. Doe left.",
     ["Dr. Lee saw it, e.g. at 5 p.m. on Monday.", "J. Doe left."]),
    ("42 turbines.\n\nNo.", ["42 turbines.", "No."]),
    ("潮が満ちる。潮が引く。", ["潮が満ちる。", "潮が引く。"]),
    ("> Quoted. \n> Goes on.", ["Quoted.", "Goes on."]),
    ("| a | 1 |\n| b | 2 |", ["| a | 1 |", "| b | 2 |"]),
    ("***\n...", []),
])  # fmt: skip
def test_sentences_entries_and_rows_are_statements_and_headings_are_none(text: str, statements: list[str]) -> None:
    """An abbreviation ends none, however short what follows is."""
    assert [each.replace("> ", "") for each in said(text)] == statements


@given(text=TEXTS)
def test_no_letter_outside_a_heading_is_in_no_statement(text: str) -> None:
    """So nothing of a document goes unlooked at; and they are in order, none over another."""
    spans = [(each.start, each.end) for each in statements_of(text)]
    assert all(start < end for start, end in spans) and spans == sorted(spans)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    rest = text
    for start, end in reversed(spans):
        rest = rest[:start] + " " * (end - start) + rest[end:]
    assert all(line.lstrip(" \t>").startswith("#") or not any(map(str.isalpha, line)) for line in rest.split("\n"))


@given(text=TEXTS, gone=st.sets(st.integers(0, 20)))
def test_what_is_left_are_the_other_statements(text: str, gone: set[int]) -> None:
    """Word for word and in order, without what was taken out."""
    statements = statements_of(text)
    gone &= set(range(len(statements)))
    kept = [text[each.start : each.end] for place, each in enumerate(statements) if place not in gone]
    left = without_statements(text, statements, gone)
    at = 0
    for words in kept:
        at = left.index(words, at) + len(words)
    assert sum(map(str.isalnum, left)) >= sum(map(str.isalnum, "".join(kept)))
    if not gone:
        assert [" ".join(each.split()) for each in said(left)] == [" ".join(each.split()) for each in kept]


def test_lists_and_paragraphs_stay_what_they_are() -> None:
    """What is taken out leaves no empty entry and no hole, and the words after it are where they were."""
    text = "## Title\n\nOne. Two. Three.\n\n- First.\n- Second.\n\n> Last. It ends."
    statements = statements_of(text)
    assert without_statements(text, statements, {1, 3}) == "One. Three.\n\n- Second.\n\n> Last. It ends."
    assert [each.refers for each in statements] == [False] * 6 + [True]
