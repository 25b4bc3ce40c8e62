"""A threshold of near-duplicates that moves over no measure decides as it did, and says so."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from labgen.config.filtering import ThresholdsConfig
from labgen.filters.earlier_instructions import MARGIN, EarlierInstructions, thresholds_for
from labgen.outcomes.thresholds import NotedThresholds, Range

WORDS = ["name", "five", "towns", "that", "lie", "in", "denmark", "by", "size"]
texts = st.lists(st.sampled_from(WORDS), min_size=1, max_size=9).map(" ".join)
pairs = st.tuples(texts, st.sampled_from(["the rivers of europe by length", "the rivers of europe by depth", "others"]))
shares = st.sampled_from([share / 20 for share in range(21)])


def verdicts(
    seeds: list[tuple[str, str]], drawn: list[tuple[str, str]], thresholds: ThresholdsConfig, *, by_context: bool
) -> list[tuple[float, str] | None]:
    """What is said of each, held against the seeds and those before it that were let through."""
    base = thresholds.duplicate_rouge_l
    of_instructions, of_contexts = thresholds_for(
        [text for text, _ in seeds],
        [context for _, context in seeds] if by_context else [],
        base=base,
        cap=thresholds.duplicate_rouge_l_cap,
    )
    earlier = EarlierInstructions(base, by_context=by_context)
    for number, (text, context) in enumerate(seeds):
        earlier.add(text, context, f"seed {number}")
    found: list[tuple[float, str] | None] = []
    for number, (text, context) in enumerate(drawn):
        verdict = earlier.find(text, context, threshold=of_instructions, context_threshold=of_contexts)
        found.append((verdict.value, verdict.reason) if verdict else None)
        if verdict is None:
            earlier.add(text, context, f"draw {number}")
    return found


@given(st.lists(pairs, max_size=4), st.lists(pairs, max_size=8), shares, shares, shares, st.booleans())
def test_within_its_range_a_threshold_decides_the_same(
    seeds: list[tuple[str, str]], drawn: list[tuple[str, str]], base: float, cap: float, moved: float, by_context: bool
) -> None:
    """The same as without being noted, too: in numbers, names and order."""
    settings = ThresholdsConfig(duplicate_rouge_l=base, duplicate_rouge_l_cap=cap)
    noted = NotedThresholds(settings)
    found = verdicts(seeds, drawn, noted.thresholds, by_context=by_context)
    assert found == verdicts(seeds, drawn, settings, by_context=by_context)
    ranges = noted.ranges()
    assert base in ranges.get("duplicate_rouge_l", Range()) and cap in ranges.get("duplicate_rouge_l_cap", Range())
    if moved in ranges.get("duplicate_rouge_l", Range()):
        other = ThresholdsConfig(duplicate_rouge_l=moved, duplicate_rouge_l_cap=cap)
        assert verdicts(seeds, drawn, other, by_context=by_context) == found


def test_a_threshold_with_nothing_near_it_may_move() -> None:
    """By the margin downwards, and upwards to anywhere."""
    noted = NotedThresholds(ThresholdsConfig())
    drawn = [("name five towns", ""), ("why is the sky blue", "")]
    verdicts([], drawn, noted.thresholds, by_context=False)
    moves = noted.ranges()["duplicate_rouge_l"]
    assert 0.7 - MARGIN in moves and 0.7 - MARGIN - 0.01 not in moves and 1.0 in moves
