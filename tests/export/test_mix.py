"""Promises of the training phases, checked from the rows themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.dataset import ExtraDataset, MixConfig
from labgen.errors import ConfigError
from labgen.export.balance import allocate
from labgen.export.dataset import write_dataset
from labgen.export.extras import check_extras
from labgen.export.files import read_rows
from labgen.export.folder import read_manifest
from labgen.export.mix import PHASES

ONE, TWO, THREE = PHASES.values()


def write(folder: Path, build: Any, **settings: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows of every config of a dataset that is written with such a mix."""
    write_dataset(folder, **build.arguments(), mix=MixConfig(**settings))
    configs = read_manifest(folder)["configs"]
    return {name: [row for file in configs[name]["files"] for row in read_rows(folder / file)] for name in configs}


def test_phases_hold_what_lab_says_in_the_shares_that_the_configuration_says(
    tmp_path: Path, make_build: Callable
) -> None:
    """Sizes, branches, the cut, replay shares and forms, from the rows; mix.json says the same."""
    rows = write(tmp_path / "out", make_build(40), replay_1_in_2=0.25, replay_1_in_3=0.1, replay_2_in_3=0.5)
    report = json.loads((tmp_path / "out" / "mix.json").read_text())
    kinds = {row["id"]: row["kind"] for row in rows["knowledge"]}
    short = [key for key, kind in kinds.items() if kind == "fact"]
    assert 0 < len(short) < len(kinds)

    ids = {phase: [(row["id"], row["form"]) for row in rows[phase]] for phase in PHASES.values()}
    assert {key for key, form in ids[ONE] if form == "closed_book"} == set(short)
    forms, quarter = Counter(form for _, form in ids[ONE]), int(len(short) / 4 + 0.5)
    assert forms == {"closed_book": len(short), "open_book": quarter, "distractors": quarter}

    replayed = set(ids[TWO]) & set(ids[ONE])
    assert len(replayed) == int(0.25 * len(ids[ONE]) + 0.5)
    own = set(ids[TWO]) - replayed
    assert {key for key, _ in own} == {row["id"] for row in rows["foundational_skills"]} | (set(kinds) - set(short))
    skills = {(row["id"], "") for row in rows["compositional_skills"]}
    assert skills <= set(ids[THREE])
    assert len(set(ids[THREE]) & set(ids[ONE])) == int(0.1 * len(ids[ONE]) + 0.5)
    assert len(set(ids[THREE]) & own) == int(0.5 * len(own) + 0.5)
    assert len(ids[THREE]) == len(skills) + len(set(ids[THREE]) & set(ids[ONE])) + len(set(ids[THREE]) & own)

    for phase, keys in ids.items():
        assert len(set(keys)) == len(keys) == report["phases"][phase]["rows"]
        assert Counter(row["leaf"] for row in rows[phase]) == report["phases"][phase]["leaves"]
    assert report["phases"][TWO]["replay"] == {ONE: len(replayed)}


def test_every_phase_opens_with_the_real_library(
    tmp_path: Path, make_build: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As plain configs do."""
    import datasets

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = write(tmp_path / "out", make_build(10))
    for config, expected in rows.items():
        loaded = datasets.load_dataset(str(tmp_path / "out"), config, split="train", cache_dir=str(tmp_path / "cache"))
        assert loaded["id"][:] == [row["id"] for row in expected]


def test_forms_show_the_passage_or_other_passages_and_keep_question_and_answer(
    tmp_path: Path, make_build: Callable
) -> None:
    """Open book holds the passage; RAFT's holds wrong ones, and the right one as often as set."""
    build = make_build(30)
    rows = write(tmp_path / "out", build, open_book=1, distractors=1, distractor_passages=2, gold_share=0.5)
    plain = {row["id"]: row for row in rows["knowledge"]}
    with_gold = shown = 0
    for row in rows[ONE]:
        form, origin = row["form"], plain[row["id"]]
        assert row["messages"][1:] == origin["messages"][1:]
        assert row["context"] == origin["context"]
        asked = row["messages"][0]["content"]
        assert asked.endswith(origin["messages"][0]["content"])
        if form == "open_book":
            assert asked == f"{origin['context']}\n\n{origin['messages'][0]['content']}"
        if form == "distractors":
            passages = [part.partition("] ")[2] for part in asked.split("\n\n")[:-1]]
            assert len(passages) == len(set(passages)) == 2 + (origin["context"] in passages)
            shown += 1
            with_gold += origin["context"] in passages
    assert 0 < with_gold < shown == len(rows[ONE]) / 3


def test_a_form_can_be_switched_off_and_a_lone_passage_has_no_distractors(tmp_path: Path, make_build: Callable) -> None:
    """Nothing is shown as a distractor to itself."""
    rows = write(tmp_path / "closed", make_build(8), open_book=0, distractors=0)
    assert {row["form"] for phase in PHASES.values() for row in rows[phase]} == {"closed_book", ""}
    build = make_build(1).only("knowledge/science/granite")
    rows = write(tmp_path / "lone", build, open_book=1, distractors=1)
    assert sorted(row["form"] for row in rows[ONE]) == ["closed_book", "open_book"]
    assert set(rows) == {"knowledge", "rejected", ONE}


def test_which_kinds_of_question_belong_to_the_second_phase_can_be_set(tmp_path: Path, make_build: Callable) -> None:
    """All other knowledge belongs to the first one."""
    rows = write(tmp_path / "out", make_build(14), phase_2_kinds=("across",), replay_1_in_2=0, replay_1_in_3=0)
    assert {row["kind"] for row in rows[ONE]} == {"fact", "long"}
    assert {row["kind"] for row in rows[TWO] if row["branch"] == "knowledge"} == {"across"}


def test_order_is_shuffled_seeded_and_moves_little_when_a_row_goes(tmp_path: Path, make_build: Callable) -> None:
    """A trainer that streams meets all leaves mixed; another seed gives another order; other rows stay in theirs."""
    settings = {"open_book": 0, "distractors": 0, "replay_1_in_2": 0}
    orders = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        rows = write(tmp_path / name, make_build(30), seed=seed, **settings)
        orders.append([row["id"] for row in rows[TWO]])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])
    leaves = [row["leaf"] for row in rows[TWO]]
    assert leaves != sorted(leaves)
    build = make_build(30)
    dropped = build.candidates["foundational_skills/reasoning"].pop(3)
    after = [row["id"] for row in write(tmp_path / "d", build, **settings)[TWO]]
    assert dropped.leaf and after == [key for key in orders[0] if key in set(after)]
    assert len(after) == len(orders[0]) - 1


