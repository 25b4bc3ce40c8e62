"""No form of a training row shows more than the rows that held-out ones were drawn beside: no build ends in vain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from brought import rehearse, rows_of
from hypothesis import given
from hypothesis import strategies as st
from workbench import TIDES, knowledge, write_leaf

from labgen.config.dataset import MixConfig
from labgen.export.fit import RowLength
from labgen.export.forms import FORMS, Forms, Passages, passages_apart
from labgen.export.held_out import training_texts
from labgen.export.rows import CLOSED_BOOK, DISTRACTORS
from labgen.filters.leaks import HeldOutPiece, HeldOutText, LeakIndex, Training
from labgen.records import Call
from labgen.text.token_count import estimate_tokens

WORDS = ("the", "sea", "of", "2", "tide", "rises", "why", "moon", "a", "so")
SENTENCES = st.sampled_from(
    [
        f"{first} {second} rises by {number} feet at the old quay"
        for first in "abc"
        for second in "de"
        for number in "12"
    ]
)
PASSAGES = st.lists(SENTENCES, min_size=1, max_size=6).map(". ".join)
ASKED = st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join)


def drawn(number: int, context: str, question: str, answer: str) -> dict[str, Any]:
    """A knowledge row as it is drawn."""
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": f"row-{number}", "messages": turns, "context": context, "source": None, "verdicts": [],
            "form": CLOSED_BOOK}  # fmt: skip


@given(
    st.lists(st.tuples(PASSAGES, ASKED, ASKED), min_size=2, max_size=6),
    st.lists(st.tuples(ASKED, ASKED, PASSAGES), min_size=1, max_size=6),
    st.sampled_from([None, 90, 160]),
    st.integers(0, 5),
)
def test_no_form_shows_what_the_drawn_rows_did_not(
    trained: list[tuple[str, str, str]], held: list[tuple[str, str, str]], max_tokens: int | None, seed: int
) -> None:
    """Few words and sentences, so that each of them stands in many places, and next to many others."""
    rows = [drawn(number, *each) for number, each in enumerate(trained)]
    mix = MixConfig(seed=seed, distractor_passages=2, gold_share=0.5, max_tokens=max_tokens)
    pool = Passages(seed)
    for row in rows:
        pool.add(row["context"])
    forms = Forms(mix, pool, RowLength(max_tokens, estimate_tokens))
    shown = []
    for row in rows:
        for form in FORMS:
            if asked := forms.asked(row, form, pool):
                shown.append(
                    {**row, "form": form, "messages": [{"role": "user", "content": asked}, row["messages"][1]]}
                )
    index = LeakIndex(
        [
            HeldOutText(f"held-{number}", *each[:2], passage=each[2], of_document=True)
            for number, each in enumerate(held)
        ]
    )

    def leaks(some: list[dict[str, Any]]) -> set[tuple[str, HeldOutPiece]]:
        texts = [text for row in some for text in training_texts(row)]
        return {(leak.held_out, leak.piece) for leak in index.find(Training(texts))}

    assert leaks(shown) <= leaks(rows)


def test_passages_come_apart_from_the_question_below_them() -> None:
    """As many as are shown, without their numbers; numbers within a passage stay."""
    asked = "[1] One.\n\nAnd more.\n\n[2] Two. See [3] and\n\n[7] there.\n\n[3] Three.\n\nWhy?"
    passages, question = passages_apart(asked, DISTRACTORS, "Two.")
    assert passages == ("One.\n\nAnd more.", "Two. See [3] and\n\n[7] there.", "Three.") and question == "Why?"
    assert passages_apart("Above.\n\nOne thing.\n\nWhy?", "open_book", "Above.") == (("Above.",), "One thing.\n\nWhy?")
    assert passages_apart("Part of it.\n\nWhy?", "open_book", "Above. Part of it.") == (("Part of it.",), "Why?")
    assert passages_apart("One thing.\n\nWhy?", "", "Above.") == ((), "One thing.\n\nWhy?")


def test_a_question_that_stands_in_the_document_is_left_out_and_the_build_ends(tmp_path: Path) -> None:
    """Such as the heading of a list of questions, which training reads with the passage."""
    question = "What wears out the parts of a barrage?"
    answer = "Barnacles and salt wear out the turbines of a barrage within ten years."
    leaf = write_leaf(tmp_path / "taxonomy", "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(f"{TIDES}\n## {question}\n\n{answer}\n")
    settings: dict[str, Any] = {"samples": 6, "samples_per_passage": 0, "knowledge": {"kinds": {"fact": 1.0}}}
    settings["mix"] = {"open_book": 1.0, "distractors": 1.0}
    rehearse(tmp_path, **settings)
    assert all(row["messages"][1]["content"] != answer for row in rows_of(tmp_path / "dataset", "knowledge"))

    def instead(call: Call) -> str | None:
        if call.step != "knowledge_pairs":
            return None
        return f"<pair>\n<question>{question}</question>\n<answer>{answer}</answer>\n</pair>"

    build, _ = rehearse(tmp_path, instead, **settings, held_out={"recall": 1})
    assert build.complete and len(rows_of(tmp_path / "dataset", "knowledge")) == 6
    assert build.held_out and build.held_out.report["sets"]["recall"]["leaked"] == 1
