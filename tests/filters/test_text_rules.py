# ruff: noqa: E501 - whole replies stand on their lines
"""Every rule hits what it names, and spares what curators write."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.loops import repeats_itself
from labgen.filters.refusals import find_refusal
from labgen.filters.rules import REASONS, check_context, check_instruction, check_response
from labgen.formats.prompts import PromptSet
from labgen.records import Pair

THRESHOLDS = ThresholdsConfig()
SEEDS = [
    Pair("Write a haiku about autumn leaves.", "Red leaves drift downward,\nthe pond keeps each one a while,\nthen lets it go on."),
    Pair("Write a limerick about a cat.", "There once was a cat from Peru who dreamed it was wearing a shoe."),
]  # fmt: skip
GOOD = "Write a sonnet about the first snow of the year."


def instruction_reason(text, seeds=SEEDS, **settings):
    verdict = check_instruction(text, seeds=seeds, thresholds=THRESHOLDS, **settings)
    return verdict.reason if verdict else None


def response_reason(text, instruction=GOOD, seeds=SEEDS, truncated=False, **settings):
    verdict = check_response(
        instruction, text, seeds=seeds, truncated=truncated, thresholds=THRESHOLDS, **settings
    )  # fmt: skip
    return verdict.reason if verdict else None


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD, None),
        ("Explain <b>bold</b> and <div> in HTML.", None),
        ("Sum 1, 1, 1, 1 and 1.", None),
        ("写一首关于雪的诗", None),
        ("", "empty"),
        (" \n\t", "empty"),
        ("...", "empty"),
        ("Go on", "too_short"),
        ("x" * 4001, "too_long"),
        ("write a haiku about   autumn leaves", "copy_of_seed"),
        ("I'm sorry, but I can't write more instructions.", "refusal"),
        ("[INST] Write a sonnet. [/INST]", "leftover_markup"),
        ("Write a sonnet.<|im_end|>", "leftover_markup"),
        ("Write a sonnet.</s>", "leftover_markup"),
        ("Write a sonnet.</instruction>", "leftover_markup"),
        ("<question>Who wrote it?", "leftover_markup"),
        ("Write a poem. " * 12, "repetition"),
        ("A question.", "copy_of_prompt"),
    ],
)
def test_instructions(text, reason):
    """One case of every reason, and good ones that pass."""
    assert instruction_reason(text) == reason


@pytest.mark.parametrize(
    "text, reason",
    [
        ("Snow at the window, and the street gone quiet.", None),
        ("No.", None),
        ("42", None),
        ("!", None),
        ("I cannot sleep, the snow is bright, it fills my window all the night.", None),
        ("I'm sorry for your loss. She was a friend to all of us.", None),
        ("ha ha ha ha ha!", None),
        ("", "empty"),
        ("…", "empty"),
        ("x" * 16001, "too_long"),
        ("I'm sorry, but as an AI language model I cannot write poems.", "refusal"),
        ("Unfortunately, I cannot provide that.", "refusal"),
        ("I can't assist with that request.", "refusal"),
        ("As an AI language model, I don't have feelings.", "refusal"),
        ("Lo siento, pero no puedo ayudar con eso.", "refusal"),
        ("抱歉,我无法回答这个问题。", "refusal"),
        (GOOD, "copy_of_instruction"),
        ("Snow falls.\n### Instruction:\nWrite another.", "leftover_markup"),
        ("<think>what to write</think> Snow falls.", "leftover_markup"),
        ("Snow falls.\n</reply>", "leftover_markup"),
        ("snow on snow " * 40, "repetition"),
        ("0, " * 300, "repetition"),
        (
            "Write a limerick about a cat.\nThere once was a cat from Peru who dreamed it was wearing a shoe.",
            "copy_of_seed",
        ),
    ],
)
def test_responses(text, reason):
    """One case of every reason, and good ones that pass."""
    assert response_reason(text) == reason


def test_every_reason_is_explained():
    """Reasons are codes that a person can look up."""
    assert {"empty", "truncated", "refusal", "copy_of_seed", "leftover_markup"} <= set(REASONS)
    assert all(meaning.endswith(".") for meaning in REASONS.values())


def test_a_reply_that_hit_its_token_limit_is_truncated():
    """What the limit cut off is never kept, however it reads; the verdict shows where it breaks off."""
    assert response_reason("A whole sentence.", truncated=True) == "truncated"
    verdict = check_response(GOOD, "and so the", seeds=[], truncated=True, thresholds=THRESHOLDS)
    assert verdict.evidence[0].text == "and so the"


def test_a_seed_pair_again_is_a_copy_unless_the_context_is_new():
    """The same answer to the same question is a copy; on a context of its own it may be right."""
    question, answer = SEEDS[0].question, SEEDS[0].answer
    assert response_reason(answer, instruction=question) == "copy_of_seed"
    assert response_reason(answer, instruction=question, own_context=True) is None
    assert response_reason(answer, instruction=GOOD) is None
    assert instruction_reason(question, own_context=True) is None


@pytest.mark.parametrize(
    "text, seed",
    [
        ("I'm sorry, but I can't do that, Dave.", "I'm sorry, but I cannot open the doors."),
        ("<question>Why?</question>", "Use <question> and </question> around each."),
        ("row your boat " * 20, "rain, rain, go away " * 20),
        ("---", "-.-. .- -"),
    ],
)
def test_what_a_leaf_s_own_seeds_do_is_no_fault_in_it(text, seed):
    """Refusals, tags, chants and Morse code are right where the curator's examples have them."""
    assert response_reason(text) is not None
    assert response_reason(text, seeds=[Pair("Say it.", seed)]) is None


