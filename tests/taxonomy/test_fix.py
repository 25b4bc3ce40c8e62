"""`--fix` mends style and touches neither meaning nor comments; `--upgrade` raises versions where that is valid."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import OutputError
from labgen.taxonomy.fix import fix_style, upgrade_version, write_leaf
from labgen.taxonomy.source import LeafSource, parse_source
from labgen.taxonomy.style import find_comments, find_style_problems

SEEDS = "seed_examples:\n" + "".join(f"  - question: Why {n}?\n    answer: So {n}.\n" for n in range(5))
HEAD = "created_by: me\ntask_description: Say why.\n"


def leaf(text: str | bytes) -> LeafSource:
    data = text if isinstance(text, bytes) else text.encode()
    return parse_source(LeafSource("compositional_skills/a", Path("qna.yaml"), "qna.yaml", data=data))


def fixed(text: str | bytes) -> str:
    return fix_style(leaf(text)).data.decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(f"version: 1\n{HEAD}{SEEDS}", f"version: 1\n{HEAD}{SEEDS}", id="nothing to do"),
        pytest.param(f"{HEAD}{SEEDS}", f"version: 1\n{HEAD}{SEEDS}", id="no version"),
        pytest.param(f"version: 3  \n{HEAD}{SEEDS}", f"version: 3\n{HEAD}{SEEDS}", id="trailing spaces"),
        pytest.param(f"\n\nversion: 3\n\n\n\n{HEAD}{SEEDS}\n\n", f"version: 3\n\n\n{HEAD}{SEEDS}", id="blank lines"),
        pytest.param(f"version: 3\n{HEAD}{SEEDS[:-1]}", f"version: 3\n{HEAD}{SEEDS}", id="no final newline"),
        pytest.param(
            f"version: 3\n{HEAD}{SEEDS}".replace("\n", "\r\n"), f"version: 3\n{HEAD}{SEEDS}", id="line endings"
        ),
        pytest.param(f"\ufeffversion: 3\n{HEAD}{SEEDS}", f"version: 3\n{HEAD}{SEEDS}", id="a byte order mark"),
        pytest.param(
            f"# licence of the file\n{SEEDS}# who\ncreated_by: me # really\nversion: 3\ntask_description: Say.\n",
            f"# licence of the file\nversion: 3\n# who\ncreated_by: me # really\ntask_description: Say.\n{SEEDS}",
            id="key order with comments",
        ),
        pytest.param(
            f"version: 3\n{HEAD}{SEEDS[:-1]} |\n      Far"[: -0 or None],
            f"version: 3\n{HEAD}{SEEDS[:-1]} |\n      Far\n",
            id="a bar inside plain text",
        ),
        pytest.param(
            f"version: 3\n{HEAD}{SEEDS}  - question: Why?\n    answer: |\n      So.",
            f"version: 3\n{HEAD}{SEEDS}  - question: Why?\n    answer: |-\n      So.\n",
            id="a final block gains no newline",
        ),
    ],
)
def test_style_is_mended_and_nothing_else(before: str, after: str) -> None:
    """The text comes out as a careful author would have written it, with equal data."""
    assert fixed(before) == after
    old, new = yaml.safe_load(before.removeprefix("\ufeff")), yaml.safe_load(after)
    assert {"version": 1} | old == new


@pytest.mark.parametrize("typed", ["Yes", "010", "12:30", "2024-05-01", "3.50", "1.0e+3", "-7", "off"])
def test_a_value_that_yaml_misreads_is_quoted_as_it_was_typed(typed: str) -> None:
    """What the author wrote is what the leaf then says, letter by letter, and nothing else is touched."""
    text = f"version: '3'\n{HEAD}{SEEDS}  - question: Which? # short\n    answer: {typed} # sic\n"
    after = fixed(text)
    assert after == text.replace("'3'", "3").replace(f": {typed} #", f': "{typed}" #')
    assert yaml.safe_load(after)["seed_examples"][-1]["answer"] == typed


def test_spaces_that_are_text_stay() -> None:
    """Below `|` two spaces are a line break in Markdown, in double quotes an escaped space is a space."""
    text = f'version: 3\n{HEAD}{SEEDS}  - question: |\n      One  \n      two\n    answer: "a\\ \n      b"\n'
    assert fixed(text) == text


LINES = st.sampled_from(
    [
        "created_by: me", "version: 3", "version: 2  ", "task_description: |", "  some text  ", "  more", "", "   ",
        "# note", "seed_examples:", "- question: Why?  # here", "  answer: 'So", "    it is'", "  context: >",
        "    folded",
        "   deeper", "domain: d", "- question: |+", "  answer: \"x\\", "    y\"", "\t", "x: &a 1", "y: *a", "---",
    ]
)  # fmt: skip


@given(st.lists(LINES, max_size=14), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_fixing_keeps_data_and_comments_and_is_idempotent(lines: list[str], newline: str, ended: bool) -> None:
    """Over any lines that happen to be YAML."""
    text = newline.join(lines) + (newline if ended else "")
    source = leaf(text)
    mended = fix_style(source)
    assert fix_style(mended) is mended
    if mended is source:
        return
    old, new = yaml.load(text, yaml.CSafeLoader), yaml.load(mended.text, yaml.CSafeLoader)
    assert new == old or new == {"version": 1} | old
    assert len(find_comments(mended.text, mended.root)) == len(find_comments(source.text, source.root))
    assert not [problem for problem in find_style_problems(mended) if problem.code in ("LG401", "LG402", "LG405")]


def test_upgrade_raises_a_skill_that_is_valid_as_version_3() -> None:
    """Both a missing and a lower version; comments and all else stay."""
    assert upgrade_version(leaf(f"# note\n{HEAD}{SEEDS}")).text == f"# note\nversion: 3\n{HEAD}{SEEDS}"
    assert upgrade_version(leaf(f"version: 2 # old\n{HEAD}{SEEDS}")).text == f"version: 3 # old\n{HEAD}{SEEDS}"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"version: 3\n{HEAD}{SEEDS}", id="is already"),
        pytest.param(f"{HEAD}seed_examples:\n  - question: Why?\n    answer: So.\n", id="too few examples"),
        pytest.param(f"{HEAD}licence: MIT\n{SEEDS}", id="an unknown key"),
        pytest.param(f"created_by: me\ntask_description: ''\n{SEEDS}", id="no task"),
        pytest.param("- a\n", id="no leaf"),
    ],
)
def test_upgrade_leaves_others_alone(text: str) -> None:
    """What would not be valid stays as it is."""
    source = leaf(text)
    assert upgrade_version(source) is source


def test_writing_replaces_the_file_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    """No half-written leaf, nothing left beside it."""
    file = tmp_path / "qna.yaml"
    file.write_text("old")
    file.chmod(0o640)
    write_leaf(file, b"new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(OutputError, match="cannot be written"):
        write_leaf(tmp_path / "gone" / "qna.yaml", b"x")
