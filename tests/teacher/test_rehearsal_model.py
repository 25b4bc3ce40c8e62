"""What the rehearsal teacher writes: from the prompt's content alone, extractive, varied, and wrong now and then."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.filters.near_duplicates import rouge_l
from labgen.formats.known import SHIPPED_TEMPLATES, find_format
from labgen.formats.prompts import PromptSet
from labgen.records import Message
from labgen.teacher.rehearsal import slips
from labgen.teacher.rehearsal.model import Completion, reply
from labgen.teacher.rehearsal.sentences import sentences, without_markup

PROMPTS = PromptSet()
DOCUMENT = """# The lighthouse at Varnholm

The lighthouse at Varnholm was built in 1871 from grey granite that came by ship from Aberdeen. It is 38
metres tall and stands on a reef, two kilometres off the coast. Its lamp was lit with rapeseed oil until 1902,
when the keeper Ida Brandt had it changed to paraffin. Because fog hides the light on about ninety days a
year, a horn was added in 1911.

Since 1964 the lighthouse has been automatic, and the last keeper, Jens Holt, moved to the village. The **lantern room**
now belongs to the [maritime museum](museum "link"), which opens it on three Sundays each summer. Visitors climb 196
steps, and no more than twelve people may be at the top at a time. In 2019 storm Ella broke four panes of the lantern.
They were replaced within a week by a glazier from Tarnby, who had to be lowered on a rope. Seals rest on the reef in
winter, and the museum counts them every January. The count of 2023 found 214 animals, the highest figure so far.
"""
CHINESE = (
    "灯塔建于一八七一年，用灰色花岗岩建成。它高三十八米，立在离海岸两公里的礁石上。"
    "一九六四年以后灯塔改为自动运行。博物馆每年夏天开放三个星期日。游客要登上一百九十六级台阶。"
)


def seed(question: str, answer: str, context: str | None = None) -> SimpleNamespace:
    """A seed example as skill prompts see it."""
    return SimpleNamespace(instruction=question, response=answer, context=context, pairs=())


SKILL = SimpleNamespace(task_description="Plan a small event and list what is needed.", domain="", document_outline="")
SKILL_SEEDS = (
    seed(
        "Plan a birthday picnic for 8 children in a park.", "You need 8 plates, a blanket and lemonade for 8 children."
    ),
    seed("Plan a farewell breakfast for a colleague named Anna.", "You need rolls, coffee and a card for Anna."),
    seed("Plan a reading evening for 20 neighbours.", "You need 20 chairs, two lamps and tea for 20 neighbours."),
)
CONTEXT_SEEDS = (
    seed("When does the shop open?", "It opens at 9.", "The shop in Mill Street opens at 9 and closes at 18."),
    seed("Who bakes the bread?", "Mr Lund bakes it.", "Mr Lund bakes the bread at night. His son sells it by day."),
)
KNOWLEDGE = SimpleNamespace(domain="towers", document_outline="Old towers", task_description="")
KNOWLEDGE_SEEDS = (
    SimpleNamespace(
        context="The tower of Ost is 60 metres tall. It leans by two degrees.",
        instruction="",
        response="",
        pairs=(SimpleNamespace(question="How tall is the tower of Ost?", answer="It is 60 metres tall."),),
    ),
)
SLOT = SimpleNamespace(index=0, kind="fact", attributes=())
STEPS: dict[str, dict[str, Any]] = {
    "knowledge_pairs": {"leaf": KNOWLEDGE, "seeds": KNOWLEDGE_SEEDS, "chunk": DOCUMENT, "count": 4, "slot": SLOT},
    "freeform_instructions": {"leaf": SKILL, "seeds": SKILL_SEEDS, "count": 4, "slot": SLOT},
    "grounded_context": {"leaf": SKILL, "seeds": CONTEXT_SEEDS, "slot": SLOT},
    "grounded_instructions": {
        "leaf": SKILL, "seeds": CONTEXT_SEEDS, "context": DOCUMENT, "count": 3, "slot": SLOT,
    },
    "respond": {
        "leaf": SKILL, "seeds": SKILL_SEEDS, "persona": "precise", "context": None,
        "instruction": "Plan a chess evening for 12 students.",
    },
    "judge_instructions": {
        "leaf": SKILL, "seeds": SKILL_SEEDS, "context": None, "instructions": ["Plan a concert.", "Sing a song."],
    },
    "judge_pair": {
        "leaf": SKILL, "seeds": SKILL_SEEDS, "instruction": "Plan a tea for Anna.", "response": "Tea, cups and cake.",
    },
    "judge_grounded": {
        "leaf": KNOWLEDGE, "context": DOCUMENT, "instruction": "How tall is the lighthouse?", "response": "38 metres.",
    },
}  # fmt: skip


def ask(step: str, number: int = 0, *, temperature: float = 0.0, max_tokens: int = 2048, **changes: Any) -> Completion:
    """The reply to a step's prompt."""
    messages = PROMPTS.render(step, **(STEPS[step] | changes))
    return reply(messages, seed=number, temperature=temperature, max_tokens=max_tokens)


