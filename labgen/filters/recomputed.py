"""What can be checked without a judge is checked: sums are recomputed, Python is parsed.

A leaf whose own examples hold what would be refused (an estimate, a puzzle, code to be mended) is not looked at, and
neither is a response to an instruction or on a context that does. `labgen check` warns of such examples (LG321, LG322).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from labgen.filters.base import Ending, EveryFlow, SlotContext
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.text.python_code import find_unparsable
from labgen.text.wrong_sums import find_wrong_sums


class Arithmetic(EveryFlow):
    """Equations and sums of a response, recomputed: `12 x 7 = 74` is refused. Nothing is noted where all is right."""

    name = "arithmetic"
    version = "1"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """How many do not come out (count), with the first one's right result and all of their places."""
        found = list(find_wrong_sums(candidate.response))
        if not found or _has_own(candidate, slot, find_wrong_sums):
            return []
        evidence = tuple(Evidence(each.text, each.start, each.end) for each in found)
        reason = f"`{found[0].text[:200]}` is wrong: the left side is {found[0].left}"
        return [Verdict(self.name, self.version, float(len(found)), reason, evidence)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A wrong sum ends the candidate."""
        return State.LOW_QUALITY, "wrong_sum"


class Code(EveryFlow):
    """Python of a response, in fenced blocks that say they are, must parse; it is never run."""

    name = "code"
    version = "2"
    kind: Literal["rule"] = "rule"
    stage: Literal["pair"] = "pair"

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """How many blocks do not parse (count), with the lines that Python stops at.

        Its message is left out: it would be another one with another version of Python.
        """
        found = list(find_unparsable(candidate.response))
        if not found or _has_own(candidate, slot, find_unparsable) or _is_given(candidate, found[0].line):
            return []
        evidence = tuple(Evidence(each.line, each.start, each.end) for each in found)
        return [Verdict(self.name, self.version, float(len(found)), "does not parse", evidence)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """A block that does not parse ends the candidate."""
        return State.LOW_QUALITY, "python_does_not_parse"


def _has_own(candidate: Candidate, slot: SlotContext, find: Callable[[str], Iterator[object]]) -> bool:
    """Whether the same is found in what was asked, or in the leaf's own examples."""
    texts = [candidate.instruction, candidate.context or ""]
    for pair in slot.seed_pairs:
        texts += (pair.question, pair.answer)
    return any(next(find(text), None) is not None for text in texts)


def _is_given(candidate: Candidate, line: str) -> bool:
    """Whether a line of code is that of the instruction or context, where it may be wrong on purpose."""
    return len(line) > 1 and line in f"{candidate.instruction}\n{candidate.context or ''}"
