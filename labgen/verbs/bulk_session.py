"""What the verbs of bulk rounds share: the next round written, and what reads and watches what comes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from labgen.bulk.batches import FIRST_POLL_SEC, REHEARSAL_POLL_SEC, BatchRuns
from labgen.bulk.doors import Door, open_doors
from labgen.bulk.engines import REPLIES
from labgen.bulk.reply_files import LineOutcome, LinesTold, ReplyReader
from labgen.bulk.request_files import RequestFiles
from labgen.config.whole import Config
from labgen.ledger.parked import ParkedCalls
from labgen.ledger.replies import Ledger
from labgen.verbs.bulk_rounds import Round, Rounds, Shard
from labgen.verbs.machine_limits import require_memory
from labgen.verbs.session import Hooks, Session

FOLDER = "bulk"
"""Folder in the work folder for files that are under way: of a run that was killed, replies that the next one reads."""
UNREAD = "bulk-unread"
"""Folder for copies of files with replies that the settings at the time could not be read with."""


def prepare_build(config: Config, leaf_patterns: Sequence[str], hooks: Hooks | None) -> Session:
    require_memory()
    session = Session.prepare(config, leaf_patterns, hooks=hooks)
    session.check_leaves()
    session.check_flows()
    return session


def read_left_over(session: Session) -> None:
    """Read the files of replies that an engine had written when a run was stopped."""
    left = session.config.work_folder / FOLDER / REPLIES
    if not left.is_dir():
        return
    with session.locked() as ledger:
        doors = open_doors(session.config, ledger, notice=session.hooks.notice)
        reader = run_reader(session, ledger, doors)
        told = LinesTold()
        for path in sorted(left.glob("*.jsonl")):
            told.add_all(reader.read(path))
    if count := told.counts[LineOutcome.READ]:
        session.hooks.notice(f"{count:,} replies of a run that was stopped are read.")


def run_reader(session: Session, ledger: Ledger, doors: dict[str, Door]) -> ReplyReader:
    """What reads replies of a run, whose files are taken away afterwards."""
    return ReplyReader(ledger, doors, unread=session.config.work_folder / UNREAD, notice=session.hooks.notice)


def _fresh(config: Config) -> Path:
    """An empty folder for files that are under way; the work folder is to be locked, or they may be another run's."""
    folder = config.work_folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@contextmanager
def written_round(
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


def open_batch_runs(
    session: Session,
    ledger: Ledger,
    doors: dict[str, Door],
    reader: ReplyReader | None = None,
    *,
    rehearsed: bool = False,
) -> BatchRuns:
    folder = session.config.work_folder / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return BatchRuns(
        doors,
        ParkedCalls(ledger),
        reader or run_reader(session, ledger, doors),
        folder,
        poll_sec=session.config.bulk.poll_sec,
        first_poll_sec=REHEARSAL_POLL_SEC if rehearsed else FIRST_POLL_SEC,
        notice=session.hooks.notice,
    )
