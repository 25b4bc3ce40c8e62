"""`labgen new`: leaves that check clean, with and without a terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.cli import app
from labgen.errors import LabgenError
from labgen.flows.known import SHIPPED_FLOWS
from labgen.plan.flow import flow_of
from labgen.taxonomy.check import CheckOptions, check_files
from labgen.taxonomy.load import load_taxonomy
from labgen.taxonomy.scaffold import entry

TIDES = "\n\n".join(
    f"Part {n} tells of harbours and currents. The {word} harbour lies behind a long breakwater. "
    f"Its {word} current turns every six hours."
    for n, word in enumerate(["northern", "southern", "eastern", "western", "outer", "inner"], 1)
)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gitconfig").write_text("[user]\n name = Ada\n email = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))


def run(*words: str, keys: str | None = None, status: int = 0) -> Result:
    result = CliRunner().invoke(app, ["new", *words], input=keys)
    assert result.exit_code == status, (result.output, result.exception)
    return result


def problems(path: str) -> list[str]:
    root = Path("taxonomy")
    found = check_files(root, [root / path / "qna.yaml"], CheckOptions()).violations
    return [f"{one.code} {one.message}" for one in found if one.code != "LG323"]


def stand_ins(path: str) -> list[str]:
    root = Path("taxonomy")
    found = check_files(root, [root / path / "qna.yaml"], CheckOptions()).violations
    return [one.message for one in found if one.code == "LG323"]


@pytest.mark.parametrize(
    ("path", "words", "flow"),
    [
        ("knowledge/garden/compost", (), "knowledge"),
        ("foundational_skills/arithmetic/units", (), "freeform"),
        ("compositional_skills/mail/away", (), "freeform"),
        ("compositional_skills/news/headlines", ("--with-context",), "grounded"),
        ("foundational_skills/reading/headlines", ("--with-context",), "grounded"),
    ],
)
def test_a_path_is_enough_for_a_leaf_that_checks_clean_but_for_its_stand_ins(
    path: str, words: tuple[str, ...], flow: str
) -> None:
    """Each branch has a model leaf, whose comments say what to replace, and whose schema an editor finds."""
    output = run(path, *words).output
    assert problems(path) == [] and len(stand_ins(path)) == 3
    assert any("seed examples 1, 2, 3, 4 and 5 have the model's questions" in one for one in stand_ins(path))
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert (flow_of(leaf, SHIPPED_FLOWS).name, leaf.created_by, len(leaf.seed_examples)) == (flow, "Ada", 5)
    assert "replace them" in output
    text = (Path("taxonomy") / path / "qna.yaml").read_text()
    schema = text.split("$schema=", 1)[1].split("\n", 1)[0]
    assert json.loads((Path("taxonomy") / path / schema).read_text())["title"]


def test_documents_lie_beside_the_leaf_and_give_its_passages() -> None:
    """Passages are word for word the document's; the questions are drafts, and the file says so."""
    Path("harbour notes.md").write_text(f"# Harbours\n\n{TIDES}\n")
    output = run("knowledge/sea/harbours", "--document", "harbour notes.md", "--licence", "CC-BY-4.0").output
    assert "drafted by rule" in output and problems("knowledge/sea/harbours") == []
    assert "questions that were drafted by rule" in " ".join(stand_ins("knowledge/sea/harbours"))
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert leaf.document is not None and leaf.document.beside_leaf
    assert all(seed.context and seed.context in TIDES and len(seed.pairs) == 3 for seed in leaf.seed_examples)
    assert (leaf.file.parent / "harbour notes.md").exists()


def test_documents_in_a_repository_are_fetched_at_their_commit(tmp_path: Path) -> None:
    """A short hash becomes the full one, and a licence that nobody named stays open."""
    source = tmp_path / "docs"
    source.mkdir()
    (source / "tides.md").write_text(TIDES)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, check=True, capture_output=True, text=True)
    Path("labgen.yaml").write_text("documents: {allow_local_repos: true}\n")
    output = run("knowledge/sea/tides", "--repo", source.as_uri(), "--commit", head.stdout[:8]).output
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert leaf.document is not None and leaf.document.commit == head.stdout.strip()
    assert "licence in attribution.txt" in output
    assert [one.split()[0] for one in problems("knowledge/sea/tides")] == ["LG307"]


@pytest.mark.parametrize("kind", ["json", "yaml", "csv"])
def test_examples_come_from_a_file(kind: str) -> None:
    """In the form that a spreadsheet or a program writes."""
    rows = [{"question": f"What is {n} times {n}?", "answer": f'It is: {n * n}, "exactly".'} for n in range(11, 16)]
    file = Path(f"examples.{kind}")
    if kind == "csv":
        quoted = ['"{}","{}"'.format(*(text.replace('"', '""') for text in row.values())) for row in rows]
        file.write_text("\n".join(["question,answer", *quoted]))
    else:
        file.write_text(json.dumps(rows) if kind == "json" else yaml.safe_dump(rows))
    words = ("--task", "Square a number: say it.", "--examples", str(file), "--licence", "MIT")
    run("foundational_skills/arithmetic/squares", *words)
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert [(seed.pairs[0].question, seed.pairs[0].answer) for seed in leaf.seed_examples] == [
        (row["question"], row["answer"]) for row in rows
    ]
    assert leaf.task_description == "Square a number: say it."
    assert problems("foundational_skills/arithmetic/squares") == []


