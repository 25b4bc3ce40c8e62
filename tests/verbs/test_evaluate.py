"""Held-out rows in a build: training rows stay the same bytes, and students of known skill are ranked right."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from student_server import students
from workbench import Labgen, Teacher

from labgen.export.files import read_rows
from labgen.export.folder import read_manifest
from labgen.verbs.evaluate import read_letter, read_questions

ON = {"recall": 3, "reading": 3, "skills": 4, "reading_passages": 0.3}


def settings(labgen: Labgen, **held_out: Any) -> None:
    """labgen.yaml that cuts the leaf's document into several passages."""
    text = {"samples": 8, "documents": {"chunk_tokens": 80}, "held_out": held_out}
    (labgen.folder / "labgen.yaml").write_text(json.dumps(text))


def build(labgen: Labgen, output: str, **held_out: Any) -> Path:
    settings(labgen, **held_out)
    run = labgen("generate", "--output", output)
    assert run.status == 0, run.out + run.err
    return labgen.folder / output


def data_files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data").iterdir()}


@pytest.fixture
def dataset(taxonomy: Path, labgen: Labgen) -> Path:
    """A dataset that holds rows of every kind out."""
    return build(labgen, "dataset", **ON)


def test_training_files_are_the_same_bytes_with_and_without(dataset: Path, labgen: Labgen) -> None:
    """Whether rows are drawn from reserved slots and passages or not; a second run asks nothing."""
    assert data_files(build(labgen, "none", reading_passages=0.3)) == data_files(dataset)
    settings(labgen, **ON)
    again = labgen("generate", "--output", "again", "--max-calls", "0")
    assert again.status == 0, again.err
    first, second = (read_manifest(folder)["files"] for folder in (dataset, labgen.folder / "again"))
    assert first == second


def test_calls_for_held_out_rows_are_counted_and_what_remains_is_said(taxonomy: Path, labgen: Labgen) -> None:
    """Of a run that a budget ends while they are drawn, and of the one that goes on: together all that was asked."""
    settings(labgen, reading_passages=0.3)
    alone = labgen("generate", "--output", "none", "--json").json["calls"]["answered"]
    settings(labgen, **ON)
    stopped = labgen("generate", "--output", "first", "--max-calls", "3")
    assert stopped.status == 1 and "there remain: " in stopped.out
    assert stopped.out.count("3 calls answered") == 1
    rest = labgen("generate", "--output", "second", "--json").json["calls"]["answered"]
    assert alone + 3 + rest == sum(share["calls"] for share in labgen("ledger", "--json").json["shares"])


def test_every_kind_is_there_and_apart(dataset: Path) -> None:
    """Other questions on trained passages; passages that no row shows; other instructions."""
    configs = read_manifest(dataset)["configs"]
    trained = [row for file in configs["knowledge"]["files"] for row in read_rows(dataset / file)]
    by_config: dict[str, list[dict[str, Any]]] = {}
    for name, row in read_questions(dataset):
        by_config.setdefault(name, []).append(row)
    assert len(by_config["skills"]) == 8
    passages = {row["context"] for row in trained}
    assert by_config["reading"] and not passages & {row["context"] for row in by_config["reading"]}
    assert all(row["messages"][0]["content"].startswith(row["context"]) for row in by_config["reading"])
    assert all(row["form"] == "closed_book" for row in by_config.get("recall", ()))
    ids = [row["id"] for rows in by_config.values() for row in rows]
    assert len(set(ids)) == len(ids) and not set(ids) & {row["id"] for row in trained}


def test_a_ladder_of_students_is_ranked_right(dataset: Path, labgen: Labgen, teacher: Teacher) -> None:
    """By every kind of question together, and one against the other with its difference; replies come from the ledger
    the second time.
    """
    answers = {row["messages"][0]["content"]: row["messages"][-1]["content"] for _, row in read_questions(dataset)}
    at_judge = {"LABGEN_JUDGE_BASE_URL": teacher.base_url, "LABGEN_JUDGE_MODEL": "labgen-rehearsal"}
    right = []
    with students(answers) as address:
        for name in ("knows-0", "knows-50", "knows-100"):
            run = labgen("evaluate", "--base-url", address, "--model", name, "--json", **at_judge)
            assert run.status == 0, run.err
            scores = run.json["students"][0]["scores"]
            right.append(sum(score["right"] for score in scores.values()))
        assert right == sorted(right) and right[0] < right[1] < right[2]
        run = labgen(
            *("evaluate", "--base-url", address, "--model", "knows-100", "--against", "knows-0", "--by-leaf"),
            **at_judge,
        )
        assert run.status == 0 and "knows-100 over knows-0" in run.out and "the judge passed" in run.out
        before = teacher.stats()["requests"]
        labgen("evaluate", "--base-url", address, "--model", "knows-100", "--against", "knows-0", **at_judge)
        assert teacher.stats()["requests"] == before
        same = labgen("evaluate", "--base-url", address, "--model", "a", "--against", "a")
        assert same.status == 2 and "name" in same.err


def test_a_dataset_that_holds_nothing_out_can_not_be_asked(taxonomy: Path, labgen: Labgen) -> None:
    build(labgen, "dataset")
    run = labgen("evaluate", "--base-url", "http://127.0.0.1:9/v1", "--model", "student")
    assert run.status == 2 and "held_out" in run.err


def test_a_letter_is_read_from_what_models_write() -> None:
    choices = ["red wine", "white wine", "beer", "water"]
    for reply, read in (
        ("B", 1),
        ("B.", 1),
        ("The answer is C", 2),
        ("(D) water", 3),
        ("white wine", 1),
        ("B, not C", 1),
        ("none of them", None),
        ("", None),
        ("Either C or D", None),
    ):
        assert read_letter(reply, choices) == read, reply


def test_a_plan_prices_rows_that_are_held_out(taxonomy: Path, labgen: Labgen) -> None:
    """Beside the training rows; near what they come to then; nothing once they are there, and nothing without."""
    settings(labgen)
    assert labgen("plan", "--json").json["held_out"] == {}
    assert labgen("generate", "--output", "none").status == 0
    settings(labgen, skills=12, turns=2)
    priced = labgen("plan", "--json").json["held_out"]
    assert priced.keys() == {"skills"} and priced["skills"]["wanted"] == 24
    asked = labgen("generate", "--output", "first", "--json").json["calls"]["answered"]
    assert priced["skills"]["calls_to_pay"] == pytest.approx(asked, rel=0.4)
    left = labgen("plan", "--json").json["held_out"]["skills"]["calls_to_pay"]
    assert left <= 0.2 * asked
    assert "Held out, beyond that: skills 24 rows, about " in labgen("plan").out
    settings(labgen, **ON)
    priced = labgen("plan", "--json").json["held_out"]
    assert {name: each["wanted"] for name, each in priced.items()} == {"recall": 3, "reading": 3, "skills": 8}
