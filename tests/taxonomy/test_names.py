"""A leaf whose path is not the same everywhere is left out, with what to do; nothing obeys its name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from faulty_server import BUNDLED, run
from hypothesis import given
from hypothesis import strategies as st

from labgen.taxonomy.load import load_taxonomy
from labgen.taxonomy.names import same_elsewhere, unfit_name, unseen_in_name

LEAF = "compositional_skills/extraction/action_items"


def taxonomy_with(root: Path, *names: str) -> Path:
    """Leaves below folders of these names, beside a usual one."""
    for name in ("usual", *names):
        shutil.copytree(BUNDLED / LEAF, root / "compositional_skills" / name)
    return root


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a\x1b[31mred", "U+001B"),
        ("two\nlines", "U+000A"),
        ("turned\u202eround", "U+202E"),
        ("zero\u200bwidth", "U+200B"),
        ("blank\u3164letter", "U+3164"),
        ("aux", "Windows keeps for a device"),
        ("NUL.txt", "Windows keeps for a device"),
        ("what?", "Windows has no names with"),
        ("ends.", "full stop at an end"),
        ("long" * 30, "120 characters"),
    ],
)
def test_a_name_that_is_not_the_same_everywhere_is_an_error_with_a_remedy(
    name: str, words: str, tmp_path: Path
) -> None:
    """By `check` and by a build alike; the other leaves go on, and the name itself reaches no terminal."""
    root = taxonomy_with(tmp_path / "taxonomy", name)
    told = run("check", root)
    assert told.return_value == 1
    assert "LG112" in told.output and words in told.output and "rename" in told.output
    assert not {"\x1b", "\u202e", "\u200b"} & set(told.output)
    read = load_taxonomy(root)
    assert [leaf.path for leaf in read.leaves] == ["compositional_skills/usual"]
    assert len(read.excluded) == 1


def test_paths_that_differ_only_in_case_or_in_how_accents_are_spelt_are_one(tmp_path: Path) -> None:
    """The first by name is read, the other is named, with the first."""
    root = taxonomy_with(tmp_path / "taxonomy", "Usual", "caf\u00e9", "cafe\u0301")
    told = run("check", root)
    assert told.return_value == 1 and told.output.count("LG112") == 2
    assert "compositional_skills/Usual" in told.output
    assert len(load_taxonomy(root).leaves) == 2
    one = run("check", root / "compositional_skills" / "usual")
    assert "LG112" in one.output, "the other is looked for where only one is checked"


def test_the_names_of_real_leaves_are_fit() -> None:
    """None of the bundled ones, nor names in other scripts, is called unfit."""
    for file in BUNDLED.rglob("qna.yaml"):
        assert not unfit_name(file.parent.relative_to(BUNDLED).as_posix())
    for path in ("knowledge/科学/生物", "knowledge/naïve_réflexion/Größe", "knowledge/हिन्दी", "knowledge/c++ & c#"):
        assert not unfit_name(path) and not same_elsewhere([path])


@given(st.text(max_size=400))
def test_every_name_is_judged_and_what_is_told_can_be_shown(path: str) -> None:
    """Whatever a name holds."""
    assert not unseen_in_name(path) or unfit_name(path)
    assert "\n" not in unseen_in_name(path) and "\x1b" not in unseen_in_name(path)


def test_links_that_lead_in_a_circle_are_told_like_others(tmp_path: Path) -> None:
    """A repository can hold them wherever labgen looks: the leaf's file, its attribution, the marks."""
    root = taxonomy_with(tmp_path / "taxonomy", "round", "unattributed")
    branch = root / "compositional_skills"
    for file in (branch / "round" / "qna.yaml", branch / "unattributed" / "attribution.txt", root / "marks.yaml"):
        file.unlink(missing_ok=True)
        file.symlink_to(file.name)
    told = run("check", root)
    assert told.return_value == 1 and told.exception is None
    assert "round/qna.yaml:1:1: error LG109" in told.output and "marks.yaml:1:1: error LG109" in told.output
    assert [leaf.path for leaf in load_taxonomy(root).leaves] == [
        f"compositional_skills/{n}" for n in ("unattributed", "usual")
    ]
