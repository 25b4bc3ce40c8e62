"""Documents with what a build made of them: where rows come from, and which words bear out how many answers."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.report.evidence import utf16_offset
from labgen.text.printable import without_credentials

STRIP = 160
"""Parts of a document's heat strip at most: one is then some pixels wide."""

Key = tuple[str, str, str, str]
"""Leaf, repository, commit and file."""


@dataclass
class _Passage:
    start: int
    end: int
    text: str
    reserved: bool = False
    drawn: bool = False
    rows: list[int] = field(default_factory=list)
    cited: list[tuple[int, int, int]] = field(default_factory=list)  # start, end (characters of the text), entry


class Documents:
    """Gathers a build's entries by the document that they are on.

    Args:
        passages: rows of `labgen.export.passages.passage_schema`. Of a dataset without them, the passages of which a
            candidate shows all the words are taken from candidates, and the page says nothing of the others.
    """

    def __init__(self, passages: Iterable[Mapping[str, Any]]) -> None:
        self._found: dict[Key, dict[int, _Passage]] = {}
        for row in passages:
            key = row["leaf"], row["repo"], row["commit"], row["file"]
            own = _Passage(row["start"], row["end"], row["text"], bool(row["reserved"]))
            self._found.setdefault(key, {})[own.start] = own
        self._known = bool(self._found)

    def add(self, row: Mapping[str, Any], number: int, *, accepted: bool) -> None:
        """Take an entry of that number, with its source, context and evidence."""
        source, context = row.get("source"), row.get("context") or ""
        if not source or not context:
            return
        key = row["leaf"], source["repo"], source["commit"], source["file"]
        if not self._known:
            self._take(key, source, context)
        for passage in self._shown(key, source):
            at = context.find(passage.text)
            if at < 0:
                continue
            passage.drawn = True
            if accepted:
                passage.rows.append(number)
                passage.cited += _spans(row, context, at, passage.text, number)

    def _take(self, key: Key, source: Mapping[str, Any], context: str) -> None:
        """A passage as a candidate shows it: the end of its context, below what the passage stands under."""
        length = source["end"] - source["start"]
        here = self._found.setdefault(key, {})
        clash = any(one.start < source["end"] and source["start"] < one.end for one in here.values())
        if 0 < length <= len(context) and not clash:
            here[source["start"]] = _Passage(source["start"], source["end"], context[-length:])

    def _shown(self, key: Key, source: Mapping[str, Any]) -> list[_Passage]:
        passages = self._found.get(key, {})
        ends = (passages.get(source["start"]), next((p for p in passages.values() if p.end == source["end"]), None))
        return [one for place, one in enumerate(ends) if one and one not in ends[:place]]

    def to_json(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Per document, in the order of leaves and files: what a list of them shows, and its text with all spans."""
        heads, texts = [], []
        for (leaf, repo, commit, file), found in sorted(self._found.items()):
            passages = [found[start] for start in sorted(found)]
            heads.append(
                {
                    "leaf": leaf,
                    "repo": without_credentials(repo),
                    "commit": commit,
                    "file": file,
                    "passages": len(passages),
                    "drawn": sum(one.drawn for one in passages),
                    "with_rows": sum(bool(one.rows) for one in passages),
                    "rows": len({row for one in passages for row in one.rows}),
                    "chars": passages[-1].end,
                    "cited": sum(end - start for one in passages for start, end, _ in cut(one.cited)),
                    "strip": _strip(passages),
                }
            )
            texts.append({"passages": [_text(one) for one in passages]})
        return heads, texts


def _spans(row: Mapping[str, Any], context: str, at: int, text: str, number: int) -> Iterable[tuple[int, int, int]]:
    for verdict in row.get("verdicts") or ():
        for piece in verdict["evidence"] or ():
            words, start = piece["text"], piece["start"]
            if words and start >= 0 and context.startswith(words, start):
                first, last = max(0, start - at), min(len(text), start + len(words) - at)
                if first < last:
                    yield first, last, number


def cut(spans: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, list[int]]]:
    """Overlapping spans as spans that do not overlap, in order, each with the numbers of all that cover it."""
    own = sorted(set(spans))
    edges = sorted({edge for start, end, _ in own for edge in (start, end)})
    covering: list[set[int]] = [set() for _ in edges]
    for start, end, number in own:
        for place in range(bisect_left(edges, start), bisect_left(edges, end)):
            covering[place].add(number)
    return [
        (start, end, sorted(numbers))
        for start, end, numbers in zip(edges, edges[1:], covering, strict=False)
        if numbers
    ]


def _text(passage: _Passage) -> dict[str, Any]:
    text = passage.text
    spans = [
        [utf16_offset(text, start), utf16_offset(text, end), numbers] for start, end, numbers in cut(passage.cited)
    ]
    told = {"text": text, "at": passage.start, "rows": sorted(set(passage.rows)), "spans": spans}
    return told | ({"reserved": True} if passage.reserved else {}) | ({"drawn": True} if passage.drawn else {})


def _strip(passages: list[_Passage]) -> list[int]:
    """The document from beginning to end in equal parts.

    Each is -2 where no passage is known, -1 where nothing was drawn from it, else the number of entries that the words
    there bear out, of the part's most cited words.
    """
    length = passages[-1].end
    parts = min(STRIP, max(1, length))
    strip = [-2] * parts

    def cover(start: int, end: int, value: int) -> None:
        for part in range(start * parts // length, min(parts, -(-end * parts // length))):
            strip[part] = max(strip[part], value)

    for one in passages:
        cover(one.start, one.end, 0 if one.drawn else -1)
    for one in passages:
        for start, end, numbers in cut(one.cited):
            cover(one.start + start, one.start + end, len(numbers))
    return strip
