"""`labgen review`: marks from a browser or the command line, from this machine and this user alone."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from workbench import Labgen

from labgen.config.whole import Config
from labgen.export.find import find_row
from labgen.taxonomy.marks import MARKS_FILE, read_marks
from labgen.verbs.review_server import MAX_BODY_BYTES, ReviewServer, serving


@pytest.fixture
def dataset(labgen: Labgen, taxonomy: Path) -> Path:
    """A built dataset beside its taxonomy."""
    assert labgen("generate", "--samples", "4").status == 0
    return labgen.folder / "dataset"


def some_ids(dataset: Path) -> list[str]:
    """Ids of rows of the skill leaf."""
    import pyarrow.parquet as pq

    (file,) = (dataset / "data").glob("foundational_skills-*.parquet")
    return list(pq.read_table(file, columns=["id"])["id"].to_pylist())


class Visitor:
    """Whoever asks the server something, with what a browser would send along."""

    def __init__(self, server: ReviewServer) -> None:
        self.server = server
        self.headers = {"Host": f"127.0.0.1:{server.server_port}"}

    def ask(self, method: str, path: str, body: Any = None, **changes: str | None) -> tuple[int, Any, dict[str, str]]:
        """Status, what was said, and headers. `changes` are headers, with underscores; None leaves one out."""
        headers = dict(self.headers)
        for name, value in changes.items():
            headers.pop(name.replace("_", "-"), None)
            if value is not None:
                headers[name.replace("_", "-")] = value
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=10)
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        connection.request(method, path, data, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        said = json.loads(text) if answer.getheader("Content-Type", "").startswith("application/json") else text
        return answer.status, said, dict(answer.getheaders())

    def enter(self) -> None:
        """Open the address that was printed, as its user does."""
        status, _, headers = self.ask("GET", self.server.address.removeprefix(f"http://{self.headers['Host']}"))
        assert (status, headers["Location"]) == (303, "/")
        assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
        self.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
        self.headers["Content-Type"] = "application/json"
        self.headers["X-Labgen-Token"] = self.ask("GET", "/marks")[1]["token"]

    def mark(self, id: str, mark: Any, **headers: str | None) -> tuple[int, Any]:
        """Set a mark."""
        return self.ask("POST", "/marks", {"id": id, "mark": mark}, **headers)[:2]


@contextmanager
def visiting(dataset: Path) -> Iterator[Visitor]:
    """A server and somebody who has its key."""
    folder = dataset.parent
    with serving(Config(taxonomy=folder / "taxonomy", output=dataset, work=folder / ".labgen")) as server:
        visitor = Visitor(server)
        visitor.enter()
        yield visitor


def test_marks_are_set_changed_and_taken_away(dataset: Path) -> None:
    """Each is in the file at once, with the reviewer's name and what the row is about."""
    one, two, three, four = some_ids(dataset)
    file = dataset.parent / "taxonomy" / MARKS_FILE
    with visiting(dataset) as visitor:
        assert visitor.mark(one, {"verdict": "bad", "reason": "it\nrambles", "response": "left over"})[0] == 200
        assert visitor.mark(two, {"verdict": "good", "note": "a\r\nmodel"})[0] == 200
        assert visitor.mark(four, {"verdict": "note", "note": "ask Ada"})[0] == 200
        status, said = visitor.mark(three, {"verdict": "edited", "instruction": "", "response": "A new one. "})
        assert (status, said["mark"]["response"]) == (200, "A new one.")
        marks = read_marks(file.parent).marks
        assert {id: (mark.verdict, mark.reason, mark.note) for id, mark in marks.items()} == {
            one: ("bad", "it rambles", ""),
            two: ("good", "", "a\nmodel"),
            three: ("edited", "", ""),
            four: ("note", "", "ask Ada"),
        }
        row = find_row(dataset, one)
        assert marks[one].leaf == row["leaf"]
        assert row["messages"][0]["content"].startswith(marks[one].about.removesuffix("…"))
        assert marks[three].instruction is None
        assert visitor.mark(one, None) == (200, {"mark": None})
        assert one not in read_marks(file.parent).marks
        told = visitor.ask("GET", "/marks")[1]
        assert set(told["marks"]) == {two, three, four}
        assert told["agreement"]["marks"] == {"good": 1, "bad": 0, "edited": 1, "note": 1}
        file.write_text(file.read_text() + "# by hand\n")
        assert visitor.mark(one, {"verdict": "good"})[0] == 200
        assert "# by hand" in file.read_text()


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ({"verdict": "worse"}, "There is no verdict `worse`"),
        ({"verdict": "edited", "response": ""}, "changes nothing"),
        ({"verdict": "note"}, "without words"),
        ({"verdict": "good", "note": ["x"]}, "is text"),
        ({"verdict": "good", "note": "n" * 5001}, "5,001 characters, and 5,000 at most"),
        ({"verdict": "bad", "reason": "mail " + "jane.doe@" + "mail-of-jane.com"}, "secret or personal data"),
    ],
)
def test_a_mark_that_can_not_be_is_refused_in_words(dataset: Path, mark: Any, words: str) -> None:
    """And the file stays as it was."""
    with visiting(dataset) as visitor:
        status, said = visitor.mark(some_ids(dataset)[0], mark)
    assert status == 409
    assert words in said["error"]
    assert not (dataset.parent / "taxonomy" / MARKS_FILE).exists()


