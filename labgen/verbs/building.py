"""The making of a build: what the ledger has is replayed, what it lacks is asked, and the dataset written meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from labgen.errors import UsageError
from labgen.export.calibration_report import calibration_json, calibration_markdown
from labgen.export.card_facts import CardNotes
from labgen.export.collect import Collector
from labgen.export.dataset import DatasetWriter, writing_dataset
from labgen.export.held_out import HeldOutRows
from labgen.export.passages import passages_of
from labgen.export.provenance import contamination_note
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.filters.calibration import Calibration
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.generate.context import RunContext
from labgen.generate.engine import Engine
from labgen.generate.expected_calls import expected_calls
from labgen.generate.leaf_outcomes import LeafOutcome
from labgen.generate.live_leaves import LiveLeaves
from labgen.generate.resume import Replayed
from labgen.generate.slot_run import FIRST
from labgen.generate.spool import Spool
from labgen.generate.trial import Hopeless, Trial
from labgen.generate.workers import Workers
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.outcomes.hashing import code_version
from labgen.outcomes.store import OutcomeStore
from labgen.progress.stop import STOPPED
from labgen.progress.time_left import ExpectedCalls
from labgen.progress.watch import RunWatch
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import TeacherClient
from labgen.teacher.traffic import Traffic
from labgen.text.secrets import find_sensitive
from labgen.verbs.begin import Begun, load_arrow, take_replayed
from labgen.verbs.build_time import remember_pace
from labgen.verbs.built import Build, kept_from_elsewhere, run_budget
from labgen.verbs.held_out import TrainedRows, draw_held_out
from labgen.verbs.kept_build import Found, KeptBuild
from labgen.verbs.plan import observed_yields
from labgen.verbs.session import Session

FIRST_WAVE_SHARE = 0.01
"""Of the calls that a build is expected to take, so many first draws may be sent while its trial is under way."""

LOAD_AHEAD_SEC = 0.1
"""Time in which the first calls of a run are sent, before anything else is loaded."""


def run_build(
    session: Session,
    workers: Workers[LeafOutcome[Replayed]],
    ledger: Ledger,
    spool: Spool,
    about: BuildInfo,
    leaves: dict[str, LeafInfo],
    replace_output: bool,
    limits: Limits | None,
    watch: RunWatch,
    kept_build: KeptBuild,
) -> Build:
    """Replay what the ledger has, ask for what it lacks, and write the dataset meanwhile."""
    limits = limits or Limits()
    budget = run_budget(limits, session.config)
    evenly = limits.any and session.config.stop.evenly
    complete, refused = True, ""
    held_out: HeldOutRows | None = None
    try:
        with (
            _at_work(session, workers) as store,
            _dataset(session, spool, about, leaves, replace_output, evenly) as (writer, trained, collector),
        ):
            begun, traffic, complete, hopeless = _all_candidates(
                session, workers, ledger, store, collector, budget, watch
            )
            session.hooks.stop.check()
            watch.say("writing the dataset")
            if trained and complete:
                held_out = draw_held_out(session, ledger, trained, collector, budget, traffic, watch)
                complete = held_out.complete
                session.hooks.stop.check()
            about = writer.as_answered(replace(about, complete=complete))
            _finish(session, writer, about, collector, held_out)
    except UsageError as refusal:
        # An incomplete build would have taken the place of a fuller one, which stays.
        if complete:
            raise
        refused = str(refusal)
    for words in kept_from_elsewhere(session, traffic):
        session.hooks.notice(words)
    found = Found.of(collector, writer, about, begun.progress, traffic)
    if complete and not begun.left:
        kept_build.keep(found)
    build = found.build(session, traffic, budget)
    if refused:
        build = replace(build, folder=None, messages=(*build.messages, refused))
    return replace(build, complete=complete, hopeless=hopeless, held_out=held_out)


@contextmanager
def _at_work(session: Session, workers: Workers[LeafOutcome[Replayed]]) -> Iterator[OutcomeStore]:
    """What leaves came to before; the workers look there while all else is made ready."""
    with session.replay.store() as store:
        workers.begin()
        yield store


@contextmanager
def _dataset(
    session: Session, spool: Spool, about: BuildInfo, leaves: dict[str, LeafInfo], replace_output: bool, evenly: bool
) -> Iterator[tuple[DatasetWriter, TrainedRows | None, Collector]]:
    """The dataset that is being written, what of it rows are held out from, and what brings candidates into it."""
    config = session.config
    kept = config.work_folder if config.outcomes.max_bytes else None
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
            session.sources.plans,
            leaves,
            spool,
            trained or writer,
            DuplicatesAcrossLeaves(config.thresholds, kept) if session.filters.find_duplicates else None,
            evenly=evenly,
        )
        yield writer, trained, collector


def _finish(
    session: Session, writer: DatasetWriter, about: BuildInfo, collector: Collector, held_out: HeldOutRows | None
) -> None:
    """Write what is told of all rows together, once they are all there."""
    if collector.across:
        collector.across.save()
        # Its index may take as much memory as all the rest; phases are mixed without it.
        collector.across = None
    notes = _notes(session, collector.calibrations)
    tested = calibration_json(collector.calibrations) if collector.calibrations else None
    passages = passages_of(session.sources.plans)
    writer.finish(about, collector.funnel, notes, held_out, passages, tested)


def _warn_of_batches(session: Session, ledger: Ledger) -> None:
    """Say that what is about to be asked may have been paid for already, in batches that were not read yet."""
    if waiting := sum(batch.lines for batch in ParkedCalls(ledger).batches()):
        session.hooks.notice(
            f"{waiting:,} calls are in batches that have not been read. Asked one by one they are paid for twice: "
            "better stop, and run `labgen bulk fetch` or `labgen bulk run`."
        )


def _all_candidates(
    session: Session,
    workers: Workers[LeafOutcome[Replayed]],
    ledger: Ledger,
    store: OutcomeStore,
    collector: Collector,
    budget: Budget,
    watch: RunWatch,
) -> tuple[Begun, Traffic, bool, Hopeless | None]:
    """Give the collector what the ledger has, then what is asked.

    Returns: what the replay came to, traffic, whether all leaves were done, and why there was no hope, if so.
    """
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


def _notes(session: Session, calibrations: dict[str, Calibration]) -> CardNotes:
    responder = session.config.preferences.responder if session.config.preferences else None
    return CardNotes(
        calibration=calibration_markdown(calibrations, session.config.calibration.floor),
        contamination=contamination_note(session.filters.contamination),
        teacher_terms=session.config.teacher.terms,
        responder_terms=responder.terms if responder else "",
    )


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
        if client.budget_left:
            client.models[run.teacher].look()  # while the first calls are made ready
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
        if self.begun.progress.accepted:  # rows that are there are hope enough
            self.watch.expected = await self._expected(run)
            return await engine.run(), None
        client.hold(lambda call: call.priority[0] == FIRST)
        trial = asyncio.ensure_future(Trial(self.session.sources.plans, run, client).hopeless())
        beginning = asyncio.ensure_future(self._begin(trial, engine, run, client))
        try:
            hopeless = await trial
            if hopeless:
                return False, hopeless
            client.let_go()
            await beginning
            return await engine.run(), None
        finally:
            for task in (trial, beginning):
                task.cancel()
            await asyncio.gather(trial, beginning, return_exceptions=True)
            engine.end()

    async def _begin(
        self, trial: asyncio.Future[Hopeless | None], engine: Engine, run: RunContext, client: TeacherClient
    ) -> None:
        """Have the first calls ready once the trial has given hope; in a large build, send a few of them before."""
        while not client.traffic.sent and not trial.done():  # noqa: ASYNC110 (it had better not wait for this machine)
            await asyncio.sleep(0.01)
        self.watch.expected = expected = await self._expected(run)
        if trial.done() or not expected:
            return  # the ledger knew what comes of the trial, or packages' own code takes part
        # Draws alone, of which a judge has to say something before they are rows: those would be hope for the next run.
        if all(run.bound(plan.flow).judges for plan in self.begun.left):
            calls = sum(plan.wanted * expected[plan.flow.name].per_row for plan in self.begun.left)
            client.let_some_go(int(FIRST_WAVE_SHARE * calls))
        await engine.begin()

    async def _expected(self, run: RunContext) -> dict[str, ExpectedCalls]:
        """What the time left is reckoned from at first; nothing where other packages' code would have to run for it."""
        if self.session.replay.others_take_part:
            return {}
        plans, config = self.session.sources.plans, self.session.config
        usual = dict.fromkeys((flow.name for flow in self.session.flows), config.expected_yield)
        found = await expected_calls(self.begun.left, run, usual | observed_yields(config, plans))
        return {flow: ExpectedCalls(*calls) for flow, calls in found.items()}

    def _look(self, client: TeacherClient, phase: str = "asking") -> None:
        self.watch.look(phase, self.collector.progress, client.traffic, client, client.budget)


async def _load_ahead(client: TeacherClient) -> None:
    """Load what replies will need while the first are on their way: nothing else is to be done then."""
    while not client.traffic.sent:  # noqa: ASYNC110 (a build that asks nothing has no such moment)
        await asyncio.sleep(LOAD_AHEAD_SEC)
    await asyncio.sleep(LOAD_AHEAD_SEC)

    def load() -> None:
        code_version()  # of the code that is at work, should another be installed in its place meanwhile
        find_sensitive("")
        load_arrow()

    await asyncio.to_thread(load)
