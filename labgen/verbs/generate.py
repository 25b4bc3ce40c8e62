"""A build: the stages strung together. The taxonomy is the source code, the dataset is what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.config import Config
from labgen.errors import ConfigError
from labgen.export.extras import check_extras
from labgen.export.fit import RowLength
from labgen.export.funnel import Funnel
from labgen.export.provenance import leaf_info
from labgen.filters.calibration import Calibration
from labgen.generate.engine import Progress
from labgen.generate.leaf_progress import JUDGE_NOT_FIT
from labgen.progress.run_state import RunSpending
from labgen.progress.stop import STOPPED, StoppedByUser
from labgen.progress.watch import RunWatch
from labgen.records import REHEARSAL_MODEL, Answerer, State
from labgen.teacher.addresses import all_specs
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.connect import Backends
from labgen.teacher.traffic import Traffic
from labgen.text.printable import shown
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.kept_build import Found, KeptBuild
from labgen.verbs.output import check_output_of
from labgen.verbs.session import Hooks, Session

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
        from labgen.html_table import html_table

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


@outside_event_loop
def build_dataset(
    config: Config,
    *,
    leaf_patterns: Sequence[str] = (),
    replace_output: bool = False,
    limits: Limits | None = None,
    retry_failed: bool = False,
    hooks: Hooks | None = None,
    backend: Backends | None = None,
    verb: str = "generate",
    spent: RunSpending | None = None,
) -> Build:
    """Build the dataset of a taxonomy: the whole of `labgen generate`.

    A pure function of taxonomy, configuration and the teacher's replies; replies that the ledger holds are not asked
    for again, so an interrupted build goes on where it was.

    Args:
        leaf_patterns: only the leaves that one of these matches.
        replace_output: let a narrower build replace a fuller one.
        limits: what this run may spend at most; see `limits_for`. A run that reaches it is incomplete, not an error.
        retry_failed: ask again for what earlier runs found can't be answered (too long, refused).
        backend: what answers, instead of the endpoints of the configuration: one back end for all models, or one for
            each by its name.
        verb: what the run's state calls it; spent: what that says was spent before.
    Raises: LabgenError: see `labgen.errors`; every reply received is in the ledger.
    """
    session = Session.prepare(config, leaf_patterns, hooks=hooks, backend=backend)
    session.check_leaves()
    RowLength.of(config.mix)  # a tokenizer that can't be read is told before anything is paid
    about = check_output_of(session, replace=replace_output)
    leaves = {plan.leaf.path: leaf_info(plan) for plan in session.sources.plans}
    kept = KeptBuild(session, about, list(leaves.values()))
    watch = RunWatch(config, session.sources.plans, verb, session.hooks.progress, spent=spent)
    if not retry_failed and (found := kept.find()):
        return _as_before(session, found, run_budget(limits, config), watch)
    session.check_flows()
    from labgen.generate.spool import Spool
    from labgen.verbs.building import run_build

    # Workers come before the lock, which they would hold for as long as they live, and before others' datasets: the
    # library that reads these starts threads, with which nothing is forked.
    with session.replay.workers() as workers, session.beside_http() as session:
        check_extras(config.mix.extras)
        with session.locked() as ledger, Spool(config.work_folder / "spool") as spool:
            if retry_failed:
                session.hooks.notice(f"{ledger.forget(ledger.failures())} calls that failed for good are asked again.")
            try:
                build = run_build(session, workers, ledger, spool, about, leaves, replace_output, limits, watch, kept)
            except BaseException as error:
                by_hand = isinstance(error, (KeyboardInterrupt, StoppedByUser))
                watch.end(STOPPED if by_hand else f"ended early: {_first_line(error)}")
                raise
            watch.end(_ending(build))
            return build


def _as_before(session: Session, found: Found, budget: Budget, watch: RunWatch) -> Build:
    """The build that the dataset in its place is of already."""
    traffic = Traffic(kept_from=found.kept_from)
    watch.look("reading the ledger", found.leaves, traffic, budget=budget)
    for words in kept_from_elsewhere(session, traffic):
        session.hooks.notice(words)
    build = Build(
        session.config.output,
        found.funnel,
        session.sources.left_out,
        session.sources.messages,
        complete=True,
        rehearsal=found.rehearsal,
        answered_by=found.answered_by,
        progress=found.progress,
        traffic=traffic,
        budget=budget,
        calibrations=found.calibrations,
        agreement=found.agreement,
    )
    watch.end(_ending(build))
    return build


def run_budget(limits: Limits | None, config: Config) -> Budget:
    """What a run may spend at most, at the prices that hold for it."""
    limits = limits or Limits()
    return Budget(replace(limits, price=limits.price or config.price))


def _first_line(error: BaseException) -> str:
    return shown(str(error).split("\n")[0]) or type(error).__name__


def _ending(build: Build) -> str:
    """How a build ended, in words."""
    if build.complete:
        return "all is done"
    if build.hopeless:
        return f"no hope: {shown(build.hopeless.cause)}"
    if build.budget.reached:
        return "the budget is reached"
    return shown(build.traffic.stopped) or "stopped early"


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


def limits_for(config: Config, *, max_calls: int | None, max_tokens: int | None, max_cost: float | None) -> Limits:
    """The limits of a run at the configured prices. Raises: ConfigError: a cost, and no prices to reckon it with."""
    if max_cost is not None and config.price is None:
        raise ConfigError(
            "--max-cost needs prices: set `price:` (`prompt_per_million`, `completion_per_million`) in labgen.yaml."
        )
    return Limits(max_calls, max_tokens, max_cost, config.price)
