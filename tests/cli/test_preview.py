"""`labgen preview`: rows, verdicts, reasons and prices, on the terminal and as a page for a pull request."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labgen.cli import app, preview_page
from labgen.config.file import load_config
from labgen.errors import UsageError
from labgen.generate.leaf_price import LeafEstimate
from labgen.records import Candidate, Evidence, Severity, State, Verdict, Violation
from labgen.taxonomy.changes import changed_leaves
from labgen.verbs.preview import Comparison, Draws, LeafPreview, Preview, preview_leaves

LEAF = "foundational_skills/arithmetic/units"
FACTS = "knowledge/garden/compost"


def run(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, words, standalone_mode=False)
    assert result.exception is None and (result.return_value or 0) == status, (result.output, result.exception)
    return result


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _two_leaves_on_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gitconfig").write_text("[user]\n name = Ada\n email = a@example.org\n[init]\n defaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    git("init", "--quiet")
    run("new", LEAF)
    run("new", FACTS)
    Path(".gitignore").write_text(".labgen/\ndataset/\ngitconfig\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")


def edit(file: str, old: str, new: str) -> None:
    text = Path("taxonomy", file).read_text()
    assert old in text
    Path("taxonomy", file).write_text(text.replace(old, new))


def test_a_leaf_is_previewed_with_all_that_a_reviewer_wants() -> None:
    """Check, price, rows with lineage and verdicts, what was refused, and what a rehearsal means."""
    Path("labgen.yaml").write_text("price: {prompt_per_million: 1000, completion_per_million: 1000}\n")
    page = run("preview", FACTS, "--rows", "3").stdout
    assert "They show that the leaf passes every stage, not what a model would make of it" in page
    assert "Check: " in page and "LG323" in page
    assert "At full size (30 rows): about" in page and "at the configured prices" in page
    assert page.count("\nRow ") == 3
    assert re.search(r"Drawn from slot 0, seed examples \d, \d, \d, kind \w+, compost.md characters 0 to", page)
    assert "groundedness" in page and "refused" in page.lower()
    assert not Path("dataset").exists()


@pytest.mark.parametrize("word", [LEAF, f"taxonomy/{LEAF}", f"./taxonomy/{LEAF}/qna.yaml", "foundational_skills/**"])
def test_a_leaf_is_named_as_one_likes(word: str) -> None:
    """By its path, by a pattern, or as the shell completes it."""
    assert f"\n{LEAF}\n" in run("preview", word, "--rows", "1").stdout


def test_what_a_preview_asked_for_costs_a_build_nothing() -> None:
    """The same draws, the same ledger."""
    run("preview", LEAF, "--rows", "2")
    result = run("generate", "--leaf", LEAF, "--samples", "2", "--json")
    assert '"answered": 0' in result.stdout


def test_changed_leaves_are_compared_with_their_rows_at_the_base() -> None:
    """A change of seeds changes rows, a change of layout does not, a moved document is read as it was."""
    edit(f"{LEAF}/qna.yaml", "135 minutes", "155 minutes")
    edit(f"{FACTS}/compost.md", "six to twelve months", "eight to ten months")
    page = run("preview", "--base", "main", "--rows", "2", "--format", "markdown").stdout
    assert page.startswith(preview_page.MARKER)
    assert "Leaves that changed since main" in page and "1 seed example reworded" in page
    assert "Compared with the rows at the base: " in page and "at the base, not among these any more" in page
    assert "document compost.md beside the leaf changed" in page
    git("commit", "--quiet", "--all", "--message", "two")
    edit(f"{LEAF}/qna.yaml", "version: 3", "version: 3 # a remark")
    assert "nothing that rows depend on has changed" in run("preview", "--base", "HEAD", "--rows", "2").stdout


def test_a_moved_leaf_is_compared_at_its_new_place() -> None:
    """Moving alone changes no row in this comparison."""
    Path("taxonomy/foundational_skills/measures").mkdir()
    Path("taxonomy", LEAF).rename("taxonomy/foundational_skills/measures/units")
    page = run("preview", "--base", "main", "--rows", "1").stdout
    assert f"measures/units (was {LEAF})" in page and "nothing that rows depend on has changed" in page


def test_without_words_the_changed_leaves_are_meant() -> None:
    """And where nothing has changed, the page says so."""
    assert "Leaves that changed since main" in run("preview").stdout
    run("new", "compositional_skills/mail/away")
    assert "\ncompositional_skills/mail/away\n" in run("preview", "--rows", "1").stdout


def test_leaves_that_cannot_be_drawn_from_are_told_with_the_others() -> None:
    """A broken leaf, one whose documents are gone, one that is switched off, and one that is deleted."""
    edit(f"{LEAF}/qna.yaml", "seed_examples:", "seeds:")
    Path("taxonomy", FACTS, "compost.md").unlink()
    run("new", "compositional_skills/mail/away")
    Path("labgen.yaml").write_text("leaves: [{match: '**/away', samples: 0}]\n")
    page = run("preview", "--base", "main", "--rows", "1", status=1).stdout
    assert page.count("Nothing can be drawn: ") == 3
    assert "LG203" in page and "compost.md" in page and "`samples` is 0" in page
    git("rm", "-r", "--quiet", "--force", f"taxonomy/{LEAF}")
    assert f"{LEAF}: deleted" in run("preview", "--base", "main", "--rows", "1", status=1).stdout


def test_more_leaves_than_asked_for_are_counted() -> None:
    """A pull request with hundreds of leaves gets a page that somebody can read."""
    assert "1 more leaves are not previewed" in run("preview", "**", "--rows", "1", "--max-leaves", "1").stdout


def test_an_unknown_leaf_is_explained() -> None:
    """With the nearest one."""
    with pytest.raises(UsageError, match=f"Did you mean `{LEAF}`"):
        preview_leaves(load_config(), ["foundational_skills/arithmetic/unit"])


HOSTILE = (
    "\x1b[2J\x1b]0;owned\x07 <script>alert(1)</script> @everyone #1 [x](https://evil.example) \u202eback\n```\n# Big\n"
)


def hostile_preview(text: str = HOSTILE, leaves: int = 1) -> Preview:
    """A preview in which everything that can be a stranger's text is hostile."""
    verdict = Verdict("judge", "1", 0.0, text, (Evidence(text),))
    row = Candidate("knowledge/x", 0, 0, text, text, text, None, (0,), (verdict,), State.ACCEPTED)
    bad = replace(row, state=State.UNSAFE, reason=text, raw=text)
    leaf = LeafPreview(
        f"knowledge/{text}",
        violations=(Violation("LG101", Severity.ERROR, "knowledge/x/qna.yaml", 1, 1, text),),
        draws=Draws((row,), (bad,), 3, text),
        comparison=Comparison(new=frozenset({0}), gone=(row,)),
    )
    return Preview((leaf, replace(leaf, left_out=text)) * leaves, text, text)


