"""A build in rounds of many calls at once: written to files, answered by whatever answers batches, and read back.

Nothing is known between rounds but the ledger: it holds the replies, the calls that wait for one, and the names of the
batches that have not ended. So a round can be written, answered or read again at any time, and a run that is killed
goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from labgen.bulk.batch_api import RemoteBatch
from labgen.bulk.batches import BatchRuns
from labgen.bulk.doors import Door, open_doors
from labgen.bulk.engines import REPLIES, ByCommand, OnRay, check_command
from labgen.bulk.remote_files import holds_rounds, is_address, put
from labgen.bulk.reply_files import LineOutcome, LinesTold, ReplyReader, reply_files
from labgen.bulk.request_files import RequestFile, RequestFiles
from labgen.config import Config
from labgen.errors import UsageError
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.generate.trial import Hopeless
from labgen.ledger.parked import BatchNote, ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.budget import Limits
from labgen.verbs.bulk_rounds import Round, Rounds, Shard
from labgen.verbs.generate import Build, build_dataset, check_output_of
from labgen.verbs.session import Hooks, Session

FOLDER = "bulk"
"""Folder in the work folder for files that are under way: of a run that was killed, replies that the next one reads."""
UNREAD = "bulk-unread"
"""Folder for copies of files with replies that the settings at the time could not be read with."""
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
    """

    build: Build
    rounds: tuple[RoundTold, ...]
    left: int = 0
    online: int = 0
    ahead: int = 0
    hopeless: Hopeless | None = None
    problem: str = ""

    @property
    def told(self) -> LinesTold:
        """Of all rounds together."""
        total = LinesTold()
        for each in self.rounds:
            total.add_all(each.told)
        return total


@dataclass
class Read:
    """What was read from files: in all, and of each file."""

    told: LinesTold = field(default_factory=LinesTold)
    files: dict[str, LinesTold] = field(default_factory=dict)


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


def write_round(
    config: Config,
    place: str,
    leaf_patterns: Sequence[str] = (),
    *,
    shard: Shard | None = None,
    hooks: Hooks | None = None,
) -> Round:
    """Write all calls that can be asked now and have no reply yet: the whole of `labgen bulk write`.

    Args:
        place: folder for the files, or an address that fsspec knows; there must be none of an earlier round in it.
        shard: only a part of them; the calls of the others are known here, too, so that their replies can be read.
    Raises: LabgenError: see `labgen.errors`; UsageError: files of another round are there.
    """
    folder, away = (None if is_address(place) else Path(place)), is_address(place)
    if folder and folder.exists() and not folder.is_dir():
        raise UsageError(f"{place}: that is a file. Name a folder.")
    if any(folder.glob("*.jsonl")) if folder else holds_rounds(place):
        raise UsageError(f"{place}: files of an earlier round are there. Name another folder, or take them away.")
    session = _prepared(config, leaf_patterns, hooks)
    if away:
        _read_left_over(session)
    with _written(session, folder, shard) as (_, _, found):
        if away:
            put(config.work_folder / FOLDER, place)
            shutil.rmtree(config.work_folder / FOLDER, ignore_errors=True)
        return found


def read_replies(
    config: Config, paths: Sequence[str], *, accepted: Sequence[str] = (), hooks: Hooks | None = None
) -> Read:
    """Bring in replies from files: the whole of `labgen bulk read`.

    Args:
        paths: files, or folders of files, on this machine or at addresses that fsspec knows.
        accepted: names of models that replies may bear beside those that were asked.
    Raises: LabgenError: see `labgen.errors`; what was read up to then is kept.
    """
    for place in paths:
        if not is_address(place) and not Path(place).exists():
            raise UsageError(f"{place}: there is no such file.")
    session = Session.prepare(config, hooks=hooks, leaves=False)
    read = Read()
    with session.locked() as ledger:
        doors = open_doors(config, ledger, notice=session.hooks.notice)
        reader = ReplyReader(ledger, doors, accepted=accepted, notice=session.hooks.notice)
        for name, path in reply_files(paths):
            told = read.files[name] = reader.read(path, name.rpartition("/")[2])
            read.told.add_all(told)
    return read


