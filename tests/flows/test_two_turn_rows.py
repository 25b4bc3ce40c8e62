"""Leaves that ask for two turns have conversations as rows; a second turn that fails costs nothing but itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from brought import config_in, rehearse, rows_of
from workbench import Labgen, digest, freeform, write_leaf

from labgen.errors import UsageError
from labgen.export.held_out import held_out_texts, training_texts
from labgen.export.training import export_training
from labgen.filters.leaks import HeldOutPiece, LeakIndex, Training
from labgen.formats.training.rows import row_format
from labgen.records import Call
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

TIDES, REQUESTS, NOTES = "knowledge/science/tides", "foundational_skills/requests", "compositional_skills/notes/tasks"
BRANCHES = ("knowledge", "foundational_skills", "compositional_skills")
SETTINGS: dict[str, Any] = {"samples": 8, "samples_per_passage": 0, "mix": {"phases": False}}
EVERYWHERE = [{"match": "**", "turns": 2}]


def all_rows(dataset: Path) -> list[dict[str, Any]]:
    """The rows of all branches."""
    return [row for branch in BRANCHES for row in rows_of(dataset, branch)]


def second_turn(row: dict[str, Any]) -> dict[str, Any]:
    """The verdict on whether a row has its second turn."""
    (found,) = [each for each in row["verdicts"] if each["filter"] == "second_turn"]
    return found


def pair(question: str, answer: str) -> str:
    """A second turn in the form that is asked for."""
    return f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"


@pytest.mark.parametrize("path", [TIDES, REQUESTS, NOTES])
def test_a_leaf_that_asks_for_two_turns_has_conversations(path: str, taxonomy: Path, tmp_path: Path) -> None:
    """As many rows as wanted, the first turns as they are without; the other leaves notice nothing."""
    rehearse(tmp_path, **SETTINGS)
    before = {row["id"]: row for row in all_rows(tmp_path / "dataset")}
    build, asked = rehearse(tmp_path, **SETTINGS, leaves=[{"match": path, "turns": 2}])
    rows = all_rows(tmp_path / "dataset")
    assert build.funnel.total().accepted == len(rows) == 24 and asked["follow_up"] >= 8
    own = [row for row in rows if row["leaf"] == path]
    longer = [row for row in own if len(row["messages"]) == 4]
    assert len(longer) >= 4 and all(len(row["messages"]) in (2, 4) for row in own)
    assert all(bool(second_turn(row)["value"]) is (row in longer) for row in own)
    assert [row["messages"][:2] for row in own] == [row["messages"] for row in before.values() if row["leaf"] == path]
    assert [row for row in rows if row["leaf"] != path] == [row for row in before.values() if row["leaf"] != path]
    assert {turn["role"] for row in longer for turn in row["messages"][::2]} == {"user"}
    turns = build.funnel.leaves[path].second_turns
    assert turns["accepted"] == len(longer) and sum(turns.values()) == 8
    assert not build.funnel.leaves[REQUESTS if path != REQUESTS else NOTES].second_turns


def test_a_second_turn_is_grounded_in_its_own_passage(taxonomy: Path, tmp_path: Path) -> None:
    """Its evidence stands in the row's passage; an answer from elsewhere is left out, and the first turn stays."""
    rehearse(tmp_path, **SETTINGS, leaves=EVERYWHERE)
    rows = rows_of(tmp_path / "dataset", "knowledge")
    pieces = [
        (row["context"], piece)
        for row in rows
        for each in row["verdicts"]
        if each["filter"] == "second_turn/groundedness" and second_turn(row)["value"]
        for piece in each["evidence"]
    ]
    assert pieces and all(context[piece["start"] : piece["end"]] == piece["text"] for context, piece in pieces)

    def invents(call: Call) -> str | None:
        if call.step != "follow_up":
            return None
        return pair(
            "And what did people once believe of that?", "They believed that a whale breathes the sea in and out."
        )

    build, _ = rehearse(tmp_path, invents, **SETTINGS, leaves=EVERYWHERE, work=tmp_path / "other")
    rows = rows_of(tmp_path / "dataset", "knowledge")
    assert len(rows) == 8 and all(len(row["messages"]) == 2 for row in rows)
    assert all(second_turn(row)["reason"].startswith("ungrounded: ") for row in rows)
    assert build.funnel.leaves[TIDES].second_turns == {"ungrounded": 8}


