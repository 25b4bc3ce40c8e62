"""The calls of a round: of every leaf what it can ask now, and of leaves that the look across leaves has thinned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import field

from labgen.bulk.doors import Door, open_doors
from labgen.bulk.frontier import Frontier
from labgen.bulk.probe import probe
from labgen.bulk.request_files import RequestFile, RequestFiles
from labgen.generate.leaf_outcomes import LeafOutcome
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.resume import WORTH_SHARING, Replayed, one_by_one, open_ledger
from labgen.generate.trial import Hopeless
from labgen.generate.workers import Workers, spare_processes
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import ParkedCalls, ParkedRow, parked_row
from labgen.ledger.replies import Ledger
from labgen.records import Call
from labgen.teacher.ledger_only import LedgerOnly
from labgen.verbs.look_across import look_across
from labgen.verbs.plan import observed_yields
from labgen.verbs.session import Session

SHARD_DIGITS = 8
"""Bytes of a key that say whose part of a round a call is in."""


@dataclass(frozen=True, slots=True)
class Line:
    """A call of a round: `row` is how the ledger keeps it, `text` how a file does."""

    model: str
    row: ParkedRow
    text: bytes


@dataclass(frozen=True, slots=True)
class LeafFound:
    """What a worker made of a leaf: what the ledger makes of it, and what can be asked of it now."""

    outcome: LeafOutcome[Replayed]
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several parts of a round, each for another machine: `part` of `parts`, from 1 on."""

    part: int = 1
    parts: int = 1

    def holds(self, key: bytes) -> bool:
        """Whether a call is in it."""
        return int.from_bytes(key[:SHARD_DIGITS]) % self.parts == self.part - 1


@dataclass
class Round:
    """A round that was written.

    Attributes:
        files: of the calls that are to be answered.
        calls: in these (count); elsewhere: in other parts of the round; waiting: in batches that have not ended.
        later: calls that were left for the round after this one, which only tries endpoints out.
        steps: calls by step.
        hopeless: why nothing is to be asked at all; None where there is hope.
        leaves: leaf to how far the ledger takes it.
    """

    files: list[RequestFile] = field(default_factory=list)
    calls: int = 0
    elsewhere: int = 0
    waiting: int = 0
    later: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    hopeless: Hopeless | None = None
    leaves: Mapping[str, LeafProgress] = field(default_factory=dict)


@dataclass(frozen=True)
class Rounds:
    """Finds the rounds of a build.

    Args:
        rehearsal_url: where the rehearsal teacher is, where it answers.
    """

    session: Session
    rehearsal_url: str = ""

    def workers(self) -> Workers[LeafFound]:
        """Workers on the leaves, by their places: to be had before the work folder is locked."""
        plans, replay = self.session.sources.plans, self.session.replay
        many = sum(plan.wanted for plan in plans) >= WORTH_SHARING and not replay.others_take_part
        return Workers(self._opened, len(plans), processes=spare_processes() if many else replay.processes)

    @contextmanager
    def _opened(self) -> Iterator[Callable[[int], LeafFound]]:
        session = self.session
        plans = session.sources.plans
        with (
            closing(open_ledger(session.config)) as ledger,
            session.replay.opened() as replayed,
            one_by_one() as at_once,
        ):
            frontier = self._frontier(ledger)
            doors = open_doors(session.config, ledger, rehearsal_url=self.rehearsal_url)

            def look(place: int) -> LeafFound:
                outcome = replayed(place)
                calls = at_once(frontier.calls(plans[place], outcome.value.past))
                return LeafFound(outcome, tuple(_lines(calls, doors)))

            yield look

    def _frontier(self, ledger: Ledger) -> Frontier:
        config = self.session.config
        usual = {flow.name: config.expected_yield for flow in self.session.flows}
        usual |= observed_yields(config, self.session.sources.plans)
        return Frontier(self.session.replay.context(LedgerOnly(ledger)), ledger, usual)

    def write(
        self,
        workers: Workers[LeafFound],
        ledger: Ledger,
        doors: Mapping[str, Door],
        files: RequestFiles,
        shard: Shard | None = None,
    ) -> Round:
        """Find the calls of the next round, keep them in the ledger as asked, and write them to files.

        Raises: LedgerError, OutputError: no space; UsageError: nothing of the taxonomy can be built.
        """
        writer = _Writer(ParkedCalls(ledger), doors, files, shard or Shard())
        writer.parked.forget_answered()
        with one_by_one() as at_once:
            run = self.session.replay.context(LedgerOnly(ledger))
            tried = at_once(probe(self.session.sources.plans, run, ledger))
        if tried.hopeless:
            return Round(hopeless=tried.hopeless)
        writer.take(_lines((call for call in tried.calls if not doors[call.model].answered_before), doors))
        self._look_across(workers, ledger, doors, writer)
        writer.round.files = files.finish()
        return writer.round

    def _look_across(
        self, workers: Workers[LeafFound], ledger: Ledger, doors: Mapping[str, Door], writer: _Writer
    ) -> None:
        session, found = self.session, _Found(workers, writer.take)
        with session.replay.store() as store:
            begun, collector = look_across(
                session, found, store, session.config.work_folder / "spool", keep_compared=True
            )
        writer.round.leaves = collector.progress
        with one_by_one() as at_once:
            frontier = self._frontier(ledger)
            for plan in begun.left:
                if plan.leaf.path in begun.pasts and found.done[plan.order]:
                    # Full by itself, and thinned since: no worker knew that.
                    writer.take(_lines(at_once(frontier.calls(plan, begun.pasts[plan.leaf.path])), doors))


