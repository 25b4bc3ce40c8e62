"""A judge that says yes to everything: what becomes of a build, of a rehearsal, and of its exit status."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from workbench import Labgen

MOCK = Path(__file__).parents[2] / "scripts/mock_teacher.py"


@pytest.fixture
def yes_sayer() -> Iterator[str]:
    """A teacher in a process of its own whose every verdict is yes."""
    command = [sys.executable, str(MOCK), "--mean-sec", "0"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate(timeout=10)  # closes its standard input, at which it ends


def test_leaves_whose_judge_says_yes_to_everything_stop_and_the_run_ends_with_one(
    taxonomy: Path, labgen: Labgen, yes_sayer: str
) -> None:
    """The reason stands in the funnel and on the terminal."""
    run = labgen("generate", "--samples", "3", "--base-url", yes_sayer, "--model", "other")
    assert run.status == 1
    assert "judge not fit" in run.out


def test_a_rehearsal_goes_on_and_says_so(taxonomy: Path, labgen: Labgen, yes_sayer: str) -> None:
    """Nobody trains on its rows; it shows that leaves pass every stage."""
    run = labgen("generate", "--samples", "3", "--base-url", yes_sayer, "--model", "labgen-rehearsal")
    assert run.status == 0, run.err
    assert "a rehearsal goes on" in run.out
