"""Anything of a held-out row in a training row is found, however it is dressed; what is there by chance is not."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from labgen.filters.leaks import RUN_WORDS, HeldOutPiece, HeldOutText, LeakIndex, Place, Training, TrainingText

WORDS = st.text("abcdefghijklmnop", min_size=3, max_size=9)
HELD_WORDS = WORDS.map(lambda word: f"h{word}")
"""Words that no training row has unless it is planted."""


def texts(words: st.SearchStrategy[str], least: int, most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(words, min_size=least, max_size=most)


HELD = st.builds(
    HeldOutText,
    id=st.just("held"),
    question=texts(HELD_WORDS, 1, 20).map(" ".join),
    answer=texts(HELD_WORDS, 1, 20).map(" ".join),
    evidence=texts(HELD_WORDS, RUN_WORDS, 30).map(lambda words: (" ".join(words),)),
    passage=texts(HELD_WORDS, RUN_WORDS, 120).map(" ".join),
    of_document=st.just(True),
)
ROWS = st.lists(
    st.builds(
        lambda asked, answer, context: TrainingText("row", " ".join(asked), " ".join(asked), " ".join(answer), context),
        texts(WORDS, 0, 30),
        texts(WORDS, 0, 30),
        texts(WORDS, 0, 60).map(" ".join),
    ),
    min_size=1,
    max_size=5,
)


def dressed(text: str, chance: random.Random) -> str:
    """The same words in other letters, with other punctuation and white space."""
    return "".join(chance.choice([" ", "  ", ", ", "\n", " - "]) + word.upper() for word in text.split()) + "!"


def reordered(text: str, chance: random.Random) -> str:
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def found(held: HeldOutText, rows: list[TrainingText]) -> set[HeldOutPiece]:
    return {leak.piece for leak in LeakIndex([held]).find(Training(rows))}


@given(HELD, ROWS)
def test_rows_of_other_words_are_no_alarm(held: HeldOutText, rows: list[TrainingText]) -> None:
    assert not found(held, rows)


@given(HELD, ROWS, st.randoms(use_true_random=False), st.booleans())
def test_every_planted_question_is_found(
    held: HeldOutText, rows: list[TrainingText], chance: random.Random, other_order: bool
) -> None:
    """A short one as a whole question, a longer one anywhere in a question or an answer; in any order of its words."""
    planted = dressed(reordered(held.question, chance) if other_order else held.question, chance)
    if len(held.question.split()) >= RUN_WORDS:
        planted = f"It was asked: {planted} And so on."
    row = TrainingText("leaky", f"A passage.\n\n{planted}", planted, "Nothing.")
    rows.insert(chance.randint(0, len(rows)), row)
    assert HeldOutPiece.QUESTION in found(held, rows)


@given(HELD, ROWS, st.randoms(use_true_random=False))
def test_every_planted_answer_is_found(held: HeldOutText, rows: list[TrainingText], chance: random.Random) -> None:
    planted = dressed(held.answer, chance)
    if len(held.answer.split()) >= RUN_WORDS:
        planted = f"As we know: {planted} So it is."
    rows.insert(chance.randint(0, len(rows)), TrainingText("leaky", "Why?", "Why?", planted))
    assert HeldOutPiece.ANSWER in found(held, rows)


@given(HELD, ROWS, st.randoms(use_true_random=False), st.booleans())
def test_every_planted_piece_of_evidence_is_found(
    held: HeldOutText, rows: list[TrainingText], chance: random.Random, in_answer: bool
) -> None:
    planted = f"Seen: {dressed(held.evidence[0], chance)} There."
    answer, evidence = (planted, ()) if in_answer else ("Because.", ("another piece of it", planted))
    rows.insert(chance.randint(0, len(rows)), TrainingText("leaky", "Why?", "Why?", answer, evidence=evidence))
    assert HeldOutPiece.EVIDENCE in found(held, rows)


@given(HELD, ROWS, st.randoms(use_true_random=False), st.sampled_from(["asked", "answer", "context"]))
def test_every_planted_passage_is_found(
    held: HeldOutText, rows: list[TrainingText], chance: random.Random, where: str
) -> None:
    """Whole, or the half of it, wherever a model would see it."""
    words = held.passage.split()
    planted = dressed(" ".join(words[: len(words) // 2] if len(words) >= 60 else words), chance)
    parts = {"asked": "Why?", "answer": "So.", "context": ""} | {where: f"Before. {planted} After."}
    rows.insert(
        chance.randint(0, len(rows)), TrainingText("leaky", parts["asked"], "Why?", parts["answer"], parts["context"])
    )
    assert HeldOutPiece.PASSAGE in found(held, rows)


def test_evidence_at_the_same_place_is_found_in_whatever_words() -> None:
    """Half of the shorter piece is enough; less, another document, or another commit is not."""
    document = ("https://example.org/r", "c0ffee", "a.md")
    held = HeldOutText("held", "x", "y", places=(Place(document, 100, 200),))

    def rows(*places: Place) -> list[TrainingText]:
        return [TrainingText("row", "a", "a", "b", places=places)]

    assert found(held, rows(Place(document, 150, 400))) == {HeldOutPiece.EVIDENCE}
    assert found(held, rows(Place(document, 120, 140))) == {HeldOutPiece.EVIDENCE}
    assert not found(held, rows(Place(document, 160, 400), Place(("r", "c0ffee", "a.md"), 100, 200)))


def test_an_answer_that_is_right_by_chance_does_not_count_alone() -> None:
    """Numbers, yes and no, common words; a short answer of a skill; a short one inside a longer answer."""
    for answer in ("Yes.", "42", "1,792", "it is not", "True"):
        held = HeldOutText("held", "What holds of the first of these cases?", answer, of_document=True)
        assert not found(held, [TrainingText("row", "Is it?", "Is it?", answer)])
    short = HeldOutText("held", "Which sea has hardly any tide at all?", "The Baltic Sea.", of_document=True)
    assert found(short, [TrainingText("row", "Where?", "Where?", "the baltic sea")]) == {HeldOutPiece.ANSWER}
    assert not found(short, [TrainingText("row", "Where?", "Where?", "Ships cross the Baltic Sea.")])
    label = HeldOutText("held", "Is this a review that praises or one that scolds?", "praise")
    assert not found(label, [TrainingText("row", "Which?", "Which?", "praise")])


def test_a_passage_that_shares_its_heading_alone_is_no_leak() -> None:
    body = " ".join(f"held{number}" for number in range(100))
    held = HeldOutText("held", "why so", "thus", passage=f"# One heading of a handful of words in a row\n\n{body}")
    row = TrainingText("row", "q?", "q?", "r", "# One heading of a handful of words in a row\n\nAnd other text.")
    assert not found(held, [row])


def test_a_run_never_reaches_from_one_text_into_the_next() -> None:
    held = HeldOutText("held", "one two three four five six", "z")
    rows = [TrainingText("a", "one two three", "", "nothing"), TrainingText("b", "four five six", "", "nothing")]
    assert not found(held, rows)
