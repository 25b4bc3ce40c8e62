"""A build in rounds to its end: round after round is written, answered and read, and then the dataset written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import field, replace
from pathlib import Path
from typing import Protocol

from labgen.bulk.doors import Door
from labgen.bulk.engines import ByCommand, OnRay, check_command
from labgen.bulk.reply_files import LineOutcome, LinesTold, ReplyReader
from labgen.bulk.request_files import RequestFile
from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.generate.trial import Hopeless
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.progress.stop import STOPPED
from labgen.progress.watch import RunWatch
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.traffic import Traffic
from labgen.text.printable import shown
from labgen.verbs.built import Build
from labgen.verbs.bulk_rounds import Round
from labgen.verbs.bulk_session import FOLDER, open_batch_runs, prepare_build, read_left_over, run_reader, written_round
from labgen.verbs.generate import build_dataset
from labgen.verbs.output import check_output_of
from labgen.verbs.session import Hooks, Session

VERB = "bulk run"
IN_VAIN = 3
"""So many rounds of which no line could be read, one after the other, end a run (count)."""


class Answering(Protocol):
    """What answers the files of a round."""

    def answer(self, files: Sequence[RequestFile]) -> LinesTold:
        """Have the calls answered, and read what comes of it; what is not answered is asked in the next round."""


MakeAnswering = Callable[[dict[str, Door], ReplyReader, Path], Answering]
"""Makes one, given the models, what reads replies, and a folder to work in."""


@dataclass(frozen=True, slots=True)
class RoundTold:
    """One round of a run: its calls, and what became of the lines that were read."""

    calls: int
    files: int
    told: LinesTold
    steps: dict[str, int]


@dataclass(frozen=True)
class BulkRun:
    """What came of a run in rounds.

    Attributes:
        build: the dataset that was written at the end.
        rounds: in order; left: calls that no round has had an answer to (count), 0 where all is done.
        online: calls that were asked one by one at the end (count).
        ahead: replies of these rounds that the build does not use (count).
        hopeless: why the run ended after its first calls; None where it did not.
        problem: why it ended with calls left; empty where it did not.
        cost: what the rounds cost, in `currency`; None without prices. `batch_price` says that a discount is in it.
    """

    build: Build
    rounds: tuple[RoundTold, ...]
    left: int = 0
    online: int = 0
    ahead: int = 0
    hopeless: Hopeless | None = None
    problem: str = ""
    cost: float | None = None
    currency: str = ""
    batch_price: bool = False

    @property
    def told(self) -> LinesTold:
        """Of all rounds together."""
        total = LinesTold()
        for each in self.rounds:
            total.add_all(each.told)
        return total


def engine_of(
    config: Config, hooks: Hooks, *, on: str, command: str | None = None, address: str | None = None
) -> MakeAnswering | None:
    """What answers rounds, by the options of `labgen bulk run`; None for the endpoints' batch APIs.

    Raises: UsageError: options that don't go together, or a command that says not where files go.
    """
    if (command is not None) != (on == "command") or (address is not None and on != "ray"):
        raise UsageError("--command goes with `--on command`, and --address with `--on ray`.")
    if command is not None:
        check_command(command)
        return lambda doors, reader, folder: ByCommand(command, doors, reader, folder, notice=hooks.notice)
    if on == "ray":
        teacher = config.teacher
        return lambda doors, reader, folder: OnRay(
            address,
            doors,
            reader,
            folder,
            engine=config.bulk.engine,
            max_attempts=teacher.max_attempts,
            timeout_sec=teacher.timeout_sec,
            notice=hooks.notice,
        )
    return None


def run_rounds(
    config: Config,
    leaf_patterns: Sequence[str] = (),
    *,
    replace_output: bool = False,
    finish_online: int = 0,
    answering: MakeAnswering | None = None,
    hooks: Hooks | None = None,
) -> BulkRun:
    """Build the dataset in rounds: the whole of `labgen bulk run` and of `labgen generate --bulk`.

    Args:
        replace_output: let a narrower build replace a fuller one.
        finish_online: once a round has no more calls than that, they and what follows are asked one by one.
        answering: what answers; None: the batch APIs of the endpoints.
    Raises: LabgenError: see `labgen.errors`; every reply that was read is in the ledger, and batches go on.
    """
    session = prepare_build(config, leaf_patterns, hooks)
    check_output_of(session, replace=replace_output)
    read_left_over(session)
    watch = RunWatch(config, session.sources.plans, VERB, session.hooks.progress, price_share=_share(config, answering))
    with _rehearsal(session) as rehearsal_url:
        asking = _Asking(session, watch, finish_online, answering, rehearsal_url)
        asking.to_the_end()
        build = build_dataset(
            config,
            leaf_patterns=leaf_patterns,
            replace_output=replace_output,
            limits=None if asking.online or not asking.left else Limits(max_calls=0),
            hooks=hooks,
            verb=VERB,
            spent=watch.state.spending,
        )
    return _outcome(asking, build, config)


def _outcome(asking: _Asking, build: Build, config: Config) -> BulkRun:
    """What came of the rounds that were asked, and of the build at their end."""
    rounds, problem, price = asking.rounds, asking.problem, config.price
    if problem:  # that ended it, and no budget of the user's
        build = replace(build, budget=Budget(Limits(price=price)), traffic=replace(build.traffic, stopped=problem))
    read = sum((each.told.counts[LineOutcome.READ] + each.told.counts[LineOutcome.FAILED] for each in rounds), 0)
    return BulkRun(
        build,
        tuple(rounds),
        left=0 if asking.online else asking.left,
        online=build.traffic.answered,
        ahead=max(0, read - sum(build.traffic.kept_from.values())),
        hopeless=asking.hopeless,
        problem=problem,
        cost=asking.watch.state.spending.cost if rounds else None,
        currency=price.currency if price else "",
        batch_price=asking.answering is None,
    )


def _share(config: Config, answering: MakeAnswering | None) -> float:
    """Share of the price that calls cost in these rounds."""
    return 1.0 - config.price.batch_discount if config.price and answering is None else 1.0


@dataclass
class _Asking:
    """Round after round.

    Attributes:
        left: calls that are left; hopeless, problem: why it ended where it was not for want of calls.
    """

    session: Session
    watch: RunWatch
    finish_online: int
    answering: MakeAnswering | None
    rehearsal_url: str
    rounds: list[RoundTold] = field(default_factory=list)
    left: int = 0
    hopeless: Hopeless | None = None
    problem: str = ""

    @property
    def online(self) -> bool:
        """Whether what is left is asked one by one."""
        return bool(self.left and not self.problem and not self.hopeless)

    def to_the_end(self) -> None:
        """Ask until nothing is left, it is in vain, or the user stops it to have written what is there."""
        try:
            self._ask()
        except KeyboardInterrupt:
            self.watch.end("stopped; batches go on")
            if not self.session.hooks.stop.write:
                raise
            self.problem = f"{STOPPED}; batches that were handed over go on"
        except BaseException as error:
            self.watch.end(f"ended early: {shown(str(error).partition(chr(10))[0])}")
            raise

    def _ask(self) -> None:
        in_vain = 0
        while True:
            self.watch.say(f"finding the calls of round {len(self.rounds) + 1}")
            with written_round(self.session, None, None, self.rehearsal_url) as (ledger, doors, found):
                self.left, self.hopeless = found.calls + found.waiting, found.hopeless
                self._look(found)
                if found.hopeless or not self.left:
                    return
                if found.calls <= self.finish_online and not found.waiting and not found.later:
                    self.left = found.calls
                    return
                if in_vain >= IN_VAIN:
                    self.problem = f"{IN_VAIN} rounds, one after the other, had no answer that could be read"
                    return
                told = self._answered(ledger, doors, found)
            self.rounds.append(RoundTold(self.left, len(found.files), told, found.steps))
            self._look(found)
            got = told.counts[LineOutcome.READ] + told.counts[LineOutcome.FAILED]
            in_vain = 0 if got else in_vain + 1

    def _answered(self, ledger: Ledger, doors: dict[str, Door], found: Round) -> LinesTold:
        session = self.session
        session.hooks.notice(_round_words(len(self.rounds) + 1, found))
        reader = run_reader(session, ledger, doors)
        if self.answering:
            return self.answering(doors, reader, session.config.work_folder / FOLDER).answer(found.files)
        with closing(open_batch_runs(session, ledger, doors, reader, rehearsed=bool(self.rehearsal_url))) as batches:
            batches.watch = lambda done: self._say(f"{done:,} of {self.left:,} calls answered")
            return batches.answer(found.files)

    def _say(self, words: str) -> None:
        self.watch.say(f"round {len(self.rounds) + 1}: {words}")

    def _look(self, found: Round) -> None:
        """Tell how far the rounds have brought the leaves, and what they took."""
        told = [each.told for each in self.rounds]
        answered = sum(each.counts[LineOutcome.READ] + each.counts[LineOutcome.FAILED] for each in told)
        traffic = Traffic(
            answered=answered,
            prompt_tokens=sum(each.prompt_tokens for each in told),
            completion_tokens=sum(each.completion_tokens for each in told),
        )
        self.watch.look(f"round {len(self.rounds) + 1}: {self.left:,} calls", found.leaves, traffic)


def _round_words(number: int, found: Round) -> str:
    if not found.files:
        return f"Round {number}: {found.waiting:,} calls in batches that were begun before."
    files = f"{len(found.files)} {'file' if len(found.files) == 1 else 'files'}"
    tried = f", to try the endpoint out; {found.later:,} more wait for that" if found.later else ""
    before = f", {found.waiting:,} more are in batches begun before" if found.waiting else ""
    return f"Round {number}: {found.calls:,} calls in {files}{before}{tried}."


@contextmanager
def _rehearsal(session: Session) -> Iterator[str]:
    """The address of the rehearsal teacher, which has a batch API, where no endpoint is configured; else ''."""
    if endpoint_specs(session.config):
        yield ""
        return
    from labgen.teacher.rehearsal.server import RehearsalServer

    with session.locked() as ledger:
        parked = ParkedCalls(ledger)
        for batch in parked.batches():
            if batch.model == REHEARSAL_MODEL:  # of a run that was killed, and the server with it
                parked.end_batch(batch)
    with RehearsalServer(tasks=rehearsed_tasks(session.prompts, prompts_of(session.flows, session.filters))) as server:
        session.hooks.notice(
            f"No endpoint is configured: the built-in rehearsal teacher, with a batch API, is at {server.base_url}. "
            "Its rows show that leaves pass every stage; they teach a model nothing."
        )
        yield server.base_url
