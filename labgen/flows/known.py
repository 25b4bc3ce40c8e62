"""All flows there are: those that come with labgen, and those of installed packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

from labgen.errors import ConfigError
from labgen.filters.available import FilterSet
from labgen.flows.draw import Draw
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.freeform import FREEFORM
from labgen.flows.grounded import GROUNDED
from labgen.flows.knowledge import KNOWLEDGE
from labgen.flows.steps import FreeFilters, Judges, Stage
from labgen.formats.prompts import Prompt
from labgen.packages import crash, package_of
from labgen.plan.flow import Flow
from labgen.records import Grounding

GROUP = "labgen.flows"
SHIPPED = (KNOWLEDGE, GROUNDED, FREEFORM)
"""In the order in which they are asked whether they suit a leaf; the last one suits every leaf."""


def known_flows() -> tuple[Flow, ...]:
    """Every flow, those of installed packages first: what they say that they suit is theirs.

    A package names its flows by the entry point group `labgen.flows`, each a `labgen.plan.flow.Flow`.
    Raises: ConfigError: one can't be loaded, is no flow, or has a name that is taken.
    """
    taken = {flow.name for flow in SHIPPED}
    found = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        where = f"flow `{entry.name}` of {package_of(entry)}"
        if entry.name in taken:
            raise ConfigError(f"{where}: there is another flow of that name. Rename its entry point.")
        taken.add(entry.name)
        found.append(_load(entry, where))
    return (*found, *SHIPPED)


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
        flow = entry.load()
    except (Exception, SystemExit) as error:
        # Importing anybody's package may raise anything.
        raise ConfigError(f"{where} can't be loaded ({crash(error)}). Mend the package, or remove it.") from error
    if not isinstance(flow, Flow):
        raise ConfigError(f"{where} is a {type(flow).__name__}, no labgen.plan.flow.Flow. Mend the package.")
    if flow.name != entry.name:
        raise ConfigError(f"{where} calls itself `{flow.name}`. Give both the same name.")
    if problem := _wrong_with(flow) or next(filter(None, map(_wrong_step, flow.steps)), "") or _wrong_order(flow.steps):
        raise ConfigError(f"{where}: {problem}")
    try:
        prompts = flow.prompts
    except Exception as error:
        raise ConfigError(
            f"{where} can't say what it asks with ({crash(error)}). Mend the package, or remove it."
        ) from error
    if not all(isinstance(prompt, Prompt) for prompt in prompts):
        raise ConfigError(f"{where}: what it asks with are not all labgen.formats.prompts.Prompt. Mend the package.")
    return replace(flow, package=package_of(entry))


def _wrong_with(flow: Flow) -> str:
    """What in a flow's own fields is not what it should be, in words; empty for nothing."""
    if not isinstance(flow.grounding, Grounding):
        return "its `grounding` is no labgen.records.Grounding. Mend the package."
    if not isinstance(flow.steps, tuple):
        return "its `steps` are no tuple. Mend the package."
    if not callable(flow.suits):
        return "its `suits` can't be called. Mend the package."
    shipped = [each.name for each in SHIPPED]
    if flow.like and flow.like not in shipped:
        return f"it is `like` `{flow.like}`, which labgen does not have. There are: {', '.join(shipped)}."
    return ""


def _wrong_step(step: Any) -> str:
    """Why something is no step of a flow, in words; empty where it is one."""
    if isinstance(step, type):
        return f"its step {step.__name__} is a class. Make one of it: `{step.__name__}()`."
    name = type(step).__name__
    for needed in ("whole_slot", "asks", "prompts_of", "bind", "typical_replies"):
        if not hasattr(step, needed):
            return f"its step {name} has no `{needed}`: see labgen.flows.steps. Mend the package."
    if not callable(step):
        return f"its step {name} can't be called: see labgen.flows.steps. Mend the package."
    if isinstance(step, FreeFilters | Judges) and step.stage not in get_args(Stage):
        return f"its step {name} has the stage `{step.stage}`. There are: {', '.join(get_args(Stage))}."
    return ""


def _wrong_order(steps: Sequence[Any]) -> str:
    """What is wrong with the order of steps, in words; empty for nothing."""
    if not steps or not isinstance(steps[0], Draw):
        return "its first step draws nothing. Begin with one of labgen.flows.draw."
    if any(isinstance(step, Draw) for step in steps[1:]):
        return "it draws twice. A flow has one step that draws, its first."
    if sum(isinstance(step, FindDuplicates) for step in steps) > 1:
        return "it looks for near-duplicates twice, and the second time would find what the first one saw."
    return ""
