"""N rows mean N rows in the dataset: after the look across leaves, and spread evenly where a budget ends the run."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from workbench import TIDES, Labgen, Teacher, digest, freeform, grounded, knowledge, write_leaf

from labgen.export.files import read_rows

TWINS = ("knowledge/science/tides", "knowledge/travel/tides", "knowledge/voyages/tides")


@pytest.fixture
def twins(tmp_path: Path) -> Path:
    """Leaves on the same document with the same seeds: their rows are near-duplicates of each other's."""
    root = tmp_path / "taxonomy"
    for path in TWINS:
        leaf = write_leaf(root, path, **knowledge())
        (leaf.parent / "tides.md").write_text(TIDES)
    write_leaf(root, "foundational_skills/requests", **freeform())
    return root


def accepted(folder: Path) -> Counter[str]:
    """Rows of each leaf in the branches' files."""
    files = [file for file in folder.glob("data/*.parquet") if not file.name.startswith(("phase", "rejected"))]
    return Counter(row["leaf"] for file in files for row in read_rows(file))


def test_rows_too_close_to_another_leafs_are_drawn_anew(twins: Path, labgen: Labgen, teacher: Teacher) -> None:
    """Every leaf has what it was asked for; at any concurrency the same bytes; from the ledger alone as well."""
    digests = []
    for concurrency in ("1", "7", "64"):
        work = f"work-{concurrency}"
        options = ("--samples", "12", "--work", work, "--output", f"out-{concurrency}", "--replace")
        asked = ("--base-url", teacher.base_url, "--model", "labgen-rehearsal", "--concurrency", concurrency)
        run = labgen("generate", *options, *asked, "--json")
        assert run.status == 0, run.err
        assert set(accepted(labgen.folder / f"out-{concurrency}").values()) == {12}
        digests.append(digest(labgen.folder / f"out-{concurrency}"))
        again = labgen("generate", *options, *asked, "--json")
        assert again.json["calls"]["answered"] == 0
        assert digest(labgen.folder / f"out-{concurrency}") == digests[-1]
    assert digests[0] == digests[1] == digests[2]
    reasons = run.json["funnel"]["total"]["reasons"]["duplicate"]
    assert reasons["across_leaves"] > 0


def test_a_killed_run_goes_on_where_a_leaf_was_drawn_from_again(twins: Path, labgen: Labgen, teacher: Teacher) -> None:
    """Budgets cut it at many places; what comes of it in the end is what one run makes, and nothing is paid twice."""
    asked = ("--base-url", teacher.base_url, "--model", "labgen-rehearsal", "--samples", "12")
    whole = labgen("generate", *asked, "--work", "one", "--output", "whole", "--json")
    assert whole.status == 0, whole.err
    answered, status, runs = 0, 1, 0
    while status and runs < 40:
        run = labgen("generate", *asked, "--work", "many", "--output", "pieces", "--max-calls", "17", "--json")
        answered, status, runs = answered + run.json["calls"]["answered"], run.status, runs + 1
    assert status == 0 and runs > 3
    assert digest(labgen.folder / "pieces") == digest(labgen.folder / "whole")
    assert teacher.stats()["answered_twice"] == answered


def test_a_leaf_that_can_bring_nothing_new_ends_by_the_yield_rule(twins: Path, labgen: Labgen) -> None:
    """It says that earlier leaves have its rows, and the run ends."""
    (labgen.folder / "labgen.yaml").write_text("stop: {min_calls: 20, max_calls_per_row: 3}\n")
    run = labgen("generate", "--samples", "60", "--leaf", "knowledge/**", "--json")
    leaves = run.json["funnel"]["leaves"]
    assert leaves[TWINS[-1]]["states"].get("accepted", 0) < 60
    assert "yield" in leaves[TWINS[-1]]["stopped"] and TWINS[-1] in run.json["short"]


def test_under_a_budget_leaves_are_filled_alike(tmp_path: Path, labgen: Labgen) -> None:
    """Every leaf has rows, every phase exists, and no leaf has more than a row above its share."""
    root = tmp_path / "taxonomy"
    leaf = write_leaf(root, "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(TIDES)
    for number in range(3):
        write_leaf(root, f"foundational_skills/requests_{number}", **freeform(task_description=f"Requests, {number}."))
        write_leaf(root, f"compositional_skills/notes_{number}", **grounded(task_description=f"Tasks, {number}."))
    price = "price: {prompt_per_million: 1, completion_per_million: 3}\n"
    (labgen.folder / "labgen.yaml").write_text(price + "leaves: [{match: '**/notes_1', samples: 12}]\n")
    cost = labgen("plan", "--samples", "24", "--json").json["cost"]
    run = labgen("generate", "--samples", "24", "--max-cost", str(round(0.27 * cost, 4)), "--json")
    assert run.status == 1 and run.json["budget"]["reached"], run.err
    rows = accepted(labgen.folder / "dataset")
    leaves = run.json["funnel"]["leaves"]
    shares = {path: rows[path] / tally["wanted"] for path, tally in leaves.items()}
    least = min(shares.values())
    assert least > 0
    for path, tally in leaves.items():
        assert rows[path] <= least * tally["wanted"] + 1, (path, rows)
    phases = json.loads((labgen.folder / "dataset/mix.json").read_text())["phases"]
    assert len(phases) == 3 and all(phase["rows"] for phase in phases.values())
    # What waits is there for the run that has the means.
    rest = labgen("generate", "--samples", "24", "--json")
    assert rest.status == 0 and accepted(labgen.folder / "dataset")["foundational_skills/requests_0"] == 24


def test_rows_beyond_an_even_share_can_be_kept(tmp_path: Path, labgen: Labgen) -> None:
    """`stop.evenly: false` takes all that a budget has bought."""
    root = tmp_path / "taxonomy"
    for number in range(4):
        write_leaf(root, f"foundational_skills/requests_{number}", **freeform(task_description=f"Requests, {number}."))
    (labgen.folder / "labgen.yaml").write_text("stop: {evenly: false}\n")
    run = labgen("generate", "--samples", "20", "--max-calls", "90", "--json")
    assert run.json["budget"]["reached"]
    assert "ahead_of_other_leaves" not in json.dumps(run.json["funnel"])
