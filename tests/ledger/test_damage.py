"""Damage anywhere in a ledger's file costs the replies that lie there and no others, and is told."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import make_call
from workbench import Labgen

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.database import PAGE_BYTES as PAGE
from labgen.ledger.pages import LIKELY_PAGE_BYTES, table_rows
from labgen.ledger.repair import repair
from labgen.ledger.replies import Ledger, reply_row
from labgen.ledger.verify import verify
from labgen.records import Reply


def fill(work: Path, count: int, size: int) -> dict[bytes, Reply]:
    """A ledger whose journal is folded in; `size` is of a reply's text in bytes, which don't compress further."""
    dice = random.Random(count)
    calls = [make_call(f"call {number}") for number in range(count)]
    replies = [Reply(dice.randbytes(size // 2).hex()) for _ in calls]
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.insert(map(reply_row, calls, replies))
    return {call.key: reply for call, reply in zip(calls, replies, strict=True)}


def kept(work: Path) -> dict[bytes, Reply | None]:
    """All keys and replies of a ledger."""
    with closing(Ledger(work, read_only=True)) as ledger:
        return {row[0]: ledger.get(row[0]) for row in ledger.query("SELECT key FROM replies")}


def test_pages_give_the_rows_that_sqlite_gives(tmp_path: Path) -> None:
    """Of every size, from one page to many, with the journal before the file."""
    with closing(Ledger(tmp_path, ballast_bytes=0)) as ledger:
        dice = random.Random(0)
        sizes = [0, 10, 300, 1900, 2040, 2050, 4000, 9000, 50_000, 300_000]
        ledger.insert(reply_row(make_call(str(size)), Reply(dice.randbytes(size).hex())) for size in sizes)
        ledger.query("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger.insert([reply_row(make_call("in the journal"), Reply("x", "stop", 2**40, -3))])
        rows = ledger.query("SELECT rowid, * FROM replies ORDER BY rowid")
        found = dict(table_rows(tmp_path / LEDGER_NAME))
        assert [(number, *values) for number, values in sorted(found.items()) if len(values) == 9] == rows


@pytest.mark.parametrize("page_bytes", LIKELY_PAGE_BYTES)
def test_rows_are_found_where_the_files_head_no_longer_says_how_large_its_pages_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page_bytes: int
) -> None:
    """Also those of a ledger from before labgen chose the size."""
    monkeypatch.setattr("labgen.ledger.database.PAGE_BYTES", page_bytes)
    replies = fill(tmp_path, 150, 300)
    file = tmp_path / LEDGER_NAME
    whole = bytearray(file.read_bytes())
    assert int.from_bytes(whole[16:18], "big") == page_bytes
    whole[:100] = bytes(100)
    file.write_bytes(whole)
    assert replies.keys() <= {values[0] for _, values in table_rows(file)}


@pytest.mark.parametrize("how", ["overwritten", "zeros", "torn"])
def test_a_damaged_page_costs_its_own_replies_alone(tmp_path: Path, how: str) -> None:
    """Each page of the file in turn, that of the file's head and those by which SQLite finds others among them."""
    replies = fill(tmp_path / "whole", 150, 300)
    whole = (tmp_path / "whole" / LEDGER_NAME).read_bytes()
    on_one_page = PAGE // 200
    for page in range(len(whole) // PAGE):
        work = tmp_path / f"page-{page}"
        work.mkdir()
        here = bytearray(whole)
        start, end = page * PAGE, (page + 1) * PAGE
        if how == "torn":
            start = start + PAGE // 2
        here[start:end] = bytes(end - start) if how == "zeros" else b"\xa5" * (end - start)
        (work / LEDGER_NAME).write_bytes(here)
        health = verify(work)
        if health.well:  # the damage lies where nothing was
            assert kept(work) == replies
            continue
        found = health.sound + health.only_in_pages + health.calls_lost
        assert len(replies) - found <= on_one_page, page
        repair(work)
        after = kept(work)
        assert len(after) == found
        assert after.items() <= replies.items()
        mended = verify(work)
        assert not (mended.damaged or mended.unreadable or mended.problems or mended.only_in_pages)
        assert (work / f"{LEDGER_NAME}.damaged-1").read_bytes() == bytes(here)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_gives_what_is_left_of_it(tmp_path: Path, share: float) -> None:
    """As a copy that was broken off leaves it."""
    replies = fill(tmp_path, 1800, 300)
    path = tmp_path / LEDGER_NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    labgen = Labgen(tmp_path)
    said = labgen("ledger", "verify", "--work", ".")
    assert said.status == 1 and "labgen ledger verify --repair" in said.out
    assert labgen("ledger", "verify", "--repair", "--work", ".").status == 1
    after = kept(tmp_path)
    assert len(replies) * share * 0.1 < len(after) < len(replies)
    assert after.items() <= replies.items()


def test_a_database_of_another_program_s_is_left_alone(tmp_path: Path) -> None:
    """By readers, writers and repairs, also where it has a table of the same name."""
    for number, statement in enumerate(("CREATE TABLE notes (text)", "CREATE TABLE replies (key, words)")):
        work = tmp_path / str(number)
        work.mkdir()
        with closing(sqlite3.connect(work / LEDGER_NAME)) as database:
            database.execute(statement)
        before = (work / LEDGER_NAME).read_bytes()
        for read_only in (True, False):
            with pytest.raises(LedgerError, match=r"another program's.*--work"):
                Ledger(work, read_only=read_only)
        for look in (verify, repair):
            with pytest.raises(LedgerError, match=r"another program's"):
                look(work)
        assert (work / LEDGER_NAME).read_bytes() == before