def test_strangers_text_does_nothing_on_a_terminal() -> None:
    """No control character and no change of direction reaches it."""
    page = preview_page.preview_text(hostile_preview())
    assert not {char for char in page if not char.isprintable()} - {"\n"}


def outside_code(page: str) -> list[str]:
    """The lines of a page that stand in no code block; none may be left open."""
    inside, fence, lines = False, "", []
    for line in page.split("\n"):
        if line.startswith("```") and (not inside or line == fence):
            inside, fence = not inside, line
        elif not inside:
            lines.append(line)
    assert not inside
    return lines


def test_strangers_text_does_nothing_in_markdown() -> None:
    """No markup, link, mention or comment works outside code blocks, and none of them can be left."""
    page = preview_page.preview_markdown(hostile_preview())
    assert not {char for char in page if not char.isprintable()} - {"\n", "\u200b"}
    assert page.count("@") == page.count("@\u200b")
    tags = {"<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>"}
    for line in outside_code(page)[1:]:
        bare = (
            re.sub("|".join(tags), "", line)
            if line.startswith(("<summary><code>", "<details>", "</details>"))
            else line
        )
        assert "<" not in bare.replace("\\<", "") or line.startswith("| `"), line
        if not line.startswith(("<summary>", "| `")):
            assert not line.startswith("# ") and "https://" not in line and "[x]" not in line
    assert page.count("<details>") == page.count("</details>") == page.count("<summary>")


def test_a_page_starts_with_a_table_and_folds_each_leaf() -> None:
    """A reviewer sees what became of every leaf, and opens what is of interest; long lines are broken."""
    page = preview_page.preview_markdown(hostile_preview("ox " * 300))
    lines = page.split("\n")
    assert lines[0] == preview_page.MARKER and "| leaf | change | check | rows |" in lines[:6]
    assert page.count("<details>") == 2 and "<summary><code>knowledge/ox " in page
    assert max(len(line) for line in page.split("```")[1].split("\n")) <= preview_page.WRAP_CHARS


@pytest.mark.parametrize("text", ["long " * 400, "ü@🦊 " * 400, "```\n" * 200])
def test_a_page_fits_a_comment_and_keeps_its_end(text: str) -> None:
    """What does not fit is named at its end, every fold and every code block is closed, whatever the letters weigh."""
    page = preview_page.preview_markdown(hostile_preview(text, leaves=40))
    *_, last = page.rstrip().split("\n")
    assert preview_page.MAX_PAGE_CHARS / 2 < len(page) <= preview_page.MAX_PAGE_CHARS
    assert last.startswith("This page is full. Not shown in full: knowledge/")
    assert page.count("<details>") == page.count("</details>") and last in outside_code(page)
    assert sum(line.startswith("| `") for line in page.split("\n")) == preview_page.MAX_TABLE_ROWS


def test_the_price_counts_what_is_left_to_pay() -> None:
    """A leaf that is built already costs nothing more."""
    run("generate", "--samples", "3")
    config = load_config(overrides={"samples": 3})
    preview = preview_leaves(config, [LEAF], rows=3, changes=changed_leaves(config.taxonomy))
    estimate = preview.leaves[0].estimate
    assert isinstance(estimate, LeafEstimate) and estimate.calls == 0 and estimate.paid > 0
    assert preview.rehearsal and len(preview.leaves[0].draws.rows) == 3


class _Babbler(BaseHTTPRequestHandler):
    """A teacher that says the same thing, whatever it is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": HOSTILE}
        body = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "babbler",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20},
        }
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@pytest.fixture
def babbler() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Babbler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_teacher_that_fails_is_shown_for_what_it_is(babbler: str) -> None:
    """A build would stop the leaf for its judges; its author sees what the teacher said all the same, made harmless."""
    Path("labgen.yaml").write_text("stop: {min_calls: 2, max_calls_per_row: 1}\n")
    page = run("preview", LEAF, "--base-url", babbler, "--model", "babbler", "--rows", "1").stdout
    assert "Written and judged by babbler." in page and "REHEARSAL" not in page
    assert "A build would draw nothing from this leaf, since" in page
    assert "Stopped: low yield" in page and "unparsed" in page and "alert(1)" in page
    assert "\x1b" not in page
