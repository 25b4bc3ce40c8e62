"""The export format of docs/extending.md, from its package to files that training programs read."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from brought import Install, rehearse, rows_of
from workbench import Labgen, digest


@pytest.fixture
def dataset(install: Install, taxonomy: Path, tmp_path: Path) -> Path:
    """A dataset with rows of every kind of leaf, and the package of the page beside it."""
    install("cited")
    rehearse(tmp_path, samples=3, calibration={"enabled": False})
    return tmp_path / "dataset"


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_the_format_of_the_page_is_exported(dataset: Path, labgen: Labgen, kind: str) -> None:
    """Each row of the config is there with question, answer, passage, and what it can be traced by."""
    before = digest(dataset)
    run = labgen("export", "--format", "cited", "--only", "knowledge", "--files", kind, "--to", "out")
    assert run.status == 0, run.err
    (file,) = sorted((labgen.folder / "out/knowledge").iterdir())
    if kind == "parquet":
        written = pq.read_table(file).to_pylist()
    else:
        written = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert written == [
        {
            "id": row["id"],
            "question": row["messages"][0]["content"],
            "answer": row["messages"][1]["content"],
            "passage": row["context"],
            "leaf": row["leaf"],
            "form": row["form"],
            "rehearsal": True,
        }
        for row in rows_of(dataset, "knowledge")
    ]
    assert len(written) == 3 and digest(dataset) == before
    info = json.loads((labgen.folder / "out/dataset_info.json").read_text(encoding="utf-8"))
    assert [each["columns"]["query"] for each in info.values()] == ["passage"]


def test_a_row_that_it_cannot_take_ends_the_export(dataset: Path, labgen: Labgen) -> None:
    """With the row's id, the package and what to do; what stood there before stays."""
    assert labgen("export", "--format", "cited", "--only", "knowledge", "--to", "out").status == 0
    before = digest(labgen.folder / "out")
    run = labgen("export", "--format", "cited", "--to", "out")
    ids = {row["id"] for config in ("compositional_skills", "foundational_skills") for row in rows_of(dataset, config)}
    assert run.status == 2 and run.err.split()[2].rstrip(":") in ids, run.err
    assert "format `cited` of cited 0.1: it is not from a document. Export with `--only knowledge`." in run.err
    assert digest(labgen.folder / "out") == before


def test_it_is_named_where_formats_are(dataset: Path, labgen: Labgen) -> None:
    """In the help, without being imported for it, and for whoever mistypes it."""
    words = " ".join(labgen("export", "--help").out.split())
    assert "or a format that an installed package adds. Default: the first. Installed: cited." in words
    run = labgen("export", "--format", "citet")
    assert run.status == 2 and "there is no export format `citet`. Did you mean `cited`?" in run.err
