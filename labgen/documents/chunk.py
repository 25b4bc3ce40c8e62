"""Documents to chunks: spans that keep headings and paragraphs together and fit a prompt."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from labgen.documents.leads import MarkdownBlock, find_blocks, find_leads
from labgen.documents.not_prose import blanked, find_not_prose, spans_between
from labgen.records import Chunk, Document, Source
from labgen.text.token_count import ESTIMATE, TokenCounter

LEAST_WINDOW_CHARS = 50_000
"""The splitter looks at all that is left of its text for each chunk, so its work grows with the square. It is given a
document a window at a time: at least so many characters, and more where chunks are large."""


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
        blocks = find_blocks(document.text) if document.markdown else []
        spans = [
            span
            for span in _spans(document.text, splitter, max(LEAST_WINDOW_CHARS, 64 * chunk_tokens), blocks)
            if count_tokens(document.text[slice(*span)]) >= max(1, min_chunk_tokens)
        ]
        leads = [""] * len(spans)
        if document.markdown and any(start for start, _ in spans):
            starts = [start for start, _ in spans]
            leads = find_leads(
                document.text, starts, fits=lambda header: count_tokens(header) <= chunk_tokens // 2, blocks=blocks
            )
        for (start, end), lead in zip(spans, leads, strict=True):
            source = Source(document.repo, document.commit, document.file, start, end)
            chunks.append(Chunk(len(chunks), document.text[start:end], source, lead))
    return tuple(chunks)


def _spans(text: str, splitter: Any, window_chars: int, blocks: Sequence[MarkdownBlock]) -> Iterator[tuple[int, int]]:
    left_out = find_not_prose(text)
    starts = frozenset(block.start for block in blocks)
    for start, end in _in_windows(blanked(text, left_out), splitter, window_chars, starts):
        yield from spans_between(text, start, end, left_out)


def _in_windows(text: str, splitter: Any, window_chars: int, blocks: Collection[int]) -> Iterator[tuple[int, int]]:
    """The splitter's chunks of a text, in work that grows with its length.

    A chunk depends on what follows it for about its own length, and on what stands before it only where it starts
    within a list, a table or a quote. So a window's chunks hold but for the last ones, and the next window starts at
    the last of them that begins a block; where one block fills half a window, at the last.
    """
    start, chars = 0, window_chars
    while len(text) - start > chars:
        found = _chunks(text, splitter, start, start + chars)
        sure = [low for low, _ in found[1:] if low - start <= chars * 3 // 4]
        if not sure:  # little but white space, or a chunk as long as the window
            chars *= 2
            continue
        late = (low for low in reversed(sure) if low - start >= chars // 4)
        following = next((low for low in late if low in blocks), sure[-1])
        yield from (span for span in found if span[0] < following)
        start, chars = following, window_chars
    yield from _chunks(text, splitter, start, len(text))


def _chunks(text: str, splitter: Any, start: int, end: int) -> list[tuple[int, int]]:
    return [(start + at, start + at + len(piece)) for at, piece in splitter.chunk_indices(text[start:end])]


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
