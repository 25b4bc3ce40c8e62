"""Which leaves a pattern names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.taxonomy.path_patterns import PatternList, match_path

LEAF = "knowledge/science/animals/cats"


@pytest.mark.parametrize(
    "pattern",
    [
        "knowledge",
        "knowledge/science/",
        "./knowledge/science",
        LEAF,
        f"{LEAF}/qna.yaml",
        "knowledge/**",
        "**/cats",
        "**",
        "**/animals/**",
        "knowledge/*/animals/*",
        "knowledge/**/cats",
        "knowledge/science/animals/c[aeiou]ts",
        "knowledge/science/animals/c[!xyz]ts",
        "knowledge/science/animals/ca?s",
        "",
    ],
)
def test_matches_folders_globs_and_everything_beneath(pattern: str) -> None:
    """A folder names all its leaves, a glob the folders it matches, `qna.yaml` its leaf."""
    assert match_path(LEAF, pattern)
    assert match_path(f"{LEAF}/qna.yaml", pattern)


@pytest.mark.parametrize(
    "pattern",
    ["knowledge/sci", "*/cats", "cats", "knowledge/*/cats", "knowledge/science/animals/c[xyz]ts", LEAF + "/**"],
)
def test_does_not_match_parts_of_names(pattern: str) -> None:
    """`*` stays within one name, and a name is matched whole."""
    assert not match_path(LEAF, pattern)


@given(st.text(max_size=30), st.text(alphabet="ab*?[]!^-/\\.&|~", max_size=20))
def test_any_pattern_is_accepted(path: str, pattern: str) -> None:
    """No pattern raises, however odd."""
    match_path(path, pattern)


@given(st.lists(st.text(alphabet="abc -_é*[]?", min_size=1, max_size=5), min_size=1, max_size=4))
def test_every_path_matches_itself_when_escaped(parts: list[str]) -> None:
    """Special characters in a folder's name can be named through a character class."""
    path = "/".join(parts)
    pattern = "".join(f"[{char}]" if char in "*?[" else char for char in path)
    assert match_path(path, pattern)


@pytest.mark.parametrize(
    ("path", "pattern", "found"),
    [
        ("knowledge/cats", "knowledge/c[^xyz]ts", True),
        ("knowledge/cxts", "knowledge/c[^xyz]ts", False),
        ("knowledge/c^ts", "knowledge/c[x^]ts", True),
        ("knowledge/a]b", "knowledge/a[]]b", True),
        ("knowledge/axb", "knowledge/a[!]]b", True),
        ("knowledge/a]b", "knowledge/a[^]]b", False),
        ("knowledge/a[b", "knowledge/a[b", True),
        ("knowledge/a[!b", "knowledge/a[!b", True),
        ("knowledge/b", "knowledge/[a-c]", True),
        ("knowledge/b", "knowledge/[c-a]", False),
        ("knowledge/.hidden/x", "knowledge/*/x", True),
        ("knowledge/.hidden/x", "**/x", True),
        ("knowledge/x", "knowledge\\x", True),
        ("knowledge/line\nbreak/x", "knowledge/l*k", True),
    ],
)
def test_classes_and_names_mean_what_they_do_on_a_command_line(path: str, pattern: str, found: bool) -> None:
    """A `]` that comes first is one of the characters, a class without its end is text, dots are no secret."""
    assert match_path(path, pattern) is found


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("a" * 250, "*a" * 400 + "b"),
        ("/".join("a" * 500), "/".join(["**", "a"] * 250 + ["b"])),
        ("a" * 250, "*?" * 300 + "b"),
        ("[" * 250, "[" * 20_000 + "b"),
        ("[" * 250, "[^" * 20_000 + "b"),
    ],
)
def test_a_pattern_that_would_take_for_ever_does_not(path: str, pattern: str) -> None:
    """Documents' patterns are strangers' words, and `labgen diff` asks whether they match files beside a leaf."""
    assert not match_path(path, pattern)


PATTERNS = st.lists(
    st.text(st.sampled_from("ab/*?[]!^.\\-"), max_size=8)
    | st.sampled_from([LEAF, "knowledge", "knowledge/science/", "**/cats", "", f"./{LEAF}/qna.yaml"]),
    max_size=6,
)


@given(PATTERNS, st.sampled_from([LEAF, "a/b", "a", "b/a/b", ""]) | st.text(st.sampled_from("ab/."), max_size=6))
def test_a_list_of_patterns_finds_what_each_of_them_matches(patterns: list[str], path: str) -> None:
    expected = [place for place, pattern in enumerate(patterns) if match_path(path, pattern)]
    assert PatternList(patterns).matching(path) == expected
