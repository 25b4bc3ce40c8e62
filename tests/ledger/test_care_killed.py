"""Repair, prune, import, export and migration, killed at every step: what was paid for is all there, and said truly."""

from __future__ import annotations

import random
import re
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from fault_points import KILLED, Stage, changing
from faulty_server import make_call
from thoroughness import THOROUGH
from workbench import Labgen, Run, freeform, write_leaf

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME, PAGE_BYTES, SCHEMA_VERSION
from labgen.ledger.export_import import export_ledger
from labgen.ledger.parked import ParkedCalls, parked_row
from labgen.ledger.replies import Ledger, reply_row
from labgen.ledger.verify import verify
from labgen.records import Call, Reply

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="commands are forked")
WORK = ".labgen"
CALLS = 24


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where commands are run and killed."""
    with Stage() as opened:
        yield opened


def calls_of(count: int, first: int = 0) -> list[Call]:
    """Calls with numbers in them."""
    return [make_call(f"call {number}", leaf=f"leaf/{number % 3}", step="respond") for number in range(first, count)]


def fill(work: Path, count: int = CALLS, first: int = 0) -> None:
    """A ledger of so many replies, which don't compress; one call waits in a batch."""
    dice = random.Random(count)
    with closing(Ledger(work, ballast_bytes=0)) as ledger:
        ledger.insert(reply_row(call, Reply(dice.randbytes(700).hex())) for call in calls_of(count, first))
        waiting = make_call("waits")
        ParkedCalls(ledger).park([parked_row(waiting)])
        ParkedCalls(ledger).begin_batch("http://localhost/v1", "m", [waiting.key], 10)


def kept(work: Path) -> dict[bytes, Reply | None]:
    """All keys and replies of a ledger."""
    with closing(Ledger(work, read_only=True)) as ledger:
        return {row[0]: ledger.get(row[0]) for row in ledger.query("SELECT key FROM replies")}


def at_every_step(
    stage: Stage,
    tmp_path: Path,
    arguments: list[str],
    make: Callable[[Path], None],
    check: Callable[[Path], None],
    *,
    of: str = "",
) -> int:
    """Run a command once to see its steps, then again and again from the same start, killed at each that changes
    something; at each there is where tests are thorough.

    Args:
        of: only at steps that begin in a module with this in its path.
    Returns: how many steps there were.
    """
    start = tmp_path / "start"
    start.mkdir()
    make(start)

    def fresh(name: str) -> Path:
        return Path(shutil.copytree(start, tmp_path / name))

    stage.warm_up(fresh("warm"), arguments)
    whole = stage.run(fresh("whole"), arguments)
    assert whole.status in (0, 1) and "Traceback" not in whole.err, whole.err
    points = [point for point in whole.points if of in point.where]
    if not THOROUGH:
        points = changing(points)
    for number, point in enumerate(points):
        folder = fresh(f"killed-{number}")
        ended = stage.run(folder, arguments, at=point, kind="kill")
        assert ended.status == KILLED, f"{point}: {ended.err}"
        try:
            check(folder)
        except (AssertionError, LedgerError) as error:
            raise AssertionError(f"killed before: {point}") from error
        shutil.rmtree(folder)
    return len(points)


def named_command(ended: Run) -> list[str]:
    """The command of labgen that a message names."""
    found = re.search(r"`labgen ([^`]*)`", ended.out + ended.err)
    assert found, ended.out + ended.err
    return found[1].split()


def damage(work: Path, page: int) -> None:
    """Overwrite a page of the ledger's own file."""
    with (work / LEDGER_NAME).open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def test_a_repair_killed_at_any_step_loses_nothing_and_one_command_ends_it(stage: Stage, tmp_path: Path) -> None:
    """Part of the ledger lies in its journal, whose page of the file is damaged as well."""
    original: dict[str, bytes] = {}

    def make(folder: Path) -> None:
        fill(tmp_path / "begun")
        with closing(Ledger(tmp_path / "begun", ballast_bytes=0)) as ledger:
            ledger.insert([reply_row(call, Reply("in the journal")) for call in calls_of(CALLS + 20, CALLS)])
            shutil.copytree(tmp_path / "begun", folder / WORK)  # as a kill leaves it: the journal is not folded in
        damage(folder / WORK, 8)
        original.update({path.name: path.read_bytes() for path in (folder / WORK).glob(f"{LEDGER_NAME}*")})
        assert f"{LEDGER_NAME}-wal" in original

    def check(folder: Path) -> None:
        work = folder / WORK
        said = Labgen(folder)("ledger", "verify")
        if not (work / LEDGER_NAME).exists() or list(work.glob("*.repair/saved-*")):
            with pytest.raises(LedgerError, match="ledger verify --repair"):
                Ledger(work)  # a build begins no new one, nor writes to one that is about to be moved
        if said.status:
            Labgen(folder)(*named_command(said))
        assert kept(work) == expected and len(expected) > CALLS + 10
        mended = verify(work)
        assert not (mended.damaged or mended.unreadable or mended.problems)
        with closing(Ledger(work)) as ledger:
            assert ParkedCalls(ledger).batches() and ParkedCalls(ledger).count() == 1
        assert (work / f"{LEDGER_NAME}.damaged-1").read_bytes() == original[LEDGER_NAME]
        assert (work / f"{LEDGER_NAME}.damaged-1-wal").read_bytes() == original[f"{LEDGER_NAME}-wal"]
        assert not list(work.glob("*.repair/*"))

    expected: dict[bytes, Reply | None] = {}
    (tmp_path / "once").mkdir()
    make(tmp_path / "once")
    stage.run(tmp_path / "once", ["ledger", "verify", "--repair"])
    expected.update(kept(tmp_path / "once" / WORK))
    shutil.rmtree(tmp_path / "begun")
    steps = at_every_step(stage, tmp_path, ["ledger", "verify", "--repair"], make, check)
    assert steps > 30


