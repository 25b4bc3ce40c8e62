"""A build: the stages strung together. The taxonomy is the source code, the dataset is what comes out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labgen.config import Config
from labgen.errors import ConfigError, UsageError
from labgen.export.calibration_report import calibration_json, calibration_markdown
from labgen.export.card_facts import CardNotes
from labgen.export.collect import Collector
from labgen.export.dataset import writing_dataset
from labgen.export.extras import check_extras
from labgen.export.fit import RowLength
from labgen.export.funnel import Funnel
from labgen.export.held_out import HeldOutRows
from labgen.export.passages import passages_of
from labgen.export.provenance import contamination_note, leaf_info
from labgen.export.rows import BuildInfo
from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.generate.context import RunContext
from labgen.generate.engine import Engine, Progress
from labgen.generate.expected_calls import expected_calls
from labgen.generate.leaf_outcomes import LeafOutcome
from labgen.generate.leaf_progress import JUDGE_NOT_FIT
from labgen.generate.live_leaves import LiveLeaves
from labgen.generate.resume import Replayed
from labgen.generate.spool import Spool
from labgen.generate.trial import Hopeless, Trial
from labgen.generate.workers import Workers
from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.outcomes.store import OutcomeStore
from labgen.progress.run_state import RunSpending
from labgen.progress.stop import STOPPED, StoppedByUser
from labgen.progress.time_left import ExpectedCalls
from labgen.progress.watch import RunWatch
from labgen.records import REHEARSAL_MODEL, Answerer, State
from labgen.teacher.addresses import all_specs
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import TeacherClient
from labgen.teacher.connect import Backends
from labgen.teacher.traffic import Traffic
from labgen.text.printable import shown
from labgen.text.secrets import find_sensitive
from labgen.verbs.begin import Begun, load_arrow, take_replayed
from labgen.verbs.build_time import remember_pace
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.held_out import TrainedRows, draw_held_out
from labgen.verbs.machine_limits import require_memory
from labgen.verbs.output import check_output_of
from labgen.verbs.plan import observed_yields
from labgen.verbs.session import Hooks, Session

LOAD_AHEAD_SEC = 0.1
"""Time in which the first calls of a run are sent, before anything else is loaded."""


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
    require_memory()
    session = Session.prepare(config, leaf_patterns, hooks=hooks, backend=backend)
    session.check_leaves()
    session.check_flows()
    RowLength.of(config.mix)  # a tokenizer that can't be read is told before anything is paid
    about = check_output_of(session, replace=replace_output)
    # Workers come before the lock, which they would hold for as long as they live, and before others' datasets: the
    # library that reads these starts threads, with which nothing is forked.
    with session.replay.workers() as workers, session.beside_http() as session:
        check_extras(config.mix.extras)
        with session.locked() as ledger, Spool(config.work_folder / "spool") as spool:
            if retry_failed:
                session.hooks.notice(f"{ledger.forget(ledger.failures())} calls that failed for good are asked again.")
            watch = RunWatch(config, session.sources.plans, verb, session.hooks.progress, spent=spent)
            try:
                build = _run(session, workers, ledger, spool, about, replace_output, limits, watch)
            except BaseException as error:
                by_hand = isinstance(error, (KeyboardInterrupt, StoppedByUser))
                watch.end(STOPPED if by_hand else f"ended early: {_first_line(error)}")
                raise
            watch.end(_ending(build))
            return build


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


def _warn_of_batches(session: Session, ledger: Ledger) -> None:
    """Say that what is about to be asked may have been paid for already, in batches that were not read yet."""
    if waiting := sum(batch.lines for batch in ParkedCalls(ledger).batches()):
        session.hooks.notice(
            f"{waiting:,} calls are in batches that have not been read. Asked one by one they are paid for twice: "
            "better stop, and run `labgen bulk fetch` or `labgen bulk run`."
        )


def _run(
    session: Session,
    workers: Workers[LeafOutcome[Replayed]],
    ledger: Ledger,
    spool: Spool,
    about: BuildInfo,
    replace_output: bool,
    limits: Limits | None,
    watch: RunWatch,
) -> Build:
    """Replay what the ledger has, ask for what it lacks, and write the dataset meanwhile."""
    config, sources = session.config, session.sources
    limits = limits or Limits()
    budget = Budget(replace(limits, price=limits.price or config.price))
    leaves = {plan.leaf.path: leaf_info(plan) for plan in sources.plans}
    kept = config.work_folder if config.outcomes.max_bytes else None
    across = DuplicatesAcrossLeaves(config.thresholds, kept) if session.filters.find_duplicates else None
    messages = list(sources.messages)
    folder: Path | None = config.output
    complete = True
    held_out: HeldOutRows | None = None
    try:
        with writing_dataset(
            config.output,
            leaves=list(leaves.values()),
            about=about,
            mix=config.mix,
            preferences=config.preferences,
            replace=replace_output,
            work_folder=kept,
        ) as writer:
            trained = TrainedRows(writer, about) if config.held_out.wanted else None
            collector = Collector(
                sources.plans,
                leaves,
                spool,
                trained or writer,
                across,
                evenly=limits.any and config.stop.evenly,
            )
            begun, traffic, complete, hopeless = _all_candidates(session, workers, ledger, collector, budget, watch)
            session.hooks.stop.check()
            watch.say("writing the dataset")
            progress = begun.progress
            if trained and complete:
                held_out = draw_held_out(session, ledger, trained, collector, budget, traffic, watch)
                complete = held_out.complete
                session.hooks.stop.check()
            if across:
                across.save()
                # Its index may take as much memory as all the rest; phases are mixed without it.
                across = collector.across = None
            about = writer.as_answered(replace(about, complete=complete))
            notes = _notes(session, collector.calibrations)
            tested = calibration_json(collector.calibrations) if collector.calibrations else None
            writer.finish(about, collector.funnel, notes, held_out, passages_of(sources.plans), tested)
    except UsageError as refusal:
        # An incomplete build would have taken the place of a fuller one, which stays.
        if complete:
            raise
        messages.append(str(refusal))
        folder = None
    for words in kept_from_elsewhere(session, traffic):
        session.hooks.notice(words)
    return Build(
        folder,
        collector.funnel,
        sources.left_out,
        tuple(messages),
        complete,
        about.rehearsal,
        about.answered_by,
        progress,
        traffic,
        budget,
        collector.calibrations,
        hopeless,
        held_out,
        writer.agreement,
    )


def _all_candidates(
    session: Session,
    workers: Workers[LeafOutcome[Replayed]],
    ledger: Ledger,
    collector: Collector,
    budget: Budget,
    watch: RunWatch,
) -> tuple[Begun, Traffic, bool, Hopeless | None]:
    """Give the collector what the ledger has, then what is asked.

    Returns: what the replay came to, traffic, whether all leaves were done, and why there was no hope, if so.
    """
    with session.replay.store() as store:
        begun = take_replayed(session, workers, collector, store, watch=watch)
        watch.look("reading the ledger", collector.progress, begun.traffic, budget=budget)
        traffic, complete, hopeless = begun.traffic, True, None
        if begun.left and session.hooks.stop.wished:
            traffic.stopped, complete = STOPPED, False
        elif begun.left:
            if budget.limits.max_calls != 0:
                _warn_of_batches(session, ledger)
            work = _Asking(session, begun, collector, ledger, store, watch)
            traffic, complete, hopeless = session.ask(ledger, work, budget=budget)
            if session.backend is None:
                remember_pace(ledger, session.config, traffic)
    collector.finish(f"the run ended early: {hopeless.cause}" if hopeless else "")
    return begun, traffic, complete, hopeless


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


def _notes(session: Session, calibrations: dict[str, Calibration]) -> CardNotes:
    responder = session.config.preferences.responder if session.config.preferences else None
    return CardNotes(
        calibration=calibration_markdown(calibrations, session.config.calibration.floor),
        contamination=contamination_note(session.filters.contamination),
        teacher_terms=session.config.teacher.terms,
        responder_terms=responder.terms if responder else "",
    )


def limits_for(config: Config, *, max_calls: int | None, max_tokens: int | None, max_cost: float | None) -> Limits:
    """The limits of a run at the configured prices. Raises: ConfigError: a cost, and no prices to reckon it with."""
    if max_cost is not None and config.price is None:
        raise ConfigError(
            "--max-cost needs prices: set `price:` (`prompt_per_million`, `completion_per_million`) in labgen.yaml."
        )
    return Limits(max_calls, max_tokens, max_cost, config.price)


@dataclass(frozen=True)
class _Asking:
    """The part of a build in which endpoints are asked.

    Gives the traffic, whether every leaf was done, and why there was no hope, where there was none.
    """

    session: Session
    begun: Begun
    collector: Collector
    ledger: Ledger
    store: OutcomeStore
    watch: RunWatch

    async def __call__(self, run: RunContext, client: TeacherClient) -> tuple[Traffic, bool, Hopeless | None]:
        begun = self.begun
        client.traffic.kept_from = begun.traffic.kept_from
        run = replace(run, yields=begun.yields)
        engine = Engine(
            begun.left,
            run,
            client,
            self.collector.take,
            pasts=begun.pasts,
            progress=begun.progress,
            reopening=self.collector,
            outcomes=LiveLeaves(self.store, run, self.ledger) if self.store else None,
        )
        self.watch.expected = await self._expected(run)
        loading = asyncio.create_task(_load_ahead(client))
        try:
            ended = await self.session.hooks.stop.run(self._work(engine, run, client), lambda: self._look(client))
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
        if ended is None:
            client.traffic.stopped = STOPPED
        self._look(client, "waiting for the calls in flight" if client.in_flight else "asking")
        complete, hopeless = ended or (False, None)
        return client.traffic, complete, hopeless

    async def _work(self, engine: Engine, run: RunContext, client: TeacherClient) -> tuple[bool, Hopeless | None]:
        hopeless = await self._trial(run, client)
        return not hopeless and await engine.run(), hopeless

    async def _expected(self, run: RunContext) -> dict[str, ExpectedCalls]:
        """What the time left is reckoned from at first; nothing where other packages' code would have to run for it."""
        if self.session.replay.others_take_part:
            return {}
        plans, config = self.session.sources.plans, self.session.config
        usual = dict.fromkeys((flow.name for flow in self.session.flows), config.expected_yield)
        found = await expected_calls(self.begun.left, run, usual | observed_yields(config, plans))
        return {flow: ExpectedCalls(*calls) for flow, calls in found.items()}

    async def _trial(self, run: RunContext, client: TeacherClient) -> Hopeless | None:
        if self.begun.progress.accepted:
            return None  # Rows that are there are hope enough.
        return await Trial(self.session.sources.plans, run, client).hopeless()

    def _look(self, client: TeacherClient, phase: str = "asking") -> None:
        self.watch.look(phase, self.collector.progress, client.traffic, client, client.budget)


async def _load_ahead(client: TeacherClient) -> None:
    """Load what replies will need while the first are on their way: nothing else is to be done then."""
    while not client.traffic.sent:  # noqa: ASYNC110 (a build that asks nothing has no such moment)
        await asyncio.sleep(LOAD_AHEAD_SEC)
    await asyncio.sleep(LOAD_AHEAD_SEC)

    def load() -> None:
        find_sensitive("")
        load_arrow()

    await asyncio.to_thread(load)