def submit_round(
    config: Config, leaf_patterns: Sequence[str] = (), *, hooks: Hooks | None = None
) -> tuple[Round, list[BatchNote]]:
    """Hand the next round over to the endpoints' batch APIs, and don't wait. Raises: LabgenError."""
    session = _prepared(config, leaf_patterns, hooks)
    if not endpoint_specs(config):
        raise UsageError(
            "no endpoint is configured whose batch API could take a round. Name it with --base-url and --model, or "
            "rehearse with `labgen bulk run`."
        )
    _read_left_over(session)
    with ExitStack() as stack:
        ledger, doors, found = stack.enter_context(_written(session, None, None))
        batches = stack.enter_context(closing(_batches(session, ledger, doors)))
        batches.patient = False
        batches.open_batches()
        return found, batches.submit(found.files)


def batch_states(config: Config, *, hooks: Hooks | None = None) -> list[tuple[BatchNote, RemoteBatch]]:
    """The batches that have not been read yet, and what their endpoints say of them. Raises: LabgenError."""
    with _watching(config, hooks) as (batches, _):
        return [(batch, batches.look(batch)) for batch in batches.open_batches()]


def fetch_ended(config: Config, *, hooks: Hooks | None = None) -> tuple[LinesTold, list[BatchNote]]:
    """Read the batches that have ended; gives what was read, and those that have not. Raises: LabgenError."""
    with _watching(config, hooks) as (batches, _):
        return batches.fetch()


def cancel_batches(
    config: Config, *, forget: bool = False, hooks: Hooks | None = None
) -> tuple[list[tuple[BatchNote, str]], LinesTold]:
    """Have all batches stopped that have not ended; those that have are read.

    Args:
        forget: give up also those that can't be stopped, once what has ended is read: what they come to later is not,
            and is asked again.
    Returns: each batch and what became of it, and what was read.
    """
    with _watching(config, hooks) as (batches, parked):
        if forget:
            told = batches.fetch_what_can_be()
            return [(batch, batches.forget(batch)) for batch in parked.batches()], told
        found = [(batch, batches.cancel(batch).status) for batch in batches.open_batches()]
        return found, batches.fetch()[0]


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
    session = _prepared(config, leaf_patterns, hooks)
    check_output_of(session, replace=replace_output)
    _read_left_over(session)
    with _rehearsal(session) as rehearsal_url:
        rounds, left, hopeless, problem = _ask_in_rounds(session, finish_online, answering, rehearsal_url)
        online = bool(left and not problem and not hopeless)
        build = build_dataset(
            config,
            leaf_patterns=leaf_patterns,
            replace_output=replace_output,
            limits=None if online or not left else Limits(max_calls=0),
            hooks=hooks,
        )
    if problem:  # that ended it, and no budget of the user's
        build = replace(build, budget=None, traffic=replace(build.traffic, stopped=problem))
    read = sum((each.told.counts[LineOutcome.READ] + each.told.counts[LineOutcome.FAILED] for each in rounds), 0)
    return BulkRun(
        build,
        tuple(rounds),
        left=0 if online else left,
        online=build.traffic.answered,
        ahead=max(0, read - sum(build.traffic.kept_from.values())),
        hopeless=hopeless,
        problem=problem,
    )


def _ask_in_rounds(
    session: Session, finish_online: int, answering: MakeAnswering | None, rehearsal_url: str
) -> tuple[list[RoundTold], int, Hopeless | None, str]:
    """Round after round; gives them, the calls that are left, and why it ended where it was not for want of calls."""
    rounds: list[RoundTold] = []
    in_vain = 0
    while True:
        with _written(session, None, None, rehearsal_url) as (ledger, doors, found):
            if found.hopeless:
                return rounds, 0, found.hopeless, ""
            asked = found.calls + found.waiting
            if not asked:
                return rounds, 0, None, ""
            if found.calls <= finish_online and not found.waiting and not found.later:
                return rounds, found.calls, None, ""
            if in_vain >= IN_VAIN:
                return rounds, asked, None, f"{IN_VAIN} rounds, one after the other, had no answer that could be read"
            session.hooks.notice(_round_words(len(rounds) + 1, found))
            reader = _reader(session, ledger, doors)
            if answering:
                told = answering(doors, reader, session.config.work_folder / FOLDER).answer(found.files)
            else:
                with closing(_batches(session, ledger, doors, reader)) as batches:
                    told = batches.answer(found.files)
        rounds.append(RoundTold(asked, len(found.files), told, found.steps))
        got = told.counts[LineOutcome.READ] + told.counts[LineOutcome.FAILED]
        in_vain = 0 if got else in_vain + 1


