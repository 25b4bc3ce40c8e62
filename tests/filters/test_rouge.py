"""`rouge_score` has the last word on every near-duplicate, and is loaded for none."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize as reference_tokenize
from workbench import freeform, write_leaf

from labgen.filters.earlier_instructions import EarlierInstructions
from labgen.filters.near_duplicates import NearDuplicates, rouge_l
from labgen.filters.rouge import MOST_STEPS, reference_rouge_l
from labgen.text.rouge_words import has_foreign_letters, tokenize, untokenize

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
# Unspaced scripts, marks that compose and that don't, forms that NFKC and case folding change, joiners, odd digits.
ODD = (
    "aEiZ09 .-'…½²٣५ßİıſéÅǰΐÅK春の日กำแ่ํខ្មែរབོད"
    "\u0301\u0323\u0308\u0345\u3099\u200d\u00ad\ufe0fﬁｶﾞＡ１①각\u1100\u1161\u11a8"
)
odd_texts = st.text(st.sampled_from(ODD) | st.characters(), max_size=30)
LIKE = ("Name three rivers that flow through Germany.", "Name three rivers which flow through Germany!")


@given(odd_texts)
def test_tokens_make_a_text_of_the_same_tokens(text: str) -> None:
    """By our tokenizer, and by `rouge_score`'s where the text has no non-ASCII letter: nothing is lost in an index."""
    tokens = tokenize(text)
    assert tokenize(untokenize(tokens)) == tokens
    if not has_foreign_letters(text):
        assert reference_tokenize(untokenize(tokens), None) == reference_tokenize(text, None) == tokens


@given(st.lists(odd_texts, max_size=6))
def test_an_index_gives_its_texts_back(texts: list[str]) -> None:
    """As far as they count: with the same tokens, whatever was added before."""
    index = NearDuplicates(0.7)
    for key, text in enumerate(texts):
        index.add(text, key)
        index.nearest(f"{text} more")
    assert [tokenize(index.text(number)) for number in range(len(texts))] == [tokenize(text) for text in texts]


@given(odd_texts, odd_texts)
def test_the_last_word_is_the_reference_s_and_the_proposal_the_same(a: str, b: str) -> None:
    """To the last bit, for raw texts and for what an index keeps of them, in every script."""
    kept = untokenize(tokenize(b))
    assert reference_rouge_l(a, b) == reference_rouge_l(a, kept) == rouge_l(a, b)
    if not has_foreign_letters(a) and not has_foreign_letters(b):
        assert reference_rouge_l(a, b) == SCORER.score(a, b)["rougeL"].fmeasure


@pytest.mark.parametrize("by_context", [False, True])
def test_a_proposal_that_the_reference_does_not_bear_out_is_no_duplicate(
    by_context: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever our arithmetic says; and the verdict carries the reference's number."""
    unlike = "Name five towns that lie in Denmark."
    context = "The rivers of Europe, by length." if by_context else None
    score = SCORER.score(*LIKE)["rougeL"].fmeasure
    monkeypatch.setattr("labgen.filters.near_duplicates.f_measure", lambda *lengths: 1.0)
    claimed = EarlierInstructions(0.5, by_context=by_context)
    claimed.add(LIKE[0], context, "the first")
    verdict = claimed.find(LIKE[1], context, threshold=0.7, context_threshold=0.7)
    assert verdict is not None and verdict.value == score < 1.0
    assert claimed.find(LIKE[1], context, threshold=score, context_threshold=0.7) is None
    assert claimed.find(unlike, context, threshold=0.7, context_threshold=0.7) is None
    if by_context:
        other = "The rivers of Asia, sorted by depth."
        assert claimed.find(LIKE[1], other, threshold=0.7, context_threshold=0.7) is None


def test_two_copies_of_a_book_do_not_take_all_memory() -> None:
    """`rouge_score` would write a table of a hundred million numbers."""
    book = " ".join(f"word{number}" for number in range(10_000))
    assert len(book.split()) ** 2 > MOST_STEPS
    assert reference_rouge_l(book, f"{book} The end.") == rouge_l(book, f"{book} The end.")


def run(folder: Path, *arguments: str) -> tuple[list[str], str]:
    """A command in a process of its own: which of the reference's packages it loaded, and its stderr."""
    code = (
        "import sys\n"
        "from labgen.cli import main\n"
        f"try:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('rouge_score', 'nltk', 'absl') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1].replace("'", '"'))
    return loaded, done.stderr


def test_what_meets_no_near_duplicate_never_loads_the_reference(tmp_path: Path) -> None:
    """A plan, a check, a build: each is quick and small without it."""
    write_leaf(tmp_path / "taxonomy", "foundational_skills/requests", **freeform())
    assert run(tmp_path, "check")[0] == []
    assert run(tmp_path, "plan")[0] == []
    assert run(tmp_path, "generate", "--samples", "1")[0] == []
    assert json.loads((tmp_path / "dataset/funnel.json").read_text())["total"]["states"].get("duplicate", 0) == 0


def test_loading_the_reference_says_nothing(tmp_path: Path) -> None:
    """No warning, no log line: a build's stderr is the user's."""
    code = "from labgen.filters.rouge import reference_rouge_l\nprint(reference_rouge_l('a b c', 'a b d'))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert (round(float(done.stdout), 3), done.stderr) == (0.667, "")
    seeds = freeform()["seed_examples"]
    copy = {"question": f"{seeds[0]['question']} Please", "answer": f"{seeds[0]['answer']} So"}
    write_leaf(tmp_path / "taxonomy", "foundational_skills/copies", **freeform(seed_examples=[*seeds, copy]))
    loaded, said = run(tmp_path, "check")
    assert (loaded, said) == (["rouge_score", "absl"], "")