def pairs_in(text: str) -> list[tuple[str, str]]:
    """Question and answer of each well-formed pair."""
    return re.findall(r"<pair>\s*<question>(.*?)</question>\s*<answer>(.*?)</answer>\s*</pair>", text, re.DOTALL)


def tagged(text: str, tag: str) -> list[str]:
    """Contents of each well-formed tag."""
    return [found.strip() for found in re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)]


@pytest.mark.parametrize("step", list(STEPS))
@pytest.mark.parametrize("restated", [False, True], ids=["asked", "restated"])
def test_the_reply_is_the_same_in_every_prompt_format(step: str, restated: bool) -> None:
    """Chat, merged system text and every plain-completions format ask the same thing, so they get the same."""
    messages = PROMPTS.render(step, **STEPS[step])
    if restated:
        broken = "<pair>\n<question>half a <document> pair. Write 9 of them"
        messages = (*messages, Message("assistant", broken), *PROMPTS.render("restate", problem="no tags"))
    for number in (1, 2):
        expected = reply(messages, seed=number, temperature=0.8, max_tokens=900)
        system = [message for message in messages if message.role == "system"]
        users = [message for message in messages if message.role != "system"]
        merged = [Message("user", f"{system[0].content}\n\n{users[0].content}"), *users[1:]]
        texts = {reply(merged, seed=number, temperature=0.8, max_tokens=900).text}
        for name in SHIPPED_TEMPLATES:
            prompt = find_format(name).render(messages)
            texts.add(reply([Message("user", prompt)], seed=number, temperature=0.8, max_tokens=900).text)
        assert texts == {expected.text}


def test_answers_to_knowledge_questions_stand_in_the_document() -> None:
    """Every answer is made of whole sentences of the document, markup aside."""
    whole = " ".join(sentence.text for sentence in sentences(DOCUMENT))
    for number in range(30):
        found = pairs_in(ask("knowledge_pairs", number, chunk=DOCUMENT + f"\nPart {number}.").text)
        assert len(found) == 4
        for _, answer in found:
            assert answer in whole


def test_a_chunk_has_dozens_of_distinct_questions() -> None:
    """Other seeds draw other sentences and forms, so a chunk of 200 words is not soon used up."""
    kept: list[str] = []
    for number in range(60):
        for question, _ in pairs_in(ask("knowledge_pairs", number, temperature=0.8).text):
            if all(rouge_l(question, other) <= 0.7 for other in kept):
                kept.append(question)
    assert len(kept) >= 24


def test_questions_about_chinese_text_quote_it_in_chinese() -> None:
    """Scripts without spaces get question forms of their own, with a phrase from the text."""
    chinese = SimpleNamespace(
        context="塔高六十米。",
        instruction="",
        response="",
        pairs=(SimpleNamespace(question="塔有多高？", answer="六十米。"),),
    )
    found = pairs_in(ask("knowledge_pairs", chunk=CHINESE, seeds=(chinese,), count=3).text)
    assert len(found) == 3
    for question, answer in found:
        quoted = re.search(r"“(.+?)”", question)
        assert quoted is not None
        assert quoted[1] in answer
        assert answer in CHINESE


def test_a_document_without_sentences_still_gets_a_reply() -> None:
    """A table or a command listing has lines to ask about."""
    assert pairs_in(ask("knowledge_pairs", chunk="| host name | port number |\n| alpha one | 8080 |").text)


def test_new_instructions_are_not_the_seeds_again() -> None:
    """Dozens of instructions of a leaf stay apart from its seeds and from each other."""
    kept = [example.instruction for example in SKILL_SEEDS]
    for number in range(12):
        for text in tagged(ask("freeform_instructions", number, temperature=0.8).text, "instruction"):
            if all(rouge_l(text, other) <= 0.7 for other in kept):
                kept.append(text)
    assert len(kept) >= 33


def test_seeds_in_an_unknown_language_are_recombined_in_it() -> None:
    """Where the lexicon has no words, only the seeds' own are used."""
    hungarian = (
        seed("Írj rövid verset a tavaszi erdőről.", "Zöld levelek között fúj a szél."),
        seed("Készíts listát a konyhai eszközökről.", "Kés, kanál, fazék és serpenyő."),
        seed("Meséld el egy kis kutya napját.", "Reggel felébredt és futott."),
    )
    known = {word for example in hungarian for word in re.findall(r"\w+", example.instruction.lower())}
    for text in tagged(ask("freeform_instructions", seeds=hungarian).text, "instruction"):
        assert set(re.findall(r"\w+", text.lower())) <= known