def test_a_terminal_is_asked_for_what_is_missing() -> None:
    """Branch, path, author, task and five examples, one by one."""
    keys = ["compositional_skills", "mail/thanks", "", "Thank somebody in two sentences.", "n", "y"]
    subjects = ["a scarf", "feeding the cat", "a lecture on bees", "help with taxes", "the loan of a tent"]
    for subject in subjects:
        keys += [f"Thank Mia for {subject}.", f"Dear Mia, {subject} came at the right time. I won't forget it!"]
    keys += ["", "", "GPL", "CC0-1.0", ""]
    output = run("--ask", keys="\n".join(keys) + "\n").output
    assert "Example 5 of 5" in output and "GPL is not a permissive licence" in output
    assert (
        "License of the work: CC0-1.0" in Path("taxonomy/compositional_skills/mail/thanks/attribution.txt").read_text()
    )
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert (leaf.path, leaf.created_by) == ("compositional_skills/mail/thanks", "Ada")
    assert [seed.pairs[0].question for seed in leaf.seed_examples] == [f"Thank Mia for {name}." for name in subjects]


def test_a_terminal_is_asked_for_documents() -> None:
    """A document that isn't there is asked for again."""
    Path("tides.md").write_text(TIDES)
    keys = ["", "", "Tells of harbours.", "", "tide.md", "tides.md", "", "", "", "CC0-1.0", ""]
    output = run("knowledge/sea/tides", "--ask", keys="\n".join(keys) + "\n").output
    assert "tide.md: there is no such file" in output and "tides.md: 6 passages" in output
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert (leaf.domain, leaf.document_outline) == ("Tides", "Tells of harbours.")
    assert problems(leaf.path) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("science/tides",), "starts with its branch"),
        (("knowledge",), "add what the leaf is about"),
        (("knowledge/../../x",), "plain names"),
        (("/knowledge/x",), "plain names"),
        (("knowledge/.x/y",), "plain names"),
        (("knowledge/a\x1b[2Jb",), "plain names"),
        (("compositional_skills/x", "--repo", "https://example.org/x"), "beneath knowledge/"),
        (("knowledge/x", "--repo", "https://example.org/x"), "--commit"),
        (("knowledge/x", "--task", "Tides"), "needs a document"),
        (("knowledge/x", "--document", "qna.yaml"), "not a document"),
        (("compositional_skills/x", "--examples", "few.md"), "not a list"),
        (("compositional_skills/x", "--examples", "two.json"), "holds 2 examples"),
        (("knowledge/x", "--examples", "five.json"), "three questions"),
        (("knowledge/old",), "there is a leaf already"),
    ],
)
def test_what_cannot_be_is_explained_and_leaves_nothing_behind(words: tuple[str, ...], said: str) -> None:
    """The message says what to do, and no half a leaf is written."""
    Path("few.md").write_text("Short.\n")
    Path("qna.yaml").write_text("{}\n")
    pair = {"question": "q", "answer": "a"}
    Path("two.json").write_text(json.dumps([pair] * 2))
    Path("five.json").write_text(json.dumps([{**pair, "context": str(number)} for number in range(5)]))
    Path("taxonomy/knowledge/old").mkdir(parents=True)
    Path("taxonomy/knowledge/old/qna.yaml").write_text("{}\n")
    result = CliRunner().invoke(app, ["new", *words])
    assert isinstance(result.exception, LabgenError) and said in str(result.exception)
    assert "\x1b" not in str(result.exception)
    assert sorted(Path("taxonomy").rglob("*.*")) == [Path("taxonomy/knowledge/old/qna.yaml")]


def test_a_short_document_still_gives_a_leaf_with_its_gaps_marked() -> None:
    """What the document has is drafted, what is missing is marked, and a build takes a gap for no example."""
    Path("few.md").write_text("The northern harbour lies behind a breakwater. Its current turns every six hours.\n")
    output = run("knowledge/sea/harbours", "--document", "few.md", "--licence", "MIT", status=0).output
    text = Path("taxonomy/knowledge/sea/harbours/qna.yaml").read_text()
    assert text.count("TO DO: passage ") == 4 and text.count("TO DO: question 3 on passage 1") == 1
    assert "seed examples 1, 2, 3, 4 and 5 have gaps" in output and "gaps are marked `TO DO:`" in output
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert [len(seed.pairs) for seed in leaf.seed_examples] == [2]


