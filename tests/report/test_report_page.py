"""The page of a build as bytes: what goes into it, what never does, and how it is made."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.conftest import ADDRESS, DOCUMENT, LEAF, SKILL, SUPPORT, write_build
from workbench import Labgen

from labgen.config.whole import PriceConfig
from labgen.errors import OutputError, UsageError
from labgen.records import State
from labgen.report.build import report_page
from labgen.report.documents import cut
from labgen.report.entries import Lineage, Shared, entry_of
from labgen.report.evidence import place, utf16_offset
from labgen.report.page import SCRIPTS, asset
from labgen.report.write import write_page


def blocks(page: str) -> dict[str, Any]:
    """The data of a page, by block."""
    found = re.findall(r'<script type="application/x-labgen" id="block-([\w-]+)">([^<]*)</script>', page)
    return {name: json.loads(gzip.decompress(base64.b64decode(packed))) for name, packed in found}


def policy(page: str) -> dict[str, str]:
    """A page's rules of what it may load, by kind."""
    found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">', page)
    assert found
    return dict(rule.split(" ", 1) for rule in found[1].split("; "))


def made(build: Path, **options: Any) -> str:
    """The page of the hostile dataset."""
    return "".join(report_page(build / "dataset", **({"work": build / ".labgen"} | options)))


def test_the_same_dataset_and_ledger_give_the_same_bytes(build: Path) -> None:
    """Nothing of when or where it was made is in a page."""
    page = made(build)
    assert page == made(build)
    assert str(build) not in page + json.dumps(blocks(page))


def test_nothing_but_its_own_style_and_script_may_run(build: Path) -> None:
    """The policy names both by their hashes, and allows no request; a served page may ask its own server."""
    page = made(build)
    rules = policy(page)
    for kind, tag in (("script-src", '<script type="module">'), ("style-src", "<style>")):
        inside = page.rpartition(tag)[2] if kind == "script-src" else page.partition(tag)[2]
        text = inside[: inside.index("</s")]
        assert rules[kind] == f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'" and "connect-src" not in rules
    assert policy(made(build, served=True)) == rules | {"connect-src": "'self'"}


def test_the_script_makes_elements_in_one_way_alone() -> None:
    """No part of it can turn a text into markup or into script, or names another place."""
    script = "".join(asset(f"{name}.js") for name in SCRIPTS)
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "Function(",
    ):
        assert way not in script
    assert set(re.findall(r"https?:[^\"]*", script)) == {"http://www.w3.org/2000/svg"}  # a name, not a place
    assert re.findall(r'fetch\(("[^"]*")', script) == ['"/marks"', '"/marks"']


def test_no_address_and_no_credentials_are_passed_on(build: Path) -> None:
    """Where the teacher was asked and how a repository was reached stay on the machine."""
    told = json.dumps(blocks(made(build)))
    assert "Reply 3" in told
    assert ADDRESS not in told
    assert "secret" not in told


def test_prompts_and_replies_are_left_out_where_they_are_not_wanted_or_not_there(build: Path) -> None:
    """Asked for none, or without a ledger: the page says so, and shows all else."""
    told = blocks(made(build))
    assert told["head"]["series"]["calls"]["count"] == 8 and not told["head"]["no_calls"]
    without = blocks(made(build, calls=False))
    assert "calls-0" not in without and "--calls" in without["head"]["no_calls"] and without["head"]["spending"]
    bare = blocks(made(build, work=build / "nowhere"))
    assert "calls-0" not in bare and "no ledger" in bare["head"]["no_calls"] and bare["head"]["spending"] is None
    assert not (build / "nowhere").exists()


