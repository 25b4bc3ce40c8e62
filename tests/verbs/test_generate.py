"""`labgen generate` on a taxonomy of every kind of leaf."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from workbench import Labgen, Teacher, built_once, digest, freeform, write_leaf

CONFIGS = ("knowledge", "foundational_skills", "compositional_skills")


def rows(folder: Path, config: str) -> list[dict[str, Any]]:
    """The rows of a config, read as a trainer reads them."""
    from datasets import load_dataset

    return [dict(row) for row in load_dataset(str(folder), config, split="train")]


@pytest.fixture
def dataset(labgen: Labgen) -> Path:
    """A dataset of eight rows per leaf."""
    shutil.copytree(built_once("--samples", "8"), labgen.folder, dirs_exist_ok=True)
    return labgen.folder / "dataset"


def test_every_leaf_gets_exactly_the_rows_asked_for_and_every_config_loads(dataset: Path) -> None:
    """The thin path, end to end."""
    for config in CONFIGS:
        assert len(rows(dataset, config)) == 8
    assert all(row["state"] and row["reason"] for row in rows(dataset, "rejected"))


def test_rehearsal_rows_say_so_everywhere(taxonomy: Path, labgen: Labgen) -> None:
    """In every row, in the card, and on the terminal, before and after."""
    run = labgen("generate", "--samples", "3")
    assert "rehearsal" in run.err.lower() and "REHEARSAL" in run.out
    assert all(
        row["rehearsal"] and row["teacher"] == "labgen-rehearsal"
        for row in rows(labgen.folder / "dataset", "knowledge")
    )
    assert "rehearsal" in (labgen.folder / "dataset/README.md").read_text().lower()


def test_evidence_of_knowledge_rows_stands_in_their_source(dataset: Path, taxonomy: Path) -> None:
    """Read back from the document at the row's span; before it the context has only the headings above."""
    document = (taxonomy / "knowledge/science/tides/tides.md").read_text()
    for row in rows(dataset, "knowledge"):
        source = row["source"]
        passage = document[source["start"] : source["end"]]
        lead = row["context"].removesuffix(passage)
        assert lead + passage == row["context"]
        assert all(line in document and line.startswith("#") for line in lead.split("\n") if line)
        grounded = next(verdict for verdict in row["verdicts"] if verdict["filter"] == "groundedness")
        assert grounded["value"] == 1.0 and grounded["evidence"]
        for evidence in grounded["evidence"]:
            assert row["context"][evidence["start"] : evidence["end"]] == evidence["text"]


def test_states_add_up_per_leaf_and_in_all(dataset: Path) -> None:
    """Every candidate ends in exactly one state."""
    funnel = json.loads((dataset / "funnel.json").read_text())
    for tally in [*funnel["leaves"].values(), *funnel["branches"].values(), funnel["total"]]:
        assert sum(tally["states"].values()) == tally["candidates"]
    written = sum(len(rows(dataset, config)) for config in (*CONFIGS, "rejected"))
    assert funnel["total"]["candidates"] == written


def test_every_rejected_row_can_be_shown_with_reason_raw_text_and_history(dataset: Path, labgen: Labgen) -> None:
    """`labgen show` on each of them, and on an accepted one."""
    refused = rows(dataset, "rejected")
    assert refused
    for row in refused[:6]:
        shown = labgen("show", row["id"], "--json").json
        assert (shown["state"], shown["reason"]) == (row["state"], row["reason"])
        assert len(shown["history"]) == len(shown["calls"]) > 0
        assert shown["raw"]
    text = labgen("show", rows(dataset, "knowledge")[0]["id"][:10]).out
    assert "accepted" in text and "## Task: question-answer pairs" in text and "groundedness 1" in text


@pytest.mark.parametrize(
    ("config", "steps"),
    [
        ("knowledge", ["knowledge_pairs", "judge_grounded"]),
        (
            "compositional_skills",
            ["grounded_context", "grounded_instructions", "judge_instructions", "respond", "judge_grounded"],
        ),
        ("foundational_skills", ["freeform_instructions", "judge_instructions", "respond", "judge_pair"]),
    ],
)
def test_a_row_is_shown_with_every_call_that_it_took(
    dataset: Path, labgen: Labgen, config: str, steps: list[str]
) -> None:
    """The draw, the response and all that judges were asked, each once and in order; shared ones too."""
    found = rows(dataset, config)
    assert found
    for row in found:
        shown = labgen("show", row["id"], "--json").json
        assert list(dict.fromkeys(call["step"] for call in shown["history"])) == steps
        assert len(set(shown["calls"])) == len(shown["calls"]) == len(shown["history"])


def test_a_second_run_asks_for_nothing_and_gives_the_same_bytes(dataset: Path, labgen: Labgen) -> None:
    """The ledger answers all of it."""
    before = digest(dataset)
    calls = labgen("generate", "--samples", "8", "--json").json["calls"]
    assert calls["sent"] == 0 and calls["from_ledger"] > 0
    assert digest(dataset) == before
    plan = labgen("plan", "--samples", "8", "--json").json
    assert plan["calls_to_pay"] == 0 and plan["calls_paid"] > 0


def test_another_teacher_process_and_another_concurrency_give_the_same_bytes(
    dataset: Path, labgen: Labgen, teacher: Teacher
) -> None:
    """Neither address nor timing is part of the build."""
    for concurrency in ("1", "50"):
        run = labgen(
            "generate", "--samples", "8", "--output", f"other{concurrency}", "--work", f"work{concurrency}",
            "--base-url", teacher.base_url, "--model", "labgen-rehearsal", "--concurrency", concurrency,
        )  # fmt: skip
        assert run.status == 0, run.err
        assert digest(labgen.folder / f"other{concurrency}") == digest(dataset)


