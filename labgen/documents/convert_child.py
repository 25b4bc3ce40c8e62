"""The process that converts one file: bytes on stdin, Markdown on stdout. See `labgen.documents.convert`."""

from __future__ import annotations

import importlib
import io
import os
import sys
from pathlib import Path
from typing import Any

MAX_MARKDOWN_BYTES = 50_000_000

MISSING_STATUS = 3
"""What the process ends with where the extra, or the part of it for this kind of file, is not installed."""

# One converter for each kind of file. MarkItDown chooses by content, and some of its converters ask the network
# or start other programs.
_CONVERTERS = {
    ".html": "HtmlConverter",
    ".htm": "HtmlConverter",
    ".xhtml": "HtmlConverter",
    ".pdf": "PdfConverter",
    ".docx": "DocxConverter",
    ".pptx": "PptxConverter",
    ".epub": "EpubConverter",
}


def main(suffix: str, memory_bytes: int) -> int:
    """Convert stdin; the last line on stderr says what went wrong, where something did."""
    _limit_memory(memory_bytes)
    try:
        converters = importlib.import_module("markitdown.converters")
        library = importlib.import_module("markitdown")
    except ImportError:
        return MISSING_STATUS
    # Python was started without the paths that lead to labgen where it is not installed.
    sys.path.append(str(Path(__file__).parents[2]))
    data = sys.stdin.buffer.read()
    # Libraries that print would otherwise print into the text.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        markdown = _markdown(converters, library.StreamInfo(extension=suffix), data)
    except library.MissingDependencyException:
        return MISSING_STATUS
    content = markdown.encode("utf-8", "replace")
    if len(content) > MAX_MARKDOWN_BYTES:
        print(f"more than {MAX_MARKDOWN_BYTES} bytes of text", file=sys.stderr)
        return 1
    with out:
        out.write(content)
    return 0


def _markdown(converters: Any, info: Any, data: bytes) -> str:
    """Through the converter for the kind of file, with all pages of HTML that it meets or makes mended first."""
    from labgen.documents.mend_html import mend_page

    class Pages(converters.HtmlConverter):  # type: ignore[misc]
        def convert(self, file_stream: Any, stream_info: Any, **options: Any) -> Any:
            page = io.BytesIO(mend_page(file_stream.read()))
            return super().convert(page, stream_info.copy_and_update(charset="utf-8"), **options)

    kind = _CONVERTERS[info.extension]
    if kind == "HtmlConverter":
        converter = Pages()
    else:
        converter = getattr(converters, kind)()
        # Word, slides and books are turned to HTML first, and handed to the converter that they hold.
        converter._html_converter = Pages()
    if kind == "PptxConverter":
        data = _mended_slides(data)
    return str(converter.convert(io.BytesIO(data), info).markdown)


def _mended_slides(data: bytes) -> bytes:
    try:
        from labgen.documents.mend_slides import mend_slides

        return mend_slides(data)
    except ImportError:
        return data  # the converter says so itself


def _limit_memory(memory_bytes: int) -> None:
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
