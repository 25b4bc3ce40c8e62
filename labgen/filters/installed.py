"""Filters from other packages, found by the entry point group `labgen.filters`.

What they do is not labgen's: one that crashes, or says something that is no verdict, ends the candidate as `failed`
with the filter's name. It is never a pass, and never the end of the run.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from labgen.errors import ConfigError, LabgenError
from labgen.filters.base import Cost, Ending, Filter, SlotContext
from labgen.filters.calibration_items import DEFECTS
from labgen.formats.prompts import Prompt
from labgen.packages import crash, package_of
from labgen.plan.flow import Flow
from labgen.records import Candidate, Evidence, State, Verdict
from labgen.teacher.asker import CandidateEnds
from labgen.teacher.ledger_only import NotPaid

GROUP = "labgen.filters"
_CHOICES = {"kind": ("rule", "index", "judge"), "stage": ("instruction", "pair")}
FINAL_STATES = (State.ACCEPTED, State.SURPLUS)
"""States that are not a filter's or a step's to give."""


class Installed:
    """A filter from another package, kept from doing harm.

    A package names flows in `flows`, a tuple of their names; one that is called nowhere there may be `like` one that
    is. A judge may state its `cost` (a `labgen.filters.base.Cost`), and the `prompts` that it asks with.

    Attributes:
        package: name and version of the distribution that it comes from.
    """

    def __init__(self, inner: Any, name: str, package: str) -> None:
        self.name = name
        self.version = str(inner.version)
        self.kind = inner.kind
        self.stage = inner.stage
        self.flows: tuple[str, ...] = tuple(inner.flows)
        self.catches: tuple[str, ...] = tuple(getattr(inner, "catches", None) or ())
        self.prompts: tuple[Prompt, ...] = tuple(getattr(inner, "prompts", None) or ())
        self.cost: Cost = getattr(inner, "cost", None) or Cost()
        self.package = package
        self._inner = inner

    def applies_to(self, flow: Flow) -> bool:
        """Whether its package names that flow, or the one that it is like."""
        return flow.name in self.flows or flow.like in self.flows

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """The filter's verdicts. Raises: CandidateEnds: its own, or because it crashed."""
        try:
            found = self._inner(candidate, slot)
            verdicts = tuple(await found if inspect.isawaitable(found) else found)
        except CandidateEnds as end:
            raise self._ending(end) from end
        except (LabgenError, NotPaid):
            raise
        except Exception as error:
            # Anybody's code: whatever it raises must end this candidate and nothing else.
            raise CandidateEnds(State.FAILED, self._crashed(error)) from error
        for verdict in verdicts:
            if problem := fault_of_verdict(verdict):
                raise CandidateEnds(State.FAILED, f"filter_{self.name}: {problem}")
        try:
            return [plain_verdict(verdict) for verdict in verdicts]
        except (TypeError, ValueError, OverflowError) as error:
            raise CandidateEnds(State.FAILED, self._crashed(error)) from error

    def _ending(self, end: CandidateEnds) -> CandidateEnds:
        try:
            plain = plain_ending(end)
        except Exception as error:
            return CandidateEnds(State.FAILED, self._crashed(error))
        state, reason = self._allowed(plain.state, plain.reason)
        return CandidateEnds(state, reason, plain.raw, plain.calls)

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """What the filter says that its verdict means; `failed` where it crashes on that."""
        try:
            ending = self._inner.decide(verdict, slot)
            if ending is None:
                return None
            state, reason = ending
            return self._allowed(State(state), reason)
        except LabgenError:
            raise
        except Exception as error:
            return State.FAILED, self._crashed(error)

    def _allowed(self, state: State, reason: Any) -> Ending:
        if state in FINAL_STATES:
            return State.FAILED, f"filter_{self.name}: it may not end a candidate as `{state.value}`"
        return state, str(reason)

    def _crashed(self, error: Exception) -> str:
        return f"filter_{self.name}: {crash(error)}"


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
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
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
        made = entry.load()
    except (Exception, SystemExit) as error:
        # Importing anybody's package may raise anything.
        raise ConfigError(f"{where} can't be loaded ({crash(error)}). {hint}") from error
    if settings is not None and not _takes_settings(made):
        raise ConfigError(f"filters.settings: {where} takes no settings. Leave `{entry.name}` out there.")
    try:
        if isinstance(made, type) or not hasattr(made, "stage"):
            made = made(**settings) if settings is not None else made()
    except (Exception, SystemExit) as error:
        # So may making it.
        words = f"({crash(error)})"
        if settings is not None:
            raise ConfigError(
                f"filters.settings.{entry.name}: {where} refuses what is set {words}. Correct it, or leave it out."
            ) from error
        raise ConfigError(f"{where} can't be loaded {words}. {hint}") from error
    problem = _not_a_filter(made)
    if problem:
        raise ConfigError(f"{where} is no filter: {problem}. {hint}")
    return Installed(made, entry.name, package)


