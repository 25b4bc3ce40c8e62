"""The next build obeys marks: exactly N rows, none that is marked bad, edits with their editors named."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from workbench import Labgen, digest, freeform, write_leaf

from labgen.records import BRANCHES
from labgen.taxonomy.marks import MARKS_FILE

BAD = {"verdict": "bad", "reason": "it does not answer: at all", "by": "Ada"}
NEW = "A person wrote this answer to the request, and it names the Rhine."
BUILD = ("generate", "--samples", "12", "--json")


def rows(folder: Path, *configs: str) -> list[dict[str, Any]]:
    """Rows of configs, in order."""
    manifest = json.loads((folder / "manifest.json").read_text())["configs"]
    files = [file for config in configs or BRANCHES for file in manifest.get(config, {"files": []})["files"]]
    return [row for file in files for row in pq.read_table(folder / file).to_pylist()]


def write_marks(taxonomy: Path, marks: dict[str, dict[str, Any]]) -> None:
    """Marks as a person might write them by hand."""
    (taxonomy / MARKS_FILE).write_text(yaml.safe_dump(marks))


def bad(some: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Marks that say of rows that they are bad."""
    return {row["id"]: {"leaf": row["leaf"], **BAD} for row in some}


def ids(some: list[dict[str, Any]]) -> set[str]:
    """Their ids."""
    return {row["id"] for row in some}


def calls_paid(labgen: Labgen) -> int:
    """Calls that the ledger holds."""
    return sum(step["calls"] for step in labgen("ledger", "--json").json["shares"])


@pytest.mark.parametrize("bulk", [False, True], ids=["one by one", "in bulk"])
def test_bad_rows_are_drawn_again_and_only_the_redraws_are_asked(labgen: Labgen, taxonomy: Path, bulk: bool) -> None:
    """As many rows as before, none of those that were marked, and the same bytes on the third build."""
    first = labgen(*BUILD)
    assert first.status == 0, first.err
    paid = calls_paid(labgen)
    before = rows(labgen.folder / "dataset")
    marked = before[::4]
    write_marks(taxonomy, bad(marked))
    to_pay = labgen("plan", "--samples", "12", "--json").json["calls_to_pay"]
    again = labgen(*BUILD, *(["--bulk"] if bulk else []))
    assert again.status == 0, again.err
    after = rows(labgen.folder / "dataset")
    assert len(after) == len(before) == 36
    assert not ids(marked) & ids(after)
    assert ids(before) - ids(marked) <= ids(after)
    turned_down = [row for row in rows(labgen.folder / "dataset", "rejected") if row["state"] == "marked_bad"]
    assert ids(turned_down) == ids(marked)
    assert {(row["reason"], row["rejected_by"]) for row in turned_down} == {
        ("by_a_reviewer: it does not answer: at all", "review")
    }
    assert 0 < calls_paid(labgen) - paid < paid / 2
    assert to_pay > 0
    bytes_then = digest(labgen.folder / "dataset")
    third = labgen(*BUILD)
    assert third.json["calls"]["answered"] == 0
    assert digest(labgen.folder / "dataset") == bytes_then


def test_marks_of_a_leaf_change_that_leaf_alone(labgen: Labgen, taxonomy: Path) -> None:
    """Rows of other leaves, their fingerprints included, are what they were; without the marks all is as before."""
    labgen(*BUILD)
    before, bytes_before = rows(labgen.folder / "dataset"), digest(labgen.folder / "dataset")
    marked = [row for row in before if row["leaf"] == "foundational_skills/requests"][:3]
    write_marks(taxonomy, bad(marked))
    labgen(*BUILD)
    after = rows(labgen.folder / "dataset")
    others = [row for row in before if row["leaf"] != "foundational_skills/requests"]
    assert [row for row in after if row["leaf"] != "foundational_skills/requests"] == others
    (taxonomy / MARKS_FILE).unlink()
    assert labgen(*BUILD).json["calls"]["answered"] == 0
    assert digest(labgen.folder / "dataset") == bytes_before


