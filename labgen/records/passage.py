"""What knowledge leaves point at: documents, and the chunks that pairs are drawn from."""

from __future__ import annotations

from labgen.lazy.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """The text of one file that a knowledge leaf points at.

    Attributes:
        repo: address as written in the leaf.
        commit: *resolved* full commit hash; for files beside the leaf, `sha256:` and a hash of the content.
        file: path inside the repository or the leaf's folder, with forward slashes.
        text: decoded content; chunk offsets count its characters.
        markdown: whether headings and paragraphs should be read as Markdown.
    """

    repo: str
    commit: str
    file: str
    text: str
    markdown: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A citation: characters `start` (inclusive) to `end` (exclusive) of a document at a commit."""

    repo: str
    commit: str
    file: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document, small enough for a prompt.

    Attributes:
        text: exactly the document's `[start:end]`.
        lead: what the span starts in the middle of, as it is shown before it: headings, the header row of a table,
            items that it is nested in. Ends with the white space between; empty for nothing.
    """

    index: int
    text: str
    source: Source
    lead: str = ""

    @property
    def passage(self) -> str:
        """What a prompt shows, and what pairs are drawn from and judged by: the text below its lead."""
        return self.lead + self.text
