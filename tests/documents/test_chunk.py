"""Chunks: exact offsets, within the limit, along the document's structure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.documents.chunk import chunk_documents
from labgen.records import Document
from labgen.text.token_count import estimate_tokens, load_token_counter

SECTIONS = "\n\n".join(
    f"## Section {n}\n\n" + f"Sentence one of section {n} is here. Sentence two follows it closely.\n" * 6
    for n in range(12)
)
pieces = st.one_of(
    st.text(max_size=60),
    st.sampled_from(["\r\n\r\n", "\n", "# Head\r\n", "```\ncode\n```\n", "| a | b |\n|---|---|\n", "- item\n"]),
    st.sampled_from(["😀", "👩\u200d👩\u200d👧", "日本語の文。", "ไทย", "e\u0301" * 9]),
)


def document(text: str, *, markdown: bool = True, name: str = "a.md") -> Document:
    return Document("https://docs.example.org/x", "c" * 40, name, text, markdown)


def chunks_of(*documents: Document, limit: int = 100, least: int = 0):
    return chunk_documents(documents, chunk_tokens=limit, min_chunk_tokens=least, count_tokens=estimate_tokens)


@settings(max_examples=some(200), deadline=None)
@given(st.lists(pieces, max_size=60).map("".join), st.booleans(), st.integers(1, 80))
def test_a_chunk_is_exactly_its_span_of_the_document(text, markdown, limit):
    """Whatever the script, the line endings or the limit; in order, without overlap, and nothing but space left out."""
    chunks = chunks_of(document(text, markdown=markdown), limit=limit)
    end = 0
    for index, chunk in enumerate(chunks):
        assert chunk.index == index
        assert text[chunk.source.start : chunk.source.end] == chunk.text
        assert estimate_tokens(chunk.text) <= limit
        assert text[end : chunk.source.start].strip() == ""
        end = chunk.source.end
    assert text[end:].strip() == ""


def test_headings_stay_with_their_section():
    """Markdown is cut before headings, not in the middle of sections."""
    chunks = chunks_of(document(SECTIONS), limit=130)
    assert len(chunks) == 12
    assert all(chunk.text.startswith("## Section") for chunk in chunks)


def test_plain_text_is_cut_at_paragraphs():
    """A hash sign is no heading there."""
    text = "\n\n".join("#" + "word " * 60 for _ in range(5))
    chunks = chunks_of(document(text, markdown=False))
    assert [chunk.text for chunk in chunks] == [part.strip() for part in text.split("\n\n")]


def test_chunks_are_numbered_through_all_documents():
    """And each cites its own file."""
    chunks = chunks_of(document(SECTIONS), document("Short.", name="b.md"))
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert chunks[-1].source.file == "b.md"
    assert (chunks[-1].source.start, chunks[-1].source.end) == (0, 6)


def test_chunks_that_are_nearly_nothing_are_left_out():
    """A heading alone is nothing to draw from; both sides of the limit."""
    text = "# Only a heading here"
    tokens = estimate_tokens(text)
    assert chunks_of(document(text), least=tokens + 1) == ()
    assert len(chunks_of(document(text), least=tokens)) == 1
    assert chunks_of(document(" \r\n "), document("")) == ()


def test_a_large_document_without_structure_is_cut_in_parts():
    """Offsets are right and nothing is lost across the parts, with words, with none, and with headings."""
    for text in ("word " * 130_000, "x" * 650_000, (SECTIONS + "\n\n") * 90):
        chunks = chunks_of(document(text), limit=800)
        assert all(text[chunk.source.start : chunk.source.end] == chunk.text for chunk in chunks)
        assert "".join(chunk.text for chunk in chunks).replace(" ", "").replace("\n", "") == text.replace(
            " ", ""
        ).replace("\n", "")


def test_a_models_own_tokenizer_sets_the_limit(tmp_path):
    """With a tokenizer.json, chunks count at most so many of its tokens, whatever truncation the file asks for."""
    pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "sentence": 1}
    content = {
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content))
    count = load_token_counter(str(path))
    chunks = chunk_documents(
        [document(SECTIONS)], chunk_tokens=40, min_chunk_tokens=0, count_tokens=count, tokenizer=str(path)
    )
    assert max(count(chunk.text) for chunk in chunks) <= 40
    assert len(chunks) > 12
    assert all(SECTIONS[chunk.source.start : chunk.source.end] == chunk.text for chunk in chunks)
