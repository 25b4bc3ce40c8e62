"""HTML, PDF, Word and others to Markdown, by MarkItDown (the extra `labgen[documents]`), in a process of its own.

Converters parse hostile files with large libraries. So each file is converted in a child process with limits on time
and memory, by the one converter for its kind: none that guesses, asks the network, or starts other programs.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path, PurePosixPath

from labgen.documents import convert_child
from labgen.documents.files import write_whole
from labgen.errors import TaxonomyError
from labgen.text.printable import shown

CONVERTED = frozenset({".html", ".htm", ".xhtml", ".pdf", ".docx", ".pptx", ".epub"})
"""Kinds of file that are converted."""

MEMORY_BYTES = 4 * 2**30
"""Address space that a conversion may take. A usual PDF needs a tenth; a decompression bomb stops here."""

EXTRA = "labgen[documents]"

_LAST_WORDS_BYTES = 20_000
_FORM = 3
"""Raised whenever the same converter gives another text: what was kept before is then converted anew."""


class ConverterMissing(TaxonomyError):
    """The extra, or the part of it for this kind of file, is not installed."""


def convert_file(path: str, data: bytes, *, cache: Path, timeout_sec: float, most_bytes: int) -> str:
    """The Markdown of one file. The same bytes and the same version of the converter give the same text.

    Superscripts and subscripts are written as `labgen.text.super_and_subscripts` has them (10⁶, H₂O), except in PDF,
    which only says where each letter stands; table cells that span others are repeated in each place.

    Args:
        path: only its suffix counts.
        data: the file's content.
        cache: folder that keeps what was converted once, by content and version.
        timeout_sec: longest wait.
        most_bytes: of text that may come out.
    Raises: ConverterMissing: the extra is not installed; TaxonomyError: the file can't be converted within the limits.
    """
    suffix = PurePosixPath(path).suffix.lower()
    version = _converter_version()
    if version is None:
        raise ConverterMissing(_extra_missing(path, suffix))
    kept = cache / f"{hashlib.sha256(data).hexdigest()}-{version}-{_FORM}{suffix}.md"
    if kept.is_file():
        if kept.stat().st_size > most_bytes:
            raise _too_long(path, most_bytes)
        return kept.read_bytes().decode("utf-8")
    text = _in_child(path, suffix, data, timeout_sec, most_bytes)
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(kept, text.encode())
    return text


def _converter_version() -> str | None:
    from importlib import metadata

    try:
        return metadata.version("markitdown")
    except metadata.PackageNotFoundError:
        return None


def _in_child(path: str, suffix: str, data: bytes, timeout_sec: float, most_bytes: int) -> str:
    # Isolated: neither the current folder nor the environment decides what the child imports.
    command = [sys.executable, "-I", convert_child.__file__, suffix, str(MEMORY_BYTES), str(most_bytes)]
    # Through files, of which no more is read than may be, whatever a library prints.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as made, tempfile.TemporaryFile() as said:
        given.write(data)
        given.seek(0)
        try:
            status = subprocess.run(  # noqa: S603 our own module
                command, stdin=given, stdout=made, stderr=said, timeout=timeout_sec, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            raise TaxonomyError(
                f"`{shown(path)}` could not be converted to text within {timeout_sec:g} s. Convert it to Markdown "
                "yourself."
            ) from None
        made.seek(0)
        content = made.read(most_bytes + 1)
        said.seek(max(0, said.seek(0, os.SEEK_END) - _LAST_WORDS_BYTES))
        last_words = said.read(_LAST_WORDS_BYTES).decode("utf-8", "replace").strip().splitlines()
    if status == convert_child.MISSING_STATUS:
        raise ConverterMissing(_extra_missing(path, suffix))
    if status == convert_child.TOO_LONG_STATUS or len(content) > most_bytes:
        raise _too_long(path, most_bytes)
    if status != 0:
        why = shown(last_words[-1]) if last_words else f"the converter ended with status {status}"
        raise TaxonomyError(f"`{shown(path)}` could not be converted to text ({why}). Convert it to Markdown yourself.")
    return content.decode("utf-8", "replace")


def _too_long(path: str, most_bytes: int) -> TaxonomyError:
    return TaxonomyError(
        f"`{shown(path)}` comes to more than {most_bytes} bytes of text, which is all that a document may have "
        "(documents.max_file_bytes). Split it, or take it out of the patterns."
    )


def _extra_missing(path: str, suffix: str) -> str:
    return (
        f"`{shown(path)}` is a {suffix} file, and reading those needs an extra. "
        f"Run `pip install '{EXTRA}'`, or convert the file to Markdown."
    )