def test_marks_stay_in_the_file_whatever_the_text_says(dataset: Path) -> None:
    """Text that looks like YAML, a conflict or an escape comes back as it was, but for what nobody can see."""
    text = "# no comment\n<<<<<<< HEAD\n- a: &b [*b]\n\"quoted\" 'text': {{}}\n\ttab  "
    with visiting(dataset) as visitor:
        for id in some_ids(dataset):
            assert visitor.mark(id, {"verdict": "note", "note": text + "\x1b[31m\x00\ud800"})[0] == 200
    marks = read_marks(dataset.parent / "taxonomy")
    assert {mark.note for mark in marks.marks.values()} == {text.strip() + "  [31m"}
    assert not marks.violations


def test_nobody_else_is_answered(dataset: Path) -> None:
    """No cookie, another host's name, another site's page, no token: nothing is told and nothing is set."""
    id = some_ids(dataset)[0]
    good = {"verdict": "good"}
    with visiting(dataset) as visitor:
        port = visitor.server.server_port
        assert visitor.ask("GET", "/", Cookie=None)[0] == 403
        assert visitor.ask("GET", "/marks", Cookie=None)[0] == 403
        assert visitor.ask("GET", "/marks", Cookie=f"labgen_review_{port}=guess")[0] == 403
        assert visitor.ask("GET", "/?key=guess", Cookie=None)[0] == 403
        for host in ("attacker.example", f"attacker.example:{port}", "127.0.0.1", ""):
            answered = visitor.ask("GET", "/marks", Host=host)
            assert answered[0] == 421 and "token" not in answered[1]
        assert visitor.mark(id, good, Cookie=None)[0] == 403
        assert visitor.mark(id, good, X_Labgen_Token=None)[0] == 403
        assert visitor.mark(id, good, X_Labgen_Token="guess")[0] == 403
        assert visitor.mark(id, good, Origin="http://attacker.example")[0] == 403
        assert visitor.mark(id, good, Origin="null")[0] == 403
        assert visitor.mark(id, good, Sec_Fetch_Site="cross-site")[0] == 403
        assert visitor.mark(id, good, Content_Type="text/plain")[0] == 415
        assert not (dataset.parent / "taxonomy" / MARKS_FILE).exists()
        assert visitor.mark(id, good, Origin=f"http://127.0.0.1:{port}", Sec_Fetch_Site="same-origin")[0] == 200


def test_what_is_no_mark_is_refused(dataset: Path) -> None:
    """Whatever is sent, in any size; the server goes on."""
    with visiting(dataset) as visitor:
        for body in (
            b"{",
            b"[]",
            b"3",
            b'{"id": 3, "mark": null}',
            b'{"id": "x", "mark": null}',
            b'{"id": "x"}',
            b"\xff",
        ):
            assert visitor.ask("POST", "/marks", body)[0] == 400
        assert visitor.ask("POST", "/marks", b"{}", Content_Length=str(MAX_BODY_BYTES + 1))[0] == 413
        assert visitor.ask("POST", "/marks", b"{}", Content_Length="-1")[0] in (400, 411)
        assert visitor.ask("POST", "/other", b"{}")[0] == 404
        assert visitor.ask("GET", "/../../etc/passwd")[0] == 404
        assert visitor.ask("PUT", "/marks", b"{}")[0] == 501
        assert visitor.mark("0" * 16, {"verdict": "good"})[0] == 409
        assert visitor.mark("../../x", {"verdict": "good"})[0] == 409
        assert visitor.ask("GET", "/marks")[0] == 200


def test_every_answer_lets_a_browser_do_nothing_more(dataset: Path) -> None:
    """The page may run its own script and ask its own server; everything else may do nothing at all."""
    with visiting(dataset) as visitor:
        page, marks, refused = (visitor.ask("GET", path)[2] for path in ("/", "/marks", "/nothing"))
    for headers in (page, marks, refused):
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "connect-src 'self'" in page["Content-Security-Policy"]
    assert "unsafe" not in page["Content-Security-Policy"]
    assert "script-src" not in marks["Content-Security-Policy"]


def test_the_page_is_that_of_the_dataset_as_it_is(dataset: Path, labgen: Labgen) -> None:
    """After another build the same server shows the other dataset."""
    with visiting(dataset) as visitor:
        before = visitor.ask("GET", "/")[1]
        assert visitor.ask("GET", "/")[1] == before
        assert labgen("generate", "--samples", "5").status == 0
        assert visitor.ask("GET", "/")[1] != before


