"""What a leaf's author should know of its documents, though a build goes on: files without text, spans left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from labgen.documents.not_prose import find_not_prose
from labgen.records import Chunk, Document
from labgen.text.printable import shown

MOST_NAMED = 10
"""Files named in one remark; of the others the number is told."""


def remarks(documents: Sequence[Document], chunks: Sequence[Chunk], *, min_chunk_tokens: int) -> list[str]:
    """What to tell of documents and the passages that were cut from them, in sentences that name the files.

    Args:
        chunks: all of these documents, with smaller ones than `min_chunk_tokens` left out.
    """
    drawn = {chunk.source.file for chunk in chunks}
    empty = [document.file for document in documents if not document.text.strip()]
    short = [document.file for document in documents if document.text.strip() and document.file not in drawn]
    told = [without_text(empty)] if empty else []
    if short:
        told.append(f"no passage of {min_chunk_tokens} tokens (documents.min_chunk_tokens) is in {files_named(short)}.")
    return [*told, *filter(None, map(_left_out, documents))]


def without_text(files: Sequence[str]) -> str:
    """That files hold no text, and what to do."""
    what = "a scan, or a page made of pictures or by a script"
    return (
        f"no text is in {files_named(files)} ({what}?): nothing is drawn from there. Put the text itself there "
        "(OCR), or take the file out of `patterns`."
    )


def files_named(files: Iterable[str]) -> str:
    """Files, as a list for a sentence."""
    names = [f"`{shown(file, 200)}`" for file in files]
    more = f" and {len(names) - MOST_NAMED} more files" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _left_out(document: Document) -> str:
    spans = find_not_prose(document.text)
    counts, sizes = Counter(span.kind for span in spans), Counter[str]()
    for span in spans:
        sizes[span.kind] += span.end - span.start
    parts = [f"{kind} ({_times(counts[kind])}{size} characters)" for kind, size in sorted(sizes.items())]
    return f"left out of {files_named([document.file])}: {', '.join(parts)}." if parts else ""


def _times(number: int) -> str:
    return f"in {number} places, " if number > 1 else ""