def test_a_judge_of_the_second_turn_knows_the_first(taxonomy: Path, tmp_path: Path) -> None:
    """What is asked with "it" can't be judged without what was said before."""
    seen: list[str] = []

    def watch(call: Call) -> str | None:
        if call.step == "judge_pair" and "Now they ask:" in call.messages[-1].content:
            seen.append(call.messages[-1].content)
        return None

    rehearse(tmp_path, watch, **SETTINGS, leaves=EVERYWHERE)
    rows = [row for row in rows_of(tmp_path / "dataset", "foundational_skills") if len(row["messages"]) == 4]
    assert rows
    for row in rows:
        assert any(all(turn["content"] in prompt for turn in row["messages"]) for prompt in seen)


@pytest.mark.parametrize(
    ("reply", "state"),
    [
        ("no pair at all", "unparsed"),
        (pair("Then write to ada@analytical.org?", "Her address is ada@analytical.org."), "unsafe"),
    ],
)
def test_what_comes_of_a_bad_second_turn_is_said(reply: str, state: str, taxonomy: Path, tmp_path: Path) -> None:
    """By the state that it would have ended in; the row is the one that it would have been without."""
    build, _ = rehearse(tmp_path, lambda call: reply if call.step in ("follow_up", "restate") else None, **SETTINGS,
                        leaves=EVERYWHERE)  # fmt: skip
    assert build.complete and build.funnel.total().accepted == 24
    assert build.funnel.total().second_turns == {state: 24}
    assert all(second_turn(row)["reason"].startswith(f"{state}: ") for row in all_rows(tmp_path / "dataset"))


def test_no_question_is_asked_twice_in_two_turns(taxonomy: Path, tmp_path: Path) -> None:
    """Not that of the first turn, nor one of another row, whichever turn that stands in."""
    repeated = rehearse(
        tmp_path,
        lambda call: (
            pair(re.findall(r"<query>\n(.*?)\n</query>", call.messages[-1].content, re.DOTALL)[0], "Yes, so.")
            if call.step == "follow_up"
            else None
        ),
        **SETTINGS,
        leaves=EVERYWHERE,
    )[0]
    assert repeated.funnel.total().second_turns == {"duplicate": 24}

    def one_for_all(call: Call) -> str | None:
        if call.step == "judge_pair" and "Now they ask:" in call.messages[-1].content:
            return json.dumps({"score": 3, "safe": "yes", "hazard": "none", "reason": "good"})
        return pair("And how would you put that for a child?", "In small words.") if call.step == "follow_up" else None

    write_leaf(taxonomy, "foundational_skills/more", **freeform(task_description="Answer other requests."))
    leaves = [{"match": "foundational_skills/**", "turns": 2}]
    build, _ = rehearse(tmp_path, one_for_all, **SETTINGS, leaves=leaves, work=tmp_path / "other")
    asked = [turn["content"] for row in all_rows(tmp_path / "dataset") for turn in row["messages"][::2]]
    assert asked.count("And how would you put that for a child?") == 1
    assert build.funnel.total().second_turns == {"accepted": 1, "duplicate": 15}


def test_the_second_turn_is_part_of_what_must_not_leak() -> None:
    """Each answer is an answer, also a short one, and each question a question."""

    def row(name: str, *turns: str) -> dict[str, Any]:
        roles = ("user", "assistant") * 2
        messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
        return {"id": name, "messages": messages, "context": None, "source": None, "verdicts": []}

    held = row("held", "Where is the mill?", "At the river.", "Who owns it?", "Widow Perrault.")
    train = row("train", "Who lived there?", "Nobody.", "And who had it then?", "Widow Perrault.")
    other = row("other", "Who owns it?", "It was sold.", "And when?", "In spring.")
    index = LeakIndex(held_out_texts(held, "recall"))
    leaks = index.find(Training([text for each in (train, other) for text in training_texts(each)]))
    assert {(leak.piece, leak.training) for leak in leaks} == {
        (HeldOutPiece.ANSWER, "train"),
        (HeldOutPiece.QUESTION, "other"),
    }


