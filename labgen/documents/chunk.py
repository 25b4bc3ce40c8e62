"""Documents to chunks: spans that keep headings and paragraphs together and fit a prompt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from labgen.documents.leads import find_leads
from labgen.documents.not_prose import blanked, find_not_prose, spans_between
from labgen.records import Chunk, Document, Source
from labgen.text.token_count import ESTIMATE, TokenCounter

_PART_CHARS = 300_000
"""Documents are cut in parts of this size first. On text without any structure the splitter's work grows with the
square of its length: 2 MB in one paragraph take 3 s, 300 kB 0.1 s."""


def chunk_documents(
    documents: Sequence[Document],
    *,
    chunk_tokens: int,
    min_chunk_tokens: int,
    count_tokens: TokenCounter,
    tokenizer: str = ESTIMATE,
) -> tuple[Chunk, ...]:
    """Cut documents into chunks at the largest structure that fits: sections, paragraphs, sentences, words.

    LAB (section 3.2) draws knowledge from chunks of a document without saying how to cut; ours follow the document's
    own structure, do not overlap, and can be cited to the character.

    Args:
        documents: in the order in which their chunks are numbered.
        chunk_tokens: no chunk counts more tokens than this (> 0), without its lead; one character that does stays
            whole.
        min_chunk_tokens: smaller chunks, such as a heading alone, are left out.
        count_tokens: how tokens are counted.
        tokenizer: what `count_tokens` was loaded from; the splitter reads a tokenizer.json by itself, which is faster.
    Returns: chunks numbered from 0; `document.text[start:end]` is the chunk's text, without outer white space. None
        spans what is not prose (`labgen.documents.not_prose`). Empty where nothing is large enough. Same arguments,
        same answer.
    """
    chunks: list[Chunk] = []
    for document in documents:
        splitter = _splitter(document.markdown, chunk_tokens, count_tokens, tokenizer)
        spans = [
            span
            for span in _spans(document.text, splitter)
            if count_tokens(document.text[slice(*span)]) >= max(1, min_chunk_tokens)
        ]
        leads = [""] * len(spans)
        if document.markdown and any(start for start, _ in spans):
            starts = [start for start, _ in spans]
            leads = find_leads(document.text, starts, fits=lambda header: count_tokens(header) <= chunk_tokens // 2)
        for (start, end), lead in zip(spans, leads, strict=True):
            source = Source(document.repo, document.commit, document.file, start, end)
            chunks.append(Chunk(len(chunks), document.text[start:end], source, lead))
    return tuple(chunks)


def _spans(text: str, splitter: Any) -> Iterator[tuple[int, int]]:
    left_out = find_not_prose(text)
    for start, part in _parts(blanked(text, left_out)):
        for offset, piece in splitter.chunk_indices(part):
            yield from spans_between(text, start + offset, start + offset + len(piece), left_out)


def _splitter(markdown: bool, limit: int, count: TokenCounter, tokenizer: str) -> Any:
    if tokenizer == ESTIMATE:
        return _kind(markdown).from_callback(count, limit)
    return _file_splitter(markdown, limit, tokenizer)


@lru_cache(maxsize=4)
def _file_splitter(markdown: bool, limit: int, path: str) -> Any:
    """A splitter by a tokenizer.json, without the truncation and padding that shipped files may ask for."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    whole = json.dumps({**content, "truncation": None, "padding": None})
    return _kind(markdown).from_huggingface_tokenizer_str(whole, limit)


def _kind(markdown: bool) -> Any:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

    return MarkdownSplitter if markdown else TextSplitter


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Start and text of the parts of a large document, cut before a heading, else a paragraph, a line or a word."""
    start = 0
    while len(text) - start > _PART_CHARS:
        low, high = start + _PART_CHARS // 2, start + _PART_CHARS
        found = (text.rfind(mark, low, high) for mark in ("\n# ", "\n## ", "\n\n", "\n", " "))
        end = next((place + 1 for place in found if place >= 0), high)
        yield start, text[start:end]
        start = end
    yield start, text[start:]
