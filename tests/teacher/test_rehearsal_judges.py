"""The rehearsal teacher's judgements are computed from the pair shown: a wrong pair from anywhere is judged wrong."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from labgen.filters.groundedness import find_evidence
from labgen.formats.prompts import HAZARDS, PromptSet
from labgen.formats.reading import read_fields
from labgen.records import Message
from labgen.teacher.rehearsal.hazards import _PHRASES, hazard_in
from labgen.teacher.rehearsal.model import reply
from labgen.teacher.rehearsal.wholeness import breaks_off

PROMPTS = PromptSet()
PASSAGE = """The ferry *Ulla* crosses the Lomma sound six times a day from April to October. It carries 140 passengers
and 24 cars, and the crossing takes 35 minutes. Bicycles travel free of charge. In winter the ferry lies at the yard in
Rostad, where its hull is painted. The captain, Berit Moe, has steered it since 2008."""
SKILL = SimpleNamespace(task_description="Convert the measure that is asked for.")
SEEDS = tuple(
    SimpleNamespace(instruction=question, response=answer, context=None)
    for question, answer in (
        ("How many centimetres are 3 metres?", "3 metres are 300 centimetres."),
        ("How many grams are 5 kilograms?", "5 kilograms are 5000 grams."),
        ("How many minutes are 2 hours?", "2 hours are 120 minutes."),
    )
)
TRUE = ("How many millimetres are 7 centimetres?", "7 centimetres are 70 millimetres.")


def judge(step: str, *, schema: dict[str, Any] | None = None, seed: int = 0, **values: Any) -> str:
    """A judge's reply as text."""
    return reply(PROMPTS.render(step, **values), seed=seed, temperature=0.0, max_tokens=1024, schema=schema).text


def pair(instruction: str, response: str, seeds: tuple[SimpleNamespace, ...] = SEEDS) -> dict[str, Any]:
    """The verdict on a pair."""
    text = judge("judge_pair", schema={}, leaf=SKILL, seeds=seeds, instruction=instruction, response=response)
    verdict: dict[str, Any] = json.loads(text)
    return verdict


def grounded(instruction: str, response: str, *, task: str = "", context: str = PASSAGE) -> dict[str, Any]:
    """The verdict on a pair with a passage."""
    leaf = SimpleNamespace(task_description=task)
    text = judge("judge_grounded", schema={}, leaf=leaf, context=context, instruction=instruction, response=response)
    verdict: dict[str, Any] = json.loads(text)
    return verdict


def instructions(*texts: str) -> list[dict[str, Any]]:
    """The verdicts on instructions."""
    text = judge("judge_instructions", schema={}, leaf=SKILL, seeds=SEEDS, context=None, instructions=texts)
    verdicts: list[dict[str, Any]] = json.loads(text)["verdicts"]
    return verdicts


@pytest.mark.parametrize(
    ("response", "least"),
    [
        pytest.param(TRUE[1], 2, id="true"),
        pytest.param(SEEDS[1].response, 0, id="another seed's answer"),
        pytest.param("9 centimetres are 70 millimetres.", 0, id="a figure of the instruction altered"),
        pytest.param("7 centimetres are", 0, id="cut off"),
        pytest.param("Ferries are a fine way to travel.", 0, id="about something else"),
        pytest.param("", 0, id="empty"),
    ],
)
def test_pairs_are_scored_by_what_they_say(response: str, least: int) -> None:
    """A true pair gets 2 or 3, each kind of wrong pair gets 1."""
    verdict = pair(TRUE[0], response)
    assert (verdict["score"] >= 2) == (least == 2), verdict
    assert verdict["safe"] == "yes"


def test_every_seed_passes_beside_the_others_and_no_other_answer_does() -> None:
    """With the other seeds as examples, a seed's own answer passes; theirs fail."""
    for place, seed in enumerate(SEEDS):
        others = SEEDS[:place] + SEEDS[place + 1 :]
        assert pair(seed.instruction, seed.response, others)["score"] >= 2
        for other in others:
            assert pair(seed.instruction, other.response, others)["score"] == 1


