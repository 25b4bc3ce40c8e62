"""Calls that say nearly the same take little space, come back as they were, and never endanger a reply."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from faulty_server import make_call
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some
from workbench import Labgen

from labgen.errors import LedgerError
from labgen.ledger.database import LEDGER_NAME
from labgen.ledger.export_import import export_ledger, import_ledger
from labgen.ledger.repair import repair
from labgen.ledger.replies import Ledger, reply_row
from labgen.ledger.verify import compact, verify
from labgen.records import Call, Reply


def made_words(seed: int, count: int) -> str:
    """Words that don't compress well."""
    dice = random.Random(seed)
    return " ".join(f"{dice.randrange(16**6):x}" for _ in range(count))


def prompts(count: int, *, step: str = "respond") -> list[Call]:
    """Calls of two leaves, with an own long beginning each, and a little that varies."""
    shared = [made_words(place, 400) for place in range(2)]
    return [
        make_call(f"{shared[number % 2]} and {made_words(number, 9)}", leaf=f"skills/{number % 2}", step=step)
        for number in range(count)
    ]


def keep(folder: Path, calls: list[Call]) -> None:
    """Keep a reply to each."""
    with closing(Ledger(folder, ballast_bytes=0)) as ledger:
        ledger.insert(reply_row(call, Reply(f"reply {number}")) for number, call in enumerate(calls))


def words_kept(folder: Path, calls: list[Call]) -> list[str]:
    """What the ledger says that was asked."""
    with closing(Ledger(folder, read_only=True)) as ledger:
        return [entry.call for entry in ledger.entries(call.key for call in calls)]


def dictionaries(folder: Path) -> int:
    """How many there are."""
    with closing(Ledger(folder, read_only=True)) as ledger:
        return int(ledger.query("SELECT count(*) FROM dictionaries")[0][0])


def test_calls_that_share_most_of_their_words_take_a_tenth_of_their_size(tmp_path: Path) -> None:
    """Each leaf's long beginning is there once."""
    calls = prompts(100)
    keep(tmp_path, calls)
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        stored = ledger.query("SELECT sum(length(call)) FROM replies")[0][0]
    assert stored < 0.1 * sum(len(call.canonical) for call in calls)
    assert dictionaries(tmp_path) == 2
    assert words_kept(tmp_path, calls) == [call.canonical for call in calls]


@settings(max_examples=some(40))
@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "y"]), st.text(max_size=300), st.integers(0, 400)),
        max_size=30,
    ),
    st.integers(1, 12),
)
def test_any_calls_come_back_as_they_were_whatever_was_kept_before(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, str, str, int]], at_once: int
) -> None:
    """In whatever order, over several runs, some far longer than a dictionary may be."""
    folder = tmp_path_factory.mktemp("ledger")
    calls = [make_call(text * (1 + times), leaf=leaf, step=step) for leaf, step, text, times in asked]
    calls = list({call.key: call for call in calls}.values())
    for start in range(0, len(calls), at_once):
        keep(folder, calls[start : start + at_once])
    assert words_kept(folder, calls) == [call.canonical for call in calls]
    assert not calls or verify(folder).well


def test_a_lost_dictionary_costs_no_reply(tmp_path: Path) -> None:
    """Verify names it, a build has all its replies, and a repaired ledger only lacks the words of these calls."""
    calls = prompts(20)
    keep(tmp_path, calls)
    with closing(sqlite3.connect(tmp_path / LEDGER_NAME)) as database:
        database.execute("UPDATE dictionaries SET text = x'00' WHERE leaf = 'skills/0'")
        database.commit()
    health = verify(tmp_path)
    assert (health.sound, health.calls_lost, health.damaged, health.well) == (10, 10, [], False)
    with pytest.raises(LedgerError, match=r"dictionary 1 is damaged.*ledger verify"):
        words_kept(tmp_path, calls)
    repair(tmp_path)
    with closing(Ledger(tmp_path, read_only=True)) as ledger:
        assert [ledger.get(call.key) for call in calls] == [Reply(f"reply {number}") for number in range(20)]
    assert words_kept(tmp_path, calls) == [call.canonical for call in calls if call.leaf == "skills/1"]
    # What can't be shown to be the call of its key is nothing to pass on.
    assert export_ledger(tmp_path, tmp_path / "paid.gz") == 10
    assert import_ledger(tmp_path / "other", tmp_path / "paid.gz").left_out == []


