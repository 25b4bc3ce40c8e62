"""The page of a build in a real browser: what a person sees, types and clicks."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from report.conftest import CUT, DOCUMENT, FILE, HOSTILE, LEAF, SKILL, SUPPORT, Browser, write_build

from labgen.config.whole import PriceConfig
from labgen.export.compare import compare_datasets
from labgen.report.build import report_page
from labgen.report.comparison import comparison_page
from labgen.report.write import write_page

VIEWS = ("overview", "leaves", "documents", "documents?document=1", "rows")
SCREENS = [(scheme, width) for scheme in ("light", "dark") for width in (1400, 400)]


@pytest.fixture(scope="module")
def page(build: Path) -> Path:
    """The page of the hostile dataset."""
    price = PriceConfig(prompt_per_million=1.0, completion_per_million=2.0)
    write_page(build / "report.html", report_page(build / "dataset", work=build / ".labgen", price=price))
    return build / "report.html"


@pytest.fixture(scope="module")
def comparison(build: Path) -> Path:
    """The page of two datasets, of which the second lacks some rows and has some others."""
    names = str(build / "dataset"), str(write_build(build / "other", rows=70, first=3))
    write_page(build / "comparison.html", comparison_page(*names, compare_datasets(*names)))
    return build / "comparison.html"


def test_it_works_from_a_file_and_asks_nobody_for_anything(page: Path, browser: Browser) -> None:
    """One request, for the file itself; nothing goes wrong in any view, and its policy lets nothing else be loaded."""
    opened = browser.open(page.as_uri())
    for view in VIEWS:
        opened.view(view)
    assert opened.requests == [page.as_uri()] and not opened.errors
    tried = "address => fetch(address).then(() => 'came', () => 'refused')"
    assert opened.tab.evaluate(tried, page.as_uri()) == "refused"
    opened.tab.evaluate("() => document.body.append(Object.assign(new Image(), { src: 'https://example.org/x.png' }))")
    assert any("Content Security Policy" in error for error in opened.errors)


def test_hostile_text_is_text(page: Path, browser: Browser) -> None:
    """Leaf, row, verdict, prompt, reply, document, settings: markup and script in them are shown, and do nothing."""
    opened = browser.open(page.as_uri())
    for view in (*VIEWS, "rows?state=accepted", "rows?state=unparsed"):
        opened.view(view)
        assert not opened.tab.query_selector_all(
            "main img, main script, main b, main u, main [onclick], main [onerror]"
        )
    opened.view("rows?text=%22question 3 %22")
    for summary in opened.tab.query_selector_all(".detail details > summary"):
        summary.click()
    opened.tab.wait_for_selector(".said pre")
    shown = opened.texts(".detail")[0]
    for words in (f"Question 3 {HOSTILE}", f"says {HOSTILE}.", f"Prompt 3: {HOSTILE}", LEAF, FILE):
        assert words in shown
    opened.view("rows?state=unparsed")
    assert HOSTILE in opened.texts(".detail pre, .detail .text, .detail .reason")[0]
    opened.view("overview")
    assert HOSTILE in opened.texts("main")[0]
    assert opened.tab.evaluate("() => window.hit") is None and not opened.errors


def test_marks_that_turn_text_around_are_seen(page: Path, browser: Browser) -> None:
    """A text is shown in the order in which it is trained on."""
    opened = browser.open(page.as_uri())
    opened.view("rows?row=%E2%80%AEabc%E2%81%A9")
    assert "There is no row \\u202eabc\\u2069 here." in opened.texts(".detail")[0]


def test_evidence_lies_where_it_should(page: Path, browser: Browser) -> None:
    """What bears an answer out is marked in its passage, also behind characters that JavaScript counts as two; what is
    not in the passage is marked in the answer.
    """
    opened = browser.open(page.as_uri())
    for number in range(8):
        opened.view(f"rows?text=%22question {number} %22&state=accepted")
        assert opened.texts(".detail mark") == [SUPPORT[number % 2]]
        assert opened.texts(".detail .long") == [DOCUMENT[:CUT]]
    opened.view("rows?state=ungrounded")
    assert opened.texts(".detail .answer mark.fault") == ["1966"] == opened.texts(".detail mark")
    assert "figure not in passage: 1966" in opened.texts(".detail")[0]


def test_a_document_shows_what_rests_on_it(page: Path, browser: Browser) -> None:
    """Its text is whole, its cited words lead to the rows that rest on them, and its strip tells cited from not."""
    opened = browser.open(page.as_uri())
    opened.view("documents")
    assert "8 rows from 1 of 2 passages, 1 drawn from" in opened.texts(".document")[0]
    opened.view("documents?document=1")
    assert "".join(opened.texts(".chunk .text")) == DOCUMENT
    assert opened.texts(".chunk .text a") == list(SUPPORT)
    assert opened.texts(".chunk[data-state='not drawn from'] .text") == [DOCUMENT[CUT:]]
    opened.tab.click(".chunk .text a")
    opened.tab.wait_for_selector(".line")
    assert opened.texts(".told")[0].startswith("4 of 70")


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        ("", 70),
        ("leaf=arith", 61),
        ("leaf=%3Cscript", 9),
        ("state=accepted", 68),
        ("state=turned%20down", 2),
        ("reason=figure_not_in_passage", 1),
        ("measure=pair_score&least=3", 22),
        ("measure=pair_score&least=2&most=2", 23),
        ("measure=unsupported_figures", 1),
        ("measure=answer%20tokens&most=0", 1),
        ("text=question%20bold", 9),
        ("text=%229%20and%209%3F%22", 1),
        ("text=ONERROR", 10),
        ("text=MORE&leaf=arith&measure=pair_score&least=3", 20),
        ("config=rejected", 2),
    ],
)
def test_filters_leave_what_they_should(page: Path, browser: Browser, filters: str, left: int) -> None:
    """By leaf, state, reason, score, length, text and config, alone and together."""
    opened = browser.open(page.as_uri())
    opened.view(f"rows?{filters}")
    assert opened.texts(".told")[0] == f"{left} of 70"


def test_a_row_is_found_letter_by_letter_and_kept_in_the_address(page: Path, browser: Browser) -> None:
    """Each key narrows the list, taking one back widens it, and the address opens the same view again."""
    opened = browser.open(page.as_uri())
    opened.view("rows")
    opened.tab.keyboard.press("/")
    opened.tab.wait_for_selector("#text:focus")
    left = []
    for key in "41?":
        opened.tab.keyboard.type(key)
        left.append(int(opened.texts(".told")[0].split()[0]))
    assert 70 > left[0] >= left[1] >= left[2] == 1
    opened.tab.keyboard.press("Backspace")
    assert opened.texts(".told")[0] == f"{left[1]} of 70"
    opened.tab.keyboard.type("?")
    again = browser.open(opened.tab.url)
    assert again.texts(".told")[0] == "1 of 70"
    assert again.texts(".detail .question") == ["What is 41 and 41?"]


def test_the_list_is_walked_by_keyboard_and_holds_only_what_is_seen(build: Path, browser: Browser) -> None:
    """Of 3,000 rows a few dozen are in the page; arrows, End and the letters j and k move through all."""
    write_build(build / "many", rows=3000)
    write_page(build / "many.html", report_page(build / "many"))
    opened = browser.open((build / "many.html").as_uri())
    opened.view("rows?leaf=arith")
    opened.tab.focus(".lines")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        opened.tab.keyboard.press(key)
    opened.tab.wait_for_function("() => document.querySelector('.detail .question').textContent === 'What is 1 and 1?'")
    opened.tab.keyboard.press("End")
    opened.tab.wait_for_function("() => document.querySelector('.where').textContent === '3,001 of 3,001'")
    opened.tab.keyboard.press("k")
    opened.tab.wait_for_function("() => document.querySelector('.where').textContent === '3,000 of 3,001'")
    lines = opened.tab.query_selector_all(".line")
    assert len(lines) < 60
    assert {line.get_attribute("aria-setsize") for line in lines} == {"3001"}
    chosen = opened.tab.query_selector(".line[aria-selected='true']")
    assert chosen.get_attribute("aria-posinset") == "3000" and chosen.is_visible()
    assert opened.tab.get_attribute(".lines", "aria-activedescendant") == chosen.get_attribute("id")


def test_figures_lead_to_their_rows(page: Path, browser: Browser) -> None:
    """A number of the overview, of a leaf or of a score opens the list of what it counts."""
    opened = browser.open(page.as_uri())
    opened.view("overview")
    assert "$" not in opened.texts(".cards")[0] and "cost0.00" in opened.texts(".cards")[0].replace(" ", "")
    opened.tab.click(".legend a:has-text('ungrounded 1')")
    opened.tab.wait_for_selector(".line")
    assert opened.texts(".told")[0] == "1 of 70"
    opened.view("leaves")
    opened.tab.get_by_role("link", name=SKILL).click()
    opened.tab.wait_for_selector(".line")
    assert opened.texts(".told")[0] == "61 of 70"


@pytest.mark.parametrize(("scheme", "width"), SCREENS)
@pytest.mark.parametrize("kind", ["report", "comparison"])
def test_no_serious_fault_of_access(
    page: Path, comparison: Path, browser: Browser, kind: str, scheme: Any, width: int
) -> None:
    """An axe run of every view, light and dark, wide and narrow, finds nothing serious."""
    from axe_playwright_python.sync_playwright import Axe

    file, views = (page, VIEWS) if kind == "report" else (comparison, ("overview", "rows", "rows?state=changed"))
    opened = browser.open(file.as_uri(), color_scheme=scheme, viewport={"width": width, "height": 900})
    for view in views:
        opened.view(view)
        found = Axe().run(opened.tab).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        assert not serious, json.dumps([(each["id"], each["nodes"][0]["html"]) for each in serious])
        assert opened.tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), f"{view} is too wide"


def test_two_builds_stand_side_by_side(comparison: Path, browser: Browser) -> None:
    """Rows that are the same, that changed, that only one has; what differs is marked word by word."""
    opened = browser.open(comparison.as_uri())
    opened.view("overview")
    legend = opened.texts("main .legend li")
    assert sorted(legend) == ["changed 1", "only in A 3", "only in B 10", "same 66"]
    opened.view("rows?state=changed")
    assert opened.texts(".two h2") == ["A: dataset", "B: other"]
    assert opened.texts(".detail ins") and "What is 60 and 60?" in opened.texts(".two > section")[1]
    opened.view("rows?state=only%20in%20A")
    assert "Has no such candidate." in opened.texts(".two > section")[1]
    assert not opened.errors


class Marks(BaseHTTPRequestHandler):
    """What `labgen review` answers a page with."""

    page = b""
    token = "a-token"
    marks: dict[str, Any]

    def do_GET(self) -> None:
        """The page, or the marks."""
        known = {"/": ("text/html", self.page), "/marks": ("application/json", self.told())}
        kind, body = known.get(self.path, ("text/plain", b""))
        self.answer(200 if self.path in known else 404, kind, body)

    def told(self) -> bytes:
        """Token and marks."""
        return json.dumps({"token": self.token, "marks": self.marks}).encode()

    def do_POST(self) -> None:
        """Keep a mark; a reason of one letter is refused."""
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        mark = said["mark"]
        if self.headers["X-Labgen-Token"] != self.token:
            self.answer(403, "application/json", b'{"error": "no token"}')
        elif mark and len(mark["reason"]) == 1:
            self.answer(400, "application/json", b'{"error": "Say more than one letter."}')
        else:
            self.marks[said["id"]] = mark
            self.answer(200, "application/json", json.dumps({"mark": mark}).encode())

    def answer(self, status: int, kind: str, body: bytes) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(page: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A server of a page and its marks: its address, and the marks that it has."""
    marks: dict[str, Any] = {}
    handler = type("Handler", (Marks,), {"page": page.encode(), "marks": marks})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", marks
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_rows_are_marked_where_the_page_is_served(build: Path, browser: Browser) -> None:
    """Good, bad with why, an edit, a note, taken back: each is saved as it is said, and a refusal is shown."""
    with serving("".join(report_page(build / "dataset", served=True))) as (address, marks):
        opened = browser.open(address)
        opened.view("rows?text=%224 and 4%22")
        opened.tab.keyboard.press("g")
        opened.tab.wait_for_selector(".line [data-mark='good']")
        (row,) = marks
        assert marks[row] == {"verdict": "good", "reason": "", "note": ""}
        opened.tab.fill("#mark-reason", "x")
        opened.tab.click(".marks button:has-text('Bad')")
        opened.tab.wait_for_selector("text=Not saved: Say more than one letter.")
        opened.tab.fill("#mark-reason", "wrong sum")
        opened.tab.fill("#mark-note", "look at the seeds")
        opened.tab.click(".marks button:has-text('Bad')")
        opened.tab.wait_for_selector(".line [data-mark='bad']")
        assert marks[row] == {"verdict": "bad", "reason": "wrong sum", "note": "look at the seeds"}
        opened.tab.click(".marks button:has-text('Edit')")
        assert opened.tab.input_value("#mark-instruction") == "What is 4 and 4?"
        opened.tab.fill("#mark-response", f"Eight {HOSTILE}")
        opened.tab.click("text=Save the edit")
        opened.tab.wait_for_selector(".line [data-mark='edited']")
        assert (marks[row]["verdict"], marks[row]["response"]) == ("edited", f"Eight {HOSTILE}")
        opened.view("rows?mark=edited")
        assert opened.texts(".told")[0] == "1 of 70"
        opened.tab.click(".marks button:has-text('Remove')")
        opened.tab.wait_for_selector("text=Removed.")
        assert marks[row] is None


def test_a_file_shows_no_marks(page: Path, browser: Browser) -> None:
    """Who got the page has nobody to tell."""
    opened = browser.open(page.as_uri())
    opened.view("rows")
    assert not opened.tab.query_selector(".marks") and not opened.tab.query_selector("#mark")
