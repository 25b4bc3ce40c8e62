"""Leaves on their way through the engine: exactly as many rows as wanted, and none of it depends on timing."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.filters.available import FilterSet, standard_filters
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.generate.context import RunContext
from labgen.generate.engine import Engine
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.resume import replay_slots
from labgen.plan.leaf_plan import LeafPlan, plan_leaves
from labgen.records import Call, Candidate, Leaf, Pair, Reply, SeedExample, State
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience

WORDS = tuple(
    """
    amber basket candle dagger eagle fabric garlic hammer island jacket kettle ladder magnet needle ocean paddle quartz
    rabbit saddle table umbrella violet walnut yellow zebra anchor bridge copper dragon ember forest
    """.split()  # noqa: SIM905 (a list of so many strings would fill the screen)
)
PROMPTS = PromptSet()

Script = Callable[[Call, int], str | Reply]
"""A call and its slot's number to what the teacher says."""


def sentence(*parts: object, words: int = 9) -> str:
    """Words that follow from the parts, and resemble no other sentence."""
    return " ".join(Random(repr(parts)).choices(WORDS, k=words))


def leaf(name: str = "requests") -> Leaf:
    """A freeform leaf of five seeds."""
    seeds = tuple(
        SeedExample(index, None, (Pair(f"Write of {sentence('seed', index)}.", sentence("answer", index)),))
        for index in range(5)
    )
    path = f"foundational_skills/{name}"
    return Leaf(path, "foundational_skills", Path("qna.yaml"), 3, "Short requests.", "", "", seeds, None, "me")


def drawn(*instructions: str) -> str:
    """A reply that holds instructions."""
    return "\n".join(f"<instruction>\n{each}\n</instruction>" for each in instructions)


def verdicts(call: Call, judge: Callable[[str], bool]) -> str:
    """The instruction judge's reply, with what it thinks of each candidate."""
    shown = re.findall(r'<candidate id="(\d+)">(.*?)</candidate>', call.messages[-1].content, re.S)
    entries = [
        {
            "id": int(number),
            "on_task": "yes" if judge(text.strip()) else "no",
            "answerable": "yes",
            "safe": "yes",
            "hazard": "none",
            "reason": "so",
        }
        for number, text in shown
    ]
    return json.dumps({"verdicts": entries})


def agreeable(call: Call, slot: int) -> str:
    """Four new instructions a slot; every judge says yes."""
    if call.step == "freeform_instructions":
        return drawn(*(f"Write of {sentence(slot, place)}." for place in range(4)))
    if call.step == "judge_instructions":
        return verdicts(call, lambda text: True)
    if call.step == "judge_pair":
        return json.dumps({"reason": "right", "score": 3, "safe": "yes", "hazard": "none"})
    return sentence(call.canonical, words=20).capitalize() + "."


def moody(call: Call, slot: int) -> str | Reply:
    """A bit of everything: repeats across slots, refused candidates, unreadable and missing replies."""
    mood = blake2b(call.key, digest_size=1).digest()[0]
    if call.step == "freeform_instructions":
        if slot % 5 == 3:
            return Reply("", failure="exhausted") if slot % 2 else "I'd rather not."
        repeated = f"Write of {sentence(slot - 1, 0)}." if slot % 3 == 1 else "Write a word."
        return drawn(*(f"Write of {sentence(slot, place)}." for place in range(3)), repeated)
    if call.step == "judge_instructions":
        return verdicts(call, lambda text: blake2b(text.encode(), digest_size=1).digest()[0] > 60)
    if call.step == "respond" and mood < 20:
        return Reply("", failure="refused")
    if call.step == "judge_pair" and mood < 60:
        return json.dumps({"reason": "wrong", "score": 1, "safe": "yes", "hazard": "none"}) if mood < 50 else "Hm."
    return agreeable(call, slot)


class Backend:
    """Says what the script says, each reply after so many turns of the loop."""

    def __init__(self, script: Script, delay: Callable[[Call], int]) -> None:
        self.calls: list[Call] = []
        self._script, self._delay = script, delay

    async def ask(self, call: Call) -> Reply:
        """The scripted reply."""
        self.calls.append(call)
        for _ in range(self._delay(call)):
            await asyncio.sleep(0)
        said = self._script(call, call.priority[-1])
        return said if isinstance(said, Reply) else Reply(said)

    async def close(self) -> None:
        """Nothing to give up."""


class Kept:
    """A ledger in memory."""

    def __init__(self) -> None:
        self.replies: dict[bytes, Reply] = {}

    def get(self, key: bytes) -> Reply | None:
        """The reply, where it is kept."""
        return self.replies.get(key)

    async def put(self, call: Call, reply: Reply) -> None:
        """Keep all but what merely ran out of attempts."""
        if reply.failure != "exhausted":
            self.replies[call.key] = reply

    def check_room(self) -> None:
        """There is always room."""