def test_every_answer_of_a_conversation_is_learned_from(taxonomy: Path, tmp_path: Path) -> None:
    """Formats with turns take it whole; one with a completion has a row for each answer; one of a pair says so."""
    rehearse(tmp_path, **SETTINGS, leaves=EVERYWHERE)
    dataset = tmp_path / "dataset"
    rows = all_rows(dataset)
    longer = sum(len(row["messages"]) == 4 for row in rows)
    for name, wanted in (("messages", 24), ("sharegpt", 24), ("instructlab", 24), ("prompt-completion", 24 + longer)):
        report = export_training(dataset, tmp_path / name, row_format(name), kind="jsonl")
        assert sum(report.rows.values()) == wanted, name
    lines = [
        json.loads(line)
        for file in (tmp_path / "prompt-completion").glob("*/*.jsonl")
        for line in file.read_text().splitlines()
    ]
    answers = {turn["content"] for row in rows for turn in row["messages"][1::2]}
    assert {line["completion"][0]["content"] for line in lines} == answers
    further = [line for line in lines if line["id"].endswith("-turn_2")]
    assert len(further) == longer and all(len(line["prompt"]) == 3 for line in further)
    with pytest.raises(UsageError, match="one question and one answer"):
        export_training(dataset, tmp_path / "alpaca", row_format("alpaca"))


def test_the_price_of_second_turns_is_in_the_plan(taxonomy: Path, tmp_path: Path) -> None:
    """A call and the verdicts on it for whatever passes; and nothing where one turn is asked for."""
    priced = {}
    for turns in (1, 2):
        config = config_in(tmp_path, **SETTINGS, leaves=[{"match": "**", "turns": turns}])
        estimate = estimate_build(Session.prepare(config))
        priced[turns] = {leaf.plan.leaf.path: leaf for leaf in estimate.leaves}
    _, asked = rehearse(tmp_path, **SETTINGS, leaves=EVERYWHERE)
    for path, leaf in priced[2].items():
        assert leaf.to_pay.calls["follow_up"] >= 8 and "follow_up" not in priced[1][path].to_pay.calls
        assert leaf.chain == priced[1][path].chain + 2
    expected = sum(leaf.to_pay.calls["follow_up"] for leaf in priced[2].values())
    assert expected == pytest.approx(asked["follow_up"], rel=0.35)


def test_a_plan_says_where_settings_of_leaves_have_no_effect(taxonomy: Path, labgen: Labgen) -> None:
    """On leaves whose answers have a reasoning, or can't have one."""
    entry = {"match": "**", "turns": 2, "reasoning": "plan"}
    (taxonomy.parent / "labgen.yaml").write_text(json.dumps({"leaves": [entry]}))
    said = labgen("plan").err
    assert f"`turns` has no effect on {NOTES}, {REQUESTS}: its answers come with a reasoning" in said
    assert f"`reasoning` has no effect on {TIDES}: only answers of skills come with one." in said
    (taxonomy.parent / "labgen.yaml").write_text(json.dumps({"leaves": [{"match": "**", "turns": 2}]}))
    assert "no effect" not in labgen("plan").err


def test_two_turns_come_out_the_same_from_the_ledger(taxonomy: Path, labgen: Labgen) -> None:
    """Byte for byte, without a call."""
    (taxonomy.parent / "labgen.yaml").write_text(
        json.dumps({"samples": 6, "samples_per_passage": 0, "leaves": EVERYWHERE})
    )
    assert labgen("generate").status == 0
    first = digest(taxonomy.parent / "dataset")
    again = labgen("generate")
    assert "0 calls answered" in again.out and digest(taxonomy.parent / "dataset") == first
