"""The funnel: in which state every candidate ended, and why. It answers "why is my dataset empty?"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from labgen.export.coverage import NOT_FROM_DOCUMENTS, Coverage
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES, Candidate, State
from labgen.text.columns import align_columns

MAX_REASONS = 40
"""Kinds of reason told apart per leaf and state. Reasons are meant to be few; hostile ones must not fill memory."""


@dataclass(slots=True)
class Tally:
    """Counts of a leaf, of a branch or of everything.

    Attributes:
        wanted: accepted rows asked for.
        calls: calls of the build (those asked ahead beyond the last slot excluded, since they depend on timing).
        stopped: why a leaf ended with fewer rows than wanted; empty where it did not, and in sums.
        coverage: how much of its documents it covers; nothing of a leaf without documents.
        reasons: state to reason to number of candidates.
        second_turns: how the second turns of accepted candidates ended (`accepted` for those that are part of their
            rows), to their number; nothing where none were asked for.
        examples: reason to one with all its detail, of replies that came to nothing; not written anywhere.
    """

    wanted: int = 0
    calls: int = 0
    stopped: str = ""
    coverage: Coverage = NOT_FROM_DOCUMENTS
    reasons: dict[State, Counter[str]] = field(default_factory=dict)
    second_turns: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict, compare=False)

    def add(self, state: State, reason: str) -> None:
        """Count one candidate. What a reason says after its first colon is detail and is not told apart."""
        kinds = self.reasons.setdefault(state, Counter())
        kind = reason.split(":", 1)[0].strip()[:80]
        kinds[kind if kind in kinds or len(kinds) < MAX_REASONS else "other"] += 1
        if state is State.FAILED and kind in kinds:
            self.examples.setdefault(kind, reason)

    def count(self, state: State) -> int:
        """Candidates that ended in `state`."""
        return sum(kinds.values()) if (kinds := self.reasons.get(state)) else 0

    @property
    def accepted(self) -> int:
        """Candidates that became rows."""
        return self.count(State.ACCEPTED)

    @property
    def candidates(self) -> int:
        """All candidates: the sum over the states."""
        return sum(sum(kinds.values()) for kinds in self.reasons.values())

    def absorb(self, other: Tally) -> None:
        """Add another tally's counts to this one."""
        self.wanted += other.wanted
        self.calls += other.calls
        self.coverage += other.coverage
        if other.second_turns:
            self.second_turns += other.second_turns
        for state, kinds in other.reasons.items():
            if (own := self.reasons.get(state)) is None:
                self.reasons[state] = Counter(kinds)
                continue
            for kind, number in kinds.items():
                own[kind] += number

    def to_json(self) -> dict[str, Any]:
        """As plain data: states in the order of `State`, reasons by falling count."""
        return {
            "wanted": self.wanted,
            "calls": self.calls,
            "stopped": self.stopped,
            "candidates": self.candidates,
            "states": {state.value: self.count(state) for state in State if self.count(state)},
            "reasons": {
                state.value: dict(sorted(self.reasons[state].items(), key=lambda item: (-item[1], item[0])))
                for state in State
                if self.count(state) and set(self.reasons[state]) != {""}
            },
            **({"coverage": self.coverage.to_json()} if self.coverage.passages else {}),
            **({"second_turns": dict(sorted(self.second_turns.items()))} if self.second_turns else {}),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tally:
        """The inverse of `to_json`."""
        tally = cls(wanted=int(data["wanted"]), calls=int(data["calls"]), stopped=str(data["stopped"]))
        if "coverage" in data:
            tally.coverage = Coverage.from_json(data["coverage"])
        tally.second_turns = Counter({str(end): int(count) for end, count in data.get("second_turns", {}).items()})
        for name, count in data["states"].items():
            kinds = data["reasons"].get(name, {"": count})
            tally.reasons[State(name)] = Counter({str(kind): int(number) for kind, number in kinds.items()})
        return tally


class Funnel:
    """Tallies per leaf. A leaf appears as soon as it is opened, so that one without candidates is seen too."""

    def __init__(self) -> None:
        self.leaves: dict[str, Tally] = {}

    def open(self, leaf: str, wanted: int) -> Tally:
        """The leaf's tally, with `wanted` accepted rows asked for."""
        tally = self.leaves.setdefault(leaf, Tally())
        tally.wanted = wanted
        return tally

    def close(self, leaf: str, *, calls: int, stopped: str = "") -> None:
        """Note what a finished leaf cost and, where it ended short, why."""
        tally = self.leaves[leaf]
        tally.calls, tally.stopped = calls, stopped

    def cover(self, leaf: str, coverage: Coverage) -> None:
        """Note how much of its documents a finished leaf covers."""
        self.leaves[leaf].coverage = coverage

    def add(self, candidate: Candidate) -> None:
        """Count a candidate that has ended.

        Raises: ValueError: it is still on its way; counting it would make the states not add up.
        """
        if candidate.state is None:
            raise ValueError(f"{candidate.leaf} slot {candidate.slot}: a candidate without a state can't be counted")
        tally = self.leaves.get(candidate.leaf) or self.leaves.setdefault(candidate.leaf, Tally())
        tally.add(candidate.state, candidate.reason)
        if candidate.state is State.ACCEPTED and (why := candidate.second_turn) is not None:
            tally.second_turns[why.split(":", 1)[0] or State.ACCEPTED.value] += 1

    def total(self, branch: str | None = None) -> Tally:
        """Sums over all leaves, or over those of one branch."""
        total = Tally()
        for path, tally in sorted(self.leaves.items()):
            if branch is None or path.split("/", 1)[0] == branch:
                total.absorb(tally)
        return total

    def branches(self) -> Iterator[tuple[str, Tally]]:
        """Branches that have leaves, in the order of `BRANCHES`, with their sums."""
        present = {path.split("/", 1)[0] for path in self.leaves}
        return ((branch, self.total(branch)) for branch in BRANCHES if branch in present)

    def to_json(self) -> dict[str, Any]:
        """As plain data: `leaves` in path order, `branches`, `total`."""
        return {
            "leaves": {path: tally.to_json() for path, tally in sorted(self.leaves.items())},
            "branches": {branch: tally.to_json() for branch, tally in self.branches()},
            "total": self.total().to_json(),
        }

    def __repr__(self) -> str:
        total = self.total()
        return f"Funnel({len(self.leaves)} leaves, {total.accepted:,} rows of {total.candidates:,} candidates)"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        total = self.total()
        states = [state for state in State if state is State.ACCEPTED or total.count(state)]
        rows = [
            (name, tally.wanted, *(tally.count(state) for state in states), tally.candidates, tally.calls)
            for name, tally in [("in all", total), *sorted(self.leaves.items())]
        ]
        return html_table(
            repr(self), ("leaf", "wanted", *(state.value for state in states), "candidates", "calls"), rows
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Funnel:
        """The inverse of `to_json` (sums are made anew)."""
        funnel = cls()
        funnel.leaves = {path: Tally.from_json(tally) for path, tally in data["leaves"].items()}
        return funnel


def second_turns_in_words(second_turns: Mapping[str, int]) -> str:
    """How many rows have their second turn, and how the others' ended; empty where none were asked for."""
    if not second_turns:
        return ""
    kept, asked = second_turns.get(State.ACCEPTED, 0), sum(second_turns.values())
    ends = ", ".join(f"{count} {end}" for end, count in sorted(second_turns.items()) if end != State.ACCEPTED)
    return f"{kept:,} of {asked:,} rows" + (f"; the others kept their first turn alone: {ends}" if ends else "")


def funnel_table(funnel: Funnel, *, by_leaf: bool = False) -> str:
    """The funnel as lines of text for a terminal: branches and total, or every leaf, states that occur as columns."""
    rows = list(sorted(funnel.leaves.items()) if by_leaf else funnel.branches())
    total = funnel.total()
    states = [state for state in State if state is State.ACCEPTED or total.count(state)]
    lines = [["", "wanted", *(state.value for state in states), "candidates", "calls"]]
    for name, tally in [*rows, ("in all", total)]:
        counts = [str(tally.count(state)) for state in states]
        lines.append([name, str(tally.wanted), *counts, str(tally.candidates), str(tally.calls)])
    return "\n".join(align_columns(lines))
