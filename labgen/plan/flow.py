"""What a leaf goes through, as one value: a list of steps, from which all else that knows their order or cost follows.

The engine folds a slot over the steps; the price of a build, the order of the filters, the version of the prompts, the
judges' test, the rehearsal teacher and the documentation read the same list. The flows themselves are in
`labgen/flows/`, with the steps that they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from labgen.errors import ConfigError
from labgen.formats.prompts import RESTATE, Prompt
from labgen.lazy.dataclasses import dataclass
from labgen.packages import PackageFault, guarded
from labgen.records import Grounding, Leaf


@dataclass(frozen=True)
class Flow:
    """One way from a leaf to rows.

    Attributes:
        name: its word in settings, funnel, plan and documentation.
        summary: what it draws, in a sentence.
        suits: whether it can draw on a leaf; of all flows, the first that can does.
        grounding: what an answer must be borne out by.
        steps: what a slot goes through (see `labgen.flows.steps`); the first one draws its candidates.
        like: name of a shipped flow; filters of other packages that name that one look at this one's candidates too.
        package: name and version of the distribution that it comes from; empty for labgen's own. Set by labgen.
    """

    name: str
    summary: str
    suits: Callable[[Leaf], bool]
    grounding: Grounding
    steps: tuple[Any, ...]
    like: str = ""
    package: str = ""

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"flow `{self.name}`" + (f" of {self.package}" if self.package else "")

    @cached_property
    def prompts(self) -> tuple[Prompt, ...]:
        """All that it asks with, in the order of its steps, and what asks once more for a reply that can't be read."""
        return (*chain.from_iterable(step.prompts_of(self) for step in self.steps), RESTATE)

    @property
    def reasons(self) -> bool:
        """Whether candidates come with the reasoning that led to their responses."""
        return any(getattr(step, "reasons", False) for step in self.steps)

    @property
    def turns(self) -> int:
        """Questions of a row, each with its answer, where all goes well (1 or 2)."""
        return 2 if any(getattr(step, "follows", False) for step in self.steps) else 1

    @property
    def own_context(self) -> bool:
        """Whether each candidate brings a context of its own."""
        return self.grounding is Grounding.CONTEXT

    @property
    def folds_context(self) -> bool:
        """Whether a seed example's context counts as part of its instruction."""
        return self.grounding is Grounding.NONE


def flow_of(leaf: Leaf, flows: Sequence[Flow]) -> Flow:
    """The flow that draws on a leaf: the first that suits.

    Raises: LookupError: none does; ConfigError: one of another package can't say.
    """
    for flow in flows:
        try:
            with guarded():
                suits = bool(flow.suits(leaf))
        except PackageFault as fault:
            raise ConfigError(
                f"{flow.title} can't say whether it suits {leaf.path} ({fault}). Mend the package, or remove it."
            ) from fault
        if suits:
            return flow
    raise LookupError(f"{leaf.path}: there is no flow for such a leaf")
