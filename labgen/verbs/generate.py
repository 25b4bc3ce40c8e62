"""A build: the stages strung together. The taxonomy is the source code, the dataset is what comes out."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.export.extras import check_extras
from labgen.export.fit import RowLength
from labgen.export.provenance import leaf_info
from labgen.progress.run_state import RunSpending
from labgen.progress.stop import STOPPED, StoppedByUser
from labgen.progress.watch import RunWatch
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.connect import Backends
from labgen.teacher.http_process import HttpProcess
from labgen.teacher.traffic import Traffic
from labgen.text.printable import shown
from labgen.verbs.built import Build, kept_from_elsewhere, run_budget
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.kept_build import Found, KeptBuild
from labgen.verbs.machine_limits import require_memory
from labgen.verbs.output import check_output_of
from labgen.verbs.session import Hooks, Session


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
    with HttpProcess() as http:
        session = Session.prepare(config, leaf_patterns, hooks=hooks, backend=backend, http=http)
        session.check_leaves()
        RowLength.of(config.mix)  # a tokenizer that can't be read is told before anything is paid
        about = check_output_of(session, replace=replace_output)
        leaves = {plan.leaf.path: leaf_info(plan) for plan in session.sources.plans}
        kept = KeptBuild(session, about, list(leaves.values()))
        watch = RunWatch(config, session.sources.plans, verb, session.hooks.progress, spent=spent)
        if not retry_failed and (found := kept.find()):
            return _as_before(session, found, run_budget(limits, config), watch)
        session.begin_http()
        session.check_flows()
        from labgen.generate.spool import Spool
        from labgen.verbs.building import run_build

        with session.replay.workers() as workers:
            check_extras(config.mix.extras)
            with session.locked() as ledger, Spool(config.work_folder / "spool") as spool:
                if retry_failed:
                    forgotten = ledger.forget(ledger.failures())
                    session.hooks.notice(f"{forgotten} calls that failed for good are asked again.")
                try:
                    build = run_build(
                        session, workers, ledger, spool, about, leaves, replace_output, limits, watch, kept
                    )
                except BaseException as error:
                    by_hand = isinstance(error, (KeyboardInterrupt, StoppedByUser))
                    watch.end(STOPPED if by_hand else f"ended early: {_first_line(error)}")
                    raise
                finally:
                    session.sources.keep()  # in the first build there was no work folder before
                watch.end(_ending(build))
                return build


def _as_before(session: Session, found: Found, budget: Budget, watch: RunWatch) -> Build:
    """The build that the dataset in its place is of already."""
    traffic = Traffic(kept_from=found.kept_from)
    watch.look("reading the ledger", found.leaves, traffic, budget=budget)
    for words in kept_from_elsewhere(session, traffic):
        session.hooks.notice(words)
    build = found.build(session, traffic, budget)
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


def limits_for(config: Config, *, max_calls: int | None, max_tokens: int | None, max_cost: float | None) -> Limits:
    """The limits of a run at the configured prices. Raises: ConfigError: a cost, and no prices to reckon it with."""
    if max_cost is not None and config.price is None:
        raise ConfigError(
            "--max-cost needs prices: set `price:` (`prompt_per_million`, `completion_per_million`) in labgen.yaml."
        )
    return Limits(max_calls, max_tokens, max_cost, config.price)