def test_an_edited_leaf_pays_for_its_own_calls_only(dataset: Path, labgen: Labgen, taxonomy: Path) -> None:
    """All other leaves are replayed."""
    before = json.loads((dataset / "funnel.json").read_text())["leaves"]
    write_leaf(taxonomy, "foundational_skills/requests", **freeform(task_description="Answer briefly and kindly."))
    run = labgen("generate", "--samples", "8", "--json").json
    after = run["funnel"]["leaves"]
    assert run["calls"]["sent"] - run["calls"]["ahead"] <= after["foundational_skills/requests"]["calls"]
    for leaf in ("knowledge/science/tides", "compositional_skills/notes/tasks"):
        assert after[leaf] == before[leaf]


def test_a_moved_threshold_asks_no_paid_call_again(dataset: Path, labgen: Labgen, teacher: Teacher) -> None:
    """What the threshold lets through no longer is drawn anew; what was paid for is not."""
    (labgen.folder / "labgen.yaml").write_text("thresholds: {min_pair_score: 3}\n")
    run = labgen("generate", "--samples", "8", "--json", "--base-url", teacher.base_url, "--model", "labgen-rehearsal")
    assert run.json["calls"]["from_ledger"] > 0
    assert teacher.stats()["answered_twice"] == 0
    paid = run.json["calls"]["from_ledger"] + run.json["calls"]["sent"] - run.json["calls"]["ahead"]
    assert run.json["funnel"]["total"]["calls"] <= paid


def test_settings_come_from_file_environment_and_options_in_that_order(taxonomy: Path, labgen: Labgen) -> None:
    """Every option is also a setting and a variable."""
    (labgen.folder / "labgen.yaml").write_text("samples: 2\n")
    assert labgen("plan", "--json").json["leaves"]["knowledge/science/tides"]["wanted"] == 2
    assert labgen("plan", "--json", LABGEN_SAMPLES="3").json["leaves"]["knowledge/science/tides"]["wanted"] == 3
    run = labgen("plan", "--json", "--samples", "4", LABGEN_SAMPLES="3")
    assert run.json["leaves"]["knowledge/science/tides"]["wanted"] == 4


def test_leaves_can_be_set_apart_by_pattern(taxonomy: Path, labgen: Labgen) -> None:
    """Own numbers, and none at all."""
    (labgen.folder / "labgen.yaml").write_text(
        "samples: 2\nleaves:\n- {match: 'knowledge/**', samples: 5}\n- {match: compositional_skills, samples: 0}\n"
    )
    leaves = labgen("generate", "--json").json["funnel"]["leaves"]
    assert {path: leaf["states"]["accepted"] for path, leaf in leaves.items()} == {
        "knowledge/science/tides": 5,
        "foundational_skills/requests": 2,
    }


def test_a_narrower_run_does_not_overwrite_a_fuller_build(dataset: Path, labgen: Labgen) -> None:
    """It says so before anything is asked for."""
    before = digest(dataset)
    run = labgen("generate", "--samples", "8", "--leaf", "knowledge/**")
    assert run.status == 2 and "--output" in run.err
    assert digest(dataset) == before


def test_own_prompts_replace_shipped_ones_and_change_the_version(taxonomy: Path, labgen: Labgen) -> None:
    """A folder with one file is enough."""
    from labgen.flows.freeform import FREEFORM
    from labgen.flows.knowledge import KNOWLEDGE
    from labgen.formats.prompts import PromptSet

    folder = labgen.folder / "prompts"
    folder.mkdir()
    shipped = PromptSet()
    (folder / "respond.md").write_text(
        "--- user ---\n## Task: respond\n\nBe brief.\n\n<query>\n{{ instruction }}\n</query>\n"
    )
    changed = PromptSet(folder)
    assert changed.version(FREEFORM.prompts) != shipped.version(FREEFORM.prompts)
    assert changed.version(KNOWLEDGE.prompts) == shipped.version(KNOWLEDGE.prompts)
    run = labgen("generate", "--samples", "2", "--leaf", "foundational_skills/**", "--prompts", "prompts")
    assert run.status == 0, run.err
    versions = {row["prompt_version"] for row in rows(labgen.folder / "dataset", "foundational_skills")}
    assert versions == {changed.version(FREEFORM.prompts)}


def test_the_library_for_others_datasets_is_loaded_only_to_mix_one_in(taxonomy: Path, labgen: Labgen) -> None:
    """It takes a second and some 100 MB, which a plain build does without."""
    code = (
        "import sys\nfrom labgen.cli import main\n"
        "try:\n    main(['generate', '--samples', '2'])\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('datasets', 'pandas') if name in sys.modules])\n"
    )
    (labgen.folder / "chat.jsonl").write_text('{"question": "Who?", "answer": "Me."}\n' * 9)
    extra = "mix: {extras: [{name: chat, path: chat.jsonl, licence: MIT, weight: 1}]}\n"
    for settings, loaded in (("seed: 0\n", "[]"), (extra, "['datasets', 'pandas']")):
        (labgen.folder / "labgen.yaml").write_text(settings)
        done = subprocess.run([sys.executable, "-c", code], cwd=labgen.folder, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == loaded, done.stderr
    mix = json.loads((labgen.folder / "dataset/mix.json").read_text())
    assert mix["phases"]["phase_3_skills"]["extras"] == {"chat": 2}
