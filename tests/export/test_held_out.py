"""Held-out rows: in the split `test`, never among what is trained on, and the writer refuses where they are."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.config.dataset import MixConfig
from labgen.errors import OutputError, UsageError
from labgen.export.choice import choice_rows
from labgen.export.configs import CHOICE
from labgen.export.dataset import write_dataset
from labgen.export.files import ShardedTable, read_rows
from labgen.export.folder import read_manifest
from labgen.export.held_out import HeldOutRows, check_no_leak, held_out_row
from labgen.export.lm_eval import write_lm_eval
from labgen.export.rows import BuildInfo, LeafInfo, row_schema
from labgen.export.training import export_training
from labgen.formats.training.rows import row_format
from labgen.records import Candidate, Evidence, Source, Verdict

LEAF = "knowledge/science/granite"
REPORT = {"sets": {"recall": {"wanted": 4, "rows": 4, "leaked": 0}}}
FACTS = (
    ("What do masons of Aberdeen call the silver grain?", "They call it the herring side of a block."),
    ("Who cut the obelisk that was never raised?", "Workers of Hatshepsut cut it at Aswan and left it."),
    ("How is a slab split along its rift?", "Feathers and wedges are driven into a row of holes."),
    ("Why does a polished floor stay cool?", "Heat flows quickly from bare feet into dense stone."),
    ("Which tool smooths a kerb before it is laid?", "Bush hammers with sixteen points take off the ridges."),
)


def held_out(config: str = "recall", leaf: str = LEAF) -> list[dict[str, Any]]:
    """A held-out row for each fact, each with evidence of its own in one document."""
    document = " ".join(answer for _, answer in FACTS)
    rows = []
    for number, (question, answer) in enumerate(FACTS):
        start = document.index(answer)
        support = Verdict("groundedness", "1", 1.0, "", (Evidence(answer, start, start + len(answer)),))
        source = Source("https://example.org/rocks", "c" * 40, "masons.md", 0, len(document))
        drawn = Candidate(leaf, 2**20 + number, 0, question, answer, document, source, verdicts=(support,))
        info = LeafInfo(leaf, "knowledge", "knowledge", "fp", "pv", 5)
        rows.append(held_out_row(drawn, config, info, BuildInfo("teacher/model", False)))
    return rows


def everything(rows: list[dict[str, Any]]) -> HeldOutRows:
    return HeldOutRows({"recall": rows, CHOICE: choice_rows(rows, [], {}, seed=0)}, REPORT)


def planted(piece: str, row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A candidate's fields that give a piece of a held-out row away."""
    question, answer = row["messages"][0]["content"], row["messages"][1]["content"]
    words = question.split()
    chance.shuffle(words)
    return {
        "question": {"instruction": f"Tell me: {question.upper()}"},
        "reordered words": {"instruction": " ".join(words)},
        "answer": {"response": f"In short: {answer} That is all."},
        "evidence": {"verdicts": (Verdict("groundedness", "1", 1.0, "", (Evidence(f"and {answer} or", 0, 9),)),)},
        "passage": {"response": row["context"]},
    }[piece]


