"""`labgen show` without an ID: rows listed and looked through."""

import asyncio
import json
import subprocess
import sys

import pytest
from workbench import Labgen

import labgen
from labgen import api
from labgen.cli.browse import RowBrowser, RowListView
from labgen.errors import UsageError
from labgen.export.row_list import ListedRow, RowFilter, ScoreBound, list_rows

LEAF = "foundational_skills/arithmetic/**"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A small build with rows and rejections."""
    folder = tmp_path_factory.mktemp("browsed")
    settings = {"taxonomy": labgen.bundled_taxonomy(), "samples": 8}
    api.generate(leaf=["knowledge/science/**", LEAF], output=folder / "dataset", work=folder / "work", **settings)
    return folder / "dataset"


def show(dataset, *arguments):
    """Run `labgen show` on it, where there is no terminal."""
    return Labgen(dataset.parent)("show", "--output", str(dataset), *arguments)


def listed(number, question="What?", answer="That.", **given):
    """A row as a list has it."""
    row = {"config": "knowledge", "state": "accepted", "reason": "", "leaf": "knowledge/a", "scores": {}, **given}
    return ListedRow(id=f"{number:04x}", question=question, answer=answer, **row)


def test_every_row_and_rejection_is_listed(dataset):
    """By id, once each, with all states that the funnel counts."""
    rows = list(list_rows(dataset, RowFilter()))
    total = json.loads((dataset / "funnel.json").read_text())["total"]
    states = [row.state for row in rows]
    assert {state: states.count(state) for state in set(states)} == total["states"]
    assert len({row.id for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        (("--state", "duplicate"), lambda row: row["state"] == "duplicate"),
        (("--leaf", LEAF), lambda row: row["leaf"].startswith("foundational_skills/")),
        (("--text", "MOON"), lambda row: "moon" in (row["question"] + row["answer"]).lower()),
        (("--score", "pair_score>=3"), lambda row: row["scores"].get("pair_score", 0) >= 3),
        (("--reason", "a"), lambda row: "a" in row["reason"].lower()),
    ],
)
def test_filters_let_through_what_they_say(dataset, arguments, fits):
    """All rows that fit, and no other."""
    everything = [json.loads(line) for line in show(dataset, "--json").out.splitlines()]
    found = [json.loads(line) for line in show(dataset, "--json", *arguments).out.splitlines()]
    assert found == [row for row in everything if fits(row)]
    assert 0 < len(found) < len(everything)


def test_a_row_of_the_list_can_be_shown(dataset):
    """The id at the line's head is what `labgen show` takes; a reader that leaves early is no fault."""
    done = show(dataset, "--state", "accepted")
    identity = done.out.split()[0]
    assert identity in show(dataset, identity).out and "rows" in done.err
    cut = f"{sys.executable} -m labgen show --output {dataset} | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", cut], capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--state", "dup"), "there is no state `dup`"),
        (("--score", "high"), "no condition on a score"),
        (("--score", "rouge_l>=1.2.3"), "no condition on a score"),
        (("abc", "--state", "duplicate"), "leave out ID"),
    ],
)
def test_wrong_filters_are_told(dataset, arguments, words):
    """With status 2."""
    done = show(dataset, *arguments)
    assert done.status == 2 and words in done.err and "Traceback" not in done.err


def test_hostile_text_stays_text_in_the_list(dataset):
    """Control characters are shown, not sent; markup of the library means nothing."""
    row = listed(1, question="\x1b[31mred\x1b[0m [bold]what[/bold]", reason="")

    async def look():
        app = RowBrowser([row], RowFilter(), lambda row: "[link=x]\\u001b[/link]")
        async with app.run_test(size=(80, 24)) as pilot:
            await pilot.pause()
            line = app.query_one(RowListView).render_line(0).text
            return line, str(app.query_one("#text").render())

    line, text = asyncio.run(look())
    assert "\x1b" not in line and "[bold]what[/bold]" in line and "[link=x]" in text


def test_looking_through_rows():
    """Keys move, find, turn states, keep to a leaf, and end with the row that was looked at."""
    rows = [listed(number, question=f"Question {number}", leaf=f"knowledge/{'ab'[number % 2]}") for number in range(50)]
    rows += [listed(100 + number, state="duplicate", reason="near: x") for number in range(5)]

    async def use():
        app = RowBrowser(rows, RowFilter(), lambda row: row.id)
        async with app.run_test(size=(80, 24)) as pilot:
            view = app.query_one(RowListView)
            await pilot.press("down", "down", "j")
            assert view.row == rows[3]
            await pilot.press("end")
            assert view.row == rows[-1] and view.scroll_offset.y > 0
            await pilot.press("s")
            assert app.wanted.states == ("accepted",) and len(view._rows) == 50
            await pilot.press("s")
            assert {row.state for row in view._rows} == {"duplicate"}
            await pilot.press("escape", "l")
            assert len({row.leaf for row in view._rows}) == 1
            await pilot.press("escape", "slash", *"question 4", "enter")
            assert [row.question for row in view._rows] == [f"Question {n}" for n in (4, *range(40, 50))]
            await pilot.press("enter", "n")
            assert app.has_class("whole") and view.row == view._rows[1]
            await pilot.press("slash", "z", "enter")
            assert view.row is None and "No row" in str(app.query_one("#text").render())
            await pilot.press("escape", "home", "q")
        return app.return_value

    assert asyncio.run(use()) == rows[0]


def test_a_condition_on_a_score_reads_every_sign():
    """And none where the verdict is lacking."""
    row = listed(1, scores={"rouge_l": 0.5})
    assert [ScoreBound.parse(f"rouge_l {sign} 0.5").holds(row) for sign in ("<", "<=", ">", ">=", "=")] == [
        False, True, False, True, True,
    ]  # fmt: skip
    assert not ScoreBound.parse("other>0").holds(row)
    with pytest.raises(UsageError):
        ScoreBound.parse(">0.5")
