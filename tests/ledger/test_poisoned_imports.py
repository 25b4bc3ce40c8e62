"""Files that are well-formed and not what they say are believed for nothing else; nothing paid for is lost."""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer, make_call
from workbench import Labgen, freeform, write_leaf

from labgen.ledger.database import LEDGER_NAME, SCHEMA_VERSION
from labgen.ledger.export_import import export_ledger, import_ledger
from labgen.ledger.replies import Ledger, reply_row
from labgen.ledger.verify import verify
from labgen.records import MOST_TOKENS, Reply, Served

Line = dict[str, Any]
CALLS = [make_call(f"call {number}", leaf="skills/a", step="respond") for number in range(6)]


@pytest.fixture
def paid(tmp_path: Path) -> list[Line]:
    """The lines of an export of six calls, its head first."""
    with closing(Ledger(tmp_path / "other", ballast_bytes=0)) as ledger:
        ledger.insert(reply_row(call, Reply(f"to {call.messages[1].content}", "stop", 1, 1)) for call in CALLS)
    export_ledger(tmp_path / "other", tmp_path / "paid.gz")
    return lines_of(tmp_path / "paid.gz")


def lines_of(file: Path) -> list[Line]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def write(file: Path, lines: list[Line]) -> Path:
    file.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))
    return file


def asked(call: str) -> Line:
    """What a line says of a call whose words are these."""
    return {"call": call, "key": hashlib.sha256(call.encode()).hexdigest()}


def of_model(name: str) -> Line:
    """The call of a line, as it would have been asked of another model."""
    return asked(CALLS[0].canonical.replace('"model":"m"', f'"model":"{name}"'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "00" * 32}, "its key is not its call's"),
        ({"key": CALLS[1].key.hex()}, "its key is not its call's"),
        (of_model("another"), "asks another model"),
        ({"model": "another"}, "asks another model"),
        (asked("words without a call"), "no call"),
        (asked('{"model":"m","messages":7}'), "no call"),
        (asked("[" * 5000), "no call"),
        ({"prompt_tokens": MOST_TOKENS + 1}, "counts of tokens"),
        ({"completion_tokens": -1}, "counts of tokens"),
        ({"completion_tokens": True}, "counts of tokens"),
        ({"failure": "exhausted", "reply": ""}, "no call ends so"),
        ({"failure": "refused"}, "no call ends so"),
        ({"served_model": ["m"]}, "not a paid call"),
        ({"reply": None}, "not a paid call"),
        ({"reply": "half \ud800", "leaf": "\ud800"}, "characters"),
    ],
)
def test_a_line_that_is_not_what_it_says_is_left_out_with_the_reason(
    paid: list[Line], change: Line, said: str, tmp_path: Path
) -> None:
    """And costs no other line anything."""
    place = next(number for number, line in enumerate(paid) if line.get("key") == CALLS[0].key.hex())
    paid[place] |= change
    told = Labgen(tmp_path)("ledger", "import", str(write(tmp_path / "x.gz", paid)))
    assert told.status == 1 and "5 new calls" in told.out
    assert f"line {place + 1}: " in told.err and said in told.err and told.err.count("left out") == 1
    assert verify(tmp_path / ".labgen").sound == 5


def test_a_reply_of_another_model_is_told_and_known_as_such(paid: list[Line], tmp_path: Path) -> None:
    """It may be an alias's own name; whoever imports it knows, and so do rows."""
    for line in paid[1:]:
        line["served_model"] = "another\x1b[31m"
    told = Labgen(tmp_path)("ledger", "import", str(write(tmp_path / "x.gz", paid)))
    assert told.status == 0
    assert "6 replies to calls of `m` bear the name `another\\u001b[31m`" in told.out
    with closing(Ledger(tmp_path / ".labgen", read_only=True)) as ledger:
        replies = [ledger.get(call.key) for call in CALLS]
    assert {reply and reply.served for reply in replies} == {Served("", "another\x1b[31m")}


def test_of_two_replies_to_one_call_the_first_stays_also_within_a_file(paid: list[Line], tmp_path: Path) -> None:
    """And the other one is counted."""
    done = import_ledger(tmp_path / "work", write(tmp_path / "x.gz", [*paid, paid[1] | {"reply": "otherwise"}]))
    assert (done.new, done.known, done.differing) == (6, 1, 1)
    with closing(Ledger(tmp_path / "work", read_only=True)) as ledger:
        kept = ledger.get(bytes.fromhex(paid[1]["key"]))
        assert kept and kept.text == paid[1]["reply"]


