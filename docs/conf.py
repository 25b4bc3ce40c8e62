"""Settings of the site that `scripts/site` builds from the pages in this folder. Every warning is an error there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from sphinx.application import Sphinx
from sphinx.util import logging

project = html_title = "labgen"
extensions = ["myst_parser"]
html_theme = "furo"
html_copy_source = False
highlight_language = "none"  # what no block names is a command line
nitpicky = True
myst_heading_anchors = 5  # as GitHub has them, so that `page.md#heading` holds in both places

_PAGE_ELSEWHERE = re.compile(r"\]\((\.\./[^)#\s]+\.md)(?:#[^)\s]*)?\)")
_LABEL = re.compile(r"\]\[[^\]]*\]")
_MARKDOWN = MarkdownIt().enable("table").use(anchors_plugin, max_level=5)


def _as_file(app: Sphinx, page: str, source: list[str]) -> None:
    """Let a link to a Markdown page outside this folder lead to the file, as links to all other files there do.

    Pages link to files of the repository by their path from here, which GitHub follows; the site takes the files along.
    What nobody else looks at is looked at here: headings in those pages, links in HTML, and labels without a link.
    """
    for line, fault in _faults(source[0], Path(app.srcdir)):
        logging.getLogger(__name__).warning(fault, location=f"{app.env.doc2path(page)}:{line}")
    source[0] = _PAGE_ELSEWHERE.sub(r"](path:\1)", source[0])


def _faults(text: str, folder: Path) -> Iterator[tuple[int, str]]:
    for line, token in _tokens(text):
        path, _, heading = str(token.attrs.get("href", "")).partition("#")
        if heading and path.startswith("../") and path.endswith(".md"):
            page = (folder / path).read_text(encoding="utf-8") if (folder / path).is_file() else ""
            if heading not in {each.attrs.get("id") for _, each in _tokens(page)}:
                yield line, f"{path} has no heading `{heading}`"
        if token.type.startswith("html") and "<a " in token.content:
            yield line, f"a link in HTML, which is not checked: {token.content.strip()}"
        if token.type == "text" and _LABEL.search(token.content):
            yield line, f"a label that leads nowhere: {token.content}"


def _tokens(text: str) -> Iterator[tuple[int, Token]]:
    for token in _MARKDOWN.parse(text):
        line = token.map[0] + 1 if token.map else 0
        for each in (token, *(token.children or ())):
            yield line, each


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", _as_file)
