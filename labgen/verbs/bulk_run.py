"""A build in rounds to its end: round after round is written, answered and read, and then the dataset written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from labgen.bulk.doors import Door
from labgen.bulk.engines import ByCommand, OnRay, check_command
from labgen.bulk.reply_files import LineOutcome, LinesTold, ReplyReader
from labgen.bulk.request_files import RequestFile
from labgen.config import Config
from labgen.errors import UsageError
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.generate.trial import Hopeless
from labgen.ledger.parked import ParkedCalls
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.budget import Budget, Limits
from labgen.verbs.bulk_rounds import Round
from labgen.verbs.bulk_session import FOLDER, open_batch_runs, prepare_build, read_left_over, run_reader, written_round
from labgen.verbs.generate import Build, build_dataset, check_output_of
from labgen.verbs.session import Hooks, Session

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
        build = replace(
            build, budget=Budget(Limits(price=config.price)), traffic=replace(build.traffic, stopped=problem)
        )
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
        with written_round(session, None, None, rehearsal_url) as (ledger, doors, found):
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
            reader = run_reader(session, ledger, doors)
            if answering:
                told = answering(doors, reader, session.config.work_folder / FOLDER).answer(found.files)
            else:
                with closing(open_batch_runs(session, ledger, doors, reader)) as batches:
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
