"""Texts as the rules of `labgen check` compare them."""

from __future__ import annotations

from labgen.text.words import content_words, normalised, words


def test_words_are_of_any_script_and_in_small_letters() -> None:
    """An apostrophe inside a word belongs to it."""
    assert words("Don’t STOP: Käse, 12 сыра_и 3.5!") == ["don’t", "stop", "käse", "12", "сыра", "и", "3", "5"]


def test_content_words_leave_out_what_english_strews_everywhere() -> None:
    """Numbers stay, however short."""
    assert content_words("What would 7 bees carry into their hive?") == ["7", "bees", "carry", "hive"]


def test_case_punctuation_and_white_space_make_no_difference() -> None:
    """Signs alone are kept, or two different ones would be repeats."""
    assert normalised("  What,\nis IT?") == normalised("what is it")
    assert normalised(" + ") != normalised("-")
