"""The order of work: which filters there are, and in which order they look."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from labgen.config import Config
from labgen.errors import ConfigError
from labgen.filters.base import Filter
from labgen.filters.contamination import ContaminationIndex
from labgen.filters.free import Contamination, InstructionRules, ResponseRules, UnsupportedFigures
from labgen.filters.guard import GuardModel
from labgen.filters.installed import FLOWS, Installed, installed_filters, installed_names
from labgen.filters.judges import GroundednessJudge, InstructionJudge, PairJudge
from labgen.filters.privacy import Privacy

DUPLICATES = "duplicates"
"""The one filter whose place is fixed: it needs every earlier draw, and comes before anything that costs a call."""
OPTIONAL = ("contamination", "guard")
"""Shipped filters that are there only where they are set up; their names are known all the same."""


def standard_filters(contamination: ContaminationIndex | None) -> tuple[Filter, ...]:
    """The shipped filters, cheap before dear.

    Args:
        contamination: the collected benchmark items, None where there are none.
    """
    filters: list[Filter] = [InstructionRules(), Privacy("instruction")]
    if contamination is not None:
        filters.append(Contamination(contamination, "instruction"))
    filters += [InstructionJudge(), ResponseRules(), Privacy("pair"), UnsupportedFigures()]
    if contamination is not None:
        filters.append(Contamination(contamination, "pair"))
    filters += [PairJudge(), GroundednessJudge()]
    return tuple(filters)


def filters_for(config: Config, contamination: ContaminationIndex | None) -> tuple[Filter, ...]:
    """The filters of a run: shipped ones, the guard, those of installed packages, as `filters:` arranges them.

    Raises: ConfigError: `filters:` names a filter that there is not, or an installed one can't be loaded.
    """
    settings = config.filters
    filters = [*standard_filters(contamination)]
    if config.guard is not None:
        filters.append(GuardModel(config.guard))
    shipped = {look.name for look in filters} | {DUPLICATES, *OPTIONAL}
    _check_names(config, shipped | set(installed_names()))
    filters += installed_filters(settings.disable, shipped)
    rank = {name: place for place, name in enumerate(settings.order)}
    # Stable: what `order` does not name stays behind it, as it was.
    filters.sort(key=lambda look: rank.get(look.name, len(rank)))
    return tuple(look for look in filters if look.name not in settings.disable)


def looks_for_duplicates(config: Config) -> bool:
    """Whether near-duplicates within a leaf are looked for."""
    return DUPLICATES not in config.filters.disable


def _check_names(config: Config, known: set[str]) -> None:
    for setting, names in (("disable", config.filters.disable), ("order", config.filters.order)):
        for name in names:
            if name == DUPLICATES and setting == "order":
                raise ConfigError(
                    "filters.order: `duplicates` has a fixed place, after what is free of an instruction and before "
                    "what costs a call. It can be disabled, not moved."
                )
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(known))}."
                raise ConfigError(f"filters.{setting}: there is no filter `{name}`. {hint}")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of filters.

    Attributes:
        calls: what a candidate costs in calls, in words.
        places: flow to 1-based place; flows that it does not look at are missing.
        origin: `labgen`, or the package that it comes from.
    """

    name: str
    kind: str
    stage: str
    calls: str
    places: dict[str, int]
    version: str
    origin: str


def order_of_work(config: Config, contamination: ContaminationIndex | None) -> list[Row]:
    """Every filter that will look, in the order in which a flow that has it gets to it."""
    filters = filters_for(config, contamination)
    sequences = {flow: sequence(filters, flow, duplicates=looks_for_duplicates(config)) for flow in FLOWS}
    rows = []
    for look in dict.fromkeys(each for flow in FLOWS for each in sequences[flow]):
        places = {flow: looks.index(look) + 1 for flow, looks in sequences.items() if look in looks}
        if look is None:
            rows.append(Row(DUPLICATES, "index", "instruction", "0", places, "1", "labgen"))
            continue
        origin = look.package if isinstance(look, Installed) else "labgen"
        rows.append(Row(look.name, look.kind, look.stage, _calls(look, config), places, look.version, origin))
    # As in the flow that has most of them.
    flows = ("grounded", "freeform", "knowledge")
    return sorted(rows, key=lambda row: next(row.places[flow] for flow in flows if flow in row.places))


def sequence(filters: Sequence[Filter], flow: str, *, duplicates: bool) -> list[Filter | None]:
    """The filters of a flow as a candidate meets them; None stands for the look for near-duplicates."""
    own = [look for look in filters if flow in look.flows]
    early = [look for look in own if look.stage == "instruction"]
    late = [look for look in own if look.stage == "pair"]
    free = [look for look in early if look.kind != "judge"]
    asked: list[Filter] = [look for look in early if look.kind == "judge"]
    if flow == "knowledge":
        # A pair comes with its answer: what is free to check of it is checked before it counts as claimed.
        free += [look for look in late if look.kind != "judge"]
        asked += [look for look in late if look.kind == "judge"]
        late = []
    return [*free, *([None] if duplicates else []), *asked, *late]


def _calls(look: Filter, config: Config) -> str:
    if look.kind != "judge":
        return "0"
    if isinstance(look, InstructionJudge):
        return f"1 for {config.generation.instructions_per_call}"
    return "1"
