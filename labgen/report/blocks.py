"""Data as compressed blocks inside a page, which a browser unpacks when it needs them."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

LEVEL = 6
"""Of gzip: 9 takes twice the time for a hundredth of the size."""


class Blocks:
    """Named blocks of JSON. The same data gives the same bytes."""

    def __init__(self) -> None:
        self._packed: dict[str, str] = {}

    def add(self, name: str, data: Any) -> None:
        """Pack a block. The name is ours: letters, digits and dashes."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        self._packed[name] = b64encode(gzip.compress(text.encode(), LEVEL, mtime=0)).decode()

    def html(self) -> Iterator[str]:
        """Each block as an element that no browser runs: base64 has no character that could end it."""
        for name, packed in self._packed.items():
            yield f'<script type="application/x-labgen" id="block-{name}">{packed}</script>\n'


class Series:
    """Items that are packed some at a time, as `STEM-0`, `STEM-1` and so on, while they come."""

    def __init__(self, blocks: Blocks, stem: str, size: int) -> None:
        self._blocks, self._stem, self.size = blocks, stem, size
        self._waiting: list[Any] = []
        self.count = 0

    def add(self, item: Any) -> int:
        """Take the next item; its number, from 0."""
        self._waiting.append(item)
        self.count += 1
        if len(self._waiting) == self.size:
            self._pack()
        return self.count - 1

    def close(self) -> dict[str, int]:
        """Pack what waits; what a page has to know to find an item."""
        if self._waiting:
            self._pack()
        return {"count": self.count, "size": self.size}

    def _pack(self) -> None:
        self._blocks.add(f"{self._stem}-{(self.count - 1) // self.size}", self._waiting)
        self._waiting = []


class Names:
    """Strings, each told once and numbered in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The name's number, from 0."""
        return self._numbers.setdefault(name, len(self._numbers))

    def to_json(self) -> list[str]:
        """All, by number."""
        return list(self._numbers)
