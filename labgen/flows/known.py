"""All flows there are: those that come with labgen, and those of installed packages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from labgen.errors import ConfigError
from labgen.filters.available import FilterSet
from labgen.flows.draw import Draw
from labgen.flows.freeform import FREEFORM
from labgen.flows.grounded import GROUNDED
from labgen.flows.knowledge import KNOWLEDGE
from labgen.formats.prompts import Prompt, PromptSet
from labgen.plan.flow import Flow

GROUP = "labgen.flows"
SHIPPED = (KNOWLEDGE, GROUNDED, FREEFORM)
"""In the order in which they are asked whether they suit a leaf; the last one suits every leaf."""


def known_flows() -> tuple[Flow, ...]:
    """Every flow, those of installed packages first: what they say that they suit is theirs.

    A package names its flows by the entry point group `labgen.flows`, each a `labgen.plan.flow.Flow`.
    Raises: ConfigError: one can't be loaded, is no flow, or has a name that is taken.
    """
    return _known(tuple(sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value))))


@cache
def _known(entries: tuple[EntryPoint, ...]) -> tuple[Flow, ...]:
    taken = {flow.name for flow in SHIPPED}
    found = []
    for entry in entries:
        flow = _load(entry)
        if flow.name in taken:
            raise ConfigError(f"flow `{flow.name}` of {_package(entry)}: there is another flow of that name.")
        taken.add(flow.name)
        found.append(flow)
    return (*found, *SHIPPED)


def prompts_of(flows: Iterable[Flow], filters: FilterSet) -> tuple[Prompt, ...]:
    """All that is asked with in flows, and by the filters of other packages."""
    own = [prompt for flow in flows for prompt in flow.prompts]
    return tuple(dict.fromkeys([*own, *(prompt for each in filters.installed for prompt in each.prompts)]))


def rehearsed_tasks(prompts: PromptSet, asked: Iterable[Prompt]) -> dict[str, str]:
    """The words after `## Task:` in prompts, to the rehearsal teacher's skill that answers them."""
    return {task: each.rehearsed_as for each in asked if (task := prompts.task(each.name)) and each.rehearsed_as}


def check_filters(filters: FilterSet, flows: Sequence[Flow]) -> None:
    """Raises: ConfigError: a filter of another package that looks at no flow there is."""
    for each in filters.installed:
        if not any(each.applies_to(flow) for flow in flows):
            raise ConfigError(
                f"filter `{each.name}` of {each.package} looks at {', '.join(map(repr, each.flows))}, and there is no "
                f"such flow. There are: {', '.join(flow.name for flow in flows)}."
            )


def _package(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _load(entry: EntryPoint) -> Flow:
    where = f"flow `{entry.name}` of {_package(entry)}"
    try:
        flow = entry.load()
    except Exception as error:
        # Importing anybody's package may raise anything.
        raise ConfigError(
            f"{where} can't be loaded ({type(error).__name__}: {str(error)[:200]}). Mend the package, or remove it."
        ) from error
    if not isinstance(flow, Flow):
        raise ConfigError(f"{where} is a {type(flow).__name__}, no labgen.plan.flow.Flow. Mend the package.")
    if flow.name != entry.name:
        raise ConfigError(f"{where} calls itself `{flow.name}`. Give both the same name.")
    if not flow.steps or not isinstance(flow.steps[0], Draw):
        raise ConfigError(f"{where}: its first step draws nothing. Begin with one of labgen.flows.draw.")
    return flow
