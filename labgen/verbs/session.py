"""What every verb that asks works with: prepared once, opened in one order, and closed in the other.

Flows, filters and prompts come first, then the leaves with their documents; then the work folder is locked and the
ledger opened; last, and only where something is to be asked, the endpoints are.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import field
from functools import cached_property
from typing import NamedTuple, TypeVar

from labgen.config.whole import Config
from labgen.errors import ConfigError, UsageError
from labgen.filters.available import FilterSet, load_filters
from labgen.flows.following import following
from labgen.flows.known import check_filters, known_flows
from labgen.flows.preferring import preferring
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.formats.prompts import PromptSet
from labgen.generate.context import RunContext
from labgen.generate.dry_run import NobodyAsked, dry_run
from labgen.generate.resume import Replay
from labgen.generate.workers import spare_processes
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.replies import Ledger
from labgen.ledger.run_lock import run_lock
from labgen.plan.flow import Flow
from labgen.plan.sources import Sources, gather_sources
from labgen.progress.run_state import RunState
from labgen.progress.stop import StopWish
from labgen.records import Taxonomy
from labgen.teacher.addresses import responder_name
from labgen.teacher.budget import Budget
from labgen.teacher.client import TeacherClient
from labgen.teacher.connect import Backends, check_endpoints, connect, worth_a_process
from labgen.teacher.http_process import HttpProcess
from labgen.teacher.retries import Patience
from labgen.teacher.traffic import Watch
from labgen.verbs.event_loop import run_to_end
from labgen.verbs.machine_limits import allow_open_files

T = TypeVar("T")

AskingWork = Callable[[RunContext, TeacherClient], Awaitable[T]]
"""What is done while the endpoints are open."""


class Parts(NamedTuple):
    """What a configuration comes to, before any leaf is looked at; `teacher` and `judge` are the models' names."""

    flows: tuple[Flow, ...]
    filters: FilterSet
    prompts: PromptSet
    teacher: str
    judge: str


def check_configuration(config: Config, backend: Backends | None = None) -> Parts:
    """All that is wrong with a configuration and can be said without asking anybody: every verb begins with it.

    Args:
        backend: asked instead of what the configuration says.
    Raises: ConfigError: models, endpoints, filters, prompts, or what packages add to these.
    """
    with located(config):
        teacher, judge = check_endpoints(config, backend)
        responder = responder_name(config, asked_otherwise=backend is not None)
        flows = following(preferring(known_flows(), config, responder), config)
        filters = load_filters(config)
        check_filters(filters, flows)
        prompts = PromptSet(config.prompts, prompts_of(flows, filters))
        prompts.check()
    return Parts(flows, filters, prompts, teacher, judge)


def _worth_a_process(config: Config, backend: Backends | None) -> bool:
    alone = threading.current_thread() is threading.main_thread()
    return alone and backend is None and spare_processes() > 0 and worth_a_process(config)


@contextmanager
def located(config: Config) -> Iterator[None]:
    """Adds to what is wrong with a setting the file and the line where it stands."""
    try:
        yield
    except ConfigError as error:
        if error.place and (where := config.where(error.place)):
            raise ConfigError(f"{where}: {error}", error.place) from error
        raise


@dataclass(frozen=True)
class Hooks:
    """What a caller may want to hear of while a verb runs. Nothing here changes the result.

    `progress` is told the state of a run about twice a second, and when it does something else.

    Attributes:
        stop: the user's wish that the run stop.
    """

    notice: Callable[[str], None] = lambda words: None
    progress: Callable[[RunState], None] = lambda state: None
    watch: Watch | None = None
    stop: StopWish = field(default_factory=StopWish)


def _hooks_here() -> Hooks:
    """In a notebook, those that show how far the run is; else silence."""
    from labgen.verbs.notebook import notebook_display

    display = notebook_display()
    return Hooks(notice=display.say, progress=display.show) if display else Hooks()


