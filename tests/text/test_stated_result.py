"""Results are read only where a text states one beyond doubt, and two that may both be right never contradict."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.text.stated_result import contradict, stated_result


def differ(plan: str, answer: str) -> bool:
    """Whether a plan and an answer contradict each other."""
    planned, said = stated_result(plan), stated_result(answer)
    return planned is not None and said is not None and contradict(planned, said)


@pytest.mark.parametrize(
    ("plan", "answer"),
    [
        ("1. 12 boxes of 7.\nResult: 84", "74"),
        ("4. Result: 84", "The answer is 74."),
        ("**Result:** 84", "So the final answer is **74**."),
        ("Result:\n84", "We multiply.\n\n#### 74"),
        ("Result: $84", "The result is $74."),
        ("Result: 84 apples", "74 apples"),
        ("Result: 1,084", "1074"),
        ("Result: 1/3", "1/4"),
        ("Result: 3.5 km", "4.75 km"),
        ("Result: -5", "5"),
        (r"So \boxed{84}", r"It is \boxed{74}."),
        ("Result: B", "(C)"),
        ("Result: b", "Answer: D."),
        ("Result: yes", "No."),
    ],
)
def test_another_result_is_seen(plan: str, answer: str) -> None:
    """Numbers with their unit, fractions, choices; in the plain words that state a result."""
    assert differ(plan, answer)


@pytest.mark.parametrize(
    ("plan", "answer"),
    [
        ("Result: 84", "84"),
        ("Result: 1,000", "The answer is 1000."),
        ("Result: 0.5", "1/2"),
        ("Result: 12.346", "12.35"),  # rounded
        ("Result: 7.5", "8"),  # so many buses
        ("Result: 1/3", "0.33"),
        ("Result: 60", "1 hour"),
        ("Result: 60 minutes", "1 hour"),
        ("Result: 50 %", "0.5"),
        ("Result: $13", "1300 cents"),
        ("Result: 1.000", "1000"),  # languages differ
        ("Result: 84", "There are 12 boxes of 7, and 3 are left over."),
        ("Result: 84", "The answer is between 80 and 90."),
        ("Result: 84", "The answer is about 80."),
        ("Result: x = 3, y = 4", "y = 4, x = 3"),
        ("Check: 84 / 7 = 12", "84"),
        ("We see 84.", "74"),
        ("Result: yes", "B"),
        ("Result: 84", "As a poem: the answer is blowing in the wind."),
        ("", ""),
    ],
)
def test_what_may_both_be_right_is_left_alone(plan: str, answer: str) -> None:
    """Rounding, other units, ranges, prose, and numbers that can be read in two ways."""
    assert not differ(plan, answer)


@given(st.integers(-(10**9), 10**9), st.sampled_from(["{}", "Result: {}", "The answer is {}.", "{} km", "#### {}"]))
def test_a_number_never_contradicts_itself(number: int, form: str) -> None:
    """However the same number is grouped."""
    one, other = form.format(number), form.format(f"{number:,}")
    assert stated_result(one) is not None and not differ(one, other)
    assert differ(one, form.format(number + 1))


@given(st.text(max_size=200))
def test_nothing_makes_it_fail(text: str) -> None:
    """No text raises, and none contradicts itself."""
    assert not differ(text, text)
