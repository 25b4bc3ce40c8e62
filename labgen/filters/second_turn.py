"""What a row's verdicts say of its second turn: those of every filter, and whether the row has it."""

from __future__ import annotations

from dataclasses import replace

from labgen.records import SECOND_TURN, Candidate, Pair, State, Verdict

VERSION = "1"


def with_second_turn(candidate: Candidate, second: Candidate) -> Candidate:
    """A candidate with a second turn that has been judged as one by itself, and what was said of that."""
    told = [replace(verdict, filter=f"{SECOND_TURN}/{verdict.filter}") for verdict in second.verdicts]
    why = f"{second.state}: {second.reason}" if second.state else ""
    verdicts = (*candidate.verdicts, *told, Verdict(SECOND_TURN, VERSION, float(not why), why))
    return replace(candidate, verdicts=verdicts, follow_up=None if why else Pair(second.instruction, second.response))


def without_second_turn(candidate: Candidate, verdict: Verdict) -> Candidate:
    """A candidate whose second turn a later look leaves out, and why."""
    kept = [each for each in candidate.verdicts if each.filter != SECOND_TURN]
    told = replace(verdict, filter=f"{SECOND_TURN}/{verdict.filter}")
    why = Verdict(SECOND_TURN, VERSION, 0.0, f"{State.DUPLICATE}: {verdict.reason}")
    return replace(candidate, verdicts=(*kept, told, why), follow_up=None)
