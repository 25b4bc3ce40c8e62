"""What a seed shows is compared with its document by words, and the nearest place is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.records import Document
from labgen.taxonomy.copied import Copied

TEXT = (
    "# Cheese\n\nCheddar is made in [Somerset](https://example.org/a_b), and\r\nin `Canada`{.ref}.\n\n## Ageing\n\n"
    "It ages for *three* months at least, which isn\\'t long. Some ages for 1,000 days.\n"
)
COPIED = Copied([Document("", "", "other.md", "Brie is soft.", True), Document("", "", "cheese.md", TEXT, True)])


@pytest.mark.parametrize(
    "context",
    [
        "Cheddar is made in Somerset, and in Canada.",
        "ageing\n\nIt ages for three   months at least, which isn’t long",
        "Cheddar is made in [Somerset](https://example.org/a_b) ... Some ages for 1,000 days.",
        "Brie is soft.\n\nCheddar is made in Somerset",
        "",
    ],
)
def test_copies_are_copies_whatever_their_marks_and_spacing(context):
    """Each paragraph by itself, in any of the documents."""
    assert COPIED.problem(context) == ""


@pytest.mark.parametrize(
    "context, said",
    [
        ("It ages for four months at least.", ""),
        (
            "Ageing: it ages for three months at most, which isn't long.",
            'line 8 of `cheese.md`, which has "three* months at least, which isn\\\'t" for its "three months at most, '
            "which isn't\"",
        ),
        ("Red cheddar is made in Somerset", 'which has "Cheese Cheddar" for its "Red cheddar"'),
        ("Gouda comes from Holland.", "nothing like it is there"),
        ("Some ages for 1,001 days.", 'for its "ages for 1,001 days"'),
    ],
)
def test_the_nearest_passage_is_named_with_what_differs(context, said):
    """A word, a figure or a negation more or less is no copy."""
    assert said in COPIED.problem(context) != ""


@given(st.text(), st.text())
def test_any_text_is_a_copy_of_itself(before, context):
    """And no text makes the comparison fail."""
    copied = Copied([Document("", "", "a.md", f"{before}\n\n{context}", False)])
    copied.problem(before + context)
    assert Copied([Document("", "", "a.md", context, False)]).problem(context) == ""
