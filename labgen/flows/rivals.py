"""What is known of a candidate's rivals: that they harm nobody, and by how much they are worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from labgen.filters.available import SHIPPED_JUDGES
from labgen.filters.base import Filter, SlotContext
from labgen.records import Candidate, Rival, State, Verdict
from labgen.teacher.asker import CandidateEnds

HARMFUL = frozenset({State.UNSAFE, State.CONTAMINATED})
"""States that keep a response out of every dataset, also as the worse one of two."""

LEAST_FAILED_MARGIN = 0.5
"""Margin of a response that passed over one that did not, at least: more than a judge's finest shade."""


async def screened(candidate: Candidate, filters: Sequence[Filter], slot: SlotContext) -> Candidate:
    """A candidate that passed, with what all filters say of the responses of its that did not.

    A filter that turned a response down kept later ones from looking for harm in it; as a rival it will be read.
    """
    rivals = [await _screened(rival, candidate, filters, slot) if rival.state else rival for rival in candidate.rivals]
    return replace(candidate, rivals=tuple(rivals))


async def _screened(rival: Rival, candidate: Candidate, filters: Sequence[Filter], slot: SlotContext) -> Rival:
    alone = replace(candidate, response=rival.response, verdicts=rival.verdicts, rivals=())
    slot, verdicts = slot.alone(alone), list(rival.verdicts)
    for each in filters:
        if each.kind == "judge" and _has_spoken(each, verdicts):
            continue
        try:
            found = await each(alone, slot)
        except CandidateEnds:
            continue  # what it would have said is lacking, and the pair is kept back for that
        verdicts += [verdict for verdict in found if verdict not in verdicts]
        for verdict in found:
            if (ending := each.decide(verdict, slot)) and ending[0] in HARMFUL:
                return replace(rival, state=ending[0], reason=ending[1], verdicts=tuple(verdicts))
    margin = failed_margin(candidate.verdicts, verdicts)
    return replace(rival, verdicts=tuple(verdicts), margin=margin)


def _has_spoken(judge: Filter, verdicts: Sequence[Verdict]) -> bool:
    names = {verdict.filter for verdict in verdicts}
    return judge.name in names or (any(judge is each for each in SHIPPED_JUDGES) and "safety" in names)


def failed_margin(passed: Sequence[Verdict], failed: Sequence[Verdict]) -> float:
    """By how much a response that passed is better than one that failed: half the difference of their scores.

    Returns: `LEAST_FAILED_MARGIN` to 1.
    """
    better, worse = _score(passed), _score(failed)
    if better is None or worse is None:
        return LEAST_FAILED_MARGIN
    return min(1.0, max(LEAST_FAILED_MARGIN, (better - worse) / 2.0))


def _score(verdicts: Sequence[Verdict]) -> float | None:
    return next((verdict.value for verdict in verdicts if verdict.filter == "pair_score"), None)