def test_an_import_killed_at_any_step_is_done_again(stage: Stage, tmp_path: Path) -> None:
    """What was there stays, and the same command brings in the rest."""

    def make(folder: Path) -> None:
        fill(folder / WORK, 10)
        fill(tmp_path / "other", CALLS, first=10)
        export_ledger(tmp_path / "other", folder / "paid.gz")

    def check(folder: Path) -> None:
        keys = set(kept(folder / WORK))
        assert {call.key for call in calls_of(10)} <= keys
        assert verify(folder / WORK).well
        assert Labgen(folder)("ledger", "import", "paid.gz").status == 0
        assert set(kept(folder / WORK)) == {call.key for call in calls_of(CALLS)}

    assert at_every_step(stage, tmp_path, ["ledger", "import", "paid.gz"], make, check) > 15


def test_an_export_killed_at_any_step_leaves_the_file_before_or_the_whole_one(stage: Stage, tmp_path: Path) -> None:
    """Never half of it under its name."""
    arguments = ["ledger", "export", "paid.gz"]
    (tmp_path / "once").mkdir()
    fill(tmp_path / "once" / WORK)
    assert stage.run(tmp_path / "once", arguments).status == 0
    whole = (tmp_path / "once/paid.gz").read_bytes()
    before = whole[:2] + b"an earlier one"

    def make(folder: Path) -> None:
        fill(folder / WORK)
        (folder / "paid.gz").write_bytes(before)

    def check(folder: Path) -> None:
        assert (folder / "paid.gz").read_bytes() in (before, whole)
        assert Labgen(folder)(*arguments).status == 0
        assert (folder / "paid.gz").read_bytes() == whole
        assert sorted(path.name for path in folder.iterdir()) == [WORK, "paid.gz"]

    assert at_every_step(stage, tmp_path, arguments, make, check) > 5


@pytest.mark.parametrize("version", range(SCHEMA_VERSION))
def test_a_migration_killed_at_any_step_keeps_every_reply(stage: Stage, tmp_path: Path, version: int) -> None:
    """The ledger is of the older version, or of this one."""

    def make(folder: Path) -> None:
        fill(folder / WORK)
        fill(tmp_path / "other", 1)
        export_ledger(tmp_path / "other", folder / "paid.gz")
        with closing(sqlite3.connect(folder / WORK / LEDGER_NAME)) as database:
            database.executescript(
                ("DROP TABLE parked_calls; DROP TABLE batches;" if version < 3 else "DELETE FROM parked_calls;")
                + f"PRAGMA user_version = {version};"
                + ("DROP TABLE endpoint_notes;" if version == 0 else "")
            )

    def check(folder: Path) -> None:
        assert set(kept(folder / WORK)) == {call.key for call in calls_of(CALLS)}
        assert verify(folder / WORK).well
        assert Labgen(folder)("ledger", "import", "paid.gz").status == 0
        with closing(Ledger(folder / WORK)) as ledger:
            assert ledger.query("PRAGMA user_version") == [(SCHEMA_VERSION,)]
            assert not ParkedCalls(ledger).count()

    assert at_every_step(stage, tmp_path, ["ledger", "import", "paid.gz"], make, check) > 10


def test_a_prune_killed_at_any_step_loses_nothing_that_is_used(stage: Stage, tmp_path: Path) -> None:
    """What a build uses is all there, what it does not use goes by the same command, and no build pays anew."""
    begun = tmp_path / "begun"
    write_leaf(begun / "taxonomy", "foundational_skills/requests", **freeform())
    (begun / "labgen.yaml").write_text("samples: 2\n")
    assert stage.run(begun, ["generate"]).status == 0
    used = kept(begun / WORK)
    with closing(Ledger(begun / WORK, ballast_bytes=0)) as ledger:
        ledger.insert([reply_row(call, Reply("of an earlier prompt")) for call in calls_of(CALLS)])
    unused = {call.key for call in calls_of(CALLS)}
    arguments = ["ledger", "prune", "--yes"]

    def make(folder: Path) -> None:
        shutil.copytree(begun, folder, dirs_exist_ok=True)

    def check(folder: Path) -> None:
        here = kept(folder / WORK)
        assert set(used) <= set(here) <= set(used) | unused and all(here[key] == used[key] for key in used)
        assert verify(folder / WORK).well
        assert stage.run(folder, arguments, kill_after_sec=600.0).status == 0
        assert kept(folder / WORK) == used and verify(folder / WORK).well

    assert at_every_step(stage, tmp_path, arguments, make, check, of="ledger/") > 10
