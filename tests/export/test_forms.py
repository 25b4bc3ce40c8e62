"""Promises of the wrong passages among which a knowledge row shows the right one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from labgen.config.dataset import MixConfig
from labgen.export.fit import RowLength
from labgen.export.forms import Forms, Passages, passages_apart
from labgen.export.rows import CLOSED_BOOK, DISTRACTORS
from labgen.text.token_count import estimate_tokens

FIRST = "Barnacles settle on the gates of a barrage within a year of its first tide."
SECOND = "Divers scrape the turbines clean every second spring, when the basin is drained."
THIRD = "Salt wears out the bearings sooner than sand does, so that they are greased each week."
CITED = "every second spring, when the basin is drained"
ELSEWHERE = [f"Lava number {number} cooled below the sea and broke into pillars." for number in range(5)]


def pool(texts: Iterable[str], seed: int = 0) -> Passages:
    found = Passages(seed)
    for text in texts:
        found.add(text)
    return found


def row(number: int, context: str, cited: str = "") -> dict[str, Any]:
    turns = [{"role": "user", "content": "When?"}, {"role": "assistant", "content": "In spring."}]
    start = context.find(cited)
    evidence = [{"text": cited, "start": start, "end": start + len(cited)}] if cited else []
    verdicts = [{"name": "grounded", "evidence": evidence}]
    return {"id": f"row-{number}", "messages": turns, "context": context, "verdicts": verdicts, "form": CLOSED_BOOK}


def shown(own: dict[str, Any], near: Passages, far: Passages, *, gold_share: float = 0, count: int = 2) -> list[str]:
    """The passages that a row shows as distractors, in an order that means nothing."""
    forms = Forms(MixConfig(gold_share=gold_share, distractor_passages=count), far, RowLength(None, estimate_tokens))
    asked = forms.asked(own, DISTRACTORS, near)
    assert asked is not None
    return list(passages_apart(asked, DISTRACTORS, own["context"])[0])


@pytest.mark.parametrize(
    ("context", "cited", "overlaps"),
    [
        (FIRST, "", [f"{FIRST} {SECOND}", f"{THIRD} {FIRST} {SECOND}"]),
        (f"{FIRST} {SECOND}", "", [FIRST, SECOND, f"{FIRST} {SECOND} {THIRD}"]),
        (f"{FIRST} {SECOND}", CITED, [f"{SECOND} {THIRD}", SECOND]),
    ],
    ids=["it is part of a longer one", "it has others for parts", "its evidence stands in the next one, too"],
)
def test_what_bears_the_answer_out_is_no_wrong_passage(context: str, cited: str, overlaps: list[str]) -> None:
    """Else a row without the right passage would show it all the same, and one with it, twice."""
    for number in range(20):
        found = shown(row(number, context, cited), pool([context, *overlaps, THIRD]), pool([*overlaps, *ELSEWHERE]))
        assert len(set(found)) == 2
        assert THIRD in found and set(found) <= {THIRD, *ELSEWHERE}


def test_evidence_of_a_word_leaves_other_passages_wrong() -> None:
    """A name stands in many a passage that does not say what was asked."""
    found = shown(row(1, SECOND, "spring"), pool([SECOND, f"In spring, too. {THIRD}"]), pool([]))
    assert found == [f"In spring, too. {THIRD}"]


def test_where_all_others_overlap_one_is_taken_all_the_same() -> None:
    """A leaf with one short document still has rows in this form."""
    found = shown(row(1, FIRST), pool([FIRST, f"{FIRST} {SECOND}"]), pool([FIRST]), gold_share=1)
    assert sorted(found) == [FIRST, f"{FIRST} {SECOND}"]


def test_wrong_passages_are_the_leafs_own_first_and_each_rows_others() -> None:
    """The harder ones, every one of them as often as any other; of other leaves only what is lacking."""
    near = [f"The {number}th gate of the barrage was closed in a storm." for number in range(8)]
    chosen = Counter[str]()
    for number in range(400):
        found = shown(row(number, FIRST), pool([FIRST, *near]), pool([FIRST, *near, *ELSEWHERE]))
        assert len(set(found)) == 2 and set(found) <= set(near)
        chosen.update(found)
    assert set(chosen) == set(near) and all(60 <= count <= 140 for count in chosen.values())
    found = shown(row(1, FIRST), pool([FIRST, near[0]]), pool([near[0], *ELSEWHERE]), count=3)
    assert near[0] in found and len(set(found) & set(ELSEWHERE)) == 2
