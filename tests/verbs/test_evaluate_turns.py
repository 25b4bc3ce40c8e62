"""Held-out skills of two turns: asked as MT-Bench does, rated by turn, told with intervals, as table and picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any
from xml.etree import ElementTree

import pytest
from brought import config_in
from student_server import students
from test_evaluate import build, data_files
from workbench import Labgen, Teacher

from labgen.export.held_out import exchanges_of
from labgen.export.scores import BOTH_TURNS, SECOND_TURNS, Evaluation
from labgen.filters.intervals import mean_interval
from labgen.filters.rating import read_rating
from labgen.records import Call, Reply
from labgen.teacher.rehearsal.model import reply
from labgen.teacher.scripted import ScriptedBackend
from labgen.verbs.evaluate import Student, evaluate, read_questions

SKILLS = {"skills": 4, "turns": 2, "reading_passages": 0.3}


@pytest.fixture
def dataset(taxonomy: Path, labgen: Labgen) -> Path:
    """A dataset that holds skills of two turns out."""
    return build(labgen, "dataset", **SKILLS)


def two_turns(dataset: Path) -> list[dict[str, Any]]:
    """Its held-out rows of two turns."""
    return [row for _, row in read_questions(dataset) if len(row["messages"]) == 4]


def examined(dataset: Path, answer: Callable[[Call], Reply]) -> tuple[Evaluation, list[Call]]:
    """What a student of such answers scores, and all that was asked."""
    calls: list[Call] = []

    def reply_to(call: Call) -> Reply:
        calls.append(call)
        if call.step == "student":
            return answer(call)
        found = reply(call.messages, seed=call.seed, temperature=0.0, max_tokens=call.max_tokens, schema=call.schema)
        return Reply(found.text)

    config = config_in(dataset.parent, work=dataset.parent / "examined")
    found = evaluate(config, dataset, [Student("tuned", "http://127.0.0.1:9/v1")], backend=ScriptedBackend(reply_to))
    return found, calls


def test_held_out_skills_go_on_and_training_does_not_change(dataset: Path, labgen: Labgen) -> None:
    """A follow-up for most of them, none for rows that are trained on, and the very same training files."""
    rows = [row for name, row in read_questions(dataset) if name == "skills"]
    assert len(rows) == 8 and len(two_turns(dataset)) >= 4
    assert data_files(build(labgen, "none", reading_passages=0.3)) == data_files(dataset)


def test_the_second_question_comes_after_the_students_own_first_answer(dataset: Path) -> None:
    """Not after the teacher's; and whoever rates it sees that conversation, and a good answer beside it."""
    found, calls = examined(dataset, lambda call: Reply(f"Own answer no. {len(call.messages)}, to what was asked."))
    asked = {call.messages[-1].content: call for call in calls if call.step == "student"}
    rated = [call.messages[-1].content for call in calls if call.step == "rate_answer"]
    for row in two_turns(dataset):
        first, second = (turn["messages"] for turn in exchanges_of(row))
        messages = asked[second[0]["content"]].messages
        assert [each.role for each in messages] == ["user", "assistant", "user"]
        assert messages[0].content == first[0]["content"]
        assert messages[1].content == "Own answer no. 1, to what was asked."
        assert any(
            "Own answer no. 1" in prompt and "Own answer no. 3" in prompt and second[0]["content"] in prompt
            for prompt in rated
        )
        assert any(second[1]["content"] in prompt for prompt in rated)
    assert len(rated) == 2 * len(two_turns(dataset))
    (scores,) = found.scores
    assert len(scores.outcomes) == 8 + len(two_turns(dataset)) and not scores.unanswered
    assert {each.set for each in scores.outcomes} == {"skills", SECOND_TURNS}
    assert all((each.rating is not None) is each.rated for each in scores.outcomes)


