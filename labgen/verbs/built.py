"""What came of a build, as every verb that makes one hands it on."""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.config.whole import Config
from labgen.export.funnel import Funnel
from labgen.filters.calibration import Calibration
from labgen.generate.engine import Progress
from labgen.generate.leaf_progress import JUDGE_NOT_FIT
from labgen.lazy.dataclasses import dataclass
from labgen.records import REHEARSAL_MODEL, Answerer, State
from labgen.teacher.addresses import all_specs
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.traffic import Traffic
from labgen.verbs.session import Session

if TYPE_CHECKING:
    from labgen.export.held_out import HeldOutRows
    from labgen.generate.trial import Hopeless


@dataclass(frozen=True)
class Build:
    """What came of a build.

    Attributes:
        folder: where the dataset is; None where an incomplete one was not written over a fuller one.
        budget: what was to be spent at most, and what was.
        left_out: leaf to why it could not be used.
        complete: whether every leaf was done.
        rehearsal: whether any row is one of the rehearsal teacher's, as writer or as judge.
        answered_by: the models whose replies it was made of, with the names that these bear.
        messages: what to tell the user of leaves left out, with file and line.
        progress, traffic: how it went; parts of them depend on timing.
        calibrations: leaf to how its judges did in their test; empty where they were not tested.
        hopeless: why the run ended after its first calls; None where it did not.
        held_out: what is kept out of training; None where nothing is, or the build did not come to it.
        agreement: what reviewers' marks say of the dataset (see `labgen.export.agreement`); None for none.
    """

    folder: Path | None
    funnel: Funnel
    left_out: dict[str, str]
    messages: tuple[str, ...]
    complete: bool
    rehearsal: bool
    answered_by: tuple[Answerer, ...]
    progress: Progress
    traffic: Traffic
    budget: Budget = field(default_factory=lambda: Budget(Limits()))
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    hopeless: Hopeless | None = None
    held_out: HeldOutRows | None = None
    agreement: dict[str, Any] | None = None

    @property
    def short(self) -> list[str]:
        """Leaves that ended with fewer rows than wanted, by the yield rule."""
        return [path for path, tally in self.funnel.leaves.items() if tally.stopped]

    @property
    def unfit(self) -> list[str]:
        """Leaves that were not drawn from, since their judges failed the test."""
        return [path for path in self.short if self.funnel.leaves[path].stopped.startswith(JUDGE_NOT_FIT)]

    def __repr__(self) -> str:
        words = ["complete" if self.complete else "incomplete", *(["rehearsal"] if self.rehearsal else [])]
        where = None if self.folder is None else str(self.folder)
        return f"Build({where!r}, {self.rows:,} rows of {len(self.funnel.leaves)} leaves, {', '.join(words)})"

    def _repr_html_(self) -> str:
        from labgen.text.html_table import html_table

        told = [("left out", f"{path}: {why}") for path, why in self.left_out.items()]
        told += [("short", path) for path in self.short]
        asked = f"{self.traffic.answered:,} calls answered, {self.traffic.from_ledger:,} taken from the ledger"
        return self.funnel._repr_html_() + html_table(f"{self!r}: {asked}", ("", "leaf"), told)

    @property
    def rows(self) -> int:
        """Candidates that became rows."""
        return self.funnel.total().accepted

    @property
    def failed(self) -> int:
        """Candidates that ended as `failed`."""
        return self.funnel.total().count(State.FAILED)


def run_budget(limits: Limits | None, config: Config) -> Budget:
    """What a run may spend at most, at the prices that hold for it."""
    limits = limits or Limits()
    return Budget(replace(limits, price=limits.price or config.price))


def kept_from_elsewhere(session: Session, traffic: Traffic) -> list[str]:
    """In words, which replies the ledger kept from other addresses or other models than those that are asked now."""
    if session.backend is not None:
        return []
    asked_here = {(spec.model, spec.name) for spec in all_specs(session.config)}
    told = []
    for origin, count in sorted(traffic.kept_from.items()):
        # The built-in rehearsal teacher is at another port in every run.
        if not origin.address or origin.asked == origin.model == REHEARSAL_MODEL:
            continue
        answering = {now.model for now in traffic.answered_from if now[:2] == origin[:2]}
        moved = (origin.asked, origin.address) not in asked_here
        if moved or (answering and origin.model not in answering):
            now = "" if moved else f"; what answers there now is {', '.join(sorted(answering))}"
            model = f" (model {origin.model})" if origin.model else ""
            told.append(
                f"{count} {'reply' if count == 1 else 'replies'} to `{origin.asked}` are from {origin.address}{model}, "
                f"kept from earlier runs{now}. Another work folder (--work) asks anew."
            )
    return told
