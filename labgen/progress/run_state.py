"""How far a run is, as one value: the live display, the plain lines, the JSON events and `labgen status` show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from labgen.generate.leaf_progress import LeafProgress
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.teacher.waits import RunWait

WORST_LEAVES = 3
TELLING_CANDIDATES = 8.0
"""A leaf of which fewer candidates were drawn says nothing by its yield."""
POOR_YIELD = 0.5
"""Leaves with a higher yield are none of the worst."""


@dataclass(frozen=True, slots=True)
class BranchState:
    """How far a branch is, in counts.

    Attributes:
        rows: accepted so far, by each leaf for itself; wanted: in all.
        drawn: candidates that its retired slots were asked for; passed: of these, those that passed every filter.
        calls: that these slots took, whoever paid for them.
    """

    name: str
    rows: int = 0
    wanted: int = 0
    drawn: float = 0.0
    passed: float = 0.0
    calls: int = 0
    leaves_done: int = 0
    leaves: int = 0

    @property
    def yield_share(self) -> float | None:
        """Share of what was drawn that passed, 0 to 1; None before anything was."""
        return min(1.0, self.passed / self.drawn) if self.drawn else None


@dataclass(frozen=True, slots=True)
class LeafState:
    """One of the worst leaves. `why` says why it stopped, where it did."""

    path: str
    rows: int
    wanted: int
    calls: int
    yield_share: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class RunSpending:
    """What a run has spent, and may spend at most (None: no limit).

    Attributes:
        calls: requests that were, or may have been, answered (count).
        cost: at the configured prices, in `currency`; None without prices.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    currency: str = ""
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None


@dataclass(frozen=True, slots=True)
class RunState:
    """A run at a moment. Counts and Unix times in seconds; nothing of it is in a dataset.

    Attributes:
        verb: the command, such as `generate`; phase: what it does, such as `asking`.
        calls_per_sec, tokens_per_sec: lately; None where too little was answered to say.
        left_sec: seconds until all rows are there, as far as can be told; None where it is not known (yet).
        left_unknown: why not, in words; empty where it is known or nothing is asked.
        ended: how the run ended, in words; empty while it goes on.
        host, pid: the machine's name and the process on it.
    """

    verb: str
    phase: str
    started: float
    updated: float
    host: str
    pid: int
    branches: tuple[BranchState, ...] = ()
    worst: tuple[LeafState, ...] = ()
    answered: int = 0
    in_flight: int = 0
    from_ledger: int = 0
    retries: int = 0
    spending: RunSpending = field(default_factory=RunSpending)
    calls_per_sec: float | None = None
    tokens_per_sec: float | None = None
    left_sec: float | None = None
    left_unknown: str = ""
    waits: tuple[RunWait, ...] = ()
    ended: str = ""

    @property
    def total(self) -> BranchState:
        """All branches together."""
        each = self.branches
        return BranchState(
            "in all",
            sum(branch.rows for branch in each),
            sum(branch.wanted for branch in each),
            sum(branch.drawn for branch in each),
            sum(branch.passed for branch in each),
            sum(branch.calls for branch in each),
            sum(branch.leaves_done for branch in each),
            sum(branch.leaves for branch in each),
        )


def branches_of(plans: Sequence[LeafPlan], leaves: Mapping[str, LeafProgress]) -> tuple[BranchState, ...]:
    """The branches of a build, in its order."""
    found: dict[str, list[float]] = {}
    for plan in plans:
        sums = found.setdefault(plan.leaf.branch, [0.0] * 7)
        progress = leaves.get(plan.leaf.path) or LeafProgress(plan.wanted)
        counts = (progress.accepted, plan.wanted, progress.drawn, progress.passed, progress.calls, progress.done, 1)
        sums[:] = [one + another for one, another in zip(sums, counts, strict=True)]
    return tuple(
        BranchState(name, int(rows), int(wanted), drawn, passed, int(calls), int(done), int(count))
        for name, (rows, wanted, drawn, passed, calls, done, count) in found.items()
    )


def worst_leaves(plans: Sequence[LeafPlan], leaves: Mapping[str, LeafProgress]) -> tuple[LeafState, ...]:
    """The leaves that stopped short or yield least, the worst first."""
    found = []
    for plan in plans:
        progress = leaves.get(plan.leaf.path)
        if progress is None or (progress.drawn < TELLING_CANDIDATES and not progress.stopped):
            continue
        share = min(1.0, progress.passed / progress.drawn) if progress.drawn else 0.0
        if progress.stopped or (share < POOR_YIELD and not progress.done):
            found.append(
                LeafState(plan.leaf.path, progress.accepted, plan.wanted, progress.calls, share, progress.stopped)
            )
    found.sort(key=lambda leaf: (not leaf.why, leaf.yield_share, leaf.path))
    return tuple(found[:WORST_LEAVES])
