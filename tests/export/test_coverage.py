"""How much of the documents a dataset covers is counted, said, and warned of where passages are left out."""

from __future__ import annotations

import json
from pathlib import Path

from workbench import TIDES, Labgen, knowledge, labgen, write_leaf

from labgen.text.sentences import sentence_spans

__all__ = ["labgen"]
LEAF = "knowledge/science/tides"


def long_document(root: Path, passages: int) -> None:
    """A leaf on a document that is cut into so many passages or somewhat more."""
    leaf = write_leaf(root, LEAF, **knowledge())
    (root.parent / "labgen.yaml").write_text("documents: {chunk_tokens: 128}\n")
    sections = [
        f"## Port {number}\n\n" + TIDES.split("\n\n", 1)[1].replace("#", "").replace("13", str(number))
        for number in range(passages)
    ]
    (leaf.parent / "tides.md").write_text("# Ports\n\n" + "\n\n".join(sections))


def test_every_passage_is_drawn_from_and_funnel_card_and_terminal_say_so(tmp_path: Path, labgen: Labgen) -> None:
    """By default, however few samples are asked for."""
    long_document(tmp_path / "taxonomy", 9)
    plan = labgen("plan", "--samples", "4", "--json").json["leaves"][LEAF]
    assert plan["passages_drawn"] == plan["passages"] > 8
    run = labgen("generate", "--samples", "4")
    assert run.status == 0, run.err
    funnel = json.loads((labgen.folder / "dataset/funnel.json").read_text())
    coverage = funnel["leaves"][LEAF]["coverage"]
    assert coverage["drawn"] == coverage["passages"] == plan["passages"]
    assert 0 < coverage["with_rows"] <= coverage["drawn"] and 0 < coverage["cited"] <= coverage["sentences"]
    assert funnel["total"]["coverage"] == coverage
    words = f"{coverage['drawn']} of {coverage['passages']} passages drawn from, {coverage['with_rows']} with rows"
    assert words in run.out and words in (labgen.folder / "dataset/README.md").read_text()
    assert "warning" not in run.out


def test_passages_that_are_left_out_are_warned_of(tmp_path: Path, labgen: Labgen) -> None:
    """By plan before, and by generate and card after, with what to change."""
    long_document(tmp_path / "taxonomy", 9)
    with (labgen.folder / "labgen.yaml").open("a") as settings:
        settings.write("samples_per_passage: 0\n")
    plan = labgen("plan", "--samples", "4")
    assert f"warning: {LEAF}" in plan.out and "samples_per_passage" in plan.out
    run = labgen("generate", "--samples", "4")
    coverage = json.loads((labgen.folder / "dataset/funnel.json").read_text())["leaves"][LEAF]["coverage"]
    assert coverage["drawn"] < coverage["passages"]
    assert f"warning: {LEAF}: {coverage['drawn']} of {coverage['passages']} passages" in run.out
    assert "passages that nothing was drawn from" in (labgen.folder / "dataset/README.md").read_text()


def test_sentences_are_told_apart_by_their_marks_and_by_blank_lines() -> None:
    """Headings and numbers count as none; places are of the text as it is."""
    text = (
        "# Of the Moon\n\nThe Moon is near. It has no air!\n\nIs there any water on it? “There is a little ice.” 42.\n"
    )
    spans = [text[start:end] for start, end in sentence_spans(text)]
    assert spans == [
        "# Of the Moon",
        "The Moon is near.",
        "It has no air!",
        "Is there any water on it?",
        "“There is a little ice.”",
    ]


def test_plan_promises_no_more_than_the_fewest_draws_reach_and_no_passage_has_rows_undrawn(
    tmp_path: Path, labgen: Labgen
) -> None:
    """However well a leaf yields; a neighbour that a draw has shown beside its passage counts as drawn from."""
    long_document(tmp_path / "taxonomy", 9)
    with (labgen.folder / "labgen.yaml").open("a") as settings:
        settings.write("samples_per_passage: 3\nknowledge: {kinds: {across: 1}}\n")
    plan = labgen("plan", "--samples", "1")
    least = int(plan.out.split("Documents: at least ")[1].split(" ")[0])
    labgen("generate", "--samples", "1")
    coverage = json.loads((labgen.folder / "dataset/funnel.json").read_text())["leaves"][LEAF]["coverage"]
    assert least <= coverage["drawn"] and coverage["with_rows"] <= coverage["drawn"] <= coverage["passages"]


def test_an_unknown_kind_is_told_with_the_nearest_and_all_that_there_are(tmp_path: Path, labgen: Labgen) -> None:
    """In one sentence, with the file and the line."""
    long_document(tmp_path / "taxonomy", 1)
    (labgen.folder / "labgen.yaml").write_text("samples: 3\nknowledge: {kinds: {facts: 1}}\n")
    run = labgen("plan")
    assert run.status == 2 and "did you mean `fact`?" in run.err and "key_facts" in run.err, run.err
    assert "labgen.yaml" in run.err and "literal" not in run.err
