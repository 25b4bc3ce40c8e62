"""The page itself: head, index and blocks of data between a template, its style and its script."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from labgen.records import State
from labgen.report.blocks import Blocks, Series
from labgen.report.calls import CallBlocks
from labgen.report.documents import Documents
from labgen.report.entries import ACCEPTED, Index, Lineage, Shared, entry_of

BLOCK_ROWS = 250
"""Entries in a block: some 400 KB of JSON, a few milliseconds to unpack."""

BLOCK_PASSAGES = 50

SCRIPTS = (
    *("data", "elements", "index", "plots", "overview", "leaves", "documents", "filters", "list", "detail"),
    *("comparison", "marks", "main"),
)
"""Parts of the script, in the order in which they are put together."""


class Page:
    """Gathers a page's data.

    Args:
        kind: `report`, `preview` or `comparison`.
        passages: of documents, see `Documents`.
        work: work folder whose ledger gives prompts and replies; None leaves them out.

    Attributes:
        head: what the page shows at once, to be added to.
    """

    def __init__(self, kind: str, *, passages: Iterable[Mapping[str, Any]] = (), work: Path | None = None) -> None:
        self.head: dict[str, Any] = {"kind": kind, "states": [state.value for state in State]}
        self._blocks = Blocks()
        self._shared = Shared()
        self._index = Index(self._shared)
        self._documents = Documents(passages)
        self._rows = Series(self._blocks, "rows", BLOCK_ROWS)
        self._calls = CallBlocks(self._blocks, work)

    def add(self, rows: Sequence[tuple[Mapping[str, Any], str, Lineage] | None], **instead: str) -> None:
        """Take an entry: a row with its config and lineage; of a comparison two, of which one may be missing.

        Args:
            instead: values for columns of the index that do not stand in the row.
        """
        entry: list[Any] = []
        for each in rows:
            if each is None:
                entry.append(None)
                continue
            row, config, lineage = each
            told: dict[str, Any] = entry_of(row, config, lineage, self._shared)
            if calls := self._calls.numbers(lineage.calls):
                told["calls"] = calls
            if lost := len(lineage.calls) - len(calls):
                told["lost"] = lost
            entry.append(told)
        last, config, _ = next(each for each in reversed(rows) if each)
        number = self._rows.add(entry)
        self._index.add(last, config, **instead)
        state = instead.get("state") or last.get("state") or ACCEPTED
        self._documents.add(last, number, accepted=state == ACCEPTED)

    def html(self, *, served: bool) -> Iterator[str]:
        """The page in pieces. `served`: it may ask its own server."""
        documents, texts = self._documents.to_json()
        passages = Series(self._blocks, "passages", BLOCK_PASSAGES)
        for text in self._shared.passages.to_json():
            passages.add(text)
        for number, document in enumerate(texts):
            self._blocks.add(f"document-{number}", document)
        self.head |= {
            "documents": documents,
            "filters": self._shared.filters.to_json(),
            "words": self._shared.words.to_json(),
            "series": {"rows": self._rows.close(), "calls": self._calls.close(), "passages": passages.close()},
        }
        self._blocks.add("index", self._index.to_json())
        self._blocks.add("head", self.head)
        before, after = _template(served=served)
        yield before
        yield from self._blocks.html()
        yield after


def asset(name: str) -> str:
    """A file that belongs to the page."""
    return files("labgen.report").joinpath("assets", name).read_text(encoding="utf-8")


def _template(*, served: bool) -> tuple[str, str]:
    """The page before and after its data: style and script inside, and a policy that lets nothing else run or load."""
    style, script = asset("page.css"), "".join(asset(f"{name}.js") for name in SCRIPTS)
    rules = {
        "default-src": "'none'",
        "script-src": f"'sha256-{_digest(script)}'",
        "style-src": f"'sha256-{_digest(style)}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        **({"connect-src": "'self'"} if served else {}),
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    page = asset("page.html").replace("{{policy}}", policy).replace("{{style}}", style).replace("{{script}}", script)
    before, _, after = page.partition("{{blocks}}")
    return before, after


def _digest(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()