def test_what_no_call_needs_any_more_goes_when_space_is_given_back(tmp_path: Path) -> None:
    """A dictionary is nobody's reply: calls that it was made of may be forgotten, and those like them stay whole."""
    calls = prompts(20)
    keep(tmp_path, calls)
    with closing(Ledger(tmp_path, ballast_bytes=0)) as ledger:
        ledger.forget([*(call.key for call in calls if call.leaf == "skills/0"), calls[1].key])
    compact(tmp_path)
    assert dictionaries(tmp_path) == 1
    assert words_kept(tmp_path, calls) == [call.canonical for call in calls[3::2]]


def test_what_is_not_kept_leaves_no_dictionary_behind(tmp_path: Path) -> None:
    """A transaction that fails takes its dictionaries back, and the next one does not count on them."""
    calls = prompts(4)
    with closing(Ledger(tmp_path, ballast_bytes=0)) as ledger:
        rows = [reply_row(call, Reply("said")) for call in calls]
        with pytest.raises(LedgerError, match="no such table"):
            ledger.insert(rows, ("DELETE FROM nowhere WHERE x = ?", [(1,)]))
        assert ledger.query("SELECT count(*) FROM dictionaries") == [(0,)]
        assert ledger.insert(rows) == 4
    assert words_kept(tmp_path, calls) == [call.canonical for call in calls]


def damage_dictionary(folder: Path, leaf: str) -> None:
    """Overwrite what a leaf's calls are packed with."""
    with closing(sqlite3.connect(folder / LEDGER_NAME)) as database:
        database.execute("UPDATE dictionaries SET text = x'00' WHERE leaf = ?", (leaf,))
        database.commit()


def test_words_that_are_lost_are_put_away_once_and_an_export_brings_them_back(tmp_path: Path) -> None:
    """A second repair changes nothing and makes no further copy; it says what is lost, and so does verify."""
    work, calls = tmp_path / "work", prompts(20)
    keep(work, calls)
    export_ledger(work, tmp_path / "paid.gz")
    damage_dictionary(work, "skills/0")
    labgen = Labgen(tmp_path)
    first = labgen("ledger", "verify", "--repair", "--work", "work")
    assert first.status == 1 and "Saved. The damaged file is" in first.out
    content = {path.name: path.read_bytes() for path in work.glob("ledger.sqlite*[!lm]")}
    for command in (("--repair",), ("--no-repair",), ("--repair",)):
        again = labgen("ledger", "verify", *command, "--work", "work")
        assert again.status == 1 and "Saved" not in again.out and "verify --repair" not in again.out
        assert "10 replies are sound, but what they answer is lost" in again.out
        assert "labgen ledger import FILE" in again.out
        assert {path.name: path.read_bytes() for path in work.glob("ledger.sqlite*[!lm]")} == content
    brought = labgen("ledger", "import", "paid.gz", "--work", "work")
    assert brought.status == 0 and "10 known calls whose words were lost here have them again" in brought.out
    assert verify(work).well and words_kept(work, calls) == [call.canonical for call in calls]


def test_a_damaged_dictionary_stands_in_the_way_of_nothing(tmp_path: Path) -> None:
    """Builds go on keeping replies; an import mends words without a repair."""
    calls = prompts(24)
    keep(tmp_path, calls[:20])
    export_ledger(tmp_path, tmp_path / "paid.gz")
    damage_dictionary(tmp_path, "skills/0")
    keep(tmp_path, calls)
    assert words_kept(tmp_path, calls[20:]) == [call.canonical for call in calls[20:]]
    assert import_ledger(tmp_path, tmp_path / "paid.gz").words == 10
    assert verify(tmp_path).well
