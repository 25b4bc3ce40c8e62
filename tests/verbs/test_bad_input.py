"""Bad input: a clear message, the right exit status, nothing paid for lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import TIDES, Labgen, knowledge, write_leaf

GOOD = "foundational_skills/requests"
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def generate(labgen: Labgen, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a small build; the status and what stood on stderr, which must hold no traceback."""
    run = labgen("generate", "--samples", "2", *arguments, **environment)
    assert "Traceback" not in run.err
    return run.status, run.err


def test_an_empty_folder_is_no_taxonomy(labgen: Labgen) -> None:
    """It says what a taxonomy looks like."""
    (labgen.folder / "taxonomy").mkdir()
    status, words = generate(labgen)
    assert status == 2 and "knowledge" in words


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("created_by: me\n  seed_examples: [\n", "qna.yaml:2"),
        (BOMB, "alias"),
        ("version: 3\ntask_description: " + "x" * 2_000_000 + "\n", "MB"),
    ],
    ids=["not YAML", "alias bomb", "two megabytes"],
)  # fmt: skip
def test_a_leaf_that_cannot_be_used_is_named_and_the_others_go_on(
    taxonomy: Path, labgen: Labgen, text: str, said: str
) -> None:
    """With file, line and reason, and status 1 at the end."""
    bad = taxonomy / "foundational_skills/bad/qna.yaml"
    bad.parent.mkdir()
    bad.write_text(text)
    run = labgen("generate", "--samples", "2", "--json")
    assert run.status == 1
    assert "foundational_skills/bad/qna.yaml" in run.err and said in run.err
    assert run.json["funnel"]["leaves"][GOOD]["states"]["accepted"] == 2


def test_an_address_of_documents_that_git_would_run_is_refused(taxonomy: Path, labgen: Labgen) -> None:
    """With the leaf's file and line."""
    document = {"repo": "ext::sh", "commit": "a" * 40, "patterns": ["*.md"]}
    write_leaf(taxonomy, "knowledge/science/tides", **knowledge(document=document))
    status, words = generate(labgen)
    assert status == 1 and "knowledge/science/tides/qna.yaml:" in words and "https" in words


def test_a_pattern_of_leaves_that_matches_nothing_is_wrong_usage(taxonomy: Path, labgen: Labgen) -> None:
    """Status 2."""
    status, words = generate(labgen, "--leaf", "knowledge/scienze/**")
    assert status == 2 and "scienze" in words


def test_a_folder_that_is_not_ours_is_left_alone(taxonomy: Path, labgen: Labgen) -> None:
    """Status 2, before anything is asked for."""
    (labgen.folder / "dataset").mkdir()
    (labgen.folder / "dataset/thesis.txt").write_text("years of work")
    status, words = generate(labgen)
    assert status == 2 and "--output" in words
    assert (labgen.folder / "dataset/thesis.txt").read_text() == "years of work"


def test_a_second_run_in_the_same_work_folder_is_told_to_wait(taxonomy: Path, labgen: Labgen) -> None:
    """The first one has the lock."""
    from filelock import FileLock

    (labgen.folder / ".labgen").mkdir()
    with FileLock(labgen.folder / ".labgen/run.lock"):
        status, words = generate(labgen)
    assert status == 1 and "another run" in words


def test_an_interrupted_leaf_edit_never_costs_the_other_leaves(taxonomy: Path, labgen: Labgen) -> None:
    """A leaf that is broken now and mended later is paid for once."""
    assert generate(labgen)[0] == 0
    file = taxonomy / GOOD / "qna.yaml"
    text = file.read_text()
    file.write_text(text + "\t broken")
    assert generate(labgen, "--replace")[0] == 1
    file.write_text(text)
    run = labgen("generate", "--samples", "2", "--json")
    assert run.status == 0 and run.json["calls"]["sent"] == 0


def test_leaves_without_anything_wanted_are_nothing_to_build(taxonomy: Path, labgen: Labgen) -> None:
    """`samples: 0` everywhere."""
    (labgen.folder / "labgen.yaml").write_text("samples: 0\n")
    run = labgen("generate")
    assert run.status == 2 and "samples" in run.err


def test_documents_without_text_are_named_and_the_others_are_drawn_from(taxonomy: Path, labgen: Labgen) -> None:
    """By plan, generate and check; embedded pictures are told too. A leaf of such files alone is left out."""
    leaf = taxonomy / "knowledge/science/tides"
    picture = "".join(f"{number * 7919:x}Q" for number in range(200))
    (leaf / "scan.md").write_text(" \n")
    (leaf / "picture.md").write_text(f"{TIDES}\n![tide](data:image/png;base64,{picture})\n")
    document = {"repo": ".", "patterns": ["*.md"]}
    write_leaf(taxonomy, "knowledge/science/tides", **knowledge(document=document))
    for verb in (["plan"], ["generate", "--samples", "2"]):
        run = labgen(*verb, "--leaf", "knowledge/**")
        assert run.status == 0
        assert "no text is in `scan.md`" in run.err and "left out of `picture.md`: embedded data" in run.err
    assert "LG319" in labgen("check").out and "no text is in `scan.md`" in labgen("check").out
    write_leaf(taxonomy, "knowledge/science/tides", **knowledge(document={"repo": ".", "patterns": ["scan.md"]}))
    run = labgen("plan")
    assert run.status == 1 and "no text is in `scan.md`" in run.err and "picture.md" not in run.err


def test_a_plan_without_a_leaf_names_no_yields(taxonomy: Path, labgen: Labgen) -> None:
    """Where none can be used there is nothing to reckon with."""
    for leaf in sorted(taxonomy.rglob("qna.yaml")):
        leaf.write_text("version: [\n")
    run = labgen("plan")
    assert run.status == 1 and "Reckoned with" not in run.out and run.err, run.out
