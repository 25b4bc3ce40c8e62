"""A journal that stayed while another file was laid over its ledger writes nothing into that file, and is told."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import make_call
from workbench import Labgen

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.journal import journal_fits
from labgen.ledger.replies import Ledger, reply_row
from labgen.ledger.verify import verify
from labgen.records import Reply


def closed(work: Path, name: str, count: int) -> Path:
    """Add replies to a ledger whose journal is folded in."""
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.insert(
            reply_row(make_call(f"{name} {number}"), Reply(f"{name} {number} " * 30)) for number in range(count)
        )
    return work / LEDGER_NAME


def killed(work: Path, name: str, count: int) -> Path:
    """The same by a run that is killed: what it wrote is in the journal alone."""
    aside = work.parent / "at-the-kill"
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.insert(
            reply_row(make_call(f"{name} {number}"), Reply(f"{name} {number} " * 30)) for number in range(count)
        )
        shutil.copytree(work, aside)
    shutil.rmtree(work)
    aside.rename(work)
    return work / LEDGER_NAME


def texts(work: Path) -> set[str]:
    """The first words of all replies."""
    with closing(Ledger(work, read_only=True)) as ledger:
        replies = (ledger.get(key) for (key,) in ledger.query("SELECT key FROM replies"))
        return {reply.text[: len(reply.text) // 30].strip() for reply in replies if reply}


def expected(name: str, count: int) -> set[str]:
    """The same of what was put there."""
    return {f"{name} {number}" for number in range(count)}


@pytest.mark.parametrize("written", [1, 100])
@pytest.mark.parametrize("copied", ["another", "older"])
def test_a_copy_over_a_ledger_whose_journal_stayed_is_told_and_loses_nothing(
    tmp_path: Path, copied: str, written: int
) -> None:
    """Another ledger's file, or an earlier state of its own, by however little; one command makes it sound."""
    labgen = Labgen(tmp_path / "repository")
    work = labgen.folder / ".labgen"
    if copied == "another":
        source = closed(tmp_path / "elsewhere", "copied", 250)
        closed(work, "here", 40)
    else:
        source = tmp_path / "backup"
        shutil.copyfile(closed(work, "copied", 250), source)
        closed(work, "later", 2 * written)
    file = killed(work, "journal", written)
    assert journal_fits(file)
    shutil.copyfile(source, file)
    content, journal = file.read_bytes(), Path(f"{file}-wal").read_bytes()
    for attempt in (lambda: Ledger(work), lambda: Ledger(work, read_only=True)):
        with pytest.raises(LedgerError, match=r"belongs to another file.* `labgen ledger verify --repair`"):
            attempt()
    health = verify(work)
    assert health.sound == 250 and "belongs to another file" in health.problems[0]
    assert (file.read_bytes(), Path(f"{file}-wal").read_bytes()) == (content, journal)

    ended = labgen("ledger", "verify", "--repair")
    assert ended.status == 1 and "damaged-1" in ended.out, ended.err
    assert texts(work) == expected("copied", 250) and verify(work).well
    assert Path(f"{file}.damaged-1-wal").read_bytes() == journal


def test_a_journal_that_is_the_ledgers_own_is_taken_up(tmp_path: Path) -> None:
    """After kills one after another, one of them while it was being folded in, and of a ledger without a number."""
    work = tmp_path / "work"
    closed(work, "first", 50)
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.query("PRAGMA application_id = 0")
    for name in ("second", "third"):
        assert journal_fits(killed(work, name, 50))
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.insert([reply_row(make_call("last 0"), Reply("last 0 " * 30))])
        ledger.query("PRAGMA wal_checkpoint(PASSIVE)")
        shutil.copytree(work, tmp_path / "folded")
    for number in range(1, 4):
        assert journal_fits(tmp_path / "folded" / LEDGER_NAME)
        assert f"last {number - 1}" in texts(tmp_path / "folded")
        killed(tmp_path / "folded", f"last {number} and", 1)
        closed(tmp_path / "folded", "last", number + 1)
    wanted = expected("first", 50) | expected("second", 50) | expected("third", 50)
    assert wanted <= texts(tmp_path / "folded")
