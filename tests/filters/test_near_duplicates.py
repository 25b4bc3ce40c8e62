"""Near-duplicate decisions equal the reference's on every pair; only the search is ours."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenize import tokenize as reference_tokenize
from thoroughness import some

from labgen.filters import near_duplicates, token_combinations
from labgen.filters.near_duplicates import Match, NearDuplicates, leaf_threshold, rouge_l, tokenize
from labgen.text.rouge_words import has_foreign_letters

SCORER = RougeScorer(["rougeL"], use_stemmer=False)
# Few words make many near-duplicates; rare ones exercise the order of the prefix index.
WORDS = ["add", "the", "two", "sum", "of", "x", "7", "cat's", "Name", "list"]
few_words = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
thresholds = st.sampled_from([0.0, 0.2, 0.5, 2 / 3, 0.7, 0.8, 0.9, 0.95, 1.0])


def reference(a: str, b: str) -> float:
    return SCORER.score(a, b)["rougeL"].fmeasure


@given(st.text(st.characters(max_codepoint=0x2FF) | st.sampled_from("“”’—…²½٣€😀")))
def test_tokens_are_the_reference_s_without_non_ascii_letters(text):
    """The reference's tokenization is kept for every text that has no letter outside ASCII."""
    if not has_foreign_letters(text):
        assert tokenize(text) == reference_tokenize(text, None)


@given(few_words, few_words)
def test_score_is_the_reference_s_to_the_last_bit(a, b):
    """Scores are equal as floating-point numbers, in either order of arguments."""
    assert rouge_l(a, b) == reference(a, b) == reference(b, a)


@settings(max_examples=some(150))
@given(st.lists(few_words, max_size=25), thresholds)
def test_every_decision_is_the_reference_s(texts, threshold):
    """All matches of every text with those before it are found, with the reference's score and nothing else."""
    index = NearDuplicates(threshold)
    for number, text in enumerate(texts):
        expected = [
            Match(key, score)
            for key, score in ((key, reference(earlier, text)) for key, earlier in enumerate(texts[:number]))
            if score > threshold
        ]
        assert list(index.matches(text)) == expected
        best = max(expected, key=lambda match: (match.similarity, -match.key), default=None)
        assert index.nearest(text) == best
        index.add(text, number)


@pytest.mark.parametrize(
    ("threshold", "lengths", "shared"), [(0.8, (5, 5), 4), (0.6, (14, 16), 9), (0.7, (10, 10), 7), (0.5, (4, 4), 2)]
)
def test_a_score_at_the_threshold_counts_by_what_it_is_to_the_last_bit(threshold, lengths, shared):
    """Four of five words come to 0.8000000000000002, which is above 0.8; seven of ten to 0.7, which is not above it."""
    one, other = ([f"w{number}" for number in range(shared)] for _ in lengths)
    one += [f"a{number}" for number in range(lengths[0] - shared)]
    other += [f"b{number}" for number in range(lengths[1] - shared)]
    index = NearDuplicates(threshold)
    index.add(" ".join(one), 1)
    score = reference(" ".join(one), " ".join(other))
    assert score == pytest.approx(threshold)
    assert list(index.matches(" ".join(other))) == ([Match(1, score)] if score > threshold else [])


@pytest.mark.parametrize("few", [0, near_duplicates.FEW])
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_decisions_hold_while_the_index_grows(monkeypatch, threshold, few):
    """Looked at by signatures or gone through one by one, nothing is lost or invented: checked against all pairs."""
    monkeypatch.setattr(near_duplicates, "FEW", few)
    draw = random.Random(7)
    common, rare = [f"w{i}" for i in range(12)], [f"r{i}" for i in range(900)]
    texts = []
    for _ in range(900):
        if texts and draw.random() < 0.4:
            words = draw.choice(texts).split()
            for _ in range(draw.randrange(4)):
                words[draw.randrange(len(words))] = draw.choice(common + rare)
        else:
            words = draw.choices(common, k=draw.randrange(3, 15)) + draw.choices(rare, k=draw.randrange(1, 8))
            draw.shuffle(words)
        texts.append(" ".join(words))
    index = NearDuplicates(threshold)
    for number, text in enumerate(texts):
        if number % 9 == 0:
            assert [match.key for match in index.matches(text)] == [
                key for key, earlier in enumerate(texts[:number]) if rouge_l(earlier, text) > threshold
            ]
        index.add(text, number)