@pytest.mark.parametrize(
    ("typed", "path"),
    [
        ("Knowledge/Earth Science/Tides & Currents!", "knowledge/earth_science/tides_and_currents"),
        ("knowledge/Sea Of Old/tides", "knowledge/Sea Of Old/tides"),
        ("taxonomy/knowledge/sea/ÉCLUSES du nord/qna.yaml", "knowledge/sea/écluses_du_nord"),
    ],
)
def test_names_become_slugs_and_folders_that_are_there_keep_theirs(typed: str, path: str) -> None:
    """As `lower_snake_case`, in any script."""
    Path("taxonomy/knowledge/Sea Of Old").mkdir(parents=True)
    run(typed)
    assert [leaf.path for leaf in load_taxonomy(Path("taxonomy")).leaves] == [path]


def test_everything_can_be_left_open() -> None:
    """Enter at every question: a leaf with nothing but gaps, each of which the check names."""
    output = run("knowledge/sea/tides", "--ask", keys="\n" * 20, status=1).output
    assert "the document is a gap" in output and "LG208" in output
    output = run("compositional_skills/mail/thanks", "--ask", keys="\n" * 20, status=1).output
    assert "`task_description` is a gap" in output and output.count("warning LG323") == 2


def test_answers_survive_an_interruption_and_an_error() -> None:
    """Keys that end too early, and a file in the way: the next run goes on where it stopped, and asks nothing again."""
    Path("tides.md").write_text(TIDES)
    first = ["knowledge", "Sea/Tides", "Ann", "Tides", "Tells of harbours.", "files", "tides.md"]
    output = run("--ask", keys="\n".join(first) + "\n", status=1).output
    assert "Your answers are kept" in output and not Path("taxonomy").exists()
    Path("taxonomy/knowledge/sea/tides").mkdir(parents=True)
    Path("taxonomy/knowledge/sea/tides/tides.md").write_text("other\n")
    result = CliRunner().invoke(app, ["new", "--ask"], input="y\n\n\n\nMIT\n\n")
    assert isinstance(result.exception, LabgenError) and "Your answers are kept" in result.output
    assert "Go on with knowledge/sea/tides" in result.output and "Tells of" not in result.output
    assert [file.name for file in Path("taxonomy/knowledge/sea/tides").iterdir()] == ["tides.md"]
    Path("taxonomy/knowledge/sea/tides/tides.md").unlink()
    output = run("--ask", keys="y\n").output
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert (leaf.path, leaf.created_by, leaf.document_outline) == ("knowledge/sea/tides", "Ann", "Tells of harbours.")
    assert "Go on with" not in CliRunner().invoke(app, ["new", "--ask"], input="").output


def test_a_repository_is_looked_at_when_it_is_named(tmp_path: Path) -> None:
    """A wrong commit is told at once; `newest` is asked of the repository."""
    source = tmp_path / "docs"
    source.mkdir()
    (source / "tides.md").write_text(TIDES)
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run(["git", *words], cwd=source, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, check=True, capture_output=True, text=True)
    Path("labgen.yaml").write_text("documents: {allow_local_repos: true}\n")
    keys = ["", "", "Tides.", "repository", source.as_uri(), "", "none/*.md", "y", "", "", "*.md", "", "", "MIT", ""]
    output = run("knowledge/sea/tides", "--ask", keys="\n".join(keys) + "\n").output
    assert "none/*.md" in output and "1 document: 6 passages" in output
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    assert leaf.document is not None and leaf.document.commit == head.stdout.strip()


def test_without_a_terminal_a_path_must_be_named() -> None:
    """Nothing waits for an answer that can't come."""
    assert "name the leaf's path" in run(status=2).output


@settings(max_examples=some(100), deadline=None)
@given(st.text(min_size=1), st.integers(0, 8))
def test_any_text_reads_back_as_it_was(text: str, indent: int) -> None:
    """Whatever an author types is the same text for YAML, but for outer space and space at the ends of lines."""
    wanted = "\n".join(line.rstrip() for line in text.strip().splitlines())
    if not wanted or any("\ud800" <= char <= "\udfff" for char in wanted):
        return
    lines = entry("key", text, indent)
    found = yaml.safe_load("\n".join([*(f"{' ' * at}k:" for at in range(0, indent, 2)), *lines]))
    for _ in range(0, indent, 2):
        found = found["k"]
    assert found["key"].strip() == wanted.strip()


def test_markup_of_a_document_stays_in_its_passages_only() -> None:
    """A passage is copied as it is; the drafted question and answer on it are plain."""
    text = TIDES.replace("current", '[current](https://example.org/a_(b) "title")').replace("long", "**very** `long`")
    Path("tides.md").write_text(text)
    run("knowledge/sea/tides", "--document", "tides.md", "--licence", "MIT")
    (leaf,) = load_taxonomy(Path("taxonomy")).leaves
    for seed in leaf.seed_examples:
        assert "](https" in (seed.context or "") and (seed.context or "") in text
        assert not any(sign in pair.question + pair.answer for pair in seed.pairs for sign in "[]*`")
    assert problems("knowledge/sea/tides") == []
