"""The process that converts one file: bytes on stdin, Markdown on stdout. See `labgen.documents.convert`."""

from __future__ import annotations

import importlib
import io
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

MISSING_STATUS, TOO_LONG_STATUS = 3, 4
"""What the process ends with where the extra, or the part of it for this kind of file, is not installed; and where more
text came out than may."""

SPARE_BYTES = 1_000_000
"""What may be written beyond the text itself."""

TABLES = "pandas"
"""What MarkItDown loads where it can, for kinds of file that are not converted here: half of the time of a start."""

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


def main(suffix: str, memory_bytes: int, most_bytes: int) -> int:
    """Convert stdin to at most so many bytes; the last line on stderr says what went wrong, where something did."""
    _limit(memory_bytes, most_bytes)
    _do_without(TABLES)
    try:
        library = importlib.import_module("markitdown")
        importlib.import_module("markitdown.converters")
    except ImportError:
        return MISSING_STATUS
    # Python was started without the paths that lead to labgen where it is not installed.
    sys.path.append(str(Path(__file__).parents[2]))
    data = sys.stdin.buffer.read()
    # Libraries that print would otherwise print into the text.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        markdown = markdown_of(suffix, data)
    except library.MissingDependencyException:
        return MISSING_STATUS
    content = markdown.encode("utf-8", "replace")
    if len(content) > most_bytes:
        return TOO_LONG_STATUS
    with out:
        out.write(content)
    return 0


def markdown_of(suffix: str, data: bytes) -> str:
    """Through the converter for the kind of file, with all pages of HTML that it meets or makes mended first."""
    converters: Any = importlib.import_module("markitdown.converters")
    info = importlib.import_module("markitdown").StreamInfo(extension=suffix)
    from labgen.documents.mend_html import mend_page

    _number_items_once()

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


@cache
def _number_items_once() -> None:
    """Have a numbered list counted once. The converter counts, for each of its items, all those before it."""
    with suppress(ImportError, AttributeError):
        converter = importlib.import_module("markdownify").MarkdownConverter
        convert_one = converter.convert_li

        def convert_item(self: Any, item: Any, text: str, parent_tags: Any) -> str:
            if item.parent is not None and item.parent.name == "ol" and "find_previous_siblings" not in vars(item):
                for number, each in enumerate(item.parent.find_all("li", recursive=False)):
                    each.find_previous_siblings = lambda _, number=number: range(number)
            return str(convert_one(self, item, text, parent_tags))

        converter.convert_li = convert_item


def _mended_slides(data: bytes) -> bytes:
    try:
        from labgen.documents.mend_slides import mend_slides

        return mend_slides(data)
    except ImportError:
        return data  # the converter says so itself


def _do_without(package: str) -> None:
    """Have a package be as if it were not installed."""
    sys.modules.setdefault(package, None)  # type: ignore[arg-type]  # what Python has there for a package not to be found


def _limit(memory_bytes: int, most_bytes: int) -> None:
    try:
        resource = importlib.import_module("resource")
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    # Of any one file, so of what libraries print as well.
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes + SPARE_BYTES, most_bytes + SPARE_BYTES))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
