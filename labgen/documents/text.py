"""From a file's bytes to a document's text: which kinds of file are read, and how."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from labgen.documents.convert import CONVERTED, convert_file
from labgen.errors import TaxonomyError
from labgen.text.printable import shown

MARKDOWN = frozenset({".md", ".markdown", ".mdown", ".mkd"})
PLAIN = frozenset({"", ".txt", ".text", ".rst", ".adoc", ".asciidoc", ".org", ".tex"})

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def is_document(path: str) -> bool:
    """Whether a file of this name is one that labgen can read text from."""
    suffix = _suffix(path)
    return suffix in MARKDOWN or suffix in PLAIN or suffix in CONVERTED


def document_suffixes() -> list[str]:
    """The ends of names that `is_document` knows; a name without one is taken for plain text, too."""
    return sorted(filter(None, MARKDOWN | PLAIN | CONVERTED))


def is_markdown(path: str) -> bool:
    """Whether the text of this file is Markdown: written so, or converted to it."""
    return _suffix(path) in MARKDOWN or _suffix(path) in CONVERTED


def read_text(path: str, data: bytes, *, cache: Path, timeout_sec: float, most_bytes: int) -> str:
    """The text of one file, on whose characters all offsets count.

    UTF-8 (or UTF-16 with a byte order mark) without that mark, otherwise exactly as in the file (line endings too); for
    kinds of file that are converted, the Markdown that came out.

    Args:
        path: decides how the file is read; it is never opened.
        data: the file's content.
        cache: folder that keeps conversions.
        timeout_sec: longest wait for a conversion.
        most_bytes: of text that may come out of one.
    Raises: TaxonomyError: in another encoding, not text, kept in Git LFS, or it can't be converted; the message names
        the file.
    """
    if data.startswith(_LFS_POINTER):
        raise TaxonomyError(
            f"`{shown(path)}` is kept in Git LFS, and only a pointer is in the repository. Commit the file itself."
        )
    if _suffix(path) in CONVERTED:
        text = convert_file(path, data, cache=cache, timeout_sec=timeout_sec, most_bytes=most_bytes)
    else:
        text = _decode(path, data)
    if "\x00" in text:
        raise TaxonomyError(f"`{shown(path)}` is not text: it holds NUL bytes. Take it out of the patterns.")
    return text


def _decode(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        if data.startswith(_UTF16):
            raise TaxonomyError(
                f"`{shown(path)}` starts as UTF-16 and is not (byte {error.start}). Save it as UTF-8."
            ) from None
        line = data.count(b"\n", 0, error.start) + 1
        raise TaxonomyError(
            f"`{shown(path)}` is not UTF-8 (byte 0x{data[error.start]:02x} in line {line}). Save it as UTF-8."
        ) from None


def _suffix(path: str) -> str:
    return PurePosixPath(path).suffix.lower()