def test_a_dataset_with_nothing_trained_on_is_written_and_loads(
    tmp_path: Path, make_build: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each held-out config has the split `test` alone; training files are the same bytes as without."""
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    build = make_build(5)
    folder = write_dataset(tmp_path / "with", **build.arguments(), mix=MixConfig(), held_out=everything(held_out()))
    plain = write_dataset(tmp_path / "without", **build.arguments(), mix=MixConfig())
    for config, rows in (("recall", 5), ("choice", 5)):
        loaded = datasets.load_dataset(str(folder), config, split="test", cache_dir=str(tmp_path / "cache"))
        assert loaded.num_rows == rows
        with pytest.raises(ValueError, match="train"):
            datasets.load_dataset(str(folder), config, split="train", cache_dir=str(tmp_path / "cache"))
    names = {path.name: path.read_bytes() for path in (plain / "data").iterdir()}
    assert names == {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    assert json.loads((folder / "held_out.json").read_text()) == REPORT
    assert "## Held out" in (folder / "README.md").read_text()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=some(25))
@given(
    st.sampled_from(["question", "reordered words", "answer", "evidence", "passage"]),
    st.sampled_from(range(len(FACTS))),
    st.sampled_from(["knowledge/science/granite", "knowledge/science/marble", "foundational_skills/reasoning"]),
    st.randoms(use_true_random=False),
)
def test_the_writer_refuses_every_planted_leak(
    tmp_path_factory: pytest.TempPathFactory,
    make_build: Callable,
    piece: str,
    fact: int,
    leaf: str,
    chance: random.Random,
) -> None:
    """In any leaf and any row; nothing is left behind."""
    folder = tmp_path_factory.mktemp("leaky") / "out"
    config = "reading" if piece == "passage" else "recall"
    rows = held_out(config)
    build = make_build(4)
    place = chance.randrange(4)
    build.candidates[leaf][place] = replace(build.candidates[leaf][place], **planted(piece, held_out()[fact], chance))
    with pytest.raises(OutputError, match="would be trained on"):
        write_dataset(folder, **build.arguments(), mix=MixConfig(), held_out=HeldOutRows({config: rows}, REPORT))
    assert not folder.exists()


def test_export_leaves_them_out_and_refuses_a_dataset_into_which_one_was_put(
    tmp_path: Path, make_build: Callable
) -> None:
    folder = write_dataset(
        tmp_path / "d", **make_build(5).arguments(), mix=MixConfig(), held_out=everything(held_out())
    )
    report = export_training(folder, tmp_path / "export", row_format("messages"))
    assert not {"recall", "choice"} & set(report.rows) and "knowledge" in report.rows
    with pytest.raises(UsageError, match="recall"):
        export_training(folder, tmp_path / "other", row_format("messages"), configs=["recall"])
    name = read_manifest(folder)["configs"]["phase_3_skills"]["files"][0]
    rows = [*read_rows(folder / name), held_out()[0]]
    table = ShardedTable(folder, "leaky", row_schema())
    for row in rows:
        table.add(row)
    table.close()
    (folder / table.files[0].path).rename(folder / name)
    with pytest.raises(OutputError, match="phase_3_skills"):
        export_training(folder, tmp_path / "third", row_format("messages"))
    assert not (tmp_path / "third").exists()


def test_every_wrong_choice_is_borne_out_elsewhere_and_not_by_the_right_ones_evidence() -> None:
    """Four different answers, the right one at a place that chance chose; the same for the same seed."""
    rows = held_out()
    made = choice_rows(rows, [], {}, seed=3)
    assert made == choice_rows(rows, [], {}, seed=3) and len(made) == len(rows)
    by_answer = {row["messages"][1]["content"]: row for row in rows}
    assert len({row["answer"] for row in made}) > 1
    for row in made:
        right = row["choices"][row["answer"]]
        assert row["messages"][1]["content"] == "ABCD"[row["answer"]] and len(set(row["choices"])) == 4
        assert by_answer[right]["id"] == row["of"] != row["id"]
        for wrong in row["choices"]:
            spans = [by_answer[text]["verdicts"][0]["evidence"][0] for text in (right, wrong)]
            assert wrong == right or spans[0]["end"] <= spans[1]["start"] or spans[1]["end"] <= spans[0]["start"]


@pytest.mark.parametrize(
    "other",
    [
        "They call it the herring side.",  # says no more than the right one
        "The silver grain of a block is called the herring side by masons.",  # the right one in other words
    ],
)
def test_an_answer_that_the_evidence_may_bear_out_is_no_wrong_choice(other: str) -> None:
    rows = held_out()[:4]
    rows[1] = {**rows[1], "messages": [rows[1]["messages"][0], {"role": "assistant", "content": other}]}
    assert all(row["of"] != rows[0]["id"] for row in choice_rows(rows, [], {}, seed=0))


def test_the_task_folder_names_its_questions_and_holds_no_path(tmp_path: Path, make_build: Callable) -> None:
    """Its loader gives the rows wherever the folder lies; a second export replaces it, with the same bytes."""
    folder = write_dataset(tmp_path / "d", **make_build(5).arguments(), held_out=everything(held_out()))
    tasks = write_lm_eval(folder, tmp_path / "tasks")
    assert tasks == {"labgen_choice_recall": 5}
    before = {path.name: path.read_bytes() for path in (tmp_path / "tasks").iterdir()}
    assert write_lm_eval(folder, tmp_path / "tasks") == tasks
    assert before == {path.name: path.read_bytes() for path in (tmp_path / "tasks").iterdir()}
    assert all(str(tmp_path).encode() not in content for content in before.values())
    (tmp_path / "tasks").rename(tmp_path / "moved")
    code = "import labgen_rows; rows = labgen_rows.recall()['test']; print(len(rows), rows[0]['choices'])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "moved", capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("5 [")
    plain = write_dataset(tmp_path / "plain", **make_build(5).arguments())
    with pytest.raises(UsageError, match=r"held_out\.recall"):
        write_lm_eval(plain, tmp_path / "none")


def test_what_is_held_out_alone_is_looked_for(tmp_path: Path, make_build: Callable) -> None:
    """A dataset without held-out rows passes at no cost."""
    folder = write_dataset(tmp_path / "d", **make_build(5).arguments())
    check_no_leak(folder, {name: about["files"] for name, about in read_manifest(folder)["configs"].items()})
