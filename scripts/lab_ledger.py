"""Brings a ledger into being that holds a reply to everything that a build asks, without a network or an event between.

Each leaf is drawn as a build draws it again that finds all its replies in the ledger; they come from `lab_teacher.py`
instead, and are kept. What a build then lacks is what it draws further where rows are too close to other leaves'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lab_teacher import LabTeacher

from labgen.config.whole import Config
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import one_by_one, replay_slots
from labgen.generate.workers import Workers, spare_processes
from labgen.ledger.replies import Ledger, ReplyRow, reply_row
from labgen.records import Call, Reply
from labgen.teacher.ledger_only import LedgerOnly
from labgen.verbs.session import Session

SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000")
"""The ledger can be made anew: it need not outlive a power cut, nor its index be written at every leaf."""

INSERT = "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"

Rows = list[ReplyRow]


class Answering(LedgerOnly):
    """A client that has a reply to everything."""

    def __init__(self, ledger: Ledger, teacher: LabTeacher) -> None:
        super().__init__(ledger)
        self._teacher = teacher

    def kept(self, call: Call) -> Reply:
        """The teacher's reply, as if it had been paid for."""
        reply = self._teacher.reply(call)
        self.paid.append((call, reply))
        return reply


def fill_ledger(config: Config, teacher: LabTeacher) -> int:
    """Bring the replies into the ledger of a build; returns how many."""
    session = Session.prepare(config)
    plans = session.sources.plans

    @contextmanager
    def opened() -> Iterator[Callable[[int], Rows]]:
        with one_by_one() as at_once, closing(Ledger(config.work_folder / "none", read_only=True)) as empty:
            client = Answering(empty, teacher)

            def draw(place: int) -> Rows:
                found: dict[bytes, ReplyRow] = {}

                def take(_: object) -> None:
                    found.update((call.key, reply_row(call, reply)) for call, reply in client.paid)

                leaf = LeafRun(plans[place], session.replay.context(client))
                at_once(replay_slots(leaf, client, take))
                return list(found.values())

            yield draw

    with (
        Workers(opened, len(plans), processes=spare_processes()) as workers,
        closing(Ledger(config.work_folder, ballast_bytes=0)) as ledger,
    ):
        for setting in SETTINGS:
            ledger.query(f"PRAGMA {setting}")
        count = 0
        with ledger.transaction() as database:
            for _, found in workers.results():
                packed = (row._replace(call=ledger.calls.pack(row.leaf, row.step, row.call)) for row in found)
                count += database.executemany(INSERT, packed).rowcount
    return count


def config_in(folder: Path) -> Config:
    """The settings of the build in a folder."""
    from labgen.config.file import load_config

    return load_config(folder / "labgen.yaml")
