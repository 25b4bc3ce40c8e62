"""A call has one key, on every machine and for ever: what was paid for is found by it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labgen.records import Call, Message, Schema

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts=st.lists(st.tuples(TEXTS, TEXTS), max_size=3), model=TEXTS, stop=st.lists(TEXTS, max_size=2), extra=TEXTS)
def test_a_key_is_the_hash_of_canonical_json(
    texts: list[tuple[str, str]], model: str, stop: list[str], extra: str
) -> None:
    """As the standard library writes it: names sorted, no blanks, all letters as they are."""
    call = Call(
        model,
        tuple(Message(role, content) for role, content in texts),
        max_tokens=7,
        temperature=0.8,
        seed=3,
        stop=tuple(stop),
        schema=Schema({"type": extra}),
        extra_body=Schema({extra: [1]}),
        reasoning=extra,
    )
    named: dict[str, Any] = {
        "model": model,
        "messages": texts,
        "max_tokens": 7,
        "temperature": 0.8,
        "seed": 3,
        "top_p": 1.0,
        "schema": {"type": extra},
        "extra_body": {extra: [1]},
    }
    named |= {"stop": stop} if stop else {}
    named |= {"reasoning": extra} if extra else {}
    written = json.dumps(named, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    assert call.canonical == written and call.key == hashlib.sha256(written.encode()).digest()
    assert Call.of_canonical(call.canonical).key == call.key


def test_every_letter_is_written_as_ever() -> None:
    """All of Unicode, so that no prompt of any script is asked twice."""
    letters = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    call = Call("m", (Message("user", letters),), max_tokens=1, temperature=0.0, seed=0)
    assert json.dumps(letters, ensure_ascii=False) in call.canonical
