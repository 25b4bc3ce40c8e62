"""What is said of failed candidates: to run again only where that asks something that may end otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from labgen.cli.build_report import _failed
from labgen.export.funnel import Funnel, Tally
from labgen.records import State


@dataclass
class Build:
    """What the words are made of."""

    funnel: Funnel


@pytest.mark.parametrize(
    "reason, again, kept",
    [
        ("exhausted_respond", True, False),
        ("too_long_respond: the prompt has 900 tokens, the context 512", False, True),
        ("refused_judge_pair: not allowed", False, True),
        ("no_document", False, False),
    ],
)
def test_run_again_is_said_only_where_it_asks_again(reason: str, again: bool, kept: bool) -> None:
    """A call that failed for good is kept, so that running again would ask nothing."""
    funnel, tally = Funnel(), Tally()
    tally.add(State.FAILED, reason)
    funnel.leaves["knowledge/a"] = tally
    words = " ".join(_failed(Build(funnel)))
    assert ("run again" in words) is again
    assert ("--retry-failed" in words) is kept