def swapped(lines: list[Line]) -> list[Line]:
    """Each reply under the key of the next call, which is of another prompt."""
    replies = [line["reply"] for line in lines[1:]]
    return [
        lines[0],
        *(line | {"reply": said} for line, said in zip(lines[1:], replies[1:] + replies[:1], strict=True)),
    ]


def ended_oddly(lines: list[Line]) -> list[Line]:
    """Ends that no server has, and much too long ones."""
    return [lines[0], *(line | {"finish_reason": "\x1b[31m" * 10_000} for line in lines[1:])]


def refused(lines: list[Line]) -> list[Line]:
    """All turned down for good."""
    return [lines[0], *(line | {"reply": "", "failure": "refused", "detail": "no"} for line in lines[1:])]


def with_strangers(lines: list[Line]) -> list[Line]:
    """Many calls that nobody has asked."""
    strangers = (f'{{"messages":[],"model":"m","seed":{number}}}' for number in range(1_200))
    return [*lines, *(lines[1] | {"model": "m"} | asked(call) for call in strangers)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a leaf, and the export of its build."""
    folder = tmp_path_factory.mktemp("built")
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    with FaultyServer() as server:
        assert build(folder, server, "first")[0] == 0
    export_ledger(folder / "first", folder / "paid.gz")
    return folder


def build(folder: Path, server: FaultyServer, work: str) -> tuple[int, str]:
    """Status, and what was said."""
    options = ("--base-url", server.base_url, "--work", work, "--output", f"{work}-dataset", "--samples", "2")
    run = Labgen(folder)("generate", *options)
    return run.status, run.out + run.err


@pytest.mark.parametrize(
    ("poison", "rows"), [(swapped, "2"), (ended_oddly, "2"), (refused, "0"), (with_strangers, "2")]
)
def test_a_build_on_poisoned_replies_comes_to_an_end_and_asks_for_nothing_that_is_there(
    built: Path, poison: Callable[[list[Line]], list[Line]], rows: str
) -> None:
    """What can't be used of them is drawn anew or told; what nobody asked for changes no byte, and can be pruned."""
    work = poison.__name__
    done = import_ledger(built / work, write(built / f"{work}.gz", poison(lines_of(built / "paid.gz"))))
    assert done.whole and done.new
    with FaultyServer() as server:
        status, said = build(built, server, work)
        assert "Traceback" not in said and "\x1b" not in said
        with closing(Ledger(built / work, read_only=True)) as ledger:
            assert ledger.query("SELECT count(*) FROM replies") == [(done.new + len(server.bodies),)]
        assert said.partition("in all")[2].split()[:2] == ["2", rows], said
        assert status == (0 if rows == "2" else 1)
        if poison is with_strangers:
            assert status == 0 and not server.bodies
            pruned = Labgen(built)("ledger", "prune", "--base-url", server.base_url, "--work", work, "--samples", "2")
            assert "1200 calls would be removed" in pruned.out


COMMANDS = (("ledger",), ("ledger", "verify"), ("ledger", "verify", "--repair"), ("ledger", "import", "paid.gz"),
            ("ledger", "export", "x.gz"), ("ledger", "prune", "--yes"), ("generate",), ("plan",))  # fmt: skip


@pytest.mark.parametrize("journal", [False, True])
def test_a_ledger_or_journal_of_a_later_version_is_told_and_left_alone(
    built: Path, journal: bool, tmp_path: Path
) -> None:
    """By every command that opens it."""
    work = tmp_path / ".labgen"
    import_ledger(work, built / "paid.gz")
    with closing(sqlite3.connect(work / LEDGER_NAME)) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        files = {path.name: path.read_bytes() for path in work.glob("ledger.sqlite*")}
    assert files["ledger.sqlite-wal"]
    if journal:  # as a kill leaves it: the file itself is of this version yet
        for name, content in files.items():
            (work / name).write_bytes(content)
    (tmp_path / "taxonomy").symlink_to(built / "taxonomy")
    (tmp_path / "paid.gz").write_bytes((built / "paid.gz").read_bytes())

    def content() -> list[Any]:
        with closing(sqlite3.connect(work / LEDGER_NAME)) as database:
            rows = database.execute("SELECT * FROM replies ORDER BY key").fetchall()
            return [database.execute("PRAGMA user_version").fetchone(), rows]

    before = None if journal else content()  # a look at it would fold the journal in
    for command in COMMANDS:
        told = Labgen(tmp_path)(*command)
        assert told.status == 1 and "written by a newer labgen" in told.err and "Upgrade labgen" in told.err, command
        before = before or content()
        assert content() == before and not list(work.glob("*.damaged-*"))