@settings(max_examples=some(40))
@given(st.integers(0, 2**32), thresholds, st.sampled_from([(1, 6), (3, 20), (10, 70), (1, 140)]))
def test_every_decision_holds_in_an_index_of_many_parts(seed, threshold, lengths):
    """However texts come to be indexed by combinations of tokens, looked up one by one or together, all are found."""
    draw = random.Random(seed)
    common, rare = [f"w{number}" for number in range(draw.choice([8, 30, 200]))], [f"r{number}" for number in range(99)]
    texts = []
    for _ in range(150):
        words = [common[min(len(common), int(draw.paretovariate(0.7))) - 1] for _ in range(draw.randint(*lengths))]
        if texts and draw.random() < 0.5:
            words = draw.choice(texts).split()
            words[draw.randrange(3) : draw.randrange(4)] = draw.choices(common + rare, k=draw.randrange(4))
        texts.append(" ".join([*words, *draw.choices(rare, k=draw.randrange(3))]))
    with pytest.MonkeyPatch.context() as patch:
        # So that 150 texts come to what hundreds of thousands do.
        patch.setattr(near_duplicates, "TAIL", 16)
        patch.setattr(near_duplicates, "FEW", 0)
        patch.setattr(near_duplicates, "_TOKENS", 60)
        patch.setattr(token_combinations, "RARE", 2)
        index = NearDuplicates(threshold)
        for begin in range(0, len(texts), 25):
            asked = texts[begin : begin + 25]
            if begin % 2:
                index.expect(asked)
            for text in asked:
                scores = ((key, rouge_l(earlier, text)) for key, earlier in enumerate(texts[:begin]))
                assert list(index.matches(text)) == [Match(key, score) for key, score in scores if score > threshold]
            for key, text in enumerate(asked, begin):
                index.add(text, key)


def test_exactly_at_the_threshold_is_no_duplicate():
    """A duplicate is strictly above: 7 of 10 tokens in common both ways is 0.7 (as floats have it), not more."""
    a, b = "a b c d e f g x y z", "a b c d e f g u v w"
    assert reference(a, b) == pytest.approx(0.7)
    index = NearDuplicates(0.7)
    index.add(a, 0)
    assert (index.nearest(b) is not None) == (reference(a, b) > 0.7)


def test_ties_go_to_the_earliest_key():
    """Of equally similar texts the one with the smallest key is named, in whatever order they were added."""
    index = NearDuplicates(0.5)
    for key in (9, 4, 6):
        index.add("name three kinds of birds", key)
    assert index.nearest("name three kinds of birds") == Match(4, 1.0)
    assert [match.key for match in index.matches("name three kinds of fish")] == [4, 6, 9]


@pytest.mark.parametrize(
    "a, b, same",
    [
        ("请写一首关于春天的诗", "请写一首关于春天的诗。", True),
        ("请写一首关于春天的诗", "今天晚上我们去哪里吃饭", False),
        ("日本の首都はどこですか", "日本の首都はどこですか?", True),
        ("เมืองหลวงของประเทศไทยคืออะไร", "เมืองหลวงของประเทศไทยคืออะไร?", True),
        ("Какая столица России?", "какая столица россии", True),
        ("हिन्दी में एक कविता लिखो", "हिन्दी में एक कविता लिखो।", True),
        ("caf\u00e9 cr\u00e8me", "cafe\u0301 cre\u0300me", True),
        ("한국의 수도는 어디입니까", "한국의 수도는 어디입니까?", True),
    ],
)
def test_languages_that_the_reference_cannot_see_work(a, b, same):
    """Identical instructions in any script are duplicates, whatever their Unicode form; different ones are not."""
    index = NearDuplicates(0.7)
    index.add(a, 0)
    assert (index.nearest(b) is not None) is same


def test_texts_without_tokens_match_nothing():
    """As in the reference, an empty text resembles nothing, itself included."""
    index = NearDuplicates(0.0)
    index.add("", 0)
    index.add("?!", 1)
    assert index.nearest("?!") is None and len(index) == 2


@given(st.lists(st.text(), max_size=8))
def test_any_text_can_be_indexed(texts):
    """No text makes the index fail; every text with tokens finds itself."""
    index = NearDuplicates(0.7)
    for key, text in enumerate(texts):
        index.add(text, key)
    for text in texts:
        assert (index.nearest(text) is not None) == bool(tokenize(text))


def test_leaf_threshold_follows_the_leaf_s_own_seeds():
    """Alike seeds raise a leaf's threshold up to the cap; unlike, repeated or single ones leave it at the base."""
    alike = [f"Convert {number} kilometres to miles and round to two decimals" for number in (3, 17, 42)]
    raised = leaf_threshold(alike, base=0.7, cap=0.95)
    assert raised == pytest.approx(0.9)
    assert leaf_threshold(alike, base=0.7, cap=0.8) == 0.8
    assert leaf_threshold(alike[:1] * 5, base=0.7, cap=0.95) == 0.7
    assert leaf_threshold(["Write a poem.", "Name three rivers."], base=0.7, cap=0.95) == 0.7
    assert leaf_threshold([], base=0.7, cap=0.95) == 0.7
    assert leaf_threshold(alike, base=0.97, cap=0.95) == 0.97


def test_a_threshold_outside_0_to_1_is_refused():
    """A wrong threshold is named at once."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        NearDuplicates(1.5)