def _round_words(number: int, found: Round) -> str:
    if not found.files:
        return f"Round {number}: {found.waiting:,} calls in batches that were begun before."
    files = f"{len(found.files)} {'file' if len(found.files) == 1 else 'files'}"
    tried = f", to try the endpoint out; {found.later:,} more wait for that" if found.later else ""
    before = f", {found.waiting:,} more are in batches begun before" if found.waiting else ""
    return f"Round {number}: {found.calls:,} calls in {files}{before}{tried}."


def _prepared(config: Config, leaf_patterns: Sequence[str], hooks: Hooks | None) -> Session:
    session = Session.prepare(config, leaf_patterns, hooks=hooks)
    session.check_leaves()
    session.check_flows()
    return session


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


def _read_left_over(session: Session) -> None:
    """Read the files of replies that an engine had written when a run was stopped."""
    left = session.config.work_folder / FOLDER / REPLIES
    if not left.is_dir():
        return
    with session.locked() as ledger:
        doors = open_doors(session.config, ledger, notice=session.hooks.notice)
        reader = _reader(session, ledger, doors)
        told = LinesTold()
        for path in sorted(left.glob("*.jsonl")):
            told.add_all(reader.read(path))
    if count := told.counts[LineOutcome.READ]:
        session.hooks.notice(f"{count:,} replies of a run that was stopped are read.")


def _reader(session: Session, ledger: Ledger, doors: dict[str, Door]) -> ReplyReader:
    """What reads replies of a run, whose files are taken away afterwards."""
    return ReplyReader(ledger, doors, unread=session.config.work_folder / UNREAD, notice=session.hooks.notice)


def _fresh(config: Config) -> Path:
    """An empty folder for files that are under way; the work folder is to be locked, or they may be another run's."""
    folder = config.work_folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@contextmanager
def _written(
    session: Session, folder: Path | None, shard: Shard | None, rehearsal_url: str = ""
) -> Iterator[tuple[Ledger, dict[str, Door], Round]]:
    """The next round, written to a folder; the work folder stays locked meanwhile.

    Args:
        folder: None: the one in the work folder, emptied first.
    """
    rounds = Rounds(session, rehearsal_url)
    with rounds.workers() as workers, session.locked() as ledger:
        doors = open_doors(session.config, ledger, notice=session.hooks.notice, rehearsal_url=rehearsal_url)
        files = RequestFiles(folder or _fresh(session.config))
        try:
            found = rounds.write(workers, ledger, doors, files, shard)
        finally:
            files.close()
        yield ledger, doors, found


@contextmanager
def _watching(config: Config, hooks: Hooks | None) -> Iterator[tuple[BatchRuns, ParkedCalls]]:
    session = Session.prepare(config, hooks=hooks, leaves=False)
    with session.locked() as ledger:
        doors = open_doors(config, ledger, notice=session.hooks.notice)
        with closing(_batches(session, ledger, doors)) as batches:
            batches.patient = False
            yield batches, ParkedCalls(ledger)


def _batches(session: Session, ledger: Ledger, doors: dict[str, Door], reader: ReplyReader | None = None) -> BatchRuns:
    folder = session.config.work_folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return BatchRuns(
        doors,
        ParkedCalls(ledger),
        reader or _reader(session, ledger, doors),
        folder,
        poll_sec=session.config.bulk.poll_sec,
        notice=session.hooks.notice,
    )