def test_of_more_rows_than_a_page_takes_it_shows_a_share_of_every_leaf_and_state(build: Path) -> None:
    """The same ones each time; it says so, and what is said of all is as before."""
    whole, part = blocks(made(build)), blocks(made(build, most_rows=6))
    assert made(build, most_rows=6) == made(build, most_rows=6)
    assert whole["head"]["warnings"] == []
    (told,) = part["head"]["warnings"]
    ids, shown = whole["index"]["ids"], part["index"]["ids"]
    assert f"{len(shown)} of {len(ids)} rows and rejections" in told
    assert shown == [id for id in ids if id in shown]
    assert len(shown) < len(ids)

    def groups(page: dict[str, Any]) -> set[tuple[int, ...]]:
        index = page["index"]
        named = [
            [index["names"][name][number] for number in index["columns"][name]] for name in ("leaf", "state", "set")
        ]
        return set(zip(*named, strict=True))

    assert groups(part) == groups(whole)
    assert part["head"]["funnel"] == whole["head"]["funnel"]
    assert part["head"]["spending"] == whole["head"]["spending"]


def test_tokens_and_money_are_told_by_step_and_leaf(build: Path) -> None:
    """As the endpoint counted, each call once; money only at configured prices."""
    price = PriceConfig(prompt_per_million=1.0, completion_per_million=2.0)
    spent = blocks(made(build, price=price))["head"]["spending"]
    assert spent["by_step"] == {"knowledge_pairs": [8, 800, 80, 0.00096]} and spent["by_leaf"] == {
        LEAF: [8, 800, 80, 0.00096]
    }
    assert blocks(made(build))["head"]["spending"]["by_step"] == {"knowledge_pairs": [8, 800, 80, None]}
    # The call of the rejection is one of the rows', and the rows of the skill name none.
    assert spent["missing"] == 1


def test_documents_are_told_without_their_passages_too(build: Path, tmp_path: Path) -> None:
    """A dataset that does not say how its documents were cut shows what its candidates say of them."""
    folder = write_build(tmp_path / "dataset")
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in [name for name in manifest["files"] if name.startswith("lineage/")]:
        del manifest["files"][name]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (told,) = blocks("".join(report_page(folder)))["head"]["documents"]
    assert (told["passages"], told["with_rows"], told["rows"]) == (1, 1, 8)
    assert max(told["strip"]) == 4 and min(told["strip"]) == 0
    (whole,) = blocks(made(build))["head"]["documents"]
    assert (whole["passages"], whole["drawn"], whole["chars"]) == (2, 1, len(DOCUMENT)) and min(whole["strip"]) == -1
    assert whole["cited"] == sum(map(len, SUPPORT))


def test_a_damaged_dataset_is_explained(build: Path, tmp_path: Path) -> None:
    """Which file, and what to do."""
    folder = write_build(tmp_path / "dataset")
    (folder / "funnel.json").write_text("{")
    with pytest.raises(UsageError, match=r"funnel\.json: can't be read .* Build or download the dataset again"):
        "".join(report_page(folder))
    (folder / "funnel.json").write_text('{"leaves": []}')
    with pytest.raises(UsageError, match=r"funnel\.json: this is no funnel"):
        "".join(report_page(folder))
    with pytest.raises(UsageError, match="no dataset of labgen's"):
        "".join(report_page(tmp_path))


def test_every_state_has_a_colour() -> None:
    """A bar shows no gap where candidates are."""
    style = asset("page.css")
    assert [state for state in State if f'[data-state="{state}"]' not in style] == []


