"""Filters from other packages, found by the entry point group `labgen.filters`.

What they do is not labgen's: one that crashes, or says something that is no verdict, ends the candidate as `failed`
with the filter's name. It is never a pass, and never the end of the run.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from labgen.errors import ConfigError
from labgen.filters.base import Cost, Ending, Filter, SlotContext
from labgen.filters.calibration_items import DEFECTS
from labgen.filters.given import labgens_own_pass, plain_decision, plain_ending, plain_verdict
from labgen.formats.prompts import Prompt, shipped_prompts
from labgen.lazy.dataclasses import dataclass
from labgen.packages import PackageFault, entries_of, guarded, package_of, plain_text
from labgen.plan.flow import Flow
from labgen.records import Candidate, State, Verdict
from labgen.teacher.asker import CandidateEnds

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FILTERS_GROUP = "labgen.filters"
_CHOICES = {"kind": ("rule", "index", "judge"), "stage": ("instruction", "pair")}


@dataclass(frozen=True)
class Traits:
    """What a filter says of itself, looked at once and made plain. See `labgen.filters.base.Filter`."""

    version: str
    kind: Any
    stage: Any
    flows: tuple[str, ...]
    catches: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    cost: Cost

    @classmethod
    def of(cls, inner: Any) -> Traits:
        """What `inner` says. Raises: PackageFault: it is no filter."""
        for name in ("version", "kind", "stage", "flows", "decide"):
            if not hasattr(inner, name):
                raise PackageFault(f"it has no `{name}`")
        if not callable(inner) or not callable(inner.decide):
            raise PackageFault("it, or its `decide`, can't be called")
        cost, prompts = _or(inner, "cost", Cost()), _or(inner, "prompts", ())
        if type(cost) is not Cost:
            raise PackageFault("its `cost` is no labgen.filters.base.Cost")
        if not isinstance(prompts, tuple) or not all(type(prompt) is Prompt for prompt in prompts):
            raise PackageFault("its `prompts` are no tuple of labgen.formats.prompts.Prompt")
        asked = {prompt.name for prompt in prompts} | set(shipped_prompts())
        if prompts and (strange := sorted(set(cost.typical_replies) - asked)):
            raise PackageFault(f"its cost has a typical reply to `{strange[0]:.60}`, which is none of its prompts")
        version = inner.version
        if not isinstance(version, str | int | float):
            raise PackageFault("its `version` is neither text nor a number")
        return cls(
            version=plain_text(str(version), "its `version`"),
            kind=_choice(inner, "kind"),
            stage=_choice(inner, "stage"),
            flows=_flows(inner.flows),
            catches=_catches(_or(inner, "catches", ())),
            prompts=prompts,
            cost=cost,
        )


def _or(inner: Any, name: str, default: Any) -> Any:
    """An attribute that a filter need not have, or may have as None."""
    found = getattr(inner, name, None)
    return default if found is None else found


def _choice(inner: Any, name: str) -> str:
    given = getattr(inner, name)
    if not isinstance(given, str) or given not in _CHOICES[name]:
        raise PackageFault(f"its `{name}` is none of {', '.join(_CHOICES[name])}")
    return plain_text(given, f"its `{name}`")


def _flows(given: Any) -> tuple[str, ...]:
    names = given if isinstance(given, tuple | list | set | frozenset) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise PackageFault("its `flows` are not names of flows, such as ('knowledge',)")
    return tuple(plain_text(name, "a flow's name") for name in names)


def _catches(given: Any) -> tuple[str, ...]:
    if not isinstance(given, tuple | list):
        raise PackageFault("its `catches` are no tuple of kinds of defect")
    for kind in given:
        if not isinstance(kind, str) or kind not in DEFECTS:
            raise PackageFault(f"it `catches` {kind!r:.60}, and the kinds of defect are {', '.join(DEFECTS)}")
    return tuple(plain_text(kind, "a kind of defect") for kind in given)


class Installed:
    """A filter from another package, kept from doing harm.

    A package names flows in `flows`, a tuple of their names; one that is called nowhere there may be `like` one that
    is. A judge may state its `cost` (a `labgen.filters.base.Cost`), and the `prompts` that it asks with.

    Attributes:
        package: name and version of the distribution that it comes from.
    Raises: PackageFault: it is no filter.
    """

    def __init__(self, inner: Any, name: str, package: str) -> None:
        with guarded():
            traits = Traits.of(inner)
        self.name = name
        self.version = traits.version
        self.kind = traits.kind
        self.stage = traits.stage
        self.flows = traits.flows
        self.catches = traits.catches
        self.prompts = traits.prompts
        self.cost = traits.cost
        self.package = package
        self._inner = inner

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"filter `{self.name}` of {self.package}"

    def applies_to(self, flow: Flow) -> bool:
        """Whether its package names that flow, or the one that it is like."""
        return flow.name in self.flows or flow.like in self.flows

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """The filter's verdicts. Raises: CandidateEnds: its own, or because it crashed."""
        if self.kind != "judge":
            why = f"it asks a model, and says that its kind is {self.kind}, not judge"
            slot = replace(slot, asker=slot.asker.refusing(why))
        try:
            with labgens_own_pass(self.title, slot), guarded(slot.asker.stopped, awaits=True):
                try:
                    found = self._inner(candidate, slot)
                    verdicts = tuple(await found if inspect.isawaitable(found) else found)
                except CandidateEnds as end:
                    ending = plain_ending(end)
                else:
                    return [plain_verdict(verdict) for verdict in verdicts]
        except PackageFault as fault:
            raise CandidateEnds(State.FAILED, self._told(fault)) from fault
        raise ending

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """What the filter says that its verdict means; `failed` where it crashes on that."""
        try:
            with guarded():
                return plain_decision(self._inner.decide(verdict, slot))
        except PackageFault as fault:
            return State.FAILED, self._told(fault)

    def _told(self, fault: PackageFault) -> str:
        return f"filter_{self.name}: {fault}"


