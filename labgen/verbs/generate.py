"""A build: the stages strung together. The taxonomy is the source code, the dataset is what comes out."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from labgen.config import Config
from labgen.errors import ConfigError, UsageError
from labgen.export.calibration_report import calibration_markdown
from labgen.export.card_facts import CardNotes
from labgen.export.collect import Harvest
from labgen.export.dataset import writing_dataset
from labgen.export.extras import check_extras
from labgen.export.folder import check_output
from labgen.export.funnel import Funnel
from labgen.export.provenance import build_info, contamination_note, leaf_info
from labgen.export.rows import BuildInfo
from labgen.filters.available import looks_for_duplicates
from labgen.filters.base import Filter
from labgen.filters.calibration import Calibration
from labgen.filters.contamination import load_index
from labgen.filters.duplicates_across_leaves import AcrossLeaves
from labgen.generate.context import Kit, YieldSeen
from labgen.generate.engine import Engine, Progress
from labgen.generate.leaf_run import JUDGE_NOT_FIT, Past
from labgen.generate.resume import Replay, Replayed, kit_for, load_filters
from labgen.generate.spool import Spool
from labgen.generate.workers import Workers
from labgen.ledger.replies import Ledger
from labgen.ledger.run_lock import run_lock
from labgen.plan.sources import Sources, gather_sources
from labgen.records import State
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import Door, Traffic, Watch
from labgen.teacher.connect import Models, check_places, connect, model_names
from labgen.text.secrets import find_secrets
from labgen.text.token_count import load_token_counter

PROGRESS_SEC = 0.5
LOAD_AHEAD_SEC = 0.1
"""Time in which the first calls of a run are sent, before anything else is loaded."""


@dataclass(frozen=True)
class Build:
    """What came of a build.

    Attributes:
        folder: where the dataset is; None where an incomplete one was not written over a fuller one.
        budget: what was to be spent at most, and what was; None where there was no limit.
        left_out: leaf to why it could not be used.
        complete: whether every leaf was done.
        messages: what to tell the user of leaves left out, with file and line.
        progress, traffic: how it went; parts of them depend on timing.
        calibrations: leaf to how its judges did in their test; empty where they were not tested.
    """

    folder: Path | None
    funnel: Funnel
    left_out: dict[str, str]
    messages: tuple[str, ...]
    complete: bool
    rehearsal: bool
    progress: Progress
    traffic: Traffic
    budget: Budget | None = None
    calibrations: dict[str, Calibration] = field(default_factory=dict)

    @property
    def short(self) -> list[str]:
        """Leaves that ended with fewer rows than wanted, by the yield rule."""
        return [path for path, tally in self.funnel.leaves.items() if tally.stopped]

    @property
    def unfit(self) -> list[str]:
        """Leaves that were not drawn from, since their judges failed the test."""
        return [path for path in self.short if self.funnel.leaves[path].stopped.startswith(JUDGE_NOT_FIT)]

    @property
    def failed(self) -> int:
        """Candidates that ended as `failed`."""
        return self.funnel.total().count(State.FAILED)


@dataclass(frozen=True)
class Hooks:
    """What a caller may want to hear of while a build runs. Nothing here changes the result.

    `progress` is told how far the build is, what it asked for, and of the door to the teacher once it is open.
    """

    notice: Callable[[str], None] = lambda words: None
    progress: Callable[[Progress, Traffic, Door | None], None] = lambda progress, traffic, door: None
    watch: Watch | None = None


def build_dataset(
    config: Config,
    *,
    leaf_patterns: Sequence[str] = (),
    replace_output: bool = False,
    limits: Limits | None = None,
    retry_failed: bool = False,
    hooks: Hooks | None = None,
) -> Build:
    """Build the dataset of a taxonomy: the whole of `labgen generate`.

    A pure function of taxonomy, configuration and the teacher's replies; replies that the ledger holds are not asked
    for again, so an interrupted build goes on where it was.

    Args:
        leaf_patterns: only the leaves that one of these matches.
        replace_output: let a narrower build replace a fuller one.
        limits: what this run may spend at most; see `limits_for`. A run that reaches it is incomplete, not an error.
        retry_failed: ask again for what earlier runs found can't be answered (too long, refused).
    Raises: LabgenError: see `labgen.errors`; every reply received is in the ledger.
    """
    hooks = hooks or Hooks()
    sources = gather_sources(config, leaf_patterns, hooks.notice)
    if not sources.plans:
        raise UsageError(_nothing_to_build(sources))
    work = config.work_folder
    teacher, judge = model_names(config)
    check_places(config)
    about = build_info(config, sources, teacher, judge)
    check_output(
        config.output,
        leaves=[leaf_info(plan) for plan in sources.plans],
        about=about,
        replace=replace_output,
    )
    replay = Replay(config, sources, load_filters(config), hooks.watch)
    # Workers come before the lock, which they would hold for as long as they live, and before others' datasets: the
    # library that reads these starts threads, with which nothing is forked.
    with replay.workers() as workers:
        check_extras(config.mix.extras)
        with run_lock(work), Spool(work / "spool") as spool:
            ledger = Ledger(work)
            try:
                if retry_failed:
                    hooks.notice(f"{ledger.forget(ledger.failures())} calls that failed for good are asked again.")
                return _run(replay, workers, ledger, spool, about, replace_output, limits, hooks)
            finally:
                ledger.close()


def _run(
    replay: Replay,
    workers: Workers[Replayed],
    ledger: Ledger,
    spool: Spool,
    about: BuildInfo,
    replace_output: bool,
    limits: Limits | None,
    hooks: Hooks,
) -> Build:
    """Replay what the ledger has, ask for what it lacks, and write the dataset meanwhile."""
    config, sources = replay.config, replay.sources
    budget = Budget(limits) if limits and limits.any else None
    leaves = {plan.leaf.path: leaf_info(plan) for plan in sources.plans}
    across = AcrossLeaves(config.thresholds) if looks_for_duplicates(config) else None
    messages = list(sources.messages)
    folder: Path | None = config.output
    complete = True
    try:
        with writing_dataset(
            config.output,
            leaves=list(leaves.values()),
            about=about,
            mix=config.mix,
            count_tokens=load_token_counter(config.tokenizer),
            replace=replace_output,
        ) as writer:
            harvest = Harvest(sources.plans, leaves, spool, writer, across)
            begun = take_replayed(sources, workers, harvest, hooks)
            progress, traffic = begun.progress, begun.traffic
            if begun.pasts:
                progress, traffic, complete = asyncio.run(_generate(replay, begun, ledger, harvest, budget, hooks))
            harvest.finish()
            about = replace(about, complete=complete)
            writer.finish(about, harvest.funnel, _notes(config, harvest.calibrations))
    except UsageError as refusal:
        # An incomplete build would have taken the place of a fuller one, which stays.
        if complete:
            raise
        messages.append(str(refusal))
        folder = None
    return Build(
        folder,
        harvest.funnel,
        sources.left_out,
        tuple(messages),
        complete,
        about.rehearsal,
        progress,
        traffic,
        budget,
        harvest.calibrations,
    )


def _notes(config: Config, calibrations: dict[str, Calibration]) -> CardNotes:
    return CardNotes(
        calibration=calibration_markdown(calibrations, config.calibration.floor),
        contamination=contamination_note(load_index(config)),
        teacher_terms=config.teacher.terms,
    )


def limits_for(config: Config, *, max_calls: int | None, max_tokens: int | None, max_cost: float | None) -> Limits:
    """The limits of a run at the configured prices. Raises: ConfigError: a cost, and no prices to reckon it with."""
    if max_cost is not None and config.price is None:
        raise ConfigError(
            "--max-cost needs prices: set `price:` (`prompt_per_million`, `completion_per_million`) in labgen.yaml."
        )
    prompt, completion = (
        (config.price.prompt_per_million, config.price.completion_per_million) if config.price else (0.0, 0.0)
    )
    return Limits(max_calls, max_tokens, max_cost, prompt, completion)


@dataclass(frozen=True)
class Begun:
    """A build for which all is done that the ledger alone allows.

    Attributes:
        pasts: leaf to what its first slots came to, for the leaves that are not done.
        yields: what the leaves that are done have shown.
    """

    progress: Progress
    traffic: Traffic
    yields: YieldSeen
    pasts: dict[str, Past]


def take_replayed(sources: Sources, workers: Workers[Replayed], harvest: Harvest, hooks: Hooks) -> Begun:
    """Bring in what the ledger alone makes of every leaf. Raises: LedgerError; OutputError: no space."""
    pasts = {plan.leaf.path: Past() for plan in sources.plans}
    begun = Begun(Progress.of(sources.plans), Traffic(), YieldSeen(), pasts)
    if workers.begin():
        _load_arrow()
    told_sec = time.monotonic()

    def meanwhile() -> bool:
        nonlocal told_sec
        if (now := time.monotonic()) - told_sec >= PROGRESS_SEC:
            told_sec = now
            hooks.progress(begun.progress, begun.traffic, None)
        return harvest.move_on()

    for place, leaf in workers.results(meanwhile):
        plan, past = sources.plans[place], leaf.past
        harvest.bring_replayed(plan.leaf.path, leaf)
        begun.progress.candidates += leaf.candidates
        begun.progress.accepted += past.accepted
        begun.progress.leaves_done += leaf.done
        begun.traffic.from_ledger += leaf.from_ledger
        begun.pasts[plan.leaf.path] = past
        if leaf.done:
            begun.yields.add(plan.leaf.flow, past.drawn, past.passed)
            del begun.pasts[plan.leaf.path]
        meanwhile()
    return begun


async def _generate(
    replay: Replay, begun: Begun, ledger: Ledger, harvest: Harvest, budget: Budget | None, hooks: Hooks
) -> tuple[Progress, Traffic, bool]:
    config, sources = replay.config, replay.sources
    with connect(config, now=time.monotonic, notice=hooks.notice, notes=ledger) as models:
        door = make_door(config, models, ledger, hooks, budget)
        door.traffic.from_ledger = begun.traffic.from_ledger
        kit = replace(make_kit(config, sources, door, models, replay.filters), yield_seen=begun.yields)
        engine = Engine(
            [plan for plan in sources.plans if plan.leaf.path in begun.pasts],
            kit,
            door,
            harvest.bring,
            pasts=begun.pasts,
            progress=begun.progress,
            should_stop=lambda: bool(budget and budget.reached),
        )
        beside = [asyncio.create_task(_report(engine, door, hooks)), asyncio.create_task(_load_ahead(door))]
        try:
            complete = await engine.run()
        finally:
            # First of all, and whatever became of the report: what is on its way is paid for.
            await door.close()
            for task in beside:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        hooks.progress(engine.progress, door.traffic, door)
    return engine.progress, door.traffic, complete


def make_door(config: Config, models: Models, ledger: Ledger, hooks: Hooks, budget: Budget | None = None) -> Door:
    """The door to the teacher, as the settings have it."""
    return Door(
        models.serving,
        ledger,
        max_attempts=config.teacher.max_attempts,
        outage_sec=config.teacher.outage_sec,
        first_backoff_sec=config.teacher.first_backoff_sec,
        budget=budget,
        notice=hooks.notice,
        watch=hooks.watch,
    )


def make_kit(
    config: Config, sources: Sources, door: Door, models: Models, filters: tuple[Filter, ...] | None = None
) -> Kit:
    """What leaves are run with."""
    kit = kit_for(config, sources, door, load_filters(config) if filters is None else filters)
    return replace(kit, teacher=models.teacher, judge=models.judge, draws_first=door.budget is None)


async def _load_ahead(door: Door) -> None:
    """Load what replies will need while the first are on their way: nothing else is to be done then."""
    while not door.traffic.sent:  # noqa: ASYNC110 (a build that asks nothing has no such moment)
        await asyncio.sleep(LOAD_AHEAD_SEC)
    await asyncio.sleep(LOAD_AHEAD_SEC)

    def load() -> None:
        find_secrets("")
        _load_arrow()

    await asyncio.to_thread(load)


def _load_arrow() -> None:
    for module in ("pyarrow.parquet", "pyarrow.compute"):
        importlib.import_module(module)


async def _report(engine: Engine, door: Door, hooks: Hooks) -> None:
    while True:
        await asyncio.sleep(PROGRESS_SEC)
        hooks.progress(engine.progress, door.traffic, door)


def _nothing_to_build(sources: Sources) -> str:
    if sources.left_out:
        return "no leaf can be used:\n" + "\n".join(sources.messages)
    return "nothing to build: `samples` is 0 for every leaf."
