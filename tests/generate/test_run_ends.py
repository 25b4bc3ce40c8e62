"""A run comes to an end whatever the calls in it are doing when it has to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from test_leaf_run import PROMPTS, Backend, Kept, agreeable, leaf, run

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.errors import RateLimited
from labgen.filters.available import FilterSet, standard_filters
from labgen.flows.known import SHIPPED_FLOWS
from labgen.generate.context import RunContext
from labgen.generate.engine import HEADROOM, Engine
from labgen.generate.leaf_run import LeafRun
from labgen.generate.slot_run import SlotResult, SlotRun
from labgen.plan.leaf_plan import plan_leaves
from labgen.records import Call, Reply
from labgen.teacher.budget import Budget, Limits
from labgen.teacher.client import TeacherClient
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.retries import Patience


class Sulking:
    """Refuses the first call of all for a moment, and answers every other."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    async def ask(self, call: Call) -> Reply:
        """A refusal for the first call, else a reply."""
        self.calls.append(call)
        await asyncio.sleep(0)
        if len(self.calls) == 1:
            raise RateLimited("slow down", retry_after_sec=0.05)
        return Reply(agreeable(call, call.priority[-1]))

    async def close(self) -> None:
        """Nothing to give up."""


def test_a_budget_that_is_reached_while_a_call_waits_for_its_next_attempt_ends_the_run() -> None:
    """The waiting call takes the only place there is, and then waits for budget as well: nothing else would happen."""
    config = read_section(Config, {"samples": 10, "calibration": {"enabled": False}})
    plans, budget, backend = (
        plan_leaves((leaf(),), {}, config, PROMPTS, SHIPPED_FLOWS),
        Budget(Limits(max_calls=3)),
        Sulking(),
    )

    async def work() -> bool:
        endpoint = Endpoint("test", backend, Pressure(1, now=asyncio.get_running_loop().time))
        client = TeacherClient({"m": Replicas([endpoint])}, Kept(), Patience(3), budget=budget)  # type: ignore[arg-type]
        context = RunContext(client, PROMPTS, config, "m", "m", FilterSet(standard_filters()))
        engine = Engine(plans, context, client, lambda leaf, candidates: None)
        try:
            return await engine.run()
        finally:
            await client.close()

    assert asyncio.run(asyncio.wait_for(work(), 30.0)) is False
    assert budget.spent.calls == 3


def test_what_is_left_of_the_last_leaf_is_begun_two_slots_for_each_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond those that the places call for: sooner than they become free, and never all at once."""
    config = read_section(Config, {"samples": 200, "calibration": {"enabled": False}})
    plans, places = plan_leaves((leaf(),), {}, config, PROMPTS, SHIPPED_FLOWS), 4
    begun, ended, most_ahead = 0, 0, 0
    issue, retire = LeafRun.issue, LeafRun.retire

    def issued(self: LeafRun, on_done: Callable[[], None]) -> SlotRun:
        nonlocal begun, most_ahead
        begun += 1
        most_ahead = max(most_ahead, begun - 2 * ended)
        return issue(self, on_done)

    def retired(self: LeafRun) -> list[SlotResult]:
        nonlocal ended
        slots = retire(self)
        ended += len(slots)
        return slots

    monkeypatch.setattr(LeafRun, "issue", issued)
    monkeypatch.setattr(LeafRun, "retire", retired)

    async def work() -> bool:
        backend = Backend(agreeable, lambda call: 3)
        endpoint = Endpoint("test", backend, Pressure(places, now=asyncio.get_running_loop().time))
        client = TeacherClient({"m": Replicas([endpoint])}, Kept(), Patience(3))  # type: ignore[arg-type]
        context = RunContext(client, PROMPTS, config, "m", "m", FilterSet(standard_filters()))
        return await Engine(plans, context, client, lambda leaf, candidates: None).run()

    assert asyncio.run(asyncio.wait_for(work(), 30.0))
    assert places < most_ahead <= int(places * HEADROOM) + 4 + places


@pytest.mark.parametrize(("wanted", "slow"), [(80, 60), (120, 100)])
def test_a_leaf_does_not_wait_for_what_later_ones_have_asked(
    wanted: int, slow: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its first draws take long, and other leaves have taken every place by then; it is the first to end all the same.

    Leaves are brought in in their order: what ends before it waits for it.
    """
    first, *others = [leaf(name) for name in "abcdefgh"]
    ended: list[str] = []
    retire = LeafRun.retire

    def retired(self: LeafRun) -> list[SlotResult]:
        slots = retire(self)
        if self.progress.done:
            ended.append(self.plan.leaf.path)
        return slots

    def delay(call: Call) -> int:
        late = call.leaf == first.path and call.step == "freeform_instructions" and call.priority[-1] < 8
        return slow if late else 3

    monkeypatch.setattr(LeafRun, "retire", retired)
    run(agreeable, wanted, in_flight=16, delay=delay, leaves=(first, *others))
    assert ended[0] == first.path
    assert len(ended) == 1 + len(others)
