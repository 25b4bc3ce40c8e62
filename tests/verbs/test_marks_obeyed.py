"""The next build obeys marks: exactly N rows, none that is marked bad, edits with their editors named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from workbench import Labgen, digest

BRANCHES = ("knowledge", "foundational_skills", "compositional_skills")
BAD = {"verdict": "bad", "reason": "it does not answer", "by": "Ada"}


def rows(folder: Path, *configs: str) -> list[dict[str, Any]]:
    """Rows of configs, in order."""
    return [
        row
        for config in configs or BRANCHES
        for file in sorted((folder / "data").glob(f"{config}*.parquet")) + sorted((folder / "data" / config).glob("*"))
        for row in pq.read_table(file).to_pylist()
    ]


def mark(taxonomy: Path, marks: dict[str, dict[str, Any]]) -> None:
    """Write marks as a person might by hand."""
    (taxonomy / "marks.yaml").write_text(yaml.safe_dump(marks))


def bad(some: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Marks that say of rows that they are bad."""
    return {row["id"]: {"leaf": row["leaf"], **BAD} for row in some}


@pytest.mark.parametrize("bulk", [False, True], ids=["one by one", "in bulk"])
def test_bad_rows_are_drawn_again_and_only_the_redraws_are_asked(labgen: Labgen, taxonomy: Path, bulk: bool) -> None:
    """The same number of rows, none of those that were marked, and the same bytes on the third build."""
    build = ("generate", "--samples", "12", *(("--bulk", "--dry-run") if False else ()))
    first = labgen(*build)
    assert first.status == 0, first.err
    before = rows(labgen.folder / "dataset")
    marked = before[::4]
    mark(taxonomy, bad(marked))
    planned = labgen("plan", "--samples", "12", "--json").json["total"]
    again = labgen(*build, "--json", *(("--bulk",) if bulk else ()))
    assert again.status == 0, again.err
    after = rows(labgen.folder / "dataset")
    assert len(after) == len(before) == 36
    assert not {row["id"] for row in marked} & {row["id"] for row in after}
    turned_down = [row for row in rows(labgen.folder / "dataset", "rejected") if row["state"] == "marked_bad"]
    assert {row["id"] for row in turned_down} == {row["id"] for row in marked}
    assert {row["rejected_by"] for row in turned_down} == {"review"}
    assert {row["id"] for row in before} - {row["id"] for row in marked} <= {row["id"] for row in after}
    assert 0 < again.json["traffic"]["answered"] < first_calls(labgen) and planned
    bytes_then = digest(labgen.folder / "dataset")
    third = labgen(*build, "--json")
    assert third.json["traffic"]["answered"] == 0
    assert digest(labgen.folder / "dataset") == bytes_then


def first_calls(labgen: Labgen) -> int:
    """Calls that the ledger holds."""
    return int(labgen("ledger", "--json").json["total"]["calls"])