@dataclass
class Drawn:
    """What came of a run."""

    candidates: dict[str, list[Candidate]] = field(default_factory=dict)
    leaves: dict[str, LeafRun] = field(default_factory=dict)
    asked: list[Call] = field(default_factory=list)
    ahead: int = 0

    def states(self, path: str = "foundational_skills/requests") -> list[State | None]:
        """How the candidates of a leaf ended, in order."""
        return [candidate.state for candidate in self.candidates[path]]


def run(
    script: Script,
    wanted: int = 10,
    *,
    in_flight: int = 8,
    delay: Callable[[Call], int] = lambda call: 0,
    kept: Kept | None = None,
    leaves: tuple[Leaf, ...] = (leaf(),),
    replayed: bool = False,
    **sections: dict[str, Any],
) -> Drawn:
    """Run the engine over leaves; where `replayed`, what `kept` answers is retired before it begins."""
    config = read_section(Config, {"samples": wanted, "calibration": {"enabled": False}, **sections})
    plans: tuple[LeafPlan, ...] = plan_leaves(leaves, {}, config, PROMPTS, SHIPPED_FLOWS)
    backend, found = Backend(script, delay), Drawn()

    def retired(run: LeafRun, candidates: list[Candidate]) -> None:
        found.candidates.setdefault(run.plan.leaf.path, []).extend(candidates)
        found.leaves[run.plan.leaf.path] = run

    async def work() -> None:
        endpoint = Endpoint("test", backend, Pressure(in_flight, now=asyncio.get_running_loop().time))
        client = TeacherClient({"m": Replicas([endpoint])}, kept or Kept(), Patience(1))  # type: ignore[arg-type]
        context = RunContext(client, PROMPTS, config, "m", "m", FilterSet(standard_filters()))
        pasts = await replay(plans, context, kept, found) if replayed and kept else {}
        left = [plan for plan in plans if plan.leaf.path in pasts or not replayed]
        engine = Engine(left, context, client, retired, pasts=pasts)
        try:
            assert await engine.run()
        finally:
            await client.close()
        found.ahead = engine.progress.ahead

    asyncio.run(asyncio.wait_for(work(), 60.0))
    found.asked = backend.calls
    return found


async def replay(plans: tuple[LeafPlan, ...], context: RunContext, kept: Kept, found: Drawn) -> dict[str, Past]:
    """Retire what the ledger answers; returns what the other leaves go on from."""
    client, pasts = LedgerOnly(kept), {}  # type: ignore[arg-type]
    for plan in plans:
        leaf_run = LeafRun(plan, replace(context, client=client))
        drawn = found.candidates.setdefault(plan.leaf.path, [])
        past = await replay_slots(leaf_run, client, lambda slot, drawn=drawn: drawn.extend(slot.candidates))
        found.leaves[plan.leaf.path] = leaf_run
        if not past.progress.done:
            pasts[plan.leaf.path] = past
    return pasts