def test_a_first_answer_that_is_lacking_ends_the_conversation(dataset: Path) -> None:
    """An empty one counts against both turns; one that never came against neither, and is told."""
    found, calls = examined(dataset, lambda call: Reply(" "))
    (scores,) = found.scores
    assert sum(call.step == "student" for call in calls) == 8
    assert not scores.unanswered and scores.counts(SECOND_TURNS).passed == 0
    assert set(scores.ratings(SECOND_TURNS).values()) == {1}


def test_students_are_rated_in_their_order_by_turn(dataset: Path, labgen: Labgen, teacher: Teacher) -> None:
    """As one table and one picture, with intervals and the paired difference; the same again from the ledger."""
    answers = {
        turn["messages"][0]["content"]: turn["messages"][1]["content"]
        for _, row in read_questions(dataset)
        for turn in exchanges_of(row)
    }
    at_judge = {"LABGEN_JUDGE_BASE_URL": teacher.base_url, "LABGEN_JUDGE_MODEL": "labgen-rehearsal"}
    with students(answers) as address:
        both = ("evaluate", "--base-url", address, "--model", "knows-100", "--against", "knows-0", "--by-leaf")
        said = labgen(*both, "--picture", "scores.svg", **at_judge)
        assert said.status == 0, said.err
        data = labgen(*both, "--json", **at_judge).json
        missing = labgen(*both, "--picture", "no/such/folder.svg", **at_judge)
        assert missing.status == 1 and "can't be written" in missing.err
    base, tuned = (student["ratings"] for student in data["students"])
    for name in ("skills", SECOND_TURNS, BOTH_TURNS):
        low, high = base[name]["interval"]
        assert 1 <= low <= base[name]["mean"] <= high <= 10
        assert base[name]["rated"] == len(two_turns(dataset)) and base[name]["mean"] < tuned[name]["mean"]
        assert data["rating_differences"][name]["mean"] > 0
    assert "knows-100 over knows-0" in said.out and "both turns" in said.out and "REHEARSAL" in said.out
    texts = " ".join(ElementTree.parse(labgen.folder / "scores.svg").getroot().itertext())
    for words in ("knows-0", "knows-100", SECOND_TURNS, "Ratings, 1 to 10", "REHEARSAL"):
        assert words in texts


@pytest.mark.parametrize(
    ("reply_text", "value"),
    [
        ('{"rating": 7, "reason": "fine"}', 7),
        ('{"rating": "10"}', 10),
        ("Rating: 8/10\nReason: short", 8),
        ("<rating>3</rating>", 3),
        ('{"rating": 11}', None),
        ('{"rating": "between 6 and 7"}', None),
        ("no idea", None),
    ],
)
def test_a_rating_is_read_from_what_models_write(reply_text: str, value: int | None) -> None:
    """From 1 to 10, and never guessed."""
    found = read_rating(reply_text)
    assert (found.value if found else None) == value


def test_the_interval_of_a_mean_rating_holds_it_in_95_percent_of_runs() -> None:
    """Over 2,000 runs of 12 ratings each of a judge whose mean is known; and one rating says nothing."""
    chance = Random(5)
    ratings, weights = range(1, 11), (1, 1, 2, 3, 5, 8, 12, 10, 6, 2)
    truth = sum(one * weight for one, weight in zip(ratings, weights, strict=True)) / sum(weights)
    held = 0
    for _ in range(2000):
        _, low, high = mean_interval(chance.choices(ratings, weights, k=12))
        held += low <= truth <= high
    assert 0.93 <= held / 2000 <= 0.97
    assert mean_interval([7])[1:] == (float("-inf"), float("inf"))
    assert mean_interval([7, 7, 7])[1] < 7 < mean_interval([7, 7, 7])[2]


def test_settings_of_two_turns_are_kept_with_the_dataset(dataset: Path) -> None:
    """Under `held_out`, as all that changes what is held out."""
    assert "turns: 2" in (dataset / "settings.yaml").read_text()
    assert json.loads((dataset / "held_out.json").read_text())["sets"]["skills"]["rows"] == 8
