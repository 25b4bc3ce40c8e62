"""How replies lie in the ledger: what was once written can be read for ever, and forms take next to no room."""

from __future__ import annotations

import hashlib
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labgen.ledger.packed_replies import PRESET, pack_reply, reply_of, unpack_reply
from labgen.records import Reply, Served

texts = st.text(max_size=200)


def test_the_dictionary_is_the_one_that_replies_were_written_with() -> None:
    # Another one would leave every reply that was ever paid for unreadable: a better one is a second one.
    assert hashlib.sha256(PRESET).hexdigest() == "edf5567da6532057d6d733ce562addec644f7cf9843ccb6953ea926b2ab631e2"


@given(st.builds(Reply, texts, texts, detail=texts, reasoning=texts, served=st.builds(Served, texts, texts)))
def test_a_reply_comes_back_as_it_was(reply: Reply) -> None:
    assert reply_of((pack_reply(reply), "", 0, 0)) == reply


def test_a_reply_from_before_there_was_a_dictionary_is_read() -> None:
    packed = zlib.compress(json.dumps(["Well.", "stop", ""]).encode(), 1)
    assert reply_of((packed, "", 3, 4)) == Reply("Well.", "stop", 3, 4)


def test_a_verdict_takes_less_than_half_of_its_room_without_a_dictionary() -> None:
    verdict = json.dumps({"reason": "it answers what was asked", "score": 2, "safe": "yes", "hazard": "none"})
    reply = Reply(verdict, served=Served("http://127.0.0.1:8000/v1", "mistralai/Mixtral-8x7B-Instruct-v0.1"))
    packed = pack_reply(reply)
    assert len(packed) < 0.5 * len(zlib.compress(unpack_reply(packed), 1))


@pytest.mark.parametrize("damage", (lambda packed: packed[:-1], lambda packed: packed[:6], lambda packed: b""))
def test_a_reply_that_was_cut_is_damaged(damage: object) -> None:
    with pytest.raises(zlib.error):
        unpack_reply(damage(pack_reply(Reply("Well."))))  # type: ignore[operator]
