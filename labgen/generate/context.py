"""What every leaf of a run is run with."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from labgen.config import Config
from labgen.filters.base import Filter
from labgen.formats.prompts import PromptSet
from labgen.teacher.client import Asking


@dataclass
class YieldSeen:
    """What a run has seen of its flows' yields. It only steers how far slots are issued ahead, never a result."""

    drawn: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    passed: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, flow: str, drawn: float, passed: float) -> None:
        """Count candidates that were drawn, and those of them that passed every filter."""
        self.drawn[flow] += drawn
        self.passed[flow] += passed

    def share(self, flow: str) -> float:
        """Share of a flow's drawn candidates that passed, 0 to 1; 1 until some were seen: a slot that is missing
        can still be issued, one too many is paid for nothing.
        """
        return min(1.0, (self.passed[flow] + 1.0) / (self.drawn[flow] + 1.0))


@dataclass(frozen=True)
class Kit:
    """What every leaf is run with.

    Attributes:
        filters: in the order of work, for all flows; `duplicates` is not among them, but has its place between the
            instruction filters that are free and those that ask a judge.
        check_duplicates: whether near-duplicates are looked for.
        draws_first: whether draws are sent before what follows from earlier ones: the teacher is busy to the end. Not
            under a budget, which had better end with finished rows than with fresh draws.
        yield_seen: filled by the leaves as they go.
    """

    door: Asking
    prompts: PromptSet
    config: Config
    teacher: str
    judge: str
    filters: tuple[Filter, ...]
    check_duplicates: bool = True
    draws_first: bool = True
    yield_seen: YieldSeen = field(default_factory=YieldSeen)
    _looks: dict[tuple[str, str, bool | None], tuple[Filter, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def looks(self, flow: str, stage: str, *, judges: bool | None = None) -> tuple[Filter, ...]:
        """The filters of a flow and stage, in order; only judges, or none of them, where asked for."""
        asked = (flow, stage, judges)
        if asked not in self._looks:
            self._looks[asked] = tuple(
                look
                for look in self.filters
                if flow in look.flows and look.stage == stage and (judges is None or (look.kind == "judge") == judges)
            )
        return self._looks[asked]
