"""`labgen review` in a real browser: what a person marks there is in the file, and the next build obeys."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from report.conftest import HOSTILE, SKILL, Browser, Opened
from workbench import Labgen

from labgen.config.whole import Config
from labgen.taxonomy.marks import MarkVerdict, RowMark, read_marks
from labgen.taxonomy.write_marks import set_mark
from labgen.verbs.review_server import serving

READ = "address => fetch(address, { credentials: 'include' }).then((told) => told.text(), () => 'refused')"
TAKE_AWAY = """([address, id]) => fetch(address, {
    method: 'POST', mode: 'no-cors', credentials: 'include', body: JSON.stringify({ id, mark: null }),
}).then(() => 'sent', () => 'refused')"""


def rows(folder: Path, config: str = "foundational_skills") -> list[dict[str, str]]:
    """Ids, leaves, and what is answered."""
    names = json.loads((folder / "manifest.json").read_text())["configs"][config]["files"]
    return [row for name in names for row in pq.read_table(folder / name).to_pylist()]


def run_build(labgen: Labgen) -> None:
    """A build in a process of its own: there is a browser's event loop in this one."""
    process = labgen.start("generate", "--samples", "6")
    told = process.communicate()
    assert process.returncode == 0, told


def choose(opened: Opened, text: str) -> None:
    """Go to the one row that says something."""
    opened.view(f"rows?text=%22{text.replace(' ', '%20')}%22")
    opened.tab.wait_for_selector(".marks")


def test_marks_are_saved_and_obeyed_by_the_next_build(labgen: Labgen, taxonomy: Path, browser: Browser) -> None:
    """A bad row is replaced, an edited one says what was typed, and the page of the next build shows both."""
    run_build(labgen)
    dataset = labgen.folder / "dataset"
    bad, edited, *_ = rows(dataset)
    config = Config(taxonomy=taxonomy, output=dataset, work=labgen.folder / ".labgen")
    with serving(config) as server:
        opened = browser.open(server.address)
        assert "key=" not in opened.tab.url
        choose(opened, bad["id"])
        opened.tab.fill("#mark-reason", f"no answer {HOSTILE}")
        opened.tab.click(".marks button:has-text('Bad')")
        opened.tab.wait_for_selector(".line [data-mark='bad']")
        choose(opened, edited["id"])
        opened.tab.click(".marks button:has-text('Edit')")
        opened.tab.fill("#mark-response", "Typed by a person, and nobody else has said it.")
        opened.tab.click("text=Save the edit")
        opened.tab.wait_for_selector(".line [data-mark='edited']")
        marks = read_marks(taxonomy).marks
        assert {id: mark.verdict for id, mark in marks.items()} == {bad["id"]: "bad", edited["id"]: "edited"}
        assert marks[bad["id"]].reason == f"no answer {HOSTILE}"
        run_build(labgen)
        after = rows(dataset)
        assert len(after) == 6
        assert bad["id"] not in {row["id"] for row in after}
        (now,) = (row for row in after if row["id"] == edited["id"])
        assert now["messages"][1]["content"] == "Typed by a person, and nobody else has said it."
        opened = browser.open(server.address)
        choose(opened, edited["id"])
        assert opened.tab.query_selector(".line [data-mark='edited']")
        assert "Typed by a person" in opened.texts(".detail")[0]
        choose(opened, bad["id"])
        assert HOSTILE in opened.texts(".detail")[0]
        opened.view("overview")
        opened.tab.wait_for_selector("text=What reviewers say")
        assert "1 bad" in opened.tab.inner_text("main") and "Bad, passed" in opened.tab.inner_text("main")
        assert opened.tab.evaluate("() => window.hit") is None
        assert not opened.errors


def test_hostile_marks_are_text_and_no_other_page_can_set_one(build: Path, tmp_path: Path, browser: Browser) -> None:
    """What a stranger's pull request says in marks does nothing, and another site's page is not answered."""
    taxonomy = tmp_path / "taxonomy"
    taxonomy.mkdir()
    row = next(row for row in rows(build / "dataset") if row["leaf"] == SKILL)
    set_mark(taxonomy, row["id"], RowMark(SKILL, MarkVerdict.BAD, HOSTILE, HOSTILE, HOSTILE[:100], about=HOSTILE))
    with serving(Config(taxonomy=taxonomy, output=build / "dataset", work=build / ".labgen")) as server:
        opened = browser.open(server.address)
        choose(opened, row["id"])
        assert opened.tab.input_value("#mark-reason") == HOSTILE
        assert not opened.tab.query_selector_all("main img, main script, main b, main [onclick], main [onerror]")
        assert opened.tab.evaluate("() => window.hit") is None
        assert not opened.errors
        address = f"http://127.0.0.1:{server.server_port}/marks"
        opened.tab.goto("data:text/html,<title>another site</title>")
        assert opened.tab.evaluate(READ, address) == "refused"
        assert opened.tab.evaluate(TAKE_AWAY, [address, row["id"]]) in ("sent", "refused")
    assert read_marks(taxonomy).marks[row["id"]].reason == HOSTILE