def test_an_edit_is_used_with_its_editor_named(labgen: Labgen, taxonomy: Path) -> None:
    """The row says what a person wrote, keeps its id, asks nothing, and `show` tells both texts."""
    labgen(*BUILD)
    one = rows(labgen.folder / "dataset", "foundational_skills")[2]
    write_marks(
        taxonomy, {one["id"]: {"leaf": one["leaf"], "verdict": "edited", "response": NEW, "by": "Ada \u202eL."}}
    )
    again = labgen(*BUILD)
    assert again.json["calls"]["answered"] == 0
    (edited,) = [row for row in rows(labgen.folder / "dataset") if row["id"] == one["id"]]
    assert edited["messages"] == [one["messages"][0], {"role": "assistant", "content": NEW}]
    assert (edited["edited_by"], [verdict["filter"] for verdict in edited["verdicts"]]) == ("Ada \u202eL.", ["review"])
    assert {row["edited_by"] for row in rows(labgen.folder / "dataset") if row["id"] != one["id"]} == {None}
    shown = labgen("show", one["id"]).out
    assert "edited by Ada \\u202eL." in shown
    assert NEW in shown
    assert one["messages"][1]["content"].splitlines()[0] in shown.partition("drawn as assistant:")[2]


def test_a_row_of_two_turns_is_known_by_its_first(labgen: Labgen, taxonomy: Path) -> None:
    """A mark is about the first turn, and an edit keeps that alone: what was asked next took up the words as drawn."""
    (labgen.folder / "labgen.yaml").write_text('leaves: [{match: "**", turns: 2}]\n')
    assert labgen(*BUILD).status == 0
    two = [row for row in rows(labgen.folder / "dataset", "foundational_skills") if len(row["messages"]) == 4]
    bad_one, edited = two[:2]
    assert labgen("review", "--mark", bad_one["id"], "bad", "--reason", "no answer").status == 0
    same = labgen("review", "--mark", edited["id"], "edited", "--response", edited["messages"][1]["content"])
    assert (same.status, "changes nothing" in same.err) == (2, True)
    assert labgen("review", "--mark", edited["id"], "edited", "--response", NEW).status == 0
    marks = yaml.safe_load((taxonomy / MARKS_FILE).read_text())
    for row in (bad_one, edited):
        assert marks[row["id"]]["about"][:50] in " ".join(row["messages"][0]["content"].split())
    # By its text alone a row is known as well.
    write_marks(taxonomy, {"0" * 16: marks[bad_one["id"]], edited["id"]: marks[edited["id"]]})
    assert labgen(*BUILD).status == 0
    after = {row["id"]: row for row in rows(labgen.folder / "dataset", "foundational_skills")}
    assert bad_one["id"] not in after
    assert [turn["content"] for turn in after[edited["id"]]["messages"]] == [edited["messages"][0]["content"], NEW]


def test_marks_on_held_out_rows_are_obeyed_and_kept(labgen: Labgen, taxonomy: Path) -> None:
    """A bad one is drawn anew; its mark is not told to be of a row that is gone, and is not pruned."""
    (labgen.folder / "labgen.yaml").write_text("held_out: {recall: 2, skills: 2}\n")
    assert labgen(*BUILD).status == 0
    folder = labgen.folder / "dataset"
    bad_one, good = rows(folder, "skills")[:2]
    (choice,) = rows(folder, "choice")[:1] or [None]
    assert choice is not None
    refused = labgen("review", "--mark", choice["id"], "bad", "--reason", "odd")
    assert (refused.status, choice["of"] in refused.err) == (2, True)
    assert labgen("review", "--mark", good["id"], "good").status == 0
    assert labgen("review", "--mark", bad_one["id"], "bad", "--reason", "no answer").status == 0
    marks = (taxonomy / MARKS_FILE).read_text()
    for _ in range(2):  # before the build and after it
        assert labgen("review", "--prune").out.startswith("0 marks")
        assert labgen("review", "--list", "--json").json["agreement"]["unmatched"] == []
        built = labgen(*BUILD)
        assert (built.status, built.json["agreement"]["unmatched"]) == (0, [])
    assert (taxonomy / MARKS_FILE).read_text() == marks
    assert bad_one["id"] not in ids(rows(folder, "skills"))
    assert good["id"] in ids(rows(folder, "skills"))


