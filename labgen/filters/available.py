"""Which filters a run has: those that come with labgen, the guard, and those of installed packages."""

from __future__ import annotations

import difflib

from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.filters.base import Filter
from labgen.filters.contamination import ContaminationIndex, load_index
from labgen.filters.free import Contamination, InstructionRules, ResponseRules, UnsupportedFigures
from labgen.filters.guard import GuardModel
from labgen.filters.installed import FILTERS_GROUP, Installed, installed_filters
from labgen.filters.judges import GroundednessJudge, InstructionJudge, PairJudge
from labgen.filters.privacy import Privacy
from labgen.filters.reasoning_result import ReasoningResult
from labgen.filters.recomputed import Arithmetic, Code
from labgen.lazy.dataclasses import dataclass
from labgen.packages import installed_names
from labgen.plan.flow import Flow
from labgen.text.secret_settings import find_secret_setting

DUPLICATES = "duplicates"
"""The one filter that is a step of its own in a flow: it needs every earlier draw of the leaf."""
OPTIONAL_FILTERS = ("contamination", "guard")
"""Shipped filters that are there only where they are set up; their names are known all the same."""
SHIPPED_JUDGES: tuple[Filter, ...] = (InstructionJudge(), PairJudge(), GroundednessJudge())
"""The judges that come with labgen, in the order of work."""


@dataclass(frozen=True)
class FilterSet:
    """The filters of a run, made once.

    Attributes:
        filters: in the order of work; the step of a flow that a filter is part of comes before that.
        find_duplicates: whether near-duplicates within a leaf, and across leaves, are looked for.
        contamination: the benchmarks that rows are checked against; None where none was added.
    """

    filters: tuple[Filter, ...]
    find_duplicates: bool = True
    contamination: ContaminationIndex | None = None

    def free(self, flow: Flow, stage: str) -> tuple[Filter, ...]:
        """Those of a flow and stage that ask nobody."""
        return tuple(each for each in self._of(flow, stage) if each.kind != "judge")

    def judges(self, flow: Flow, stage: str) -> tuple[Filter, ...]:
        """Those of a flow and stage that ask a model."""
        return tuple(each for each in self._of(flow, stage) if each.kind == "judge")

    def _of(self, flow: Flow, stage: str) -> list[Filter]:
        return [each for each in self.filters if each.stage == stage and each.applies_to(flow)]

    @property
    def installed(self) -> tuple[Installed, ...]:
        """Those of other packages."""
        return tuple(each for each in self.filters if isinstance(each, Installed))


def standard_filters(contamination: ContaminationIndex | None = None) -> tuple[Filter, ...]:
    """The shipped filters, cheap before dear.

    Args:
        contamination: the collected benchmark items, None where there are none.
    """
    filters: list[Filter] = [InstructionRules(), Privacy("instruction")]
    if contamination is not None:
        filters.append(Contamination(contamination, "instruction"))
    filters += [ResponseRules(), Privacy("pair"), ReasoningResult(), UnsupportedFigures(), Arithmetic(), Code()]
    if contamination is not None:
        filters.append(Contamination(contamination, "pair"))
    return (*filters, *SHIPPED_JUDGES)


def load_filters(config: Config) -> FilterSet:
    """The filters of a run, as `filters:` arranges them, and the benchmarks in the work folder.

    Raises: ConfigError: `filters:` names a filter that there is not, or an installed one can't be loaded.
    """
    return filters_for(config, load_index(config))


def filters_for(config: Config, contamination: ContaminationIndex | None) -> FilterSet:
    """As `load_filters`, with benchmarks that are open already (None: without any)."""
    settings = config.filters
    filters = [*standard_filters(contamination)]
    if config.guard is not None:
        filters.append(GuardModel(config.guard))
    shipped = {each.name for each in filters} | {DUPLICATES, *OPTIONAL_FILTERS}
    _check_names(config, shipped)
    _check_no_secrets(config)
    filters += installed_filters(settings.settings, settings.disable, shipped)
    rank = {name: place for place, name in enumerate(settings.order)}
    # Stable: what `order` does not name stays behind it, as it was.
    filters.sort(key=lambda each: rank.get(each.name, len(rank)))
    chosen = tuple(each for each in filters if each.name not in settings.disable)
    return FilterSet(chosen, DUPLICATES not in settings.disable, contamination)


def _check_no_secrets(config: Config) -> None:
    """Raises: ConfigError: the settings of a filter, which a dataset shows as they are, hold what must not be shown."""
    for name, settings in config.filters.settings.items():
        if found := find_secret_setting(settings, f"filters.settings.{name}"):
            raise ConfigError(
                f"{found} looks like a secret, and every dataset shows the settings of its filters. Keep it in the "
                "environment, and name the variable here (such as `api_key_env`), as the teacher's settings do.",
                ("filters", "settings", name),
            )


def _check_names(config: Config, shipped: set[str]) -> None:
    known = shipped | set(installed_names(FILTERS_GROUP))
    named = {
        "disable": config.filters.disable,
        "order": config.filters.order,
        "settings": tuple(config.filters.settings),
    }
    for setting, names in named.items():
        for place, name in enumerate(names):
            where = ("filters", setting, name if setting == "settings" else place)
            if setting == "order" and name in names[:place]:
                raise ConfigError(f"filters.order: `{name}` stands there twice. Keep one of the two.", where)
            if name == DUPLICATES and setting == "order":
                raise ConfigError(
                    "filters.order: `duplicates` can't be moved: near-duplicates are looked for at one step of a flow, "
                    "with all that a slot has drawn. Leave it out; `filters: disable: [duplicates]` does without.",
                    where,
                )
            if name not in known:
                near = difflib.get_close_matches(name, sorted(known), n=1)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(known))}."
                raise ConfigError(f"filters.{setting}: there is no filter `{name}`. {hint}", where)
            if setting == "settings" and name in shipped:
                raise ConfigError(
                    f"filters.settings: `{name}` comes with labgen and has no settings there; its thresholds are "
                    "under `thresholds:`.",
                    where,
                )
