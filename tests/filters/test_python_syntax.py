"""A response whose Python does not parse is no row, unless the task or the leaf's own examples have such Python."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from labgen.config import Config
from labgen.filters.available import filters_for
from labgen.filters.base import settle
from labgen.filters.python_syntax import PythonSyntax
from labgen.records import Candidate, Pair, State

BROKEN = "So:\n\n```python\ndef add(a, b)\n    return a + b\n```"
RIGHT = BROKEN.replace("b)\n", "b):\n")


def settled(response: str, *, asked: str = "Write a function that adds.", examples: tuple[str, ...] = ()) -> Candidate:
    """A response after the filter alone."""
    slot: Any = SimpleNamespace(seed_pairs=tuple(Pair("Write it.", each) for each in examples))
    candidate = Candidate("foundational_skills/code", 0, 0, asked, response)
    return asyncio.run(settle(candidate, [PythonSyntax()], slot))


def test_python_that_does_not_parse_ends_a_response() -> None:
    """With the line, and what Python says of it."""
    found = settled(BROKEN)
    assert (found.state, found.reason) == (State.MALFORMED, "python_does_not_parse")
    (verdict,) = found.verdicts
    assert verdict.value == 1.0 and verdict.reason
    (evidence,) = verdict.evidence
    assert BROKEN[evidence.start : evidence.end] == evidence.text == "def add(a, b)"


@pytest.mark.parametrize("response", [RIGHT, "It is 3.", ""])
def test_what_parses_has_no_verdict(response: str) -> None:
    """Its row is as it was without the filter."""
    found = settled(response)
    assert (found.state, found.verdicts) == (None, ())


@pytest.mark.parametrize(
    "asked", [f"What is wrong here?\n{BROKEN}", "Why does this raise a SyntaxError?", "Write it in Python 2."]
)
def test_broken_python_that_the_task_is_about_may_be_shown(asked: str) -> None:
    """The line stands in the instruction, or the instruction says what it is about."""
    assert settled(BROKEN, asked=asked).verdicts == ()


def test_a_leaf_whose_examples_have_such_python_only_notes_it() -> None:
    """What a leaf's own examples do is never wrong there; the verdict is told all the same."""
    found = settled(BROKEN, examples=(RIGHT, BROKEN.replace("add", "sum")))
    assert found.state is None
    assert [verdict.filter for verdict in found.verdicts] == ["python_syntax"]


def test_every_build_has_the_filter_unless_it_is_switched_off() -> None:
    """By its name, as any other."""
    assert "python_syntax" in [each.name for each in filters_for(Config(), None).filters]
    off = Config.model_validate({"filters": {"disable": ["python_syntax"]}})
    assert "python_syntax" not in [each.name for each in filters_for(off, None).filters]