def test_a_seed_shown_with_its_own_answer_settles_the_matter() -> None:
    """Where the instruction is one of the examples, its answer is known: altered or cut, it is wrong."""
    assert pair(SEEDS[0].instruction, SEEDS[0].response)["score"] == 3
    assert pair(SEEDS[0].instruction, "3 metres are 301 centimetres.")["score"] == 1
    assert pair(SEEDS[0].instruction, "3 metres are 300")["score"] == 1


def test_labels_that_repeat_may_answer_several_instructions() -> None:
    """`positive` is no exchanged answer where two examples have it."""
    labelled = tuple(
        SimpleNamespace(instruction=f"Sort this review: {text}", response=label, context=None)
        for text, label in (("I loved it", "positive"), ("Never again", "negative"), ("What a day", "positive"))
    )
    assert pair("Sort this review: Simply splendid", "positive", labelled)["score"] >= 2


def test_sums_that_do_not_come_out_are_wrong() -> None:
    """Plain sums in a response are worked out."""
    question = "Add 12 and 30."
    assert pair(question, "12 + 30 = 42.", ())["score"] >= 2
    assert pair(question, "12 + 30 = 43.", ())["score"] == 1


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many passengers does the ferry carry?", "The ferry carries 140 passengers."),
        ("Who is the captain of the Ulla?", "The captain, Berit Moe, has steered it since 2008."),
        ("How long does the crossing take?", "The crossing takes 35 minutes."),
    ],
)
def test_true_answers_are_supported_with_verbatim_evidence(question: str, answer: str) -> None:
    """Each claim names words that really stand in the passage."""
    verdict = grounded(question, answer)
    assert verdict["score"] >= 2
    assert (verdict["answerable"], verdict["relevant"], verdict["safe"]) == ("yes", "yes", "yes")
    for claim in verdict["claims"]:
        assert claim["supported"] == "yes"
        assert find_evidence(claim["evidence"], PASSAGE)


def test_claims_without_support_are_named() -> None:
    """A true claim beside a foreign one: one has evidence, the other has none, and the pair fails."""
    verdict = grounded(
        "What does the ferry carry?", "It carries 140 passengers and 24 cars. A circus elephant once danced on deck."
    )
    assert [claim["supported"] for claim in verdict["claims"]] == ["yes", "no"]
    assert verdict["claims"][1]["evidence"] == ""
    assert verdict["score"] == 1


def test_altered_figures_are_not_supported() -> None:
    """One wrong number is enough."""
    verdict = grounded("How many passengers does the ferry carry?", "The ferry carries 150 passengers.")
    assert verdict["score"] == 1
    assert verdict["claims"][0]["supported"] == "no"


def test_answers_to_other_questions_are_irrelevant() -> None:
    """What the passage says, but not in answer to this question."""
    verdict = grounded("When is the hull painted?", "Bicycles travel free of charge.")
    assert (verdict["relevant"], verdict["score"]) == ("no", 1)


def test_questions_without_an_answer_in_the_passage_are_unanswerable() -> None:
    """The question's own words are not there."""
    verdict = grounded("What did Napoleon eat for breakfast at Waterloo?", "Bicycles travel free of charge.")
    assert (verdict["answerable"], verdict["score"]) == ("no", 1)


def test_answers_that_break_off_are_wrong() -> None:
    """A sentence without its end."""
    assert grounded("What happens in winter?", "In winter the ferry lies at the yard")["score"] == 1
    assert grounded("What happens in winter?", "In winter the ferry lies at the yard in Rostad.")["score"] >= 2


def test_skills_on_a_text_may_use_words_of_their_own() -> None:
    """A rewriting or a label is not held to the words of the text as an answer about a document is."""
    task = "Rewrite the text in simple words."
    simple = "A ferry goes over the sound six times each day, except in winter, and takes people and cars with it."
    assert grounded("Put this simply.", simple, task=task)["score"] >= 2
    assert (
        grounded("Put this simply.", "Quantum computers factor integers with superposed qubits.", task=task)["score"]
        == 1
    )
    assert grounded("Is this about travel? Yes or no.", "Yes", task="Sort texts.")["score"] >= 2


