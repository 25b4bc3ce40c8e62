"""A small dataset whose leaf, rows, verdicts, prompts and document are hostile, and a browser to look at its page."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from workbench import labgen, taxonomy

from labgen.export.dataset import writing_dataset
from labgen.export.funnel import Funnel
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.ledger.replies import Ledger
from labgen.records import Call, Candidate, Evidence, Message, Reply, Served, Source, State, Verdict

__all__ = ["labgen", "taxonomy"]

HOSTILE = '<img src="x" onerror="window.hit=1"><script>window.hit=1</script></script><b onclick="window.hit=1">bold</b>'
LEAF = "knowledge/<script>window.hit=1<!--script>"
SKILL = "foundational_skills/arithmetic"
DOCUMENT = (
    f"# Bees 🐝🐝\n\n{HOSTILE}\n\nA drone has no father. Workers 🐝 are female. The queen lays eggs. Nobody knows more."
)
SUPPORT = ("A drone has no father", "Workers 🐝 are female")
CUT = DOCUMENT.index("The queen")
ADDRESS = "http://teacher.internal:8000/v1"
FILE = "bees<u>.md"

ARGUMENTS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
]


def call(number: int) -> Call:
    """A call of the history of row `number`."""
    prompt = Message("user", f"Prompt {number}: {HOSTILE}")
    return Call("teacher/model", (prompt,), 100, 0.7, number, leaf=LEAF, step="knowledge_pairs")


def known(number: int, **changes: Any) -> Candidate:
    """A candidate on the document's first passage, borne out by words that come after characters beyond 16 bits."""
    words = SUPPORT[number % 2]
    at = DOCUMENT.index(words)
    fields: dict[str, Any] = {
        "instruction": f"Question {number} {HOSTILE}",
        "response": f"{words}, says {HOSTILE}.",
        "context": DOCUMENT[:CUT],
        "source": Source(f"https://user:secret@example.org/{HOSTILE}", "c" * 40, FILE, 0, CUT),
        "seed_examples": (0, 2),
        "verdicts": (
            Verdict("groundedness", "2", 1.0, HOSTILE, (Evidence(words, at, at + len(words)),)),
            Verdict("pair_score", "2", float(1 + number % 3), f"reason {HOSTILE}"),
        ),
        "state": State.ACCEPTED,
        "raw": f"raw {HOSTILE}",
        "calls": (call(number).key,),
        "kind": "fact",
    }
    return Candidate(LEAF, number, 0, **(fields | changes))


def fault() -> Candidate:
    """One whose answer says what the passage does not."""
    verdict = Verdict("unsupported_figures", "2", 1.0, "", (Evidence("1966"),))
    return known(
        8,
        response="It was 🐝 in 1966.",
        verdicts=(verdict,),
        state=State.UNGROUNDED,
        reason="figure_not_in_passage: 1966",
    )


def skills(rows: int) -> list[Candidate]:
    """Candidates of a skill, one of them with a reason that is markup."""
    kept = [
        Candidate(
            SKILL,
            number,
            0,
            f"What is {number} and {number}?",
            f"{2 * number}, with {number % 17} words more",
            verdicts=(Verdict("pair_score", "2", float(1 + number % 3)),),
            state=State.ACCEPTED,
        )
        for number in range(rows)
    ]
    return [*kept, Candidate(SKILL, rows, 0, raw=HOSTILE, state=State.UNPARSED, reason=f"no tags {HOSTILE}")]


PASSAGES = [
    {"leaf": LEAF, "repo": f"https://user:secret@example.org/{HOSTILE}", "commit": "c" * 40, "file": FILE}
    | {"start": start, "end": end, "reserved": False, "text": DOCUMENT[start:end]}
    for start, end in ((0, CUT), (CUT, len(DOCUMENT)))
]
COUNTS = {"asked": 6, "passed": 5, "unreadable": 0, "interval": [0.4, 0.9]}
JUDGE = {"judge": HOSTILE, "true": COUNTS, "defects": COUNTS, "by_kind": {"answer_cut_off": COUNTS}, "index": 0.5}
CALIBRATION = {"judges": [JUDGE], "leaves": {LEAF: {"problem": HOSTILE, "calls": 2, "judges": [JUDGE]}}}