def test_an_edit_saves_what_a_judge_turned_down(labgen: Labgen, taxonomy: Path) -> None:
    """The person is the judge: the row takes the place of a later one, and N stays."""
    labgen("generate", "--samples", "20")
    turned_down = next(
        row
        for row in rows(labgen.folder / "dataset", "rejected")
        if row["state"] in ("irrelevant", "low_quality") and row["branch"] == "foundational_skills"
    )
    mark = {"leaf": turned_down["leaf"], "verdict": "edited", "response": NEW, "by": "Ada"}
    write_marks(taxonomy, {turned_down["id"]: mark})
    assert labgen("generate", "--samples", "20", "--json").json["calls"]["answered"] == 0
    found = rows(labgen.folder / "dataset")
    assert len(found) == 60
    assert turned_down["id"] in ids(found)


def test_an_edit_goes_through_the_free_filters(labgen: Labgen, taxonomy: Path) -> None:
    """What a person writes may hold a secret, too: the row is drawn again, and it is said why."""
    labgen(*BUILD)
    one = rows(labgen.folder / "dataset", "foundational_skills")[2]
    text = "Write to jane.doe@" + "mail-of-jane.com for the answer to that."
    write_marks(taxonomy, {one["id"]: {"leaf": one["leaf"], "verdict": "edited", "response": text, "by": "Ada"}})
    again = labgen("generate", "--samples", "12")
    assert f"The edit of {one['id']} was turned down (unsafe: " in again.out
    found = rows(labgen.folder / "dataset")
    assert len(found) == 36
    assert one["id"] not in ids(found)


def test_marks_measure_the_filters(labgen: Labgen, taxonomy: Path) -> None:
    """Good rejections are false alarms of the filter that turned them down, bad rows misses of those that did not."""
    labgen("generate", "--samples", "20")
    turned_down = [row for row in rows(labgen.folder / "dataset", "rejected") if row["state"] == "irrelevant"][:2]
    accepted = rows(labgen.folder / "dataset", "foundational_skills")
    good = {row["id"]: {"leaf": row["leaf"], "verdict": "good"} for row in [*accepted[3:6], *turned_down]}
    gone = {"0" * 16: {"leaf": accepted[0]["leaf"], "verdict": "good"}}
    write_marks(taxonomy, bad(accepted[:2]) | good | gone)
    again = labgen("generate", "--samples", "20", "--json")
    found = again.json["agreement"]
    assert found["marks"] == {"good": 5, "bad": 2, "edited": 0, "note": 0}
    assert found["unmatched"] == ["0" * 16]
    every = found["filters"]["all filters"]
    assert (every["good"], every["bad"]) == ({"passed": 3, "rejected": 2}, {"passed": 2, "rejected": 0})
    assert every["agreement"]["share"] == pytest.approx(3 / 7, abs=1e-4)
    low, high = every["agreement"]["interval"]
    assert 0 < low < 3 / 7 < high < 1
    alarms = {name: each["good"]["rejected"] for name, each in found["filters"].items()}
    assert sum(alarms.values()) == 4  # each once of its filter, and once of all
    assert sum(alarms[row["rejected_by"]] for row in turned_down) >= 2
    assert found["filters"]["pair_score"]["bad"] == {"passed": 2, "rejected": 0}
    assert json.loads((labgen.folder / "dataset/agreement.json").read_text()) == found
    card = (labgen.folder / "dataset/README.md").read_text()
    assert "## What reviewers say" in card
    assert "| all filters | 3 | 2 | 2 | 0 | 43% |" in card
    assert "1 row with a mark is not in this build" in labgen("generate", "--samples", "20").out


def test_hostile_marks_stay_text(labgen: Labgen, taxonomy: Path) -> None:
    """On a terminal and in the card, whatever a stranger's marks say."""
    labgen(*BUILD)
    one, two = rows(labgen.folder / "dataset", "foundational_skills")[:2]
    hostile = "\x1b]0;owned\x07<script>alert(1)</script> | ![x](http://127.0.0.1:9/x) \u202e"
    write_marks(
        taxonomy,
        {
            one["id"]: {"leaf": one["leaf"], "verdict": "bad", "reason": hostile, "by": hostile},
            two["id"]: {"leaf": two["leaf"], "verdict": "edited", "response": NEW, "by": hostile, "note": hostile},
        },
    )
    shown = [
        labgen(*BUILD),
        labgen("check"),
        labgen("show", one["id"]),
        labgen("show", two["id"]),
        labgen("review", "--list"),
    ]
    for each in [*shown, labgen("generate", "--samples", "12")]:
        assert "\x1b" not in each.out + each.err
        assert "\u202e" not in each.out + each.err
    card = (labgen.folder / "dataset/README.md").read_text()
    assert "<script>" not in card
    assert "127.0.0.1:9" not in card


