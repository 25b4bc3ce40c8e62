#!/usr/bin/env python3
"""How large the page of `labgen report` is, how fast it opens, and how long a key takes until the list is filtered.

    scripts/bench_report.py DATASET [--work FOLDER]          # the page of a dataset as it is
    scripts/bench_report.py DATASET --rows 100000            # of one with so many candidates, made of its own

Needs Chromium and what `scripts/setup dev` installs. For a dataset of a given size, the candidates of DATASET are
repeated with the words of question and answer in other orders, so that no two are alike. Times are of a real browser
without a window: opening is from the navigation until the overview stands, a key from its event until the list is
drawn anew, and until the browser has painted it. Every text is typed letter by letter, several times; of each letter
the median counts. Processor time is that of the page's own thread: it says the same on a machine that is busy.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labgen.export.configs import REJECTED
from labgen.export.dataset import write_dataset
from labgen.export.folder import read_manifest
from labgen.export.funnel import Funnel
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.records import BRANCHES, Candidate, Evidence, Source, State, Verdict
from labgen.report.build import report_page, rows_of
from labgen.report.entries import texts_of
from labgen.report.write import write_page

OPENINGS = TIMES = 5
TYPED = ("the answer", "water 1", "zebra", "q", "explain how", "xylophone quartz")
"""Typed letter by letter: common words, a rare one, one that no text has."""

CHANGES = {"state": "turned down", "leaf": "skill", "measure": "pair_score", "order": "-answer tokens"}
"""Other filters, each set alone."""

KEY = """async ([id, value]) => {
  const field = document.getElementById(id);
  const began = performance.now();
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  const drawn = performance.now() - began;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [drawn, performance.now() - began];
}"""


def candidates(folder: Path, wanted: int) -> dict[str, list[Candidate]]:
    """Leaf to its candidates, repeated until there are `wanted` in all (or as they are, where it is 0)."""
    manifest = read_manifest(folder)
    rows = [row for config in (*BRANCHES, REJECTED) for row in rows_of(folder, manifest, config)]
    dice = random.Random(0)
    found: dict[str, list[Candidate]] = {}
    for number in range(wanted):
        row = rows[number % len(rows)]
        of_leaf = found.setdefault(row["leaf"], [])
        of_leaf.append(candidate(row, len(of_leaf), dice))
    return found


def candidate(row: dict[str, Any], slot: int, dice: random.Random) -> Candidate:
    """A row's candidate with the words of its question and answer in another order."""
    texts = texts_of(row)
    question, answer = (
        " ".join(dice.sample(words := texts[part].split(), len(words))) for part in ("question", "answer")
    )
    source = row["source"]
    return Candidate(
        row["leaf"],
        slot,
        0,
        question,
        answer,
        row["context"],
        Source(**source) if source else None,
        tuple(row["seed_examples"]),
        tuple(
            Verdict(
                verdict["filter"],
                verdict["version"],
                verdict["value"],
                verdict["reason"],
                tuple(Evidence(**piece) for piece in verdict["evidence"]),
            )
            for verdict in row["verdicts"]
        ),
        State(row.get("state") or "accepted"),
        row.get("reason") or "",
        row.get("raw") or "",
        kind=row["kind"],
    )


def write_large(folder: Path, target: Path, rows: int) -> None:
    """Write a dataset of so many candidates."""
    found = candidates(folder, rows)
    funnel = Funnel()
    leaves = []
    for path, own in found.items():
        accepted = sum(each.state is State.ACCEPTED for each in own)
        branch = path.split("/")[0]
        leaves.append(LeafInfo(path, branch, "flow", "fp", "pv", accepted, own_context=branch != "knowledge"))
        funnel.open(path, accepted)
        for each in own:
            funnel.add(each)

    def read(leaf: str) -> Iterator[Candidate]:
        return iter(found[leaf])

    write_dataset(target, leaves=leaves, read=read, about=BuildInfo("bench", True), funnel=funnel)


def measure(page: Path) -> Iterator[tuple[str, str]]:
    """Name and figure of everything that is measured in the browser."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        sys.exit("There is no chromium on the path.")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
    arguments += ["--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        opened, read = [], []
        for _ in range(OPENINGS):
            tab = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
            began = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector("body[data-ready]")
            opened.append(time.perf_counter() - began)
            tab.wait_for_selector("body[data-read]", timeout=120_000)
            read.append(time.perf_counter() - began)
        yield "opens in (s), median and worst", f"{statistics.median(opened):.2f}  {max(opened):.2f}"
        yield "all texts can be searched after (s), median and worst", f"{statistics.median(read):.2f}  {max(read):.2f}"
        tab.evaluate("() => (location.hash = 'rows')")
        tab.wait_for_selector(".line")
        yield "rows and rejections", tab.text_content(".told").split()[-1]
        session = tab.context.new_cdp_session(tab)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        typed = [("text", text[:end]) for text in TYPED for end in range(len(text) + 1)]
        yield from told("a key", tab, session, typed)
        yield from told(
            "a whole text pasted", tab, session, [("text", value) for text in TYPED for value in (text, "")]
        )
        yield from told(
            "another filter set", tab, session, [(name, v) for name in CHANGES for v in (CHANGES[name], "")]
        )
        browser.close()


def told(name: str, tab: Any, session: Any, changes: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Lines of figures in milliseconds, of some changes of filters in turn."""
    rounds = [[timed(tab, session, change) for change in changes] for _ in range(TIMES)]
    for place, until in enumerate(("of the script's processor time", "until the list is drawn", "until it is painted")):
        times = [statistics.median(each[place] for each in same) for same in zip(*rounds, strict=True)]
        yield f"{name}, ms {until}, median and worst", f"{statistics.median(times):.0f}  {max(times):.0f}"


def timed(tab: Any, session: Any, change: tuple[str, str]) -> tuple[float, float, float]:
    """Milliseconds of one change: processor time, until drawn, until painted."""
    before = spent(session)
    drawn, painted = tab.evaluate(KEY, list(change))
    return 1000 * (spent(session) - before), drawn, painted


def spent(session: Any) -> float:
    """Seconds of processor time that the page's script has taken."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "ScriptDuration"))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--work", type=Path, help="Work folder, for prompts and replies.")
    parser.add_argument("--rows", type=int, default=0, help="Candidates; 0: the dataset as it is.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as scratch:
        folder, page = options.dataset, Path(scratch) / "report.html"
        if options.rows:
            folder = Path(scratch) / "dataset"
            write_large(options.dataset, folder, options.rows)
        began = time.perf_counter()
        size = write_page(page, report_page(folder, work=options.work))
        print(f"{'size (MiB)':<62} {size / 2**20:.1f}")
        print(f"{'written in (s)':<62} {time.perf_counter() - began:.1f}")
        for name, figure in measure(page):
            print(f"{name:<62} {figure}", flush=True)


if __name__ == "__main__":
    main()
