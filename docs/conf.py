"""Settings of the site that `scripts/site` builds from the pages in this folder. Every warning is an error there."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

project = html_title = "labgen"
extensions = ["myst_parser"]
html_theme = "furo"
html_copy_source = False
highlight_language = "none"  # what no block names is a command line
nitpicky = True
myst_heading_anchors = 5  # as GitHub has them, so that `page.md#heading` holds in both places

_PAGE_ELSEWHERE = re.compile(r"\]\((\.\./[^)#\s]+\.md)(?:#[^)\s]*)?\)")


def _as_file(app: Sphinx, page: str, source: list[str]) -> None:
    """Let a link to a Markdown page outside this folder lead to the file, as links to all other files there do.

    Pages link to files of the repository by their path from here, which GitHub follows; the site takes the files along.
    """
    source[0] = _PAGE_ELSEWHERE.sub(r"](path:\1)", source[0])


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", _as_file)
