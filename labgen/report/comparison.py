"""Two builds side by side: every candidate of one beside that of the other that it corresponds to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from labgen.export.compare import open_dataset
from labgen.export.configs import DOCUMENTS, REJECTED
from labgen.export.files import read_tables
from labgen.export.folder import read_manifest
from labgen.records import BRANCHES
from labgen.report.build import about, read_lineage
from labgen.report.entries import ACCEPTED, Lineage
from labgen.report.page import Page

COMPARED = (*BRANCHES, DOCUMENTS, REJECTED)

SAME, OTHER_STATE, CHANGED = "same", "state changed", "changed"
ONLY = ("only in A", "only in B")

Slot = tuple[str, int, int]
"""Leaf, slot and position: two builds draw the same there, where their settings are the same."""


class _Build:
    """One of the two, its rows found by number and read when they are wanted."""

    def __init__(self, name: str) -> None:
        folder = open_dataset(name)
        self.manifest = read_manifest(folder)
        self.lineage = read_lineage(folder, self.manifest)
        self.numbers: dict[str, int] = {}
        self.by_slot: dict[Slot, int] = {}
        self.leaves: list[str] = []
        self._groups: list[tuple[str, int, Any]] = []  # config, number of the first row, table
        for config in COMPARED:
            for file in self.manifest["configs"].get(config, {"files": []})["files"]:
                if (folder / file).is_file() or config != REJECTED:
                    self._take(config, folder / file)

    def _take(self, config: str, file: Path) -> None:
        for table in read_tables(file):
            first = len(self.leaves)
            self._groups.append((config, first, table))
            ids, leaves = table["id"].to_pylist(), table["leaf"].to_pylist()
            self.leaves += leaves
            for number, (id, leaf) in enumerate(zip(ids, leaves, strict=True), start=first):
                self.numbers.setdefault(id, number)
                found = self.lineage.get(id)
                if found and found.slot is not None and found.position is not None:
                    self.by_slot.setdefault((leaf, found.slot, found.position), number)

    def rows(self) -> Iterator[tuple[int, dict[str, Any], str]]:
        """All rows in order: number, columns, config."""
        for config, first, table in self._groups:
            for place, row in enumerate(table.to_pylist()):
                yield first + place, row, config

    def row(self, number: int) -> tuple[dict[str, Any], str]:
        """One row and its config."""
        low, high = 0, len(self._groups)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._groups[middle][1] <= number else (low, middle)
        config, first, table = self._groups[low]
        return table.slice(number - first, 1).to_pylist()[0], config

    def slot_of(self, row: Mapping[str, Any]) -> Slot | None:
        """Where a row was drawn; None where the dataset does not say."""
        found = self.lineage.get(row["id"])
        if found is None or found.slot is None or found.position is None:
            return None
        return row["leaf"], found.slot, found.position


def comparison_page(first: str, second: str, report: Mapping[str, Any]) -> Iterator[str]:
    """Two datasets as one self-contained HTML page, in pieces.

    A row of one stands beside that of the other that has the same id; else beside what the other drew at the same slot
    and position of the same leaf. What was turned down is compared as well, where both folders have it.

    Args:
        first, second: as of `labgen.export.compare.compare_datasets`; report: its result for the two.
    Raises: UsageError: no such dataset.
    """
    builds = [_Build(first), _Build(second)]
    page = Page("comparison")
    for pair, state in _pairs(*builds):
        turned = [_state(row) for row, _, _ in filter(None, pair)]
        reason = " → ".join(turned) if len(set(turned)) > 1 else ""
        page.add(pair, state=state, reason=reason)
    page.head |= {
        "title": "A and B",
        "subtitle": f"A: {_name(first)} · B: {_name(second)}",
        "states": [],
        "comparison": dict(report)
        | {"a": report["a"] | {"name": _name(first)}, "b": report["b"] | {"name": _name(second)}},
        "warnings": [
            f"{side} was written or judged by the built-in rehearsal teacher."
            for side, build in zip("AB", builds, strict=True)
            if about(build.manifest)["rehearsal"]
        ],
    }
    return page.html(served=False)


def _name(dataset: str) -> str:
    """A dataset's name without the folders that it lies in: where it lay is nobody else's business."""
    return Path(dataset).resolve().name if Path(dataset).exists() else dataset


_Side = tuple[dict[str, Any], str, Lineage] | None


def _pairs(one: _Build, two: _Build) -> Iterator[tuple[list[_Side], str]]:
    taken: set[int] = set()
    for number, row, config in one.rows():
        if one.numbers[row["id"]] != number:
            continue
        other = two.numbers.get(row["id"])
        slot = one.slot_of(row)
        if other is None and slot is not None:
            other = two.by_slot.get(slot)
            if other is not None and two.row(other)[0]["id"] in one.numbers:
                other = None  # that is the counterpart of another row
        here: _Side = row, config, one.lineage.get(row["id"], Lineage())
        if other is None or other in taken:
            yield [here, None], ONLY[0]
            continue
        taken.add(other)
        found, its_config = two.row(other)
        there: _Side = found, its_config, two.lineage.get(found["id"], Lineage())
        yield [here, there], _told(row, found)
    for number, row, config in two.rows():
        if number not in taken and two.numbers[row["id"]] == number:
            yield [None, (row, config, two.lineage.get(row["id"], Lineage()))], ONLY[1]


def _told(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    if one["id"] != two["id"]:
        return CHANGED
    return SAME if _state(one) == _state(two) else OTHER_STATE


def _state(row: Mapping[str, Any]) -> str:
    return str(row.get("state") or ACCEPTED)
