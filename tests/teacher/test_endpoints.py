"""Replicas of a model: who gets the next call, and that no place is ever lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from thoroughness import some

from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.pressure import Pressure
from labgen.teacher.scripted import ScriptedBackend


def endpoint(name: str = "a", *, cap: int = 1, weight: float = 1.0) -> Endpoint:
    """An endpoint that nothing is sent to."""
    return Endpoint(name, ScriptedBackend([]), Pressure(cap, now=lambda: 0.0), weight)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(work)


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_waiting_calls_go_in_order_of_priority_then_of_arrival() -> None:
    """Smallest first, whoever came first among equals."""

    async def work() -> None:
        only = endpoint()
        replicas = Replicas([only])
        await replicas.acquire((0,))
        order: list[str] = []

        async def wait(name: str, priority: tuple[int, ...]) -> None:
            found = await replicas.acquire(priority)
            order.append(name)
            replicas.release(found)

        waiting = [("late", (2, 0)), ("first", (0, 7)), ("second", (1, 0)), ("third", (1, 0)), ("fourth", (1, 3))]
        tasks = [asyncio.create_task(wait(*each)) for each in waiting]
        await settle()
        assert replicas.demand == 6 and order == []
        replicas.release(only)
        await asyncio.gather(*tasks)
        assert order == ["first", "second", "third", "fourth", "late"]
        assert only.pressure.in_flight == 0

    run(work())


def test_the_least_loaded_endpoint_is_next_in_proportion_to_weights() -> None:
    """Three quarters to the one of weight 3."""

    async def work() -> None:
        small, large = endpoint("small", cap=40), endpoint("large", cap=40, weight=3.0)
        replicas = Replicas([small, large])
        for _ in range(40):
            await replicas.acquire(())
        assert (small.pressure.in_flight, large.pressure.in_flight) == (10, 30)

    run(work())


def test_the_endpoint_that_failed_a_call_is_taken_only_where_no_other_has_a_place() -> None:
    """However idle it is."""

    async def work() -> None:
        failed, busy = endpoint("failed", cap=4), endpoint("busy", cap=2)
        replicas = Replicas([failed, busy])
        assert [await replicas.acquire((), failed) for _ in range(3)] == [busy, busy, failed]

    run(work())


def test_a_retired_endpoint_and_one_that_is_down_leave_the_work_to_the_others() -> None:
    """A retired one has no capacity either."""

    async def work() -> None:
        gone, left = endpoint("gone", cap=4), endpoint("left", cap=4)
        replicas = Replicas([gone, left])
        gone.retired = "wrong key"
        assert replicas.capacity == 4
        assert {(await replicas.acquire(())).name for _ in range(4)} == {"left"}
        left.pressure.down = True
        assert replicas.all_down and not replicas.others(gone)

    run(work())


def test_a_pause_ends_by_itself() -> None:
    """No call that comes back is needed to wake the ones that wait."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        paused = Endpoint("a", ScriptedBackend([]), Pressure(1, now=loop.time))
        paused.pressure.pause(0.02)
        assert await asyncio.wait_for(Replicas([paused]).acquire(()), 5.0) is paused

    run(work())


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 50)),
        st.tuples(st.just("finish"), st.integers(0, 50)),
        st.tuples(st.just("finish and cancel"), st.integers(0, 50)),
        st.tuples(st.just("turn"), st.just(0)),
    ),
    max_size=60,
)


@settings(max_examples=some(150), deadline=None)
@given(steps=STEPS, caps=st.lists(st.integers(1, 3), min_size=1, max_size=3))
def test_no_place_is_lost_whoever_gives_up_when(steps: list[tuple[str, int]], caps: list[int]) -> None:
    """Callers are cancelled while they wait, in the moment they are let in, and while they are at it."""

    async def work() -> None:
        endpoints = [endpoint(str(number), cap=cap) for number, cap in enumerate(caps)]
        replicas = Replicas(endpoints)
        tasks: list[asyncio.Task[None]] = []
        finished: list[asyncio.Event] = []

        async def call(priority: int, done: asyncio.Event) -> None:
            found = await replicas.acquire((priority,))
            try:
                await done.wait()
            finally:
                replicas.release(found)

        for step, number in steps:
            if step == "ask":
                finished.append(asyncio.Event())
                tasks.append(asyncio.create_task(call(number, finished[-1])))
            elif step == "turn":
                await settle()
            elif tasks and step == "cancel":
                tasks[number % len(tasks)].cancel()
            elif tasks:
                finished[number % len(tasks)].set()
                if step == "finish and cancel":
                    # The place is given back in this turn; who is let in is cancelled before it runs.
                    await asyncio.sleep(0)
                    tasks[(number + 1) % len(tasks)].cancel()
            assert all(each.pressure.in_flight <= cap for each, cap in zip(endpoints, caps, strict=True))
        for done in finished:
            done.set()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5.0)
        assert all(each.pressure.in_flight == 0 for each in endpoints)
        everyone = [await asyncio.wait_for(replicas.acquire(()), 5.0) for _ in range(sum(caps))]
        assert sorted(each.name for each in everyone) == sorted(
            each.name for each, cap in zip(endpoints, caps, strict=True) for _ in range(cap)
        )

    run(work())