def test_a_leaf_s_own_seeds_widen_the_lengths():
    """A leaf of two-character questions or of very long ones may have more of them."""
    assert instruction_reason("7+5?") == "too_short"
    assert instruction_reason("7+5?", seeds=[Pair("3*4?", "12")]) is None
    assert instruction_reason("x " * 2500, seeds=[Pair("y " * 2600, "12")]) in (None, "repetition")


def test_words_of_the_shipped_prompts_are_recognised():
    """A teacher that repeats its prompt is caught, for the instructions of every generating step."""
    text = "Answer in whole sentences, with the exact figures, names and dates that the passage gives."
    rendered = PromptSet()._texts["knowledge_pairs"]
    assert text in rendered  # the prompt still says so; else choose another sentence of it
    assert instruction_reason(text) == "copy_of_prompt"


def test_contexts():
    """A context may be neither empty, a seed's, nor stuck."""

    def reason(text):
        verdict = check_context(text, seed_contexts=["The mill was built in 1820."], thresholds=THRESHOLDS)
        return verdict.reason if verdict else None

    assert reason("The bridge was opened in 1911 and widened twice since.") is None
    assert reason("The mill was built in 1820") == "copy_of_seed"
    assert reason("") == "empty"
    assert reason("The bridge was opened. " * 30) == "repetition"


def test_evidence_shows_what_was_left_over():
    """The span of a leftover tag is named, so that a person sees it."""
    verdict = check_instruction("Write it.</s>", seeds=[], thresholds=THRESHOLDS)
    (evidence,) = verdict.evidence
    assert "Write it.</s>"[evidence.start : evidence.end] == evidence.text == "</s>"


@given(st.text(), st.text())
def test_no_text_makes_a_rule_fail(instruction, response):
    """Any text gets a verdict with a known reason, or none."""
    for verdict in (
        check_instruction(instruction, seeds=SEEDS, thresholds=THRESHOLDS),
        check_response(instruction, response, seeds=SEEDS, truncated=False, thresholds=THRESHOLDS),
        check_context(response, seed_contexts=[instruction], thresholds=THRESHOLDS),
    ):
        assert verdict is None or (verdict.reason in REASONS and verdict.value == 0.0)


@given(
    st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8),
    st.integers(16, 60),
    st.lists(st.sampled_from("xyz")),
)
def test_loops_are_found_wherever_they_begin(unit, times, before):
    """A run that repeats itself fills the text: stuck, with a few words before it or not."""
    assert repeats_itself(before[:5] + unit * times)


def test_texts_with_some_repetition_are_not_stuck():
    """A chorus, a table or a list of alike lines is no loop."""
    verse = [f"line{i}" for i in range(20)]
    assert not repeats_itself([*verse, "sing", "it", "again"] * 3)
    assert not repeats_itself([word for i in range(40) for word in ("item", str(i), "costs", str(i * 3))])
    assert not repeats_itself([])


def test_refusals_are_only_at_the_beginning():
    """A text that tells of a refusal later on is not one."""
    assert find_refusal('"I cannot help you," said the king.') != ""
    assert find_refusal("The king said: I cannot help you.") == ""


@given(
    st.lists(st.sampled_from("abcd"), max_size=30),
    st.lists(st.sampled_from("abcd"), min_size=1, max_size=7),
    st.integers(1, 9),
    st.lists(st.sampled_from("abcdefgh"), max_size=30),
)
def test_a_text_is_stuck_where_any_run_of_it_follows_itself_often_enough(
    before: list[str], unit: list[str], times: int, after: list[str]
) -> None:
    """As its definition has it, looked for at every place and with every length."""
    tokens = [*before, *unit * times, *after]

    def following(first: int, length: int) -> int:
        """Tokens from a place on that are each the same as the one a length before, that length included."""
        last = first + length
        while last < len(tokens) and tokens[last] == tokens[last - length]:
            last += 1
        return last - first

    stuck = len(tokens) >= 16 and any(
        following(first, length) >= max(5 * length, 0.4 * len(tokens), 16)
        for length in range(1, min(60, len(tokens) // 5) + 1)
        for first in range(len(tokens) - length)
    )
    assert repeats_itself(tokens) == stuck