def test_same_input_gives_the_same_bytes_with_phases(tmp_path: Path, make_build: Callable) -> None:
    """mix.json included."""
    for name in ("a", "b"):
        write(tmp_path / name, make_build(12))
    one, two = (
        {path.relative_to(tmp_path / name): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    )
    assert one == two


def test_floor_ceiling_and_totals_hold_in_the_phases(tmp_path: Path, make_build: Callable) -> None:
    """Balance is per leaf and seen in the rows."""
    rows = write(
        tmp_path / "out", make_build(20), leaf_ceiling=12, branch_rows={"knowledge": 15}, open_book=0, distractors=0
    )
    assert len({row["id"] for row in rows[ONE] + rows[TWO] if row["branch"] == "knowledge"}) == 15
    assert Counter(row["leaf"] for row in rows[TWO])["foundational_skills/reasoning"] == 12
    assert len(rows["foundational_skills"]) == 20


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"leaf_floor": 9}, "lower the floor to 5"),
        ({"branch_rows": {"knowledge": 11}}, "ask for 10 or fewer"),
        ({"leaf_floor": 3, "branch_rows": {"knowledge": 5}}, "makes 2 leaves bring 6"),
    ],
)
def test_more_rows_than_exist_is_an_error_with_advice(
    tmp_path: Path, make_build: Callable, settings: dict[str, Any], why: str
) -> None:
    """Never silent repetition."""
    with pytest.raises(ConfigError, match=why):
        write(tmp_path / "out", make_build(5), **settings)
    assert list(tmp_path.iterdir()) == []


def test_extra_datasets_come_in_by_weight_with_their_licence(tmp_path: Path, make_build: Callable) -> None:
    """From messages, ShareGPT turns or questions and answers; more than there are is an error."""
    lines = [
        {"messages": [{"role": "user", "content": f"hi {n}"}, {"role": "assistant", "content": "ho"}]}
        if n % 3 == 0
        else {"conversations": [{"from": "human", "value": f"hi {n}"}, {"from": "gpt", "value": "ho"}]}
        if n % 3 == 1
        else {"instruction": f"hi {n}", "input": "x", "output": "ho"}
        for n in range(30)
    ]
    (tmp_path / "chat.jsonl").write_text("\n".join(map(json.dumps, lines)))
    extra = {"name": "chat", "path": str(tmp_path / "chat.jsonl"), "licence": "MIT", "phases": (1, 3), "weight": 0.5}
    rows = write(tmp_path / "out", make_build(20), extras=(ExtraDataset(**extra),), open_book=0, distractors=0)
    report = json.loads((tmp_path / "out" / "mix.json").read_text())
    for phase in (ONE, THREE):
        mixed = [row for row in rows[phase] if row["leaf"] == "extra/chat"]
        own = sum(report["phases"][phase]["own"].values())
        assert len({row["messages"][0]["content"] for row in mixed}) == len(mixed) == int(own / 2 + 0.5)
    assert report["extras"][0]["licence"] == "MIT"
    assert str(tmp_path) not in (tmp_path / "out" / "mix.json").read_text()
    with pytest.raises(ConfigError, match="lower its `weight` to"):
        write(tmp_path / "more", make_build(20), extras=(ExtraDataset(**extra | {"weight": 4}),))
    check_extras([ExtraDataset(**extra)])
    (tmp_path / "chat.jsonl").write_text('{"text": 1}\n' * 90)
    with pytest.raises(ConfigError, match="row 0 of"):
        check_extras([ExtraDataset(**extra)])
    with pytest.raises(ConfigError, match=r"row \d+ of"):
        write(tmp_path / "odd", make_build(20), extras=(ExtraDataset(**extra),))
    for odd in (
        '{"messages": ["hi", "ho"]}',
        '{"conversations": "hi"}',
        '"hi"',
        '{"question": ["hi"], "answer": "ho"}',
    ):
        (tmp_path / "chat.jsonl").write_text(odd)
        with pytest.raises(ConfigError, match=r"mix.extras `chat`: row 0 of .* (has|turn 1|`question`)"):
            check_extras([ExtraDataset(**extra)])
    (tmp_path / "chat.jsonl").write_text('{"text": 1}\n[')
    with pytest.raises(ConfigError, match=r"mix.extras `chat`: .*chat.jsonl, line 2: can't be read as JSON"):
        write(tmp_path / "odd", make_build(20), extras=(ExtraDataset(**extra),))
    with pytest.raises(ConfigError, match="can't be read"):
        write(tmp_path / "gone", make_build(20), extras=(ExtraDataset(**extra | {"path": str(tmp_path / "no.jsonl")}),))


