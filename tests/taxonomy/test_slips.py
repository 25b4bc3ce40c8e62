"""The slips that contributors make: each is found, told as one thing, at its place, in words that name it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from labgen.taxonomy.check import CheckOptions, check_files
from labgen.taxonomy.scan import find_strays
from labgen.taxonomy.source import find_leaf_files

TOWNS = ["Paris", "Lima", "Oslo", "Cairo", "Quito"]
SKILL = (
    "version: 3\ncreated_by: someone\ntask_description: Say how far a town is.\nseed_examples:\n"
    + "".join(f"  - question: How far is {town} by train?\n    answer: {town} takes a day.\n" for town in TOWNS)
)  # fmt: skip
KNOWLEDGE = (
    "version: 3\ncreated_by: someone\ndomain: comets\ndocument_outline: Comets and their tails\nseed_examples:\n"
    + "".join(
        f"  - context: Comet {number} is a ball of ice and dust.\n    questions_and_answers:\n"
        + "".join(f"      - question: What is {word} {number}?\n        answer: Ice.\n" for word in ("a", "b", "c"))
        for number in range(5)
    )
    + "document:\n  repo: .\n  patterns:\n    - docs/*.md\n"
)
SAME = "how far is lima, by train\n    answer: lima takes a day"
PARIS = "answer: Paris takes a day."


def found(root: Path, text: str, place: str) -> list[tuple[str, int, str]]:
    leaf = root / place
    leaf.mkdir(parents=True)
    (leaf / "qna.yaml").write_text(text)
    (leaf / "attribution.txt").write_text("License of the work: MIT\n")
    result = check_files(root, find_leaf_files(root), CheckOptions(), strays=find_strays(root))
    return [(one.code, one.line, one.message) for one in result.violations]


def change(old: str, new: str, text: str = SKILL) -> Callable[[], str]:
    assert old in text
    return lambda: text.replace(old, new, 1)


@pytest.mark.parametrize(
    ("slip", "code", "line", "said"),
    [
        (change(PARIS, "answer: # Paris"), "LG206", 6, 'quote it: "# Paris"'),
        (change(PARIS, "answer: "), "LG206", 6, "has no value"),
        (change(PARIS, "answer: Gate #2 of the station."), "LG324", 6, "`#2 of the station.` for a comment"),
        (change("  - question: How far is Lima", "    question: How far is Lima"), "LG102", 7, "dash is missing"),
        (change("  - question: How far is Lima", "  question: How far is Lima"), "LG101", 7, "dash is missing"),
        (change("  - question: How far is Paris", "    question: How far is Paris"), "LG101", 5, "dash is missing"),
        (lambda: SKILL.replace("  - question", "    question"), "LG204", 5, "Begin each entry with a dash"),
        (change("  - question: How far is Lima", "  -question: How far is Lima"), "LG101", 7, "space is missing"),
        (change("    answer", "    anwser"), "LG203", 6, "`anwser` should be `answer`"),
        (change("task_description", "task_descripton"), "LG203", 3, "should be `task_description`"),
        (change(PARIS, "answer: Yes"), "LG205", 6, 'quote it: "Yes"'),
        (lambda: SKILL + SKILL[SKILL.rindex("  - ") :], "LG213", 15, "seed example 5 in line 13"),
        (
            lambda: f"{SKILL}  - question: how far is lima, by train\n    answer: lima takes a day\n",
            "LG301",
            15,
            "line 7",
        ),
        (change(PARIS, f"question: And back?\n    {PARIS}"), "LG102", 6, "already set in line 5"),
    ],
)
def test_a_slip_in_a_skill_is_one_finding(
    tmp_path: Path, slip: Callable[[], str], code: str, line: int, said: str
) -> None:
    """No second finding follows from the first."""
    ((was, at, message),) = found(tmp_path, slip(), "compositional_skills/towns")
    assert (was, at) == (code, line) and said in message


@pytest.mark.parametrize(
    ("slip", "code", "line", "said"),
    [
        (change("      - question: What is b 0", "        question: What is b 0", KNOWLEDGE), "LG102", 10, "dash"),
        (change("  - context: Comet 1", "    context: Comet 1", KNOWLEDGE), "LG102", 14, "dash is missing"),
        (change("    - docs/*.md", "    docs/*.md", KNOWLEDGE), "LG204", 49, "after a dash"),
        (lambda: SKILL, "LG203", 1, "looks like a skill"),
    ],
)
def test_a_slip_in_a_knowledge_leaf_is_one_finding(
    tmp_path: Path, slip: Callable[[], str], code: str, line: int, said: str
) -> None:
    """Counts of examples and all that follows from a leaf in the wrong branch are not told again."""
    ((was, at, message),) = found(tmp_path, slip(), "knowledge/comets")
    assert (was, at) == (code, line) and said in message


def test_a_knowledge_leaf_among_the_skills_is_one_finding(tmp_path: Path) -> None:
    """As the other way round."""
    ((code, _, message),) = found(tmp_path, KNOWLEDGE, "compositional_skills/comets")
    assert code == "LG203" and "looks like a knowledge leaf" in message


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("skills/towns/qna.yaml", "`foundational_skills/` or `compositional_skills/`"),
        ("Knowledge/towns/qna.yaml", "is `knowledge/` meant?"),
        ("knowlege/towns/qna.yaml", "is `knowledge/` meant?"),
        ("drafts/deep/below/qna.yaml", "`drafts/` is no branch"),
        ("skills/towns/qna.yml", "is no branch"),
        ("qna.yaml", "a folder of its own"),
        ("knowledge/qna.yaml", "not directly in `knowledge/`"),
    ],
)
def test_a_leaf_that_nobody_reads_is_an_error(tmp_path: Path, place: str, said: str) -> None:
    """Wherever below the root it lies, and whatever else is there."""
    file = tmp_path / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(SKILL)
    hits = found(tmp_path, SKILL, "compositional_skills/towns")
    ((_, _, message),) = [hit for hit in hits if hit[0] == "LG108"]
    assert said in message


def test_an_installed_labgen_beside_the_leaves_is_none_of_them(tmp_path: Path) -> None:
    """A virtual environment at the root holds the bundled leaves; hidden folders are nobody's business either."""
    for place in ("venv/lib/labgen/taxonomy/knowledge/x", ".cache/knowledge/x"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "qna.yaml").write_text(SKILL)
    (tmp_path / "venv/pyvenv.cfg").write_text("")
    assert found(tmp_path, SKILL, "compositional_skills/towns") == []


def test_stand_ins_are_named_until_the_last_is_gone(tmp_path: Path) -> None:
    """Gaps and the mark that `labgen new` leaves are one finding, which goes when they go."""
    gaps = SKILL.replace(PARIS, "answer: 'TO DO: an answer'").replace("Oslo takes a day.", "'TO DO: another'")
    marked = gaps.replace("seed_examples", "# TO DO: the questions are drafts\nseed_examples", 1)
    ((code, line, message),) = found(tmp_path / "gaps", marked, "compositional_skills/towns")
    assert (code, line) == ("LG323", 7) and "seed examples 1 and 3 have gaps" in message
    left = SKILL.replace("seed_examples", "# TO DO: the questions are drafts\nseed_examples", 1)
    ((code, line, message),) = found(tmp_path / "mark", left, "compositional_skills/towns")
    assert (code, line) == ("LG323", 4) and "delete it" in message
    assert found(tmp_path / "done", SKILL, "compositional_skills/towns") == []
