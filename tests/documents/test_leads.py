"""What a passage starts in the middle of is shown before it: headings, a table's header, the items above it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_chunk import chunks_of, document, pieces
from thoroughness import some

from labgen.documents.leads import HEADING_CHARS, ITEM_CHARS, find_leads

HEADER = "| City | Inhabitants in 1990 |\n|------|:---:|\n"
ROWS = "".join(f"| City number {n} | {n * 1000} |\n" for n in range(200))
TABLE = f"# World\n\nWords.\n\n## Cities\n\nOne table:\n\n{HEADER}{ROWS}\n## Rivers\n\nThe Rhine is long.\n"
LIST = "# Cheese\n\n" + "".join(
    f"- Country {n}\n" + "".join(f"  - cheese {n}-{k} is ripe after {k} months\n" for k in range(9)) for n in range(4)
)


def leads(text: str, *starts: str) -> list[str]:
    """Of the passages that start with given words."""
    return find_leads(text, [text.index(words) for words in starts], fits=lambda header: len(header) < 200)


def test_every_passage_of_a_long_table_has_its_header():
    """And the headings above it; the passage itself is the document's own text."""
    rows = [chunk for chunk in chunks_of(document(TABLE), limit=120) if chunk.text.startswith("| City number")]
    assert len(rows) > 5
    for chunk in rows:
        assert chunk.lead == f"# World\n## Cities\n\n{HEADER}"
        assert TABLE[chunk.source.start : chunk.source.end] == chunk.text
        assert chunk.passage == chunk.lead + chunk.text


def test_headings_travel_with_what_stands_below_them():
    """Without the passage's own, and without those that another one of the same level ended."""
    assert leads(TABLE, "# World", "Words.", "## Cities", "One table", "| City |", "## Rivers", "The Rhine") == [
        "",
        "# World\n\n",
        "# World\n\n",
        "# World\n## Cities\n\n",
        "# World\n## Cities\n\n",
        "# World\n\n",
        "# World\n## Rivers\n\n",
    ]


def test_a_nested_item_keeps_its_parents():
    """Also in a passage that goes on with the next parent's items."""
    for chunk in chunks_of(document(LIST), limit=60):
        first = chunk.text.lstrip().split("\n")[0]
        if first.startswith("- cheese"):
            number = first.removeprefix("- cheese ").split("-")[0]
            assert chunk.lead.startswith(f"# Cheese\n\n- Country {number}\n")
            assert chunk.passage.split("\n")[3].startswith("  - cheese")


def test_items_below_items_and_tables_in_them():
    """Every level, with what each says first."""
    text = "1. One\n   goes on\n\n   - two\n\n     More on two.\n\n"
    text += "     | a | b |\n     |---|---|\n     | c | d |\n\n2. Next\n"
    assert leads(text, "goes on", "More on", "| c", "2. Next") == [
        "1. One\n   ",
        "1. One goes on\n   - two\n     ",
        "1. One goes on\n   - two\n     | a | b |\n     |---|---|\n     ",
        "",
    ]


def test_what_only_looks_like_structure_is_none():
    """Hashes in code, a page's YAML header, tables of one line."""
    text = "---\ntitle: Cheese\n---\n\n```\n# comment\n```\n\nWords.\n\n| no | table |\n\nMore.\n"
    assert leads(text, "Words.", "More.") == ["", ""]


def test_leads_stay_short():
    """Long headings and items are cut, and a header that takes half of a passage is left out."""
    wide = "| " + "column | " * 60 + "\n|" + "---|" * 60 + "\n| cell |\n"
    text = f"# {'head ' * 80}\n\n- {'item ' * 80}\n\n  below\n\n{wide}"
    below, cell = leads(text, "below", "| cell")
    heading, item = below.split("\n\n")
    assert len(heading) <= HEADING_CHARS + 5 and len(item.strip()) <= ITEM_CHARS + 5 and heading.endswith(" …")
    assert cell == f"{heading}\n\n"


def test_plain_text_has_no_leads():
    """A hash or a bar means nothing there."""
    assert {chunk.lead for chunk in chunks_of(document(TABLE, markdown=False), limit=60)} == {""}


@settings(max_examples=some(100), deadline=None)
@given(st.lists(pieces, max_size=40).map("".join), st.integers(5, 40))
def test_any_document_has_leads(text, limit):
    """Whatever the text, in the order of its passages, and the same for a passage whatever others there are."""
    chunks = chunks_of(document(text), limit=limit)
    for chunk in chunks:
        assert find_leads(text, [chunk.source.start], fits=lambda header: len(header) < 9) is not None
    starts = [chunk.source.start for chunk in chunks]
    together = find_leads(text, starts, fits=lambda header: True)
    assert together == [find_leads(text, [start], fits=lambda header: True)[0] for start in starts]
