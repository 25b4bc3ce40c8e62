"""What every leaf of a run is drawn with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from functools import cached_property

from labgen.config.whole import Config
from labgen.filters.available import FilterSet
from labgen.flows.bound import BoundFlow
from labgen.formats.prompts import PromptSet
from labgen.generate.yields import YieldSeen
from labgen.lazy.dataclasses import dataclass
from labgen.outcomes.thresholds import NotedThresholds
from labgen.plan.flow import Flow
from labgen.records import Candidate
from labgen.teacher.client import Asking
from labgen.teacher.parameters import CallParameters, call_parameters


@dataclass(frozen=True)
class RunContext:
    """What every leaf of a run is drawn with.

    Attributes:
        client: answers calls.
        teacher, judge: the models' logical names.
        breadth_first: whether leaves are filled alike, since a budget may end the run at any time: of all leaves the
            first slots, then their second ones, each finished before much is begun. Otherwise leaves come one after the
            other, and draws are sent before what follows from earlier ones: the teacher is busy to the end.
        admit: the last look at what passed every filter, in slot order; it may end a candidate. None for none.
        noted: the thresholds, where these note what they decide; those of a part then note it by themselves.
        yields: filled by the leaves as they go.
    """

    client: Asking
    prompts: PromptSet
    config: Config
    teacher: str
    judge: str
    filters: FilterSet
    breadth_first: bool = False
    admit: Callable[[Candidate], Candidate] | None = None
    noted: NotedThresholds | None = None
    yields: YieldSeen = field(default_factory=YieldSeen)
    _bound: dict[str, BoundFlow] = field(default_factory=dict, init=False, repr=False, compare=False)

    @cached_property
    def parameters(self) -> dict[str, CallParameters]:
        """Logical model name to what the configuration has every call to it carry."""
        return call_parameters(self.config)

    def bound(self, flow: Flow) -> BoundFlow:
        """A flow with the filters of this run."""
        if flow.name not in self._bound:
            self._bound[flow.name] = BoundFlow.of(flow, self.filters)
        return self._bound[flow.name]
