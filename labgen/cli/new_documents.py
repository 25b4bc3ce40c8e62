"""The documents of a new knowledge leaf: looked at when they are named, and read once more when the leaf is written."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from labgen.errors import UsageError

if TYPE_CHECKING:
    from labgen.config.whole import Config
    from labgen.records import DocumentSource

NEWEST = "newest"
"""Stands for the commit that a repository is at now."""


def look_at_file(config: Config, file: Path) -> str:
    """What a document holds, in words. Raises: LabgenError: why it can't be one."""
    return _summary(file.name, [read_document(config, file)[1]])


def look_at_repository(config: Config, path: str, source: DocumentSource) -> str:
    """The commit's full hash, and what its documents hold, in words. Raises: LabgenError: why they can't be had."""
    commit, texts = fetch_texts(config, path, source)
    return f"{commit} {_summary('1 document' if len(texts) == 1 else f'{len(texts)} documents', texts)}"


def _summary(what: str, texts: Iterable[str]) -> str:
    from labgen.taxonomy.draft import EXAMPLES, count_passages

    count = sum(map(count_passages, texts))
    passages = "1 passage" if count == 1 else f"{count} passages"
    short = "" if count >= EXAMPLES else f" ({EXAMPLES} are wanted; what is missing is marked in the leaf)"
    return f"{what}: {passages} of three sentences or more, to draft examples from{short}."


def fetch_texts(config: Config, path: str, source: DocumentSource) -> tuple[str, list[str]]:
    """The full hash of a leaf's commit and the texts of its documents. Raises: TaxonomyError: they can't be had."""
    from dataclasses import replace

    from labgen.documents.store import DocumentStore
    from labgen.records import Leaf

    store = DocumentStore(config.work_folder / "documents", config.documents)
    if source.commit == NEWEST:
        source = replace(source, commit=store.newest_commit(source.repo))
    leaf = Leaf(path, "knowledge", config.taxonomy / path / "qna.yaml", 3, "", "", "", (), source, "")
    documents = store.fetch(leaf)
    return documents[0].commit, [document.text for document in documents]


def read_document(config: Config, file: Path) -> tuple[bytes, str]:
    """A document's content and its text. Raises: LabgenError: it is none that labgen reads, or too large."""
    from labgen.documents.text import document_suffixes, is_document, read_text

    if not file.exists():
        raise UsageError(f"{file}: there is no such file.")
    if not file.is_file():
        raise UsageError(f"{file}: not a file. Name the documents one by one.")
    if not is_document(file.name) or file.name in ("qna.yaml", "attribution.txt"):
        known = ", ".join(document_suffixes())
        raise UsageError(f"{file}: not a document that labgen reads text from. Such are: {known}.")
    try:
        if file.stat().st_size > config.documents.max_file_bytes:
            raise UsageError(f"{file}: larger than {config.documents.max_file_bytes} bytes (documents.max_file_bytes).")
        data = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: can't be read ({error.strerror}).") from None
    cache, limits = config.work_folder / "documents", config.documents
    text = read_text(file.name, data, cache=cache, timeout_sec=limits.timeout_sec, most_bytes=limits.max_file_bytes)
    return data, text