def test_two_turns_are_shown_one_after_the_other() -> None:
    """Each has its texts, and evidence about the second is looked for in the second."""
    said = [("user", "Context.\n\nWho?"), ("assistant", "Ada said 7."), ("user", "When?"), ("assistant", "In 7 BC.")]
    found = {"value": 0.0, "reason": "", "evidence": [{"text": "7", "start": -1}]}
    row = {
        "id": "0" * 16,
        "context": "Context.",
        "messages": [{"role": role, "content": content} for role, content in said],
        "verdicts": [{"filter": f"{turn}unsupported_figures", **found} for turn in ("", "second_turn/")],
    }
    entry = entry_of(row, "foundational_skills", Lineage(), Shared())
    assert [entry[part] for part in ("question", "answer", "question_2", "answer_2")] == [
        "Who?",
        *(content for _, content in said[1:]),
    ]
    assert [verdict[3][0][1:3] for verdict in entry["verdicts"]] == [["answer", 9], ["answer_2", 3]]


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    """A folder, a pipe or a device stays what it is, and so does a page that nobody named."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path, Path()):
        with pytest.raises(OutputError, match="no plain file"):
            write_page(target, ["<!doctype html>"])
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


@given(before=st.text(), words=st.text(min_size=1), after=st.text())
def test_offsets_are_those_that_a_browser_counts_in(before: str, words: str, after: str) -> None:
    """Evidence is cut out of a text alike by characters in Python and by UTF-16 units in JavaScript."""
    whole = before + words + after
    start = len(before)
    _, part, first, last = place({"text": words, "start": start}, {"context": whole})
    cut_out = whole.encode("utf-16-le", "surrogatepass")[2 * first : 2 * last]
    assert part == "context" and cut_out.decode("utf-16-le", "surrogatepass") == words
    assert utf16_offset(whole, len(whole)) * 2 == len(whole.encode("utf-16-le", "surrogatepass"))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10), st.integers(0, 4)), max_size=12))
def test_overlapping_spans_are_cut_into_such_as_do_not(found: list[tuple[int, int, int]]) -> None:
    """Each character is covered by exactly those that covered it."""
    spans = [(start, start + length, number) for start, length, number in found]
    pieces = cut(spans)
    assert all(one[1] <= two[0] for one, two in pairwise(pieces))
    for at in range(45):
        over = {number for start, end, number in spans if start <= at < end}
        assert next((set(numbers) for start, end, numbers in pieces if start <= at < end), set()) == over


def test_the_command_says_where_the_page_is_and_generate_names_it(labgen: Labgen, build: Path) -> None:
    """Beside the dataset unless told otherwise; nothing half-written where it can't be."""
    done = labgen(
        "report", "--output", str(build / "dataset"), "--work", str(build / ".labgen"), "--to", "out/page.html"
    )
    assert done.status == 0 and re.fullmatch(r"out/page\.html: [\d.]+ MiB\. Open it in a browser\.\n", done.out)
    assert (labgen.folder / "out/page.html").read_text() == made(build)
    (labgen.folder / "file").write_text("")
    refused = labgen("report", "--output", str(build / "dataset"), "--to", "file/page.html")
    assert refused.status == 1 and "file/page.html: can't be written" in refused.err and "Choose another" in refused.err
    missing = labgen("report")
    assert missing.status == 2 and "no dataset of labgen's" in missing.err


def test_two_builds_and_a_preview_are_written_by_their_commands(labgen: Labgen, build: Path, taxonomy: Path) -> None:
    """`compare --html` beside its text, `preview --format html` on stdout."""
    write_build(labgen.folder / "other", rows=70, first=3)
    done = labgen("compare", str(build / "dataset"), "other", "--html", "both.html")
    assert done.status == 0 and "rows" in done.out and "both.html" in done.err
    states = blocks((labgen.folder / "both.html").read_text())["index"]["names"]["state"]
    assert set(states) == {"same", "changed", "only in A", "only in B"}
    shown = labgen("preview", "knowledge/science/tides", "--format", "html")
    told = blocks(shown.out)
    assert shown.status == 0 and shown.out.startswith("<!doctype html>")
    assert told["head"]["about"]["rehearsal"] and told["head"]["documents"][0]["file"] == "tides.md"
    assert told["calls-0"][0]["messages"] and len(told["index"]["ids"]) == told["head"]["funnel"]["total"]["candidates"]
    assert any("At full size" in line for note in told["head"]["notes"] for line in note["lines"])
    built = labgen("generate", "--leaf", "knowledge/science/tides", "--samples", "4")
    assert built.out.splitlines()[-1].endswith("labgen report")
    elsewhere = labgen("generate", "--leaf", "knowledge/science/tides", "--samples", "4", "--output", "another one")
    assert elsewhere.out.splitlines()[-1].endswith("labgen report --output 'another one'")
    report = labgen("report")
    assert report.status == 0 and (labgen.folder / "report.html").is_file(), report.err
    told = blocks((labgen.folder / "report.html").read_text())["head"]
    assert told["documents"][0]["drawn"] and told["calibration"]["judges"] and SKILL not in told["funnel"]["leaves"]