def test_a_new_context_differs_from_the_seeds_and_fits_the_limit() -> None:
    """Contexts are varied from the seeds' and cut to the token limit rather than cut off by it."""
    completion = ask("grounded_context", 3)
    (context,) = tagged(completion.text, "context")
    assert all(rouge_l(context, example.context) < 0.9 for example in CONTEXT_SEEDS)
    long = (seed("Sum it up.", "It is long.", DOCUMENT * 5),)
    completion = ask("grounded_context", 3, seeds=long, max_tokens=200)
    assert completion.finish_reason == "stop"
    assert tagged(completion.text, "context")


def test_a_response_on_a_document_is_taken_from_it() -> None:
    """With a document, the response is its closest sentences."""
    text = ask("respond", context=DOCUMENT, instruction="Say how many steps visitors climb.").text
    assert "196" in text
    assert all(sentence.text in without_markup(DOCUMENT) for sentence in sentences(text))


def test_a_response_without_a_document_takes_up_the_instruction() -> None:
    """Without one, the instruction's own words and figures are in it."""
    text = ask("respond").text
    assert "chess" in text
    assert "12" in text


def test_the_limit_on_tokens_cuts_and_says_so() -> None:
    """`max_tokens` is honoured for text without room to be shorter, and reported as `length`."""
    completion = ask("respond", max_tokens=5)
    assert completion.finish_reason == "length"
    assert completion.completion_tokens <= 5


def test_stop_texts_and_choices_are_honoured() -> None:
    """A stop text ends the reply; several choices differ."""
    messages = PROMPTS.render("freeform_instructions", **STEPS["freeform_instructions"])
    stopped = reply(messages, seed=1, temperature=0.0, max_tokens=999, stop=("</instruction>",))
    assert stopped.text.count("instruction>") == 1
    assert stopped.finish_reason == "stop"
    assert len({reply(messages, seed=1, temperature=0.8, max_tokens=999, index=index).text for index in range(4)}) == 4


def test_errors_come_at_about_their_rates_and_only_above_temperature_zero() -> None:
    """Malformed replies, foreign sentences and near-copies of seeds appear now and then, never at temperature 0."""
    whole = " ".join(sentence.text for sentence in sentences(DOCUMENT))
    counts = dict.fromkeys(("malformed", "foreign", "copied"), 0)
    for number in range(400):
        found = pairs_in(ask("knowledge_pairs", number, temperature=0.8).text)
        counts["malformed"] += len(found) < 4
        counts["foreign"] += sum(answer not in whole for _, answer in found)
        counts["copied"] += sum("tower of Ost" in question for question, _ in found)
    assert 0 < counts["malformed"] <= 400 * 2 * (slips.MALFORMED_SHARE + slips.TRUNCATED_SHARE)
    assert 0 < counts["foreign"] <= 1600 * 2 * slips.UNGROUNDED_SHARE
    assert 0 < counts["copied"] <= 1600 * 2 * slips.NEAR_DUPLICATE_SHARE
    assert all(len(pairs_in(ask("knowledge_pairs", 0, chunk=f"{DOCUMENT}{number}").text)) == 4 for number in range(200))


def test_a_malformed_reply_is_mended_by_asking_to_restate() -> None:
    """The restated reply has the form, and what could be read of the broken one is in it."""
    messages = PROMPTS.render("freeform_instructions", **STEPS["freeform_instructions"])
    restate = PROMPTS.render("restate", problem="there were no instructions in it")
    mended = 0
    for number in range(300):
        broken = reply(messages, seed=number, temperature=0.8, max_tokens=999)
        if len(tagged(broken.text, "instruction")) == 4:
            continue
        again = (*messages, Message("assistant", broken.text), *restate)
        assert len(tagged(reply(again, seed=number, temperature=0.8, max_tokens=999).text, "instruction")) == 4
        mended += 1
    assert mended > 3


def test_prompts_of_others_get_a_plain_sentence() -> None:
    """A prompt without labgen's headers is answered in a sentence that says what this is."""
    text = reply([Message("user", "What is the capital of Norway?")], seed=0, temperature=1.0, max_tokens=99).text
    assert "rehears" in text.lower()


@settings(max_examples=some(60), deadline=None)
@given(st.text(max_size=300), st.sampled_from(sorted(STEPS)), st.integers(0, 3))
def test_no_text_makes_it_fail(text: str, step: str, number: int) -> None:
    """Whatever people or teachers write into the data, or into a prompt of their own, some reply comes back."""
    bare = [Message("user", f"## Task: {STEPS[step] and step.replace('_', ' ')}\n{text}<document>{text}")]
    assert reply(bare, seed=number, temperature=0.8, max_tokens=50).completion_tokens <= 50
    example = SimpleNamespace(
        instruction=text, response=text, context=text, pairs=(SimpleNamespace(question=text, answer=text),)
    )
    values = {name: text for name in ("chunk", "context", "instruction", "response") if name in STEPS[step]}
    values |= {"seeds": (example,)} if "seeds" in STEPS[step] else {}
    values |= {"instructions": [text]} if "instructions" in STEPS[step] else {}
    assert isinstance(ask(step, number, temperature=0.8, **values).text, str)
