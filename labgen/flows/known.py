"""All flows there are: those that come with labgen, and those of installed packages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError
from labgen.filters.available import FilterSet
from labgen.flows.draw import Draw
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.freeform import FREEFORM
from labgen.flows.grounded import GROUNDED
from labgen.flows.knowledge import KNOWLEDGE
from labgen.flows.reasoned import FREEFORM_REASONED, GROUNDED_REASONED
from labgen.flows.steps import wrong_step
from labgen.formats.prompts import Prompt
from labgen.packages import PackageFault, entries_of, guarded, package_of, plain_text
from labgen.plan.flow import Flow
from labgen.records import Grounding

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FLOWS_GROUP = "labgen.flows"
SHIPPED_FLOWS = (KNOWLEDGE, GROUNDED_REASONED, GROUNDED, FREEFORM_REASONED, FREEFORM)
"""In the order in which they are asked whether they suit a leaf; the last one suits every leaf."""


def known_flows() -> tuple[Flow, ...]:
    """Every flow, those of installed packages first: what they say that they suit is theirs.

    A package names its flows by the entry point group `labgen.flows`, each a `labgen.plan.flow.Flow`.
    Raises: ConfigError: one can't be loaded, is no flow, or has a name that is taken.
    """
    taken = {flow.name for flow in SHIPPED_FLOWS}
    found = []
    for entry in entries_of(FLOWS_GROUP):
        where = f"flow `{entry.name}` of {package_of(entry)}"
        if entry.name in taken:
            raise ConfigError(f"{where}: there is another flow of that name. Rename its entry point.")
        taken.add(entry.name)
        found.append(_load(entry, where))
    return (*found, *SHIPPED_FLOWS)


def check_filters(filters: FilterSet, flows: Sequence[Flow]) -> None:
    """Raises: ConfigError: a filter of another package that looks at no flow there is."""
    for each in filters.installed:
        if not any(each.applies_to(flow) for flow in flows):
            raise ConfigError(
                f"filter `{each.name}` of {each.package} looks at {', '.join(map(repr, each.flows))}, and there is no "
                f"such flow. There are: {', '.join(flow.name for flow in flows)}."
            )


def _load(entry: EntryPoint, where: str) -> Flow:
    try:
        with guarded():
            loaded = entry.load()
            is_flow = isinstance(loaded, Flow)
    except PackageFault as fault:
        raise ConfigError(f"{where} can't be loaded ({fault}). Mend the package, or remove it.") from fault
    if not is_flow:
        raise ConfigError(f"{where} is a {type(loaded).__name__}, no labgen.plan.flow.Flow. Mend the package.")
    try:
        with guarded():
            flow = _plain(loaded, entry.name, package_of(entry))
    except PackageFault as fault:
        raise ConfigError(f"{where}: {str(fault).rstrip('.')}. Mend the package, or remove it.") from fault
    try:
        with guarded():
            prompts = flow.prompts
    except PackageFault as fault:
        raise ConfigError(f"{where} can't say what it asks with ({fault}). Mend the package, or remove it.") from fault
    if not all(type(prompt) is Prompt for prompt in prompts):
        raise ConfigError(f"{where}: what it asks with are not all labgen.formats.prompts.Prompt. Mend the package.")
    return flow


def _plain(given: Flow, name: str, package: str) -> Flow:
    """A flow of another package as labgen's own class. Raises: PackageFault: something in it can't be."""
    if given.name != name:
        raise PackageFault(f"it calls itself `{given.name}`. Give both the same name")
    if not isinstance(given.grounding, Grounding):
        raise PackageFault("its `grounding` is no labgen.records.Grounding")
    if not isinstance(given.steps, tuple):
        raise PackageFault("its `steps` are no tuple")
    if not callable(given.suits):
        raise PackageFault("its `suits` can't be called")
    like, shipped = plain_text(given.like, "its `like`"), [each.name for each in SHIPPED_FLOWS]
    if like and like not in shipped:
        raise PackageFault(f"it is `like` `{like}`, which labgen does not have. There are: {', '.join(shipped)}")
    if problem := next(filter(None, map(wrong_step, given.steps)), "") or _wrong_order(given.steps):
        raise PackageFault(problem)
    summary = plain_text(given.summary, "its `summary`")
    return Flow(name, summary, given.suits, given.grounding, tuple(given.steps), like, package)


def _wrong_order(steps: Sequence[Any]) -> str:
    """What is wrong with the order of steps, in words; empty for nothing."""
    if not steps or not isinstance(steps[0], Draw):
        return "its first step draws nothing. Begin with one of labgen.flows.draw."
    if any(isinstance(step, Draw) for step in steps[1:]):
        return "it draws twice. A flow has one step that draws, its first."
    if sum(isinstance(step, FindDuplicates) for step in steps) > 1:
        return "it looks for near-duplicates twice, and the second time would find what the first one saw."
    return ""
