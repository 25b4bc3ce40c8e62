"""A ledger is looked after: migrated, verified, repaired, pruned, moved, and safe when the disk is full."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import FaultyServer, dataset_bytes, make_call, make_taxonomy, run
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.errors import LabgenError, LedgerError, UsageError
from labgen.ledger.database import LEDGER_NAME, PAGE_BYTES, SCHEMA_VERSION
from labgen.ledger.export_import import export_ledger, import_ledger
from labgen.ledger.parked import ParkedCalls, parked_row
from labgen.ledger.repair import repair
from labgen.ledger.replies import BALLAST_NAME, Ledger, reply_row
from labgen.ledger.verify import verify
from labgen.records import Call, Reply

MODEL = "labgen-rehearsal"


def fill(folder: Path, count: int, size: int = 10) -> list[Call]:
    """A ledger with so many calls, whose replies don't compress."""
    dice = random.Random(count)
    calls = [make_call(f"call {number}", leaf=f"leaf/{number % 3}", step="respond") for number in range(count)]
    with closing(Ledger(folder)) as ledger:
        ledger.insert(reply_row(call, Reply(dice.randbytes(size // 2).hex(), "stop", 3, 4)) for call in calls)
    return calls


def known(folder: Path) -> dict[bytes, Reply | None]:
    """All keys and replies."""
    with closing(Ledger(folder, read_only=True)) as ledger:
        return {row[0]: ledger.get(row[0]) for row in ledger.query("SELECT key FROM replies")}


def test_repair_keeps_what_is_asked(tmp_path: Path) -> None:
    """Calls that wait for a reply and batches under way outlive a repair: their replies are paid for."""
    fill(tmp_path, 40)
    waiting = [make_call(f"waits {number}") for number in range(3)]
    with closing(Ledger(tmp_path)) as ledger:
        parked = ParkedCalls(ledger)
        parked.park(map(parked_row, waiting))
        batch = parked.begin_batch("http://localhost/v1", MODEL, [waiting[0].key], 10)
        ledger.query("UPDATE replies SET reply = x'00' WHERE rowid = 7")
    health, _ = repair(tmp_path)
    assert (health.sound, len(health.damaged)) == (39, 1)
    with closing(Ledger(tmp_path)) as ledger:
        parked = ParkedCalls(ledger)
        assert set(parked.find([call.key for call in waiting])) == {call.key for call in waiting}
        assert parked.waiting([call.key for call in waiting]) == {waiting[0].key}
        assert parked.batches() == [batch]


def make_v0(folder: Path) -> Call:
    """A ledger as it was before schema versions: one table, no version."""
    call = make_call()
    folder.mkdir(exist_ok=True)
    with closing(sqlite3.connect(folder / LEDGER_NAME)) as database:
        database.execute(
            "CREATE TABLE replies (key BLOB NOT NULL PRIMARY KEY, model TEXT NOT NULL, leaf TEXT NOT NULL, "
            "step TEXT NOT NULL, failure TEXT NOT NULL, prompt_tokens INTEGER NOT NULL, "
            "completion_tokens INTEGER NOT NULL, call BLOB NOT NULL, reply BLOB NOT NULL)"
        )
        row = reply_row(call, Reply("kept"))
        row = row._replace(call=zlib.compress(row.call))
        database.execute("INSERT INTO replies VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        database.commit()
    return call


def test_an_older_ledger_is_read_as_it_is_and_migrated_when_written_to(tmp_path: Path) -> None:
    """Nothing paid for is lost, and what the older one lacked is there."""
    call = make_v0(tmp_path)
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        assert ledger.get(call.key) == Reply("kept")
    with closing(Ledger(tmp_path)) as ledger:
        assert ledger.get(call.key) == Reply("kept")
        ledger.set_note("lacks", "seed")
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    with closing(Ledger(tmp_path)) as ledger:
        assert ledger.note("lacks") == "seed"


def test_a_newer_ledger_is_refused_and_left_alone(tmp_path: Path) -> None:
    """By readers and writers alike, with what to do."""
    fill(tmp_path, 3)
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        database.commit()
    for read_only in (True, False):
        with pytest.raises(LedgerError, match=r"written by a newer labgen.*Upgrade labgen.*--work"):
            Ledger(tmp_path, read_only=read_only)


@pytest.fixture
def damaged(tmp_path: Path) -> Iterator[tuple[Path, dict[bytes, Reply | None]]]:
    """A ledger with three pages in its middle overwritten, and what it held before."""
    fill(tmp_path, 900, size=1500)
    before = known(tmp_path)
    path = tmp_path / LEDGER_NAME
    size = path.stat().st_size
    with path.open("r+b") as file:
        for share in (0.4, 0.6, 0.8):
            file.seek(int(size * share) // PAGE_BYTES * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)
    yield tmp_path, before


def test_of_a_damaged_file_what_is_readable_is_saved_and_the_rest_is_named(
    damaged: tuple[Path, dict[bytes, Reply | None]],
) -> None:
    """The damaged file is kept; the new one holds every sound reply, unchanged."""
    folder, before = damaged
    found = run("ledger", "verify", "--work", folder)
    assert found.return_value == 1
    assert "ledger verify --repair" in found.stdout
    result = run("ledger", "verify", "--repair", "--work", folder)
    assert result.return_value == 1
    assert "unreadable: rows" in result.stdout or "damaged: call" in result.stdout
    after = known(folder)
    assert 800 < len(after) < 900
    assert all(before[key] == reply for key, reply in after.items())
    assert (folder / f"{LEDGER_NAME}.damaged-1").is_file()
    assert verify(folder).well
    again = run("ledger", "verify", "--repair", "--work", folder)
    assert not again.return_value
    assert "nothing to repair" in again.stdout
    assert sorted(path.name for path in folder.iterdir() if "repair" in path.name) == []


def test_a_damaged_reply_is_said_where_it_is_met_and_by_verify(tmp_path: Path) -> None:
    """Bits that flip inside a row are seen, too, since content and key no longer agree."""
    calls = fill(tmp_path, 5)
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as database:
        database.execute("UPDATE replies SET reply = x'00' WHERE key = ?", (calls[2].key,))
        database.execute("UPDATE replies SET call = (SELECT call FROM replies WHERE key = ?) WHERE key = ?",
                         (calls[0].key, calls[3].key))  # fmt: skip
        database.commit()
    with closing(Ledger(tmp_path)) as ledger, pytest.raises(LedgerError, match=r"damaged.*ledger verify"):
        ledger.get(calls[2].key)
    assert {key for key, _, _ in verify(tmp_path).damaged} == {calls[2].key.hex(), calls[3].key.hex()}
    repair(tmp_path)
    assert len(known(tmp_path)) == 3


def test_what_is_no_ledger_at_all_is_said_to_be_lost(tmp_path: Path) -> None:
    """With what to do then; the file is not touched."""
    (tmp_path / LEDGER_NAME).write_bytes(b"garbage" * 1000)
    with pytest.raises(LedgerError, match=r"nothing of it can be read.*ledger import"):
        verify(tmp_path)
    with pytest.raises(LedgerError, match=r"damaged.*ledger verify"):
        Ledger(tmp_path)
    assert (tmp_path / LEDGER_NAME).read_bytes() == b"garbage" * 1000
    with pytest.raises(LedgerError, match="there is no ledger"):
        verify(tmp_path / "nowhere")


def test_paid_calls_move_between_machines_in_any_order(tmp_path: Path) -> None:
    """Two ledgers exchange their calls and hold the same in the end; the file's bytes are repeatable."""
    fill(tmp_path / "a", 40)
    fill(tmp_path / "b", 60)
    for name in "ab":
        assert run("ledger", "--work", tmp_path / name, "export", tmp_path / f"{name}.jsonl.gz").return_value is None
    first = (tmp_path / "a.jsonl.gz").read_bytes()
    export_ledger(tmp_path / "a", tmp_path / "a.jsonl.gz")
    assert (tmp_path / "a.jsonl.gz").read_bytes() == first
    result = run("ledger", "import", tmp_path / "b.jsonl.gz", "--work", tmp_path / "a")
    assert "20 new calls, 40 known already." in result.stdout
    # The same calls were answered twice, differently: each machine keeps the replies that its rows were made from.
    assert "40 known calls have another reply" in result.stdout
    import_ledger(tmp_path / "b", tmp_path / "a.jsonl.gz")
    assert known(tmp_path / "a").keys() == known(tmp_path / "b").keys()
    assert verify(tmp_path / "a").well


def test_an_export_may_hold_some_leaves_only(tmp_path: Path) -> None:
    """By the leaf's path."""
    fill(tmp_path, 9)
    assert "3 paid calls" in run("ledger", "export", tmp_path / "x.gz", "--work", tmp_path, "--leaf", "leaf/1").stdout


def test_lines_that_are_not_what_they_say_are_left_out_and_named(tmp_path: Path) -> None:
    """A file from elsewhere is a stranger's: its keys are checked, and a cut-off file gives what it has."""
    fill(tmp_path / "a", 20)
    export_ledger(tmp_path / "a", tmp_path / "a.gz")
    lines = gzip.decompress((tmp_path / "a.gz").read_bytes()).splitlines()
    forged = json.loads(lines[3]) | {"key": "00" * 32}
    failed = json.loads(lines[5]) | {"failure": "exhausted"}
    lines[3:6] = [json.dumps(forged).encode(), b"no json", json.dumps(failed).encode()]
    (tmp_path / "b.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    result = run("ledger", "import", tmp_path / "b.gz", "--work", tmp_path / "b")
    assert result.return_value == 1
    assert "17 new calls" in result.stdout
    assert [f"line {number}" in result.stderr for number in (3, 4, 5, 6, 7)] == [False, True, True, True, False]
    whole = (tmp_path / "a.gz").read_bytes()
    (tmp_path / "c.gz").write_bytes(whole[: len(whole) // 2])
    cut = import_ledger(tmp_path / "c", tmp_path / "c.gz")
    assert 0 < cut.new < 20
    assert "the file is damaged there" in cut.cut
    (tmp_path / "d.gz").write_bytes(b"PK")
    for wrong, words in (("d.gz", "can't be read"), ("missing.gz", "can't be read")):
        with pytest.raises(UsageError, match=words):
            import_ledger(tmp_path / "d", tmp_path / wrong)
    (tmp_path / "e.gz").write_bytes(gzip.compress(b'{"format": "labgen-ledger", "version": 99}\n'))
    with pytest.raises(UsageError, match="Upgrade"):
        import_ledger(tmp_path / "e", tmp_path / "e.gz")


@settings(max_examples=some(30), deadline=None)
@given(st.text(), st.text(max_size=20), st.sampled_from(["stop", "length"]), st.integers(0, 10**9))
def test_any_text_survives_the_way(tmp_path_factory: pytest.TempPathFactory, text: str, leaf: str, reason: str,
                                   tokens: int) -> None:  # fmt: skip
    """Whatever a teacher writes comes back as it was."""
    folder = tmp_path_factory.mktemp("ledger")
    call = make_call("question", leaf=leaf)
    with closing(Ledger(folder, ballast_bytes=0)) as ledger:
        ledger.insert([reply_row(call, Reply(text, reason, tokens, tokens))])
    export_ledger(folder, folder / "x.gz")
    import_ledger(folder / "other", folder / "x.gz")
    assert known(folder / "other") == {call.key: Reply(text, reason, tokens, tokens)}


def test_prune_removes_what_no_build_would_use_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only when told to; afterwards a build asks for nothing and gives the same bytes."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    with FaultyServer() as server:
        options = ("--base-url", server.base_url, "--model", MODEL, "--samples", 3)
        assert run("generate", *options).return_value == 0
        before = dataset_bytes(Path("dataset"))
        everything = set(known(Path(".labgen")))
        assert "0 calls would be removed" in run("ledger", "prune", *options).stdout
        leaf = next(Path("taxonomy").rglob("redewendungen/qna.yaml"))
        leaf.write_text(leaf.read_text().replace("deutsche Redewendung.", "deutsche Redewendung in Kürze.", 1))
        assert run("generate", *options, "--output", "other").return_value == 0
        changed = dataset_bytes(Path("other"))
        both = set(known(Path(".labgen")))
        said = run("ledger", "prune", *options).stdout
        assert "redewendungen" in said
        assert "action_items" not in said
        assert set(known(Path(".labgen"))) == both
        said = run("ledger", "prune", *options, "--yes").stdout
        assert "calls removed" in said
        kept = set(known(Path(".labgen")))
        assert kept < both
        assert kept & everything
        count = len(server.bodies)
        assert run("generate", *options, "--output", "again").return_value == 0
        assert len(server.bodies) == count
        assert dataset_bytes(Path("again")) == changed != before


def test_prune_spares_leaves_that_cannot_be_used_at_present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leaf with a slip in it will be mended, and its calls are paid for."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    run("generate", "--samples", 1)
    next(Path("taxonomy").rglob("redewendungen/qna.yaml")).write_text("seed_examples: none")
    assert "0 calls would be removed" in run("ledger", "prune", "--samples", 1).stdout


def test_a_work_folder_that_is_typed_wins_wherever_it_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `ledger`, or after the verb (the last one counts); only then the variable."""
    for name, calls in (("a", 1), ("b", 2), ("c", 3)):
        fill(tmp_path / name, calls)
    monkeypatch.setenv("LABGEN_WORK", str(tmp_path / "a"))
    assert run("ledger", "verify").stdout.startswith("1 paid")
    assert run("ledger", "--work", tmp_path / "b", "verify").stdout.startswith("2 paid")
    assert run("ledger", "--work", tmp_path / "b", "verify", "--work", tmp_path / "c").stdout.startswith("3 paid")


def test_the_ledger_is_shown_by_leaf_and_step(tmp_path: Path) -> None:
    """In words and as JSON; a missing one is empty."""
    fill(tmp_path, 30)
    words = run("ledger", "--work", tmp_path, "--by-leaf").stdout
    assert "leaf/1  respond     10" in words
    assert words.splitlines()[-2].split() == ["in", "all", "30", "0", "90", "120"]
    data = json.loads(run("ledger", "--work", tmp_path, "--json").stdout)
    assert sum(share["calls"] for share in data["shares"]) == 30
    assert data["bytes"] > 0
    assert "in all" in run("ledger", "--work", tmp_path / "none").stdout
    assert not (tmp_path / "none").exists()


FILL_THE_DISK = """
import asyncio, random, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from faulty_server import make_call
from labgen.errors import LedgerError
from labgen.records import Reply
from labgen.ledger.replies import Ledger

async def main():
    ledger = Ledger(Path(sys.argv[1]), ballast_bytes=int(sys.argv[2]))
    dice, kept = random.Random(0), 0
    async def ask(number):
        await ledger.put(make_call(f"call {number}"), Reply(dice.randbytes(2000).hex()))
    try:
        for start in range(0, 100000, 4):
            ledger.check_room()  # asked before calls are sent; these four are then in flight
            await asyncio.gather(*(ask(number) for number in range(start, start + 4)))
            kept += 4
    except LedgerError as error:
        print(kept, error)
    ledger.close()
asyncio.run(main())
"""


def fill_the_disk(folder: Path, ballast: int, **limits: object) -> tuple[int, str]:
    """Put replies until there is no room; returns how many were said to be kept, and the message."""
    command = [sys.executable, "-c", FILL_THE_DISK, str(folder), str(ballast), *sys.path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, **limits)  # type: ignore[call-overload]
    assert result.returncode == 0, result.stderr
    kept, words = result.stdout.split(" ", 1)
    return int(kept), words


def test_when_no_file_may_grow_the_run_stops_and_all_that_was_kept_is_there(tmp_path: Path) -> None:
    """A limit on file sizes ends like a full disk: a message, and nothing lost when there is room again."""
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))

    kept, words = fill_the_disk(tmp_path, 0, preexec_fn=limit)
    assert "make room on the disk, and run again" in words
    assert kept > 100
    assert len(known(tmp_path)) >= kept
    assert verify(tmp_path).well
    asyncio.run(_put_one(tmp_path))


async def _put_one(folder: Path) -> None:
    with closing(Ledger(folder)) as ledger:
        await ledger.put(make_call("after"), Reply("room"))
        assert ledger.get(make_call("after").key) == Reply("room")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of three megabytes; skipped where none can be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if os.name != "posix" or not hasattr(os, "geteuid") or os.geteuid() != 0 or not mount:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_the_calls_in_flight_are_kept_in_the_ballasts_place(small_disk: Path) -> None:
    """All that was sent before the disk was found full is kept; no further call is sent; room heals everything."""
    kept, words = fill_the_disk(small_disk, 500_000)
    assert "Make room on the disk and run again" in words
    assert not (small_disk / BALLAST_NAME).exists()
    assert len(known(small_disk)) == kept > 20
    with pytest.raises(LedgerError, match="Make room"):
        Ledger(small_disk, ballast_bytes=500_000)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    asyncio.run(_put_one(small_disk))
    assert len(known(small_disk)) == kept + 1


def test_a_build_on_a_full_disk_stops_clearly_and_pays_for_nothing_twice(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 1 and what to do; with room again the build goes on to the bytes of one that had room from the start."""
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    monkeypatch.setattr(Ledger.__init__, "__kwdefaults__", {"read_only": False, "ballast_bytes": 2**20, "alone": False})
    with FaultyServer() as server:
        options = ("--base-url", server.base_url, "--model", MODEL, "--samples", 24)
        run("generate", *options, "--work", "roomy", "--output", "expected")
        server.bodies.clear()
        server.answered.clear()
        (small_disk / "other").write_bytes(bytes(3 * 2**20 - 2**20 - 420_000))
        with pytest.raises(LabgenError, match=r"[Mm]ake room") as error:
            run("generate", *options, "--work", small_disk)
        assert error.value.exit_status == 1
        paid = list(server.answered)
        assert len(paid) > 5
        (small_disk / "other").unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
        run("generate", *options, "--work", small_disk)
        assert not [body for body in server.answered[len(paid) :] if body in paid]
    assert dataset_bytes(Path("dataset")) == dataset_bytes(Path("expected"))
    assert verify(small_disk).well
