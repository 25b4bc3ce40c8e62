"""Which voice answers: by the kind of task, never by the branch alone; and it is said why."""

from __future__ import annotations

from pathlib import Path

import pytest

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.plan.leaf_plan import chosen_persona
from labgen.plan.persona import persona_of
from labgen.records import Leaf


def leaf(path: str, task: str = "") -> Leaf:
    """A leaf without anything but a path and a task."""
    return Leaf(path, path.split("/")[0], Path("qna.yaml"), 3, task, "", "", (), None, "")


@pytest.mark.parametrize(("path", "task", "voice"), [
    ("extraction/invoices/csv", "Take the totals out of an invoice.", "precise"),
    ("science/units", "Convert between units of length.", "precise"),
    ("code/python/functions", "Write a short Python function.", "precise"),
    ("reasoning/puzzles", "Solve a riddle step by step.", "precise"),
    ("writing/grounded/editing/spelling", "", "precise"),
    ("writing/technical/commit_message", "Write a commit message for a change.", "precise"),
    ("writing/freeform/list_capitals", "List the capitals of some countries.", "precise"),
    ("somewhere/new", "Something that no list of words knows.", "precise"),
    ("writing/freeform/poetry/sonnets", "", "creative"),
    ("writing/freeform/jokes", "Tell a joke on a subject.", "creative"),
    ("roleplay/pirates", "Answer as a pirate would.", "creative"),
    ("writing/letters/invitations", "Write an invitation to a party.", "creative"),
    ("writing/fiction", "Tell a short story.", "creative"),
    ("social_media/posts", "", "creative"),
    ("language/limericks", "Write a limerick on a town.", "creative"),
])  # fmt: skip
def test_the_voice_follows_the_kind_of_task(path: str, task: str, voice: str) -> None:
    """Tasks with a right answer are answered precisely, writing and role-play creatively."""
    persona = persona_of(leaf(f"compositional_skills/{path}", task))
    assert persona.name == voice, persona
    assert persona.why


def test_other_branches_have_right_answers() -> None:
    """Whatever their words."""
    for branch in ("foundational_skills", "knowledge"):
        assert persona_of(leaf(f"{branch}/poetry/haiku", "Write a haiku.")).name == "precise"


def test_a_setting_wins_and_says_so() -> None:
    """The last entry that matches."""
    config = read_section(
        Config, {"leaves": [{"match": "**/jokes", "persona": "precise"}, {"match": "**", "samples": 3}]}
    )
    persona = chosen_persona(leaf("compositional_skills/writing/jokes"), config)
    assert persona.name == "precise" and "labgen.yaml" in persona.why
    assert chosen_persona(leaf("compositional_skills/writing/poetry"), config).name == "creative"
