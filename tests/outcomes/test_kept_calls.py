"""An outcome says of a call which of its replies it is, and gives back what was kept, byte for byte."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from thoroughness import some
from workbench import Labgen, freeform, write_leaf

from labgen.config.file import load_config
from labgen.filters.duplicates_in_leaf import Seen
from labgen.generate.blocks import pack, unpack
from labgen.generate.dry_run import NobodyAsked
from labgen.generate.leaf_outcomes import LeafOutcome, LeafOutcomes, MadeOutcome
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.resume import Replayed
from labgen.ledger.replies import Ledger
from labgen.outcomes.store import FILE_NAME, FOLDER, OutcomeStore
from labgen.records import Call, Candidate, Message, Reply
from labgen.teacher.traffic import Origin
from labgen.verbs.session import Session

CALLS = [Call("m", (Message("user", f"Question {number}"),), 9, 0.5, number) for number in range(12)]
PAID = 8
"""Calls that the ledger has; it has none of the others."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    folder = tmp_path_factory.mktemp("kept-calls")
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    (folder / "labgen.yaml").write_text(yaml.safe_dump({"samples": 3}))
    return Session.prepare(load_config(folder / "labgen.yaml"))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    async def pay(ledger: Ledger) -> None:
        for call in CALLS[PAID - 1 :: -1]:
            await ledger.put(call, Reply(f"Answer {call.seed}"))

    with closing(Ledger(tmp_path_factory.mktemp("paid"), ballast_bytes=0)) as ledger:
        asyncio.run(pay(ledger))
        yield ledger


some_calls = st.lists(st.sampled_from(CALLS), max_size=6).map(lambda calls: tuple(call.key for call in calls))
blocks = st.lists(st.lists(some_calls, max_size=4), max_size=3)


@settings(max_examples=some(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks, st.sets(st.sampled_from(CALLS[:PAID])))
def test_what_is_found_is_what_was_kept_whatever_calls_its_candidates_name(
    tmp_path_factory: pytest.TempPathFactory,
    session: Session,
    ledger: Ledger,
    histories: list[list[tuple[bytes, ...]]],
    used: set[Call],
) -> None:
    """In any order, time and again, also calls that are none of its replies, or that nobody has paid for."""
    drawn = [
        [Candidate("a/b", slot, at, f"What is {at}?", calls=calls) for at, calls in enumerate(slots)]
        for slot, slots in enumerate(histories)
    ]
    seen = [[Seen(each.slot, each.instruction, None, "it") for each in slots] for slots in drawn]
    packed = tuple(pack(slots, saw) for slots, saw in zip(drawn, seen, strict=True))
    kept = Replayed(LeafProgress(3), sum(map(len, drawn)), packed, Counter({Origin("m", "", ""): 1}))
    plan, run = session.sources.plans[0], session.replay.context(NobodyAsked())
    with OutcomeStore(tmp_path_factory.mktemp("work"), max_bytes=10**7) as store:
        outcomes = LeafOutcomes(store, run, ledger)
        outcomes.of(plan, lambda *_: MadeOutcome(kept, [call.key for call in used]), "kind").tell(store)
        found: LeafOutcome[Replayed] | None = outcomes.find(plan, "kind")
    assert found and found.value == kept and found.replies == len(used)
    assert [unpack("a/b", block) for block in found.value.blocks] == drawn
    assert list(found.value.past.seen) == [each for saw in seen for each in saw]


def test_no_key_that_the_ledger_has_is_kept_again(tmp_path: Path) -> None:
    """They can't be made any smaller, and would be a quarter of all that is kept."""
    write_leaf(tmp_path / "taxonomy", "foundational_skills/requests", **freeform())
    (tmp_path / "labgen.yaml").write_text(yaml.safe_dump({"samples": 3}))
    assert Labgen(tmp_path)("generate").status == 0
    with closing(sqlite3.connect(tmp_path / ".labgen" / "ledger.sqlite")) as database, database:
        keys = [row[0] for row in database.execute("SELECT key FROM replies")]
    kept = (tmp_path / ".labgen" / FOLDER / FILE_NAME).read_bytes()
    assert keys and kept and not any(key in kept for key in keys)