def installed_filters(
    settings: Mapping[str, Mapping[str, Any]], disabled: Collection[str] = (), taken: Collection[str] = ()
) -> list[Filter]:
    """The filters of installed packages, by name; those disabled are not even imported.

    Args:
        settings: name to what `filters: settings:` says of it.
        taken: names of shipped filters, which no other may have.
    Raises: ConfigError: one can't be loaded, is no filter, has a name that is taken, or refuses its settings.
    """
    found: dict[str, Filter] = {}
    for entry in entries_of(FILTERS_GROUP):
        if entry.name in disabled:
            continue
        package = package_of(entry)
        where = f"filter `{entry.name}` of {package}"
        if entry.name in taken or entry.name in found:
            raise ConfigError(f"{where}: there is another filter of that name. Rename its entry point.")
        found[entry.name] = _load(entry, settings.get(entry.name), where, package)
    return list(found.values())


def _load(entry: EntryPoint, settings: Mapping[str, Any] | None, where: str, package: str) -> Filter:
    hint = f"Mend the package, or set `filters: disable: [{entry.name}]`."
    try:
        with guarded():
            made = entry.load()
            is_filter = hasattr(made, "stage") and not isinstance(made, type)
            takes = not is_filter and _takes_settings(made)
    except PackageFault as fault:
        raise ConfigError(f"{where} can't be loaded ({fault}). {hint}") from fault
    if settings is not None and not takes:
        place = ("filters", "settings", entry.name)
        raise ConfigError(f"filters.settings: {where} takes no settings. Leave `{entry.name}` out there.", place)
    try:
        with guarded():
            if not is_filter:
                made = made(**settings) if settings is not None else made()
    except PackageFault as fault:
        if settings is not None:
            raise ConfigError(
                f"filters.settings.{entry.name}: {where} refuses what is set ({fault}). Correct it, or leave it out.",
                ("filters", "settings", entry.name),
            ) from fault
        raise ConfigError(f"{where} can't be loaded ({fault}). {hint}") from fault
    try:
        return Installed(made, entry.name, package)
    except PackageFault as fault:
        raise ConfigError(f"{where} is no filter: {fault}. {hint}") from fault


def _takes_settings(made: Any) -> bool:
    """Whether it is made with named settings: a class or a function that has parameters."""
    if not callable(made):
        return False
    try:
        return bool(inspect.signature(made).parameters)
    except (TypeError, ValueError):
        return True  # it can't be said beforehand: what it makes of them is seen then
