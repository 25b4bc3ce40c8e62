"""Preferences open in the programs that read them, hold what their settings name, and are in no other format."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.config.drawing import PreferencesConfig
from labgen.errors import OutputError, UsageError
from labgen.export.dataset import write_dataset
from labgen.export.files import read_rows
from labgen.export.held_out import HeldOutRows, held_out_row
from labgen.export.preferences import PREFERENCE_CONFIGS, PreferenceTables
from labgen.export.rewards import final_answer_reward
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.export.training import export_training
from labgen.formats.training.registry import shipped_formats
from labgen.formats.training.rows import row_format
from labgen.generate.blocks import pack, unpack
from labgen.records import REPAIR, SAMPLE, Candidate, Rival, State, Verdict

SAFE = (Verdict("safety", "1", 1.0), Verdict("pair_score", "1", 3.0, "right and complete"))
BAD = (Verdict("safety", "1", 1.0), Verdict("pair_score", "1", 1.0, "it is off the point"))
FAILED = Rival("It is cheese.", REPAIR, State.LOW_QUALITY, "score_1", BAD, margin=1.0, why="it is off the point")
OTHER = Rival("Granite is igneous rock.", SAMPLE, None, "", SAFE, better=True, margin=0.5, why="it is complete")
OWN_FORMATS = [each.name for each in shipped_formats() if each.of]
POISON = "poisonous words"


@pytest.fixture
def dataset(make_build: Callable[..., Any], tmp_path: Path) -> Path:
    """A dataset of 20 rows, half of them with a repaired response, half with one that a judge likes better."""
    build = make_build(5)
    for path, candidates in build.candidates.items():
        build.candidates[path] = [
            replace(each, verdicts=SAFE, rivals=(FAILED, OTHER) if number % 2 else (OTHER,))
            if each.state is State.ACCEPTED
            else each
            for number, each in enumerate(candidates)
        ]
    return write_dataset(tmp_path / "dataset", preferences=PreferencesConfig(repair=True), **build.arguments())


def load(folder: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """The rows of an export's one config through the real `datasets`."""
    import datasets

    (config,) = json.loads((folder / "export.json").read_text())["configs"]
    return list(datasets.load_dataset(str(folder), config, split="train", cache_dir=str(tmp_path / "cache")))


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize("name", [name for name in OWN_FORMATS if name != "grpo"])
def test_a_format_has_all_rows_of_its_config(dataset: Path, tmp_path: Path, name: str, kind: str) -> None:
    """As many as the dataset has, with the columns that llama-factory is told of."""
    report = export_training(dataset, tmp_path / "out", row_format(name), kind=kind)
    rows = load(tmp_path / "out", tmp_path)
    manifest = json.loads((dataset / "manifest.json").read_text())
    ((config, count),) = report.rows.items()
    assert config in PREFERENCE_CONFIGS and len(rows) == count == manifest["configs"][config]["rows"] > 0
    info = tmp_path / "out/dataset_info.json"
    assert info.exists() is name.startswith("llama-factory")
    if info.exists():
        ((dataset_name, entry),) = json.loads(info.read_text()).items()
        assert dataset_name == f"labgen_{config}" and set(entry["columns"].values()) <= set(rows[0])
        assert (tmp_path / "out" / entry["file_name"]).is_dir()


