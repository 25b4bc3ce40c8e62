"""Where YAML gives up, labgen names the likely cause and its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.yaml_guess import explain_yaml_error
from labgen.text.yamltree import Positions, TreeError, parse_tree

CASES = {
    "a tab": ("created_by: a\nseed_examples:\n\t- question: Why?\n", 3, 1, "tab"),
    "text after the bar": ("seed_examples:\n- answer: | Japan\n  question: Where?\n", 2, 13, "line of the `|`"),
    "lost indentation": ("seeds:\n- answer: |\n  It is.\n  question: Why?\n", 3, 3, "belongs to `answer` in line 2"),
    "lost at the margin": ("domain: |\nTell jokes.\nversion: 3\n", 2, 1, "belongs to `domain`"),
    "a text that goes on": ("- question: We have\n  one\n  answer: |\n    Good.\n", 2, 3, "goes on from `question`"),
    "an unquoted colon": ("- answer: Use this formula: a + b\n", 1, 27, "colon and a space"),
    "a quote that never closes": ("created_by: a\ntask_description: 'Find words\n", 2, 19, "never closes"),
    "an apostrophe in quotes": ("- answer: 'Why can't you?'\n  question: Why?\n", 1, 19, "apostrophe"),
    "a quoted word first": ('- answer: "Yes" is the word\n', 1, 15, "the line goes on"),
    "no space after a dash": ("attribution:\n-source: 'me'\n license: 'MIT'\n", 2, 1, "after the dash"),
    "no space after a colon": ("created_by:me\ndomain: a\n", 1, 11, "space is missing after `created_by:`"),
    "no colon": ("created_by me\ndomain: a\n", 1, 11, "colon is missing after `created_by`"),
    "a key too deep": ("- question: Why?\n      answer: So.\n", 2, 7, "indented by 6 spaces"),
    "a key too shallow": ("seeds:\n  - answer: a\n    question: b\n  context: c\n", 4, 3, "`context` is indented"),
    "a list without its key": ("created_by: me\n - context: |\n      Text.\n", 2, 2, "`seed_examples:`"),
    "a backtick": ("answer: `ls`\n", 1, 9, "backtick"),
    "a star": ("answer: **bold** text\n", 1, 9, "alias"),
    "a bracket": ("answer: [a] and b\n", 1, 11, "quotes"),
    "a second document": ("created_by: a\n---\ndomain: b\n", 2, 1, "second document"),
    "a backslash": ('answer: "\\(x\\)"\n', 1, 10, "backslash"),
    "less than the first line": ("- answer: |\n    ____\n   < hi >\n", 3, 4, "indented less"),
    "after a closed quote": ("context: 'One.'\n  Two.\nanswer: x\n", 1, 15, "ends here"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "words"), CASES.values(), ids=CASES)
def test_the_cause_is_named_where_the_slip_is(text: str, line: int, column: int, words: str) -> None:
    """The line of the slip itself, not the one where the parser stumbled over it."""
    with pytest.raises(TreeError) as error:
        parse_tree(text)
    offset, message = explain_yaml_error(text, error.value)
    assert words in message
    assert Positions(text).at(offset) == (line, column)


PIECES = [
    "answer:",
    " ",
    "  ",
    "\t",
    "- ",
    "|",
    ">",
    "'",
    '"',
    ":",
    "#",
    "[",
    "{",
    "*",
    "&",
    "!",
    "\n",
    "\r\n",
    "text",
    "é",
]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_whatever_is_no_yaml_gets_a_message_inside_the_text(text: str) -> None:
    """No input makes the explanation fail."""
    try:
        parse_tree(text)
    except TreeError as error:
        offset, message = explain_yaml_error(text, error)
        assert 0 <= offset <= len(text)
        assert message