@pytest.mark.parametrize("seed", range(3))
def test_any_marks_on_any_rows_keep_the_number_of_rows(labgen: Labgen, taxonomy: Path, seed: int) -> None:
    """Again and again: mark some of what there is, build; N rows, nothing marked bad, same bytes without a call."""
    dice = random.Random(seed)
    labgen(*BUILD)
    marks: dict[str, dict[str, Any]] = {}
    for _ in range(3):
        there = rows(labgen.folder / "dataset") + rows(labgen.folder / "dataset", "rejected")
        for row in dice.sample(there, 8):
            verdict = dice.choice(["good", "bad", "edited", "note"])
            new = {"response": f"{NEW} It is the {dice.randrange(900)}th."} if verdict == "edited" else {}
            marks[row["id"]] = {"leaf": row["leaf"], "verdict": verdict, "note": "seen", **new}
        write_marks(taxonomy, marks)
        assert labgen(*BUILD).status == 0
        found = rows(labgen.folder / "dataset")
        assert len(found) == 36
        assert not ids(found) & {id for id, mark in marks.items() if mark["verdict"] == "bad"}
        bytes_then = digest(labgen.folder / "dataset")
        assert labgen(*BUILD).json["calls"]["answered"] == 0
        assert digest(labgen.folder / "dataset") == bytes_then


def test_killed_while_it_redraws_the_build_ends_with_the_same_bytes(labgen: Labgen, taxonomy: Path) -> None:
    """Nothing is lost, and nothing that is marked bad comes back."""
    labgen(*BUILD)
    write_marks(taxonomy, bad(rows(labgen.folder / "dataset")[::2]))
    labgen(*BUILD, "--work", "whole")
    whole = digest(labgen.folder / "dataset")
    for wait_sec in (0.8, 1.2, 1.6):
        process = labgen.start(*BUILD)
        time.sleep(wait_sec)
        process.kill()
        process.communicate()
    assert labgen(*BUILD).status == 0
    assert digest(labgen.folder / "dataset") == whole


def test_preferences_never_prefer_what_is_marked_bad(labgen: Labgen, taxonomy: Path) -> None:
    """A bad row is no chosen side, and no good example of feedback."""
    (labgen.folder / "labgen.yaml").write_text("taxonomy: taxonomy\npreferences: {repair: true, responses: 3}\n")
    labgen(*BUILD)
    marked = rows(labgen.folder / "dataset")[::3]
    assert {row["row"] for row in rows(labgen.folder / "dataset", "preferences")} & ids(marked)
    write_marks(taxonomy, bad(marked))
    assert labgen(*BUILD).status == 0
    assert len(rows(labgen.folder / "dataset")) == 36
    assert not {row["row"] for row in rows(labgen.folder / "dataset", "preferences")} & ids(marked)
    assert not {row["row"] for row in rows(labgen.folder / "dataset", "feedback") if row["label"]} & ids(marked)


def test_marks_that_can_not_be_read_stop_the_build(labgen: Labgen, taxonomy: Path) -> None:
    """With file, line and column; nothing is asked and nothing is written."""
    (taxonomy / MARKS_FILE).write_text("9a3eed2bb6e6e4c3:\n  leaf: foundational_skills/requests\n  verdict: worse\n")
    done = labgen(*BUILD)
    assert done.status == 1
    assert done.err.startswith("labgen: taxonomy/marks.yaml:3:12: there is no verdict `worse`")
    assert not (labgen.folder / "dataset").exists()


def test_changed_marks_are_a_change_of_their_leaf(labgen: Labgen, taxonomy: Path) -> None:
    """`labgen diff` names it, so that a pull request's preview draws from it."""
    write_leaf(taxonomy, "foundational_skills/more", **freeform())
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=A", "-c", "user.email=a@b", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=taxonomy, check=True)
    write_marks(taxonomy, {"0" * 16: {"leaf": "foundational_skills/requests", **BAD}})
    said = labgen("diff", "--base", "HEAD").out
    assert "foundational_skills/requests" in said
    assert "marks of reviewers changed: 1 bad now" in said
    assert "foundational_skills/more" not in said
