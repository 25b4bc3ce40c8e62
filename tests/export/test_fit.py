"""Rows that a trainer need not cut: whole answers at every length, and passages in part around the evidence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.dataset import MixConfig
from labgen.errors import ConfigError
from labgen.export.dataset import write_dataset
from labgen.export.files import read_rows
from labgen.export.fit import RowLength, excerpt
from labgen.export.folder import read_manifest
from labgen.export.mix import PHASES, emptied_phases
from labgen.formats.training.reasoning import with_reasoning
from labgen.records import Evidence, Verdict
from labgen.text.token_count import estimate_tokens

LONG = " ".join(f"Layer {number} of the quarry holds stone of its own kind." for number in range(200))


def build_with_long_passages(make_build: Callable):
    """Passages of some 2,500 tokens, the evidence somewhere in the middle of them."""
    build = make_build(24)
    for path, candidates in build.candidates.items():
        if path.startswith("knowledge/"):
            build.candidates[path] = [lengthened(each) for each in candidates]
    return build


def lengthened(candidate):
    """The candidate on a long passage of its own."""
    piece = f"Layer {candidate.slot + 60} of the quarry"
    passage = f"{candidate.context} {LONG}"
    start = passage.index(piece)
    evidence = Evidence(piece, start, start + len(piece))
    return replace(candidate, context=passage, verdicts=(Verdict("groundedness", "1", 1.0, "", (evidence,)),))


def phases_of(folder: Path) -> dict[str, list[dict]]:
    configs = read_manifest(folder)["configs"]
    return {name: [row for file in configs[name]["files"] for row in read_rows(folder / file)] for name in configs}


@pytest.mark.parametrize("limit", [64, 100, 128, 400, 1024])
def test_no_row_of_a_phase_is_longer_than_the_trainer_takes(tmp_path: Path, make_build: Callable, limit: int) -> None:
    """In every phase and form; questions and answers stay whole, and the evidence is among what is shown."""
    build = build_with_long_passages(make_build)
    mix = MixConfig(
        max_tokens=limit, open_book=1, distractors=1, gold_share=1, replay_1_in_2=0, replay_1_in_3=0, replay_2_in_3=0
    )
    rows = phases_of(write_dataset(tmp_path / "out", **build.arguments(), mix=mix))
    length, plain = RowLength.of(mix), {row["id"]: row for row in rows["knowledge"]}
    forms: Counter[str] = Counter()
    for phase in PHASES.values():
        for row in rows.get(phase, ()):
            assert length.tokens(row["messages"]) <= limit
            forms[row["form"]] += 1
            if row["form"] in ("open_book", "distractors"):
                origin = plain[row["id"]]
                assert row["messages"][1:] == origin["messages"][1:] and row["context"] == origin["context"]
                assert row["messages"][0]["content"].endswith(origin["messages"][0]["content"])
                assert row["verdicts"][0]["evidence"][0]["text"] in row["messages"][0]["content"]
    report = json.loads((tmp_path / "out/mix.json").read_text())
    too_long = Counter[str]()
    for phase in report["phases"].values():
        too_long.update(phase["too_long"])
    if limit >= 400:
        assert forms["open_book"] == forms["distractors"] == forms["closed_book"] and not too_long
    else:
        assert too_long
    card = (tmp_path / "out/README.md").read_text()
    assert f"more than {limit:,} tokens" in card and ("Too long for that" in card) == bool(too_long)


def test_without_a_length_and_with_one_that_all_fit_into_the_bytes_are_the_same(
    tmp_path: Path, make_build: Callable
) -> None:
    """A limit changes only what it must."""
    build = make_build(20)
    free = phases_of(write_dataset(tmp_path / "free", **build.arguments(), mix=MixConfig()))
    roomy = phases_of(write_dataset(tmp_path / "roomy", **build.arguments(), mix=MixConfig(max_tokens=4096)))
    assert free == roomy


def test_other_rows_are_drawn_for_those_that_are_too_long(tmp_path: Path, make_build: Callable) -> None:
    """A share stays a share of all rows as long as enough of them fit."""
    build = make_build(40)
    path = "knowledge/science/granite"
    build.candidates[path] = [
        replace(each, response=each.response + " really" * 900 * (each.slot // 2 % 2))
        for each in build.candidates[path]
    ]
    mix = MixConfig(max_tokens=512, closed_book=0.25, open_book=0, distractors=0)
    rows = phases_of(write_dataset(tmp_path / "out", **build.arguments(), mix=mix))
    mine = [row for phase in (PHASES[1], PHASES[2]) for row in rows[phase] if row["branch"] == "knowledge"]
    own = {row["id"] for row in mine if row["leaf"] == path}
    assert len(own) == 10  # a quarter of the leaf's 40, all of them from the 20 that fit


@given(
    st.lists(st.text(alphabet="abc defg.", min_size=1, max_size=60), min_size=1, max_size=30),
    st.data(),
    st.integers(min_value=1, max_value=200),
)
def test_an_excerpt_holds_what_it_must_and_is_no_longer_than_it_may(parts: list[str], data, room: int) -> None:
    """Whole where it fits whole; a piece of the passage; None only where what it must hold is too long."""
    passage = ". ".join(parts)
    start = data.draw(st.integers(0, len(passage) - 1))
    end = data.draw(st.integers(start + 1, len(passage)))
    found = excerpt(passage, (start, end), room, estimate_tokens)
    if found is None:
        return
    assert found in passage
    assert passage[start:end].strip() in found
    assert estimate_tokens(found) <= room
    if estimate_tokens(passage) <= room:
        assert found == passage.strip()


def test_the_trainers_own_tokenizer_and_template_count(tmp_path: Path) -> None:
    """A folder with tokenizer.json and a chat template counts exactly what the template writes."""
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    words.save(str(tmp_path / "tokenizer.json"))
    turns = [{"role": "user", "content": "one two three"}, {"role": "assistant", "content": "four five"}]
    bare = RowLength.by(str(tmp_path), 100)
    assert bare.template is None and bare.tokens(turns) > 5
    (tmp_path / "chat_template.jinja").write_text(
        "{% for message in messages %}<turn> {{ message.content }} {% endfor %}"
    )
    exact = RowLength.by(str(tmp_path / "tokenizer.json"), 100)
    assert exact.tokens(turns) == 2 + 3 + 2 + 1


def test_a_tokenizer_that_cannot_be_read_is_told_with_its_setting() -> None:
    """Before anything is drawn."""
    with pytest.raises(ConfigError, match="there is no file"):
        RowLength.of(MixConfig(max_tokens=100, tokenizer="no/such/tokenizer.json"))


def test_a_row_is_measured_with_the_reasoning_that_an_export_writes(tmp_path: Path, make_build: Callable) -> None:
    """So that no export has to leave it out; the phases themselves hold answers alone."""
    build = make_build(24)
    for path, candidates in build.candidates.items():
        if path.startswith("foundational_skills/"):
            plan = " ".join(["Step by step it follows."] * 40)
            build.candidates[path] = [replace(each, reasoning=plan if each.slot % 2 else "") for each in candidates]
    sizes = {}
    for style in ("none", "think", "cerebrum"):
        mix = MixConfig(max_tokens=128, reasoning=style, replay_1_in_2=0)
        rows = phases_of(write_dataset(tmp_path / style, **build.arguments(), mix=mix))["phase_2_knowledge_long"]
        own = [row for row in rows if row["branch"] == "foundational_skills"]
        length = RowLength.of(mix)
        assert own and all(length.fits(with_reasoning(row, style)["messages"]) for row in own)
        assert not any("Step by step" in turn["content"] for row in own for turn in row["messages"])
        sizes[style] = len(own)
    assert sizes["think"] == sizes["cerebrum"] < sizes["none"]


def test_a_phase_that_is_empty_for_its_length_is_told(tmp_path: Path, make_build: Callable) -> None:
    """With how many rows were too long for it; a phase that nothing was drawn for is not."""
    build = make_build(24)
    for path, candidates in build.candidates.items():
        if path.startswith("compositional_skills/"):
            build.candidates[path] = [replace(each, response=LONG) for each in candidates]
    folder = write_dataset(
        tmp_path / "out", **build.arguments(), mix=MixConfig(max_tokens=256, replay_1_in_3=0, replay_2_in_3=0)
    )
    assert list(emptied_phases(folder)) == ["phase_3_skills"] and emptied_phases(folder)["phase_3_skills"] > 0
    roomy = write_dataset(tmp_path / "roomy", **build.arguments(), mix=MixConfig())
    assert emptied_phases(roomy) == {} == emptied_phases(tmp_path)
