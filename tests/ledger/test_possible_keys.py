"""A ledger that began empty looks for no reply in its file that it surely has not, and misses none that it has."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing
from pathlib import Path

from faulty_server import make_call
from hypothesis import given
from hypothesis import strategies as st

from labgen.ledger.possible_keys import PossibleKeys
from labgen.ledger.replies import Ledger, reply_row
from labgen.records import Reply


def key_of(number: int) -> bytes:
    """A key as calls have them."""
    return hashlib.sha256(str(number).encode()).digest()


@given(st.sets(st.binary(min_size=32, max_size=32), max_size=200))
def test_a_key_that_was_added_is_possible(keys: set[bytes]) -> None:
    """Whatever was added besides."""
    possible = PossibleKeys()
    for key in keys:
        possible.add(key)
    assert all(key in possible for key in keys)


def test_few_others_are() -> None:
    """One in a thousand beside 100,000."""
    possible = PossibleKeys()
    for number in range(100_000):
        possible.add(key_of(number))
    assert sum(key_of(-number) in possible for number in range(1, 10_001)) <= 10


def test_what_this_ledger_wrote_or_heard_of_is_found(tmp_path: Path) -> None:
    """So is what another process wrote that ended before it said so, where it is asked for like that."""
    one, two, three, four = map(make_call, ("one", "two", "three", "four"))
    with closing(Ledger(tmp_path, alone=True)) as ledger, closing(Ledger(tmp_path, ballast_bytes=0)) as other:
        assert ledger.get(one.key) is None
        asyncio.run(ledger.put(one, Reply("1")))
        ledger.insert([reply_row(two, Reply("2"))])
        other.insert([reply_row(three, Reply("3")), reply_row(four, Reply("4"))])
        ledger.note_kept(three.key)
        for call, text in ((one, "1"), (two, "2"), (three, "3")):
            found = ledger.get(call.key)
            assert found and found.text == text
        assert ledger.get(four.key) is None
        unheard = ledger.get(four.key, unheard=True)
        assert unheard and unheard.text == "4"
        assert ledger.contains(four.key)


def test_a_ledger_with_replies_is_looked_into(tmp_path: Path) -> None:
    """Also one that was emptied again."""
    call = make_call("one")
    with closing(Ledger(tmp_path, alone=True)) as ledger:
        asyncio.run(ledger.put(call, Reply("1")))
    with closing(Ledger(tmp_path, alone=True)) as ledger:
        found = ledger.get(call.key)
        assert found and found.text == "1"
        assert ledger.forget([call.key]) == 1 and ledger.get(call.key) is None
