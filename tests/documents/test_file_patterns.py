"""Patterns mean what Python's glob means, on names alone."""

from __future__ import annotations

import glob
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.documents.file_patterns import match_files, pattern_problem
from labgen.taxonomy.path_patterns import match_path

FILES = ["a.md", "b.txt", ".hidden.md", "docs/a.md", "docs/ab.md", "docs/deep/er/a.md", "docs/.git/a.md", "[x].md"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    return root


@settings(max_examples=some(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["docs", "**", "*", "*.md", "deep", "er", "a.md", ".*", ".git", "[ab].md", "[!a]*"]),
            st.text("ab*?.[]!d", min_size=1, max_size=5).filter(lambda part: part != ".."),
        ),
        min_size=1,
        max_size=4,
    ).map("/".join)
)
def test_matches_are_those_of_glob(tree, pattern):
    """The standard library on a real folder is the judge."""
    found = glob.glob(pattern, root_dir=tree, recursive=True)  # noqa: PTH207 (what the field uses)
    real = sorted({str(Path(name)) for name in found if (tree / name).is_file() and not name.endswith("/")})
    assert sorted(match_files(pattern, FILES)) == real


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("./a.md", ["a.md"]),
        ("docs//a.md", ["docs/a.md"]),
        ("A.md", []),
        ("**", [name for name in FILES if "/." not in name and name[0] != "."]),
        ("docs/**/a.md", ["docs/a.md", "docs/deep/er/a.md"]),
    ],
)
def test_a_pattern_finds(pattern, found):
    """Dots and doubled slashes don't count, upper and lower case do."""
    assert match_files(pattern, FILES) == found


@pytest.mark.parametrize("pattern", ["/a.md", "../a.md", "docs/../a.md", "", "/", ".", "./", "a" * 1001])
def test_a_pattern_that_can_match_nothing_says_why(pattern):
    """And matches nothing."""
    assert pattern_problem(pattern) is not None
    assert match_files(pattern, FILES) == []


NAMES = st.text("abé[]!-", min_size=1, max_size=4)
SEGMENTS = st.one_of(
    st.sampled_from(["**", "*", "a*", "[ab]", "[!a]*", "?"]), st.text("ab*?[]!-", min_size=1, max_size=5)
)


@settings(max_examples=some(500))
@given(
    st.lists(NAMES, min_size=1, max_size=5),
    st.lists(SEGMENTS, min_size=1, max_size=4).map("/".join),
)
def test_patterns_for_leaves_and_for_documents_agree(names, pattern):
    """Where no dot, backslash or `^` is about: a leaf is named where it, or a folder above it, would be a match."""
    folders = ["/".join(names[: depth + 1]) for depth in range(len(names))]
    assert match_path(folders[-1], pattern) == bool(match_files(pattern, folders))


@pytest.mark.parametrize(
    ("path", "pattern", "document", "leaf"),
    [
        ("docs/a.md", "docs", False, True),
        ("docs/.a.md", "docs/*", False, True),
        (".docs/a.md", "**/a.md", False, True),
        ("docs/a.md", "docs/[^b].md", False, True),
        ("docs/a.md", "docs\\a.md", False, True),
        ("docs/a.md", "/docs/a.md", False, True),
        ("docs/e\u0301.md", "docs/\u00e9.md", True, False),
    ],
)
def test_where_patterns_for_documents_differ_from_those_for_leaves(path, pattern, document, leaf):
    """Folders, dots, other spellings of a pattern, and of a letter."""
    assert (match_files(pattern, [path]) == [path], match_path(path, pattern)) == (document, leaf)