def test_rows_of_others_keep_what_belongs_to_them(tmp_path: Path, make_build: Callable) -> None:
    """System text, earlier turns, contexts and parts go into the phases."""
    row = {
        "system": "Be brief.",
        "history": [["One?", "1"]],
        "context": "Two is two.",
        "question": "Two?",
        "answer": "2",
    }
    file = tmp_path / "chat.jsonl"
    file.write_text(json.dumps(row) + "\n" + json.dumps({"prompt": "a\u2028b", "completion": "c"}, ensure_ascii=False))
    extra = ExtraDataset(name="chat", path=str(file), licence="MIT", phases=(3,), weight=0.1)
    found = write(tmp_path / "out", make_build(20), extras=(extra,), open_book=0, distractors=0)
    mixed = [[turn["content"] for turn in row["messages"]] for row in found[THREE] if row["leaf"] == "extra/chat"]
    assert sorted(mixed) == [["Be brief.", "One?", "1", "Two is two.\n\nTwo?", "2"], ["a\u2028b", "c"]]
    file.write_text(f"{json.dumps(row)}\n" * 9 + json.dumps({"question": "q", "answer": ""}))
    with pytest.raises(ConfigError, match=r"row 9 of .* has an empty answer"):
        check_extras([extra])


sizes = st.dictionaries(st.text(max_size=3), st.integers(0, 500), max_size=12)


@given(sizes, st.floats(1, 50), st.integers(0, 20), st.none() | st.integers(20, 600), st.data())
def test_balance_never_repeats_and_keeps_floor_ceiling_and_total(
    sizes: dict[str, int], temperature: float, floor: int, ceiling: int | None, data: st.DataObject
) -> None:
    """Bounds hold, totals are exact, order of leaves does not matter, larger leaves never bring fewer rows."""
    mix = MixConfig(balance_temperature=temperature, leaf_floor=floor, leaf_ceiling=ceiling)
    sizes = {leaf: max(size, floor) for leaf, size in sizes.items()}
    most = sum(min(size, ceiling or size) for size in sizes.values())
    total = data.draw(st.none() | st.integers(floor * len(sizes), most)) if sizes else None
    drawn = allocate(sizes, mix, total=total)
    for leaf, rows in drawn.items():
        assert floor <= rows <= min(sizes[leaf], ceiling or sizes[leaf])
    assert total is None or sum(drawn.values()) == total
    assert allocate(dict(reversed(sizes.items())), mix, total=total) == drawn
    ordered = sorted(sizes, key=lambda leaf: sizes[leaf])
    assert all(drawn[one] <= drawn[two] + 1 for one, two in pairwise(ordered))


@given(sizes)
def test_temperature_one_keeps_everything(sizes: dict[str, int]) -> None:
    """The default thins nothing."""
    assert allocate(sizes, MixConfig()) == sizes


def test_extra_datasets_are_read_from_parquet_and_from_dataset_folders(tmp_path: Path, make_build: Callable) -> None:
    """A file by itself; a folder through `datasets`, such as another dataset of labgen's."""
    folder = write_dataset(tmp_path / "other", **make_build(9).arguments())
    file = next((folder / "data").glob("knowledge-*.parquet"))
    for path, config in ((file, None), (folder, "knowledge")):
        extra = ExtraDataset(name="other", path=str(path), config=config, weight=0.5, licence="MIT", phases=(3,))
        rows = write(tmp_path / f"out-{path.suffix}", make_build(8), extras=(extra,), replay_1_in_3=0, replay_2_in_3=0)
        assert sum(row["leaf"] == "extra/other" for row in rows[THREE]) == 4