def _takes_settings(made: Any) -> bool:
    """Whether it is made with named settings: a class or a function that has parameters."""
    if not (isinstance(made, type) or (callable(made) and not hasattr(made, "stage"))):
        return False
    try:
        return bool(inspect.signature(made).parameters)
    except (TypeError, ValueError):
        return True  # it can't be said beforehand: what it makes of them is seen then


def _not_a_filter(made: Any) -> str:
    for name in ("version", "kind", "stage", "flows", "decide"):
        if not hasattr(made, name):
            return f"it has no `{name}`"
    for name, choices in _CHOICES.items():
        if getattr(made, name) not in choices:
            return f"its `{name}` is none of {', '.join(choices)}"
    flows = made.flows
    if isinstance(flows, str) or not flows or not all(isinstance(flow, str) for flow in flows):
        return "its `flows` are not names of flows, such as ('knowledge',)"
    if not isinstance(getattr(made, "cost", None) or Cost(), Cost):
        return "its `cost` is no labgen.filters.base.Cost"
    prompts = getattr(made, "prompts", None) or ()
    if not isinstance(prompts, tuple) or not all(isinstance(prompt, Prompt) for prompt in prompts):
        return "its `prompts` are no tuple of labgen.formats.prompts.Prompt"
    if problem := _wrong_catches(getattr(made, "catches", None) or ()):
        return problem
    return "" if callable(made) else "it can't be called"


def _wrong_catches(catches: Any) -> str:
    if not isinstance(catches, tuple | list):
        return "its `catches` are no tuple of kinds of defect"
    unknown = [kind for kind in catches if kind not in DEFECTS]
    return f"it `catches` {unknown[0]!r:.60}, and the kinds of defect are {', '.join(DEFECTS)}" if unknown else ""


def fault_of_verdict(verdict: Any) -> str:
    """Why something that another package gave is no verdict; empty where it is one."""
    if not isinstance(verdict, Verdict):
        return f"it gave a {type(verdict).__name__}, which is no verdict"
    if not isinstance(verdict.value, int | float) or not math.isfinite(verdict.value):
        return "its verdict has no finite value"
    if not all(isinstance(words, str) for words in (verdict.filter, verdict.version, verdict.reason)):
        return "its verdict's filter, version and reason are not all text"
    if not isinstance(verdict.evidence, tuple) or not all(isinstance(each, Evidence) for each in verdict.evidence):
        return "its verdict's evidence is no tuple of Evidence"
    if not all(isinstance(piece.text, str) for piece in verdict.evidence):
        return "its verdict's evidence is not all text"
    return ""


def plain_ending(end: CandidateEnds) -> CandidateEnds:
    """How another package ends a candidate, with Python's own texts. Raises: ValueError, TypeError: not as one can."""
    calls = tuple(end.calls)
    if not all(isinstance(key, bytes) for key in calls):
        raise TypeError("the calls that it names are not keys of calls")
    return CandidateEnds(State(end.state), str(end.reason), str(end.raw), calls)


def plain_verdict(verdict: Verdict) -> Verdict:
    """The verdict with Python's own numbers and texts, whatever kinds of them another package works with."""
    evidence = tuple(Evidence(str(piece.text), int(piece.start), int(piece.end)) for piece in verdict.evidence)
    words = (str(verdict.filter), str(verdict.version))
    return Verdict(*words, float(verdict.value), str(verdict.reason), evidence)