def test_a_pair_is_the_same_in_every_layout(dataset: Path, tmp_path: Path) -> None:
    """Which response is better does not hang on the layout; UltraFeedback's scores differ by the margin."""
    found = {}
    for name in ("preference", "ultrafeedback", "llama-factory-ranking"):
        export_training(dataset, tmp_path / name, row_format(name))
        found[name] = load(tmp_path / name, tmp_path)
    for plain, ultra, ranking in zip(*found.values(), strict=True):
        assert plain["id"] == ultra["id"] == ranking["id"]
        assert plain["prompt"] + plain["chosen"] == ultra["chosen"] == ultra["messages"]
        assert plain["prompt"] + plain["rejected"] == ultra["rejected"]
        assert (plain["chosen"], plain["rejected"]) == ([ranking["chosen"]], [ranking["rejected"]])
        assert ultra["score_chosen"] - ultra["score_rejected"] == pytest.approx(9 * plain["margin"])
        assert ranking["messages"][-1]["role"] == "user" and ultra["prompt"] == plain["prompt"][-1]["content"]
    chosen = {(row["kind"], row["chosen"][0]["content"] == OTHER.response) for row in found["preference"]}
    assert chosen == {(REPAIR, False), (SAMPLE, True)}


def test_kto_has_both_labels_and_no_row_twice(dataset: Path, tmp_path: Path) -> None:
    """Good ones are rows and what a judge liked better, bad ones are what was turned down for what it says."""
    export_training(dataset, tmp_path / "out", row_format("kto", system_prompt="You are careful."))
    rows = load(tmp_path / "out", tmp_path)
    bad = {row["completion"][0]["content"] for row in rows if not row["label"]}
    assert bad == {FAILED.response} and len({row["id"] for row in rows}) == len(rows)
    assert {row["prompt"][0]["content"] for row in rows} == {"You are careful."}


def test_formats_for_supervised_training_refuse_pairs_and_leave_them_out(dataset: Path, tmp_path: Path) -> None:
    """A config of the wrong kind is refused with the formats that hold it; by default it is not looked at."""
    report = export_training(dataset, tmp_path / "out", row_format("messages"))
    assert not set(report.rows) & set(PREFERENCE_CONFIGS)
    with pytest.raises(UsageError, match=r"`messages` does not hold `preferences`.*ultrafeedback"):
        export_training(dataset, tmp_path / "no", row_format("messages"), configs=["preferences"])
    with pytest.raises(UsageError, match=r"`kto` does not hold `knowledge`.*messages"):
        export_training(dataset, tmp_path / "no", row_format("kto"), configs=["knowledge"])


def test_a_format_whose_config_is_missing_says_what_to_set(make_build: Callable[..., Any], tmp_path: Path) -> None:
    """A dataset without preferences names the setting."""
    plain = write_dataset(tmp_path / "plain", **make_build(2).arguments())
    with pytest.raises(UsageError, match=r"no config `feedback`.*Set `preferences:`"):
        export_training(plain, tmp_path / "no", row_format("kto"))


def test_checkable_rows_reward_their_own_answer(make_build: Callable[..., Any], tmp_path: Path) -> None:
    """TRL's call with the export's columns: the row's own response gets 1, another one 0."""
    build = make_build(3)
    for path, candidates in build.candidates.items():
        build.candidates[path] = [replace(each, response=f"{number}{number + 1}") for number, each in
                                  enumerate(candidates)]  # fmt: skip
    folder = write_dataset(tmp_path / "dataset", preferences=PreferencesConfig(), **build.arguments())
    export_training(folder, tmp_path / "out", row_format("grpo"))
    rows = load(tmp_path / "out", tmp_path)
    columns = {name: [row[name] for row in rows] for name in ("answer", "checker", "leaf")}
    right = [[{"role": "assistant", "content": f"So the answer is {row['answer']}."}] for row in rows]
    assert len(rows) == 12 and {row["checker"] for row in rows} == {"number"}
    assert final_answer_reward(completions=right, prompts=[], **columns) == [1.0] * 12
    assert final_answer_reward(completions=["7777"] * 12, **columns) == [0.0] * 12