@dataclass(frozen=True)
class Session:
    """One run of a verb.

    Attributes:
        flows: all there are; filters: those of the run; prompts: all that is asked with.
        sources: the leaves, ready to be drawn from.
        teacher, judge: the models' logical names.
        backend: asked instead of what the configuration says; None for none.
        http: the process in which HTTP endpoints are asked; None for this one.
    """

    config: Config
    hooks: Hooks
    flows: tuple[Flow, ...]
    filters: FilterSet
    prompts: PromptSet
    sources: Sources
    teacher: str
    judge: str
    backend: Backends | None = None
    http: HttpProcess | None = None

    @classmethod
    def prepare(
        cls,
        config: Config,
        leaf_patterns: Sequence[str] = (),
        *,
        hooks: Hooks | None = None,
        backend: Backends | None = None,
        leaves: bool = True,
        http: HttpProcess | None = None,
    ) -> Session:
        """Read all that a run depends on. Nothing is asked or locked yet.

        Args:
            leaf_patterns: only the leaves that one of these matches; none for all.
            leaves: whether any are wanted; without, the taxonomy is not looked at.
            http: where endpoints are asked, once it has begun; it does here, where the run is the first.
        Raises: LabgenError: what is wrong with the configuration, the taxonomy, a package's filter or flow.
        """
        hooks = hooks or _hooks_here()
        allow_open_files(0)
        flows, filters, prompts, teacher, judge = check_configuration(config, backend)
        if http and not (config.work_folder / LEDGER_NAME).exists() and _worth_a_process(config, backend):
            http.begin(at_once=True)
        nothing = Sources(Taxonomy(config.taxonomy, (), ()), (), prompts)
        sources = gather_sources(config, flows, prompts, leaf_patterns, hooks.notice) if leaves else nothing
        return cls(config, hooks, flows, filters, prompts, sources, teacher, judge, backend, http)

    def begin_http(self) -> None:
        """Have HTTP in its process from now on, where a core is free for it, and there is enough to be asked.

        Before the lock, which the process would hold for as long as it lives, and before datasets of others: the
        library that reads these starts threads, with which nothing is forked.
        """
        if self.http and _worth_a_process(self.config, self.backend):
            self.http.begin()

    def check_leaves(self) -> None:
        """Raises: UsageError: there is no leaf to draw from."""
        if self.sources.plans:
            return
        if self.sources.left_out:
            raise UsageError("no leaf can be used:\n" + "\n".join(self.sources.messages))
        raise UsageError("nothing to build: `samples` is 0 for every leaf.")

    def check_flows(self) -> None:
        """Go through a slot of every flow without asking. What comes with labgen alone needs no look.

        Raises: ConfigError: a prompt can't be filled in, or a package's code fails at the seed examples.
        """
        if self.prompts.shipped and not self.replay.others_take_part:
            return
        run_to_end(dry_run(self.sources.plans, self.replay.context(NobodyAsked())))

    @cached_property
    def replay(self) -> Replay:
        """The leaves, ready to be taken from the ledger."""
        return Replay(self.config, self.sources, self.filters, self.teacher, self.judge, self.hooks.watch)

    @contextmanager
    def locked(self) -> Iterator[Ledger]:
        """The ledger, for writing, while no other run has the work folder. Raises: LedgerError: another has it."""
        with run_lock(self.config.work_folder), closing(Ledger(self.config.work_folder, alone=True)) as ledger:
            yield ledger

    def ask(self, ledger: Ledger, work: AskingWork[T], *, budget: Budget | None = None) -> T:
        """Open the endpoints, do some work, and close them, whatever becomes of it: what was sent is waited for.

        Raises: LabgenError: the teacher, the ledger or the machine can't go on; what the work raises.
        """
        allow_open_files(self.config.teacher.concurrency)
        return run_to_end(self._ask(ledger, work, budget))

    async def _ask(self, ledger: Ledger, work: AskingWork[T], budget: Budget | None) -> T:
        config, hooks, teacher = self.config, self.hooks, self.config.teacher
        tasks = rehearsed_tasks(self.prompts, prompts_of(self.flows, self.filters))
        with connect(
            config, tasks=tasks, notice=hooks.notice, notes=ledger, backend=self.backend, http=self.http
        ) as models:
            patience = Patience(
                teacher.max_attempts, outage_sec=teacher.outage_sec, first_backoff_sec=teacher.first_backoff_sec
            )
            client = TeacherClient(
                models.serving, ledger, patience, budget=budget, notice=hooks.notice, watch=hooks.watch
            )
            run = RunContext(
                client,
                self.prompts,
                config,
                self.teacher,
                self.judge,
                self.filters,
                breadth_first=budget is not None and budget.limits.any,
            )
            async with self.http.keeping(config.work_folder) if self.http else nullcontext():
                try:
                    return await work(run, client)
                finally:
                    await client.close()