def _lines(calls: Iterable[Call], doors: Mapping[str, Door]) -> Iterator[Line]:
    return (Line(call.model, parked_row(call), doors[call.model].line(call)) for call in calls)


class _Found:
    """Workers' results as `take_replayed` takes them; the calls among them go to `take`."""

    def __init__(self, workers: Workers[LeafFound], take: Callable[[Iterable[Line]], None]) -> None:
        self._workers, self._take = workers, take
        self.done: dict[int, bool] = {}
        self.begin = workers.begin

    def results(self, meanwhile: Callable[[], bool]) -> Iterator[tuple[int, LeafOutcome[Replayed]]]:
        for place, leaf in self._workers.results(meanwhile):
            self._take(leaf.lines)
            self.done[place] = leaf.outcome.value.progress.done
            yield place, leaf.outcome


@dataclass
class _Writer:
    """Brings the calls of a round to the ledger and to files, each once."""

    parked: ParkedCalls
    doors: Mapping[str, Door]
    files: RequestFiles
    shard: Shard
    round: Round = field(default_factory=Round)
    _seen: set[bytes] = field(default_factory=set)
    _tried: dict[str, set[bytes]] = field(default_factory=dict)

    def take(self, lines: Iterable[Line]) -> None:
        """Write calls, those aside that a batch holds already."""
        new = [line for line in lines if line.row[0] not in self._seen and self._wanted(line)]
        waiting = self.parked.waiting([line.row[0] for line in new])
        new = [line for line in new if line.row[0] not in waiting]
        self.round.waiting += len(waiting)
        if not new:
            return
        self.parked.park(line.row for line in new)
        for line in new:
            key, _, _, step, _ = line.row
            if key in self._seen:
                continue  # leaves may ask the very same
            self._seen.add(key)
            if not self.shard.holds(key):
                self.round.elsewhere += 1
                continue
            self.files.add(line.model, line.text, self.doors[line.model].provider)
            self.round.calls += 1
            self.round.steps[step] = self.round.steps.get(step, 0) + 1

    def _wanted(self, line: Line) -> bool:
        """Whether a call belongs to this round: to an endpoint that has not answered yet only a few do."""
        door, key = self.doors[line.model], line.row[0]
        if door.answered_before:
            return True
        tried = self._tried.setdefault(line.model, set())
        if key in tried:
            return False
        if len(tried) >= door.probe_lines:
            self.round.later += 1
            return False
        tried.add(key)
        return True
