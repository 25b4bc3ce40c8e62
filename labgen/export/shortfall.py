"""Why a leaf has fewer rows than wanted, and what to change: from its part of the funnel."""

from __future__ import annotations

from labgen.export.funnel import Funnel, Tally
from labgen.generate.leaf_progress import CALLS_SPENT, LOW_YIELD
from labgen.records import State
from labgen.teacher.causes import Cause, cause_of

MIN_TELLING = 3
"""Fewer replies that came to nothing are no reason to change anything (count)."""


def why_short(tally: Tally) -> str:
    """In words, why there are fewer rows than wanted; '' where there are not."""
    if tally.accepted >= tally.wanted:
        return ""
    if tally.stopped and not tally.stopped.startswith((LOW_YIELD, CALLS_SPENT)):
        return tally.stopped
    return "; ".join(filter(None, (tally.stopped, _mostly(tally))))


def not_covered(funnel: Funnel) -> list[tuple[str, Tally]]:
    """The leaves with passages that nothing was drawn from, in path order, with their tallies."""
    return [
        (path, tally) for path, tally in sorted(funnel.leaves.items()) if tally.coverage.drawn < tally.coverage.passages
    ]


def remedies(funnel: Funnel) -> list[str]:
    """What to change, by what became of replies: for every kind that cost a good part of a leaf, each said once."""
    found = {}
    for tally in funnel.leaves.values():
        cause = useless_replies(tally)
        if cause and why_short(tally) and cause.count >= min(MIN_TELLING, tally.candidates):
            found[cause.words, cause.remedy] = cause
    return list(dict.fromkeys(f"Where replies {cause.words}: {cause.remedy}." for cause in found.values()))


def useless_replies(tally: Tally) -> Cause | None:
    """What most of the replies were that came to nothing, before any filter looked at what they say."""
    counted = {
        tally.examples.get(reason, reason): count
        for state in (State.UNPARSED, State.FAILED)
        for reason, count in tally.reasons.get(state, {}).items()
    }
    return cause_of(counted)


def commonest_loss(tally: Tally) -> State | None:
    """The state that took most candidates; None where none was lost."""
    state = max((state for state in State if state is not State.ACCEPTED), key=tally.count)
    return state if tally.count(state) else None


def _mostly(tally: Tally) -> str:
    """The last pass across leaves, else the state that took most."""
    state = commonest_loss(tally)
    if state is None:
        return "" if tally.stopped else "no more candidates"
    duplicates = tally.reasons.get(State.DUPLICATE)
    across = duplicates.get("across_leaves", 0) if duplicates else 0
    if tally.accepted + across >= tally.wanted:
        return f"{across:,} too close to an earlier leaf's"
    words = f"mostly {state.value} ({tally.count(state):,} of {tally.candidates:,} candidates)"
    cause = useless_replies(tally) if state in (State.UNPARSED, State.FAILED) else None
    return f"{words}: {cause.count:,} replies {cause.words}" if cause else words
