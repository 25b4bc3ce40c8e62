"""Python in a response must parse. A syntax error is wrong whatever the task, and no judge is needed to see it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from labgen.filters.base import Ending, EveryFlow, SlotContext
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.text.python_code import broken_python, excuses_broken_python


class PythonSyntax(EveryFlow):
    """How many Python blocks of a response do not parse, with the line where each goes wrong.

    They are noted and decide nothing where the leaf's own examples have such blocks.
    """

    name = "python_syntax"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """A verdict where there is such a block, nothing otherwise. Code that the task itself shows may be repeated."""
        given = f"{candidate.instruction}\n{candidate.context or ''}"
        found = broken_python(candidate.response)
        if not found or excuses_broken_python(given):
            return []
        own = [line for line in found if line.text not in given]
        if not own:
            return []
        evidence = tuple(Evidence(line.text[:200], line.start, line.end) for line in own)
        return [Verdict(self.name, self.version, float(len(own)), own[0].message[:200], evidence)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """One is enough, unless the leaf's examples have some."""
        if any(_has_broken(pair.answer) for pair in slot.seed_pairs):
            return None
        return State.MALFORMED, "python_does_not_parse"


@lru_cache(maxsize=512)
def _has_broken(text: str) -> bool:
    # The same examples are asked about for every candidate of a leaf.
    return bool(broken_python(text))