VERDICTS = st.lists(
    st.builds(
        Verdict,
        st.sampled_from(["safety", "guard", "secrets", "personal_data", "contamination", "pair_score"]),
        st.just("1"),
        st.sampled_from([0.0, 1.0, 3.0]),
    ),
    max_size=4,
).map(tuple)
STATES = st.sampled_from([None, *State])
REASONS = st.sampled_from(["", "score_1", "response_truncated", "instruction_refusal", "not_answerable_from_passage"])
RIVALS = st.builds(
    Rival,
    response=st.sampled_from([POISON, "plain words"]),
    kind=st.sampled_from([REPAIR, SAMPLE]),
    state=STATES,
    reason=REASONS,
    verdicts=VERDICTS,
    better=st.booleans(),
    margin=st.sampled_from([0.0, 0.5, 1.0]),
)


def dangerous(verdicts: tuple[Verdict, ...], state: State | None) -> bool:
    """Whether a response is known to harm, or not known not to."""
    said = {each.filter: each.value for each in verdicts}
    hit = {"secrets", "personal_data", "contamination"} & set(said)
    return bool(hit) or said.get("safety") != 1.0 or state in (State.UNSAFE, State.CONTAMINATED)


@settings(max_examples=some(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATES, VERDICTS, st.lists(RIVALS, max_size=3).map(tuple), st.booleans())
def test_no_harmful_response_is_ever_a_bad_side(
    tmp_path_factory: pytest.TempPathFactory,
    state: State | None,
    verdicts: tuple[Verdict, ...],
    rivals: tuple[Rival, ...],
    guarded: bool,
) -> None:
    """Whatever states and verdicts come together; every pair has a margin; the spool loses nothing of a rival."""
    candidate = Candidate("a/b", 0, 0, "What is it?", "plain answer", verdicts=verdicts, state=state, rivals=rivals)
    assert unpack("a/b", pack([candidate])) == [candidate]
    root = tmp_path_factory.mktemp("tables")
    tables = PreferenceTables(root, PreferencesConfig(), guarded=guarded)
    tables.add(candidate, LeafInfo("a/b", "a", "freeform", "f", "p", 1), BuildInfo("t", rehearsal=False))
    files = tables.close()
    worse = {
        row["rejected"][0]["content"] for file in files.get("preferences", ()) for row in read_rows(root / file.path)
    }
    rows = [row for file in files.get("feedback", ()) for row in read_rows(root / file.path)]
    worse |= {row["completion"][0]["content"] for row in rows if not row["label"]}
    harmful = [each for each in rivals if each.response == POISON]
    if all(dangerous(each.verdicts, each.state) for each in harmful):
        assert POISON not in worse
    if guarded and not any(each.filter == "guard" for rival in harmful for each in rival.verdicts):
        assert POISON not in worse


def test_the_writer_refuses_where_a_response_that_was_turned_down_tells_what_is_held_out(
    make_build: Callable[..., Any], tmp_path: Path
) -> None:
    """A build draws held-out rows that keep clear of such responses; what does not is refused as any other leak."""
    told = "Feathers and wedges are driven into a row of holes along the rift."
    build = make_build(5)
    leaf = "foundational_skills/reasoning"
    build.candidates = {
        path: [replace(each, verdicts=SAFE, rivals=(OTHER,)) for each in candidates]
        for path, candidates in build.candidates.items()
    }
    first, *others = build.candidates[leaf]
    telling = Rival(f"As masons say: {told}", REPAIR, State.LOW_QUALITY, "score_1", BAD, margin=1.0, why="off")
    build.candidates[leaf] = [replace(first, rivals=(telling, OTHER)), *others]
    asked = Candidate(leaf, 2**20, 0, "How is a slab of granite split along its rift?", told, verdicts=SAFE)
    row = held_out_row(asked, "skills", LeafInfo(leaf, leaf, "freeform", "fp", "pv", 1), BuildInfo("teacher", False))
    held = HeldOutRows({"skills": [row]}, {"sets": {"skills": {"wanted": 1, "rows": 1, "leaked": 0}}})
    with pytest.raises(OutputError, match=r"answer of .* of `preferences`"):
        write_dataset(tmp_path / "with", preferences=PreferencesConfig(repair=True), held_out=held, **build.arguments())
    assert not (tmp_path / "with").exists()