def write_build(folder: Path, *, rows: int = 60, first: int = 0) -> Path:
    """Write a dataset of `rows` rows of a skill and some of knowledge, those from `first` on."""
    found = {LEAF: [*(known(number) for number in range(first, 8)), fault()], SKILL: skills(rows)}
    leaves = [
        LeafInfo(path, path.split("/")[0], "knowledge", "fp", "pv", len(found[path]), title=HOSTILE) for path in found
    ]
    funnel = Funnel()
    about = BuildInfo(f"teacher {HOSTILE}", False, {"note": HOSTILE})
    with writing_dataset(folder, leaves=leaves, about=about) as writer:
        for leaf in writer.leaves:
            funnel.open(leaf.path, leaf.wanted)
            for candidate in found[leaf.path]:
                funnel.add(candidate)
                writer.add(candidate, leaf)
            funnel.close(leaf.path, calls=9, stopped=f"stopped {HOSTILE}")
            writer.end_leaf(leaf)
        writer.finish(about, funnel, passages=PASSAGES, calibration=CALIBRATION)
    return folder


def write_ledger(work: Path) -> Path:
    """The calls of the knowledge rows, from an address that is nobody's business."""
    ledger = Ledger(work, ballast_bytes=0)

    async def put() -> None:
        for number in range(8):
            reply = Reply(f"Reply {number}: {HOSTILE}", "stop", 100, 10, served=Served(ADDRESS, HOSTILE))
            await ledger.put(call(number), reply)

    asyncio.run(put())
    ledger.close()
    return work


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a hostile dataset in `dataset`, and its ledger in `.labgen`."""
    folder = tmp_path_factory.mktemp("build")
    write_build(folder / "dataset")
    write_ledger(folder / ".labgen")
    return folder


@dataclass
class Opened:
    """A page in a browser.

    Attributes:
        tab: the browser's page.
        requests: addresses that it asked for; errors: what went wrong in it or was written to its console.
    """

    tab: Any
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def view(self, address: str) -> None:
        """Go to a view, by what stands after the hash, and wait until it is there."""
        self.tab.evaluate("address => { document.body.dataset.shown = ''; location.hash = address; }", address)
        self.tab.wait_for_function("() => document.body.dataset.shown === location.hash.slice(1)")

    def texts(self, selector: str) -> list[str]:
        """The texts of all elements that a selector finds, seen or not."""
        return list(self.tab.eval_on_selector_all(selector, "found => found.map((each) => each.textContent)"))


class Browser:
    """Chromium without a window; every page in a profile of its own."""

    def __init__(self, chromium: Any) -> None:
        self._chromium = chromium

    def open(self, address: str, **context: Any) -> Opened:
        """Open a page and wait until it shows something and has read its texts."""
        tab = self._chromium.new_context(**context).new_page()
        opened = Opened(tab)
        tab.on("request", lambda request: opened.requests.append(request.url))
        tab.on("pageerror", lambda error: opened.errors.append(str(error)))
        tab.on("console", lambda message: opened.errors.append(message.text))
        tab.goto(address)
        tab.wait_for_selector("body[data-read]")
        return opened


@pytest.fixture(scope="module")
def browser(build: Path) -> Iterator[Browser]:
    """A browser, where there is one: Debian's package `chromium`, or another of that kind."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        if os.environ.get("BROWSER_TESTS") == "required":
            pytest.fail("BROWSER_TESTS=required, and there is no chromium on the path")
        pytest.skip("no browser: install Debian's package `chromium` to run these")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield Browser(chromium)
        chromium.close()
