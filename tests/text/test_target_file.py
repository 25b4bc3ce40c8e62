"""What a user names for an export, a page or a log by mistake stays as it is: the ledger before all else."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import make_call

from labgen.errors import LabgenError
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.export_import import export_ledger
from labgen.ledger.replies import Ledger, reply_row
from labgen.records import Reply
from labgen.report.write import write_page
from labgen.teacher.call_log import CallLog

Write = Callable[[Path, Path], object]
"""Writes to a file, given the work folder and the file."""

WRITES: dict[str, Write] = {
    "export": export_ledger,
    "page": lambda work, file: write_page(file, ["<!doctype html>"]),
    "log": lambda work, file: CallLog(file).__exit__(None, None, None),
}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A work folder with a paid call."""
    with closing(Ledger(tmp_path, ballast_bytes=0)) as ledger:
        ledger.insert([reply_row(make_call(), Reply("paid for"))])
    return tmp_path


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_nothing_is_written_over_a_file_of_another_kind(write: Write, work: Path) -> None:
    """It is told, and one of the same kind is replaced, or added to, as before."""
    notes = work / "notes.md"
    notes.write_text("# Mine")
    for file in (work / LEDGER_NAME, notes):
        before = file.read_bytes()
        with pytest.raises(LabgenError, match="another kind"):
            write(work, file)
        assert file.read_bytes() == before
    for _ in range(2):
        write(work, work / "wanted")


def test_what_is_no_file_is_not_replaced_by_an_export(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe or a device neither, whoever asks."""
    monkeypatch.chdir(work)
    os.mkfifo("pipe")
    for name in (".", "..", "pipe"):
        with pytest.raises(LabgenError, match="no plain file"):
            export_ledger(work, Path(name))
    assert Path("pipe").is_fifo()
