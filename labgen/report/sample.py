"""Which rows a page shows of a dataset that has more than a browser can search."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from labgen.export.files import read_tables
from labgen.lazy.dataclasses import dataclass

MOST_ROWS = 100_000
"""Rows and rejections on a page unless it is said otherwise: it opens in seconds, and each key finds in all of them."""

COLUMNS = ("id", "leaf", "state")


@dataclass(frozen=True, slots=True)
class Sample:
    """The ids that are shown, and of how many rows they are."""

    ids: frozenset[str]
    of: int

    @property
    def words(self) -> str:
        """What a page says of it."""
        return (
            f"A sample: lists, plots, scores and documents are of {len(self.ids):,} of {self.of:,} rows and "
            "rejections, the same share of every leaf and state. Funnel, leaves, calls and cost are of all."
        )


def sample_of(files: Iterable[Path], most: int) -> Sample:
    """A share of the rows of every leaf and state, `most` in all, and one of each at least.

    The same dataset gives the same sample: ids are hashes, and the lowest are taken.

    Args:
        files: Parquet files of the configs that are shown.
    Raises: UsageError: a file is damaged.
    """
    groups: dict[tuple[str, ...], list[str]] = {}
    for file in files:
        for table in read_tables(file):
            ids, *others = (table[name].to_pylist() for name in COLUMNS if name in table.column_names)
            for id, *group in zip(ids, *others, strict=True):
                groups.setdefault(tuple(group), []).append(id)
    of = sum(map(len, groups.values()))
    share = min(1.0, most / of) if of else 1.0
    return Sample(frozenset(id for own in groups.values() for id in sorted(own)[: max(1, int(share * len(own)))]), of)