def test_marks_are_set_from_the_command_line(dataset: Path, labgen: Labgen) -> None:
    """Without a browser, by the beginning of an id; and listed with how far filters agree."""
    one, two = some_ids(dataset)[:2]
    said = labgen("review", "--mark", one[:8], "bad", "--reason", "it rambles")
    assert said.status == 0, said.err
    assert said.out.startswith(f"{one} of foundational_skills/requests: bad")
    assert labgen("review", "--mark", two, "edited", "--response", "Another answer.").status == 0
    listed = labgen("review", "--list")
    assert "it rambles" in listed.out
    assert "Marks of reviewers, on rows and rejections: 1 bad, 1 edited." in listed.out
    assert set(labgen("review", "--list", "--json").json["marks"]) == {one, two}
    assert labgen("review", "--unmark", two[:8]).status == 0
    assert labgen("review", "--unmark", two).status == 2
    assert labgen("review", "--mark", one, "fine").status == 2
    assert labgen("review", "--reason", "x").status == 2
    assert set(read_marks(dataset.parent / "taxonomy").marks) == {one}


def test_marks_of_rows_that_are_gone_can_be_taken_out(dataset: Path, labgen: Labgen) -> None:
    """Those that the dataset has stay, and so do those of leaves that it does not have."""
    one = some_ids(dataset)[0]
    gone = "".join(
        f"{id}:\n  leaf: {leaf}\n  verdict: good\n"
        for id, leaf in (("0" * 16, "foundational_skills/requests"), ("1" * 16, "foundational_skills/elsewhere"))
    )
    (labgen.folder / "taxonomy" / MARKS_FILE).write_text(
        f"{gone}'{one}':\n  leaf: foundational_skills/requests\n  verdict: good\n"
    )
    assert labgen("review", "--prune").out.startswith("1 mark taken out")
    assert set(read_marks(labgen.folder / "taxonomy").marks) == {"1" * 16, one}


@pytest.mark.parametrize("lacking", ["lineage and rejections", "rows", "complete"])
def test_no_mark_is_taken_out_where_the_dataset_can_not_tell(dataset: Path, labgen: Labgen, lacking: str) -> None:
    """A copy without rejections, or an incomplete build, lacks rows whose marks the next build needs."""
    manifest = json.loads((dataset / "manifest.json").read_text())
    if lacking == "complete":
        manifest["complete"] = False
    elif lacking == "rows":
        (dataset / manifest["configs"]["foundational_skills"]["files"][0]).unlink()
    else:  # as from the Hub
        manifest["configs"].pop("rejected", None)
        kept = {
            name: file for name, file in manifest["files"].items() if "lineage" not in name and "rejected" not in name
        }
        manifest["files"] = kept
    (dataset / "manifest.json").write_text(json.dumps(manifest))
    words = f"{'0' * 16}:\n  leaf: foundational_skills/requests\n  verdict: bad\n  reason: odd\n"
    (labgen.folder / "taxonomy" / MARKS_FILE).write_text(words)
    said = labgen("review", "--prune")
    assert (said.status, "no mark is taken out" in said.err) == (2, True)
    assert labgen("review", "--list", "--json").json["agreement"]["unmatched"] == []
    assert (labgen.folder / "taxonomy" / MARKS_FILE).read_text() == words


def test_damaged_files_of_a_dataset_are_named(dataset: Path, labgen: Labgen) -> None:
    """Which file, and what to do."""
    one = some_ids(dataset)[0]
    (dataset / "agreement.json").write_text("[]")
    assert "agreement.json: " in (said := labgen("review", "--list")).err
    assert said.status == 2
    (file,) = (dataset / "data").glob("knowledge-*.parquet")
    file.write_text("cut")
    for command in (["show", one], ["review", "--mark", one, "good"]):
        said = labgen(*command)
        assert (said.status, f"{file.name}: can't be read" in said.err) == (2, True)


def test_what_can_not_be_meant_is_refused(dataset: Path, labgen: Labgen) -> None:
    """Nothing that was typed is left out in silence."""
    one = some_ids(dataset)[0]
    for options in (
        ["--mark", one, "good", "--response", "Another."],
        ["--mark", one, "edited", "--response", "Another.", "--reason", "odd"],
        ["--mark", one, "good", "--unmark", one],
        ["--list", "--prune"],
        ["--unmark", ""],
    ):
        assert labgen("review", *options).status == 2
    assert not (labgen.folder / "taxonomy" / MARKS_FILE).exists()


def test_without_a_dataset_there_is_nothing_to_review(labgen: Labgen, taxonomy: Path) -> None:
    """It is said, and nothing is served."""
    said = labgen("review", "--no-open")
    assert said.status == 2
    assert "no dataset of labgen's" in said.err
