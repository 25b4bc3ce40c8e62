"""A build in rounds of many calls at once: written to files, answered by whatever answers batches, and read back.

Nothing is known between rounds but the ledger: it holds the replies, the calls that wait for one, and the names of the
batches that have not ended. So a round can be written, answered or read again at any time, and a run that is killed
goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field
from pathlib import Path

from labgen.bulk.batch_api import RemoteBatch
from labgen.bulk.batches import BatchRuns
from labgen.bulk.doors import open_doors
from labgen.bulk.remote_files import holds_rounds, is_address, put
from labgen.bulk.reply_files import LinesTold, ReplyReader, reply_files
from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.parked import BatchNote, ParkedCalls
from labgen.teacher.addresses import endpoint_specs
from labgen.verbs.bulk_rounds import Round, Shard
from labgen.verbs.bulk_session import FOLDER, open_batch_runs, prepare_build, read_left_over, written_round
from labgen.verbs.session import Hooks, Session


@dataclass
class Read:
    """What was read from files: in all, and of each file."""

    told: LinesTold = field(default_factory=LinesTold)
    files: dict[str, LinesTold] = field(default_factory=dict)


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
    session = prepare_build(config, leaf_patterns, hooks)
    if away:
        read_left_over(session)
    with written_round(session, folder, shard) as (_, _, found):
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
    session = prepare_build(config, leaf_patterns, hooks)
    if not endpoint_specs(config):
        raise UsageError(
            "no endpoint is configured whose batch API could take a round. Name it with --base-url and --model, or "
            "rehearse with `labgen bulk run`."
        )
    read_left_over(session)
    with ExitStack() as stack:
        ledger, doors, found = stack.enter_context(written_round(session, None, None))
        batches = stack.enter_context(closing(open_batch_runs(session, ledger, doors)))
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


@contextmanager
def _watching(config: Config, hooks: Hooks | None) -> Iterator[tuple[BatchRuns, ParkedCalls]]:
    session = Session.prepare(config, hooks=hooks, leaves=False)
    with session.locked() as ledger:
        doors = open_doors(config, ledger, notice=session.hooks.notice)
        with closing(open_batch_runs(session, ledger, doors)) as batches:
            batches.patient = False
            yield batches, ParkedCalls(ledger)