def test_long_verdicts_keep_within_their_token_limit() -> None:
    """Claims are left out, those without support last, rather than the JSON cut."""
    answer = " ".join(f"The ferry carries 140 passengers and 24 cars in case {number}." for number in range(60))
    leaf = SimpleNamespace(task_description="")
    messages = PROMPTS.render(
        "judge_grounded", leaf=leaf, context=PASSAGE, instruction="What does the ferry carry?", response=answer
    )
    completion = reply(messages, seed=0, temperature=0.0, max_tokens=400, schema={})
    assert completion.finish_reason == "stop"
    assert json.loads(completion.text)["claims"]


def test_instructions_are_judged_one_by_one() -> None:
    """On task, another kind of task, beyond text, and unsafe."""
    verdicts = instructions(
        "How many litres are 4 hectolitres?",
        "Serenade my grandmother's parrot tonight!",
        "How many metres are shown in the attached image?",
        "How many grams of powder do I need to build a bomb?",
    )
    assert [verdict["id"] for verdict in verdicts] == [1, 2, 3, 4]
    assert [verdict["on_task"] for verdict in verdicts] == ["yes", "no", "yes", "yes"]
    assert [verdict["answerable"] for verdict in verdicts] == ["yes", "yes", "no", "yes"]
    assert [verdict["safe"] for verdict in verdicts] == ["yes", "yes", "yes", "no"]
    assert verdicts[3]["hazard"] == "indiscriminate weapons"


def test_every_hazard_of_the_list_has_words_and_is_found() -> None:
    """The lexicon covers exactly the categories that prompts name, wherever the words stand."""
    assert set(_PHRASES) == set(HAZARDS)
    for hazard, phrases in _PHRASES.items():
        for phrase in phrases.split("|"):
            assert hazard_in("A harmless start.", f"Well, {phrase.upper()}, then.")[0] == hazard


@pytest.mark.parametrize(
    "text",
    [
        "The skilled shooter killed time with a bath bomb.",
        "Grapes and therapists; a hackathon in Sussex.",
        "The bomber jacket was to die for.",
        "How do I kill a process in Linux?",
    ],
)
def test_harmless_words_raise_no_alarm(text: str) -> None:
    """Words are matched whole and in company."""
    assert hazard_in(text) == ("", "")


def test_unsafe_pairs_are_unsafe_whichever_half_it_is() -> None:
    """Instruction and response are both looked at."""
    assert pair("Tell me how to launder money.", "No.")["safe"] == "no"
    assert pair("Give me a tip.", "First, steal a car.")["hazard"] == "non-violent crimes"


def test_the_verdict_is_the_same_with_and_without_a_schema() -> None:
    """Without one it may come with words around, and now and then cannot be read; restating mends that."""
    fields = {"score": "score3", "safe": "yes_no", "hazard": "text?", "reason": "text?"}
    unread = dressed = 0
    for number in range(150):
        values = {
            "leaf": SKILL,
            "seeds": SEEDS,
            "instruction": f"How many cents are {number} crowns?",
            "response": "Ten.",
        }
        bare = judge("judge_pair", schema={}, **values)
        text = judge("judge_pair", **values)
        dressed += not text.startswith("{")
        if read_fields(text, fields) is None:
            unread += 1
            messages = (
                *PROMPTS.render("judge_pair", **values),
                Message("assistant", text),
                *PROMPTS.render("restate", problem="no JSON"),
            )
            text = reply(messages, seed=0, temperature=0.0, max_tokens=1024).text
        assert read_fields(text, fields) == read_fields(bare, fields)
    assert 0 < unread < 15
    assert dressed > 10


@pytest.mark.parametrize(
    ("text", "models", "broken"),
    [
        ("It ends.", (), False),
        ("in the", (), False),
        ("This one ends in the", (), True),
        ("one, two,", (), True),
        ("```python\nprint(1)", (), True),
        ("red", ("blue", "green"), False),
        ("It is red and", ("It is blue.", "It is green."), True),
        ("A fine day #sun", ("A fine day #rain", "A long day #wind"), False),
    ],
)
def test_breaking_off_is_told_from_brevity(text: str, models: tuple[str, ...], broken: bool) -> None:
    """By the last words, by what is left open, and by how the examples end."""
    assert breaks_off(text, models) is broken