@pytest.mark.parametrize("wanted", [1, 3, 4, 5, 30])
@pytest.mark.parametrize("in_flight", [1, 64])
def test_a_leaf_gets_exactly_the_rows_wanted_and_the_rest_of_its_last_slot_is_surplus(
    wanted: int, in_flight: int
) -> None:
    """However many calls are in flight; slots beyond the last one are no part of it."""
    found = run(agreeable, wanted, in_flight=in_flight)
    slots = -(-wanted // 4)
    assert found.states() == [State.ACCEPTED] * wanted + [State.SURPLUS] * (4 * slots - wanted)
    assert [(each.slot, each.position) for each in found.candidates["foundational_skills/requests"]] == [
        (slot, position) for slot in range(slots) for position in range(4)
    ]


def test_what_is_asked_ahead_is_counted_and_bounded() -> None:
    """With a yield that can't be foreseen; what is asked is the leaf's calls and those ahead."""
    found = run(moody, 30, in_flight=16, delay=lambda call: 3)
    leaf = found.leaves["foundational_skills/requests"]
    assert len({call.key for call in found.asked}) <= leaf.progress.calls + found.ahead
    assert found.ahead < leaf.progress.calls / 2


def draws_among(calls: list[Call]) -> int:
    """How many of the calls begin a slot."""
    return sum(call.step == "freeform_instructions" for call in calls)


def test_what_is_needed_begins_at_once_when_no_further_leaf_is_left() -> None:
    """Ten slots of ten calls each: no chain of calls begins when the others end."""
    found = run(agreeable, 40, in_flight=4, delay=lambda call: 3)
    assert len(found.asked) == 100 and found.ahead == 0
    assert draws_among(found.asked[:20]) == 10


def test_while_leaves_wait_only_as_much_is_begun_as_keeps_the_teacher_busy() -> None:
    """A leaf's calls stay together: the next one begins when those before leave places free."""
    found = run(agreeable, 40, in_flight=4, delay=lambda call: 30, leaves=(leaf("a"), leaf("b")))
    assert draws_among(found.asked[:30]) < 10
    assert {call.leaf for call in found.asked[:60]} == {"foundational_skills/a"}


BOTH = (leaf(), leaf("more"))


@cache
def run_one_by_one() -> Drawn:
    """Two leaves, never more than one call in flight."""
    return run(moody, 12, in_flight=1, leaves=BOTH)


@settings(max_examples=some(30), deadline=None)
@given(seed=st.integers(0, 2**32 - 1), in_flight=st.integers(1, 40), slowest=st.integers(0, 30))
def test_no_result_depends_on_when_replies_come(seed: int, in_flight: int, slowest: int) -> None:
    """Any delays, any number in flight: the same candidates, verdicts, reasons and counts of calls."""

    def delay(call: Call) -> int:
        return Random(call.key + seed.to_bytes(4, "big")).randint(0, slowest)

    one_by_one = run_one_by_one()
    shuffled = run(moody, 12, in_flight=in_flight, delay=delay, leaves=BOTH)
    assert shuffled.candidates == one_by_one.candidates
    for path, run_ in one_by_one.leaves.items():
        assert shuffled.leaves[path].progress == run_.progress


def test_the_moody_teacher_makes_every_kind_of_end() -> None:
    """So that the test above has something to compare."""
    states = set(run(moody, 40).states())
    assert states >= {
        State.ACCEPTED, State.DUPLICATE, State.FAILED, State.UNPARSED, State.IRRELEVANT, State.LOW_QUALITY,
    }  # fmt: skip


@pytest.mark.parametrize("slow", [0, 1])
def test_of_two_that_are_alike_the_earlier_slot_wins_whichever_comes_first(slow: int) -> None:
    """Even where the earlier slot's reply is the last of all."""

    def twins(call: Call, slot: int) -> str:
        if call.step == "freeform_instructions" and slot < 2:
            return drawn(f"Write of {sentence('twin')}.", f"Write of {sentence('single', slot)}.")
        return agreeable(call, slot)

    found = run(twins, 8, delay=lambda call: 200 if call.priority[-1] == slow else 0)
    states = {(each.slot, each.position): each for each in found.candidates["foundational_skills/requests"]}
    assert states[0, 0].state is State.ACCEPTED
    assert states[1, 0].state is State.DUPLICATE and "slot 0, position 0" in states[1, 0].reason


def test_an_instruction_that_repeats_a_seed_is_a_duplicate_of_it() -> None:
    """The seeds came before any slot."""

    def parrot(call: Call, slot: int) -> str:
        if call.step == "freeform_instructions" and slot == 0:
            return drawn(leaf().seed_examples[2].pairs[0].question + " Please.")
        return agreeable(call, slot)

    first = run(parrot, 4).candidates["foundational_skills/requests"][0]
    assert first.state is State.DUPLICATE and first.reason.startswith("of_a_seed")


@pytest.mark.parametrize("in_flight", [1, 50])
def test_a_leaf_that_does_not_yield_is_stopped_at_the_same_call_every_time(in_flight: int) -> None:
    """By calls per accepted row, counted in slot order."""

    def strict(call: Call, slot: int) -> str:
        return (
            verdicts(call, lambda text: False) if call.step == "judge_instructions" and slot else agreeable(call, slot)
        )

    found = run(strict, 100, in_flight=in_flight, stop={"max_calls_per_row": 10.0, "min_calls": 20})
    stopped = found.leaves["foundational_skills/requests"].progress
    assert stopped.accepted == 4 and stopped.stopped == f"low yield: {stopped.calls} calls for 4 rows"
    assert 40 < stopped.calls <= 42


def test_a_slot_without_a_reply_fails_alone() -> None:
    """One `failed` candidate says so; the leaf still gets its rows."""

    def gap(call: Call, slot: int) -> str | Reply:
        return (
            Reply("", failure="exhausted") if call.step.startswith("freeform") and slot == 1 else agreeable(call, slot)
        )

    found = run(gap, 10)
    failed = [each for each in found.candidates["foundational_skills/requests"] if each.state is State.FAILED]
    assert [(each.slot, each.reason) for each in failed] == [(1, "exhausted_freeform_instructions")]
    assert found.states().count(State.ACCEPTED) == 10


@settings(max_examples=some(15), deadline=None)
@given(in_flight=st.integers(1, 40), share=st.floats(0.0, 1.0), replayed=st.booleans())
def test_what_is_kept_is_not_asked_again(in_flight: int, share: float, replayed: bool) -> None:
    """All of a build, or any part of it, after an interruption; replayed first, or met with on the way."""
    script: Script = lambda call, slot: (  # noqa: E731
        agreeable(call, slot) if isinstance(moody(call, slot), Reply) else moody(call, slot)
    )
    kept = Kept()
    before = run(script, 12, in_flight=8, kept=kept, leaves=BOTH)
    dice = Random(share)
    lost = {key for key in kept.replies if dice.random() > share}
    for key in lost:
        del kept.replies[key]
    after = run(script, 12, in_flight=in_flight, delay=lambda call: 2, kept=kept, leaves=BOTH, replayed=replayed)
    assert after.candidates == before.candidates
    for path, leaf_run in before.leaves.items():
        assert after.leaves[path].progress == leaf_run.progress
    assert all(call.key not in {each.key for each in before.asked} - lost for call in after.asked)
    if not lost:
        assert after.asked == []
