"""How many calls an endpoint is given: simulated endpoints on a clock of their own."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from random import Random

import pytest

from labgen.teacher.pressure import AHEAD_SHARE, DEAD_AFTER, PROBE_SEC, SLOW_START, Pressure

Answer = Callable[[int], str]
"""Calls in flight to `ok`, `429` or `dead`."""

Pace = float | Callable[[int], float]
"""Seconds that a reply takes, or calls in flight to that."""


class Simulation:
    """Keeps an endpoint as busy as its pressure allows; a reply takes about a second, a refusal 20 ms."""

    def __init__(self, cap: int = 64, *, requests: float | None = None, tokens: float | None = None) -> None:
        self.now = 0.0
        self.pressure = Pressure(cap, now=lambda: self.now, requests_per_minute=requests, tokens_per_minute=tokens)
        self.dice = Random(0)
        self.sent = 0
        self.good = 0
        self.refused = 0
        self.busy_sec = 0.0
        self.most_in_flight = 0
        self._flying: list[tuple[float, int, str, float]] = []

    def run(self, seconds: float, answer: Answer, *, retry_after_sec: float | None = None, pace: Pace = 1.0) -> None:
        """Let time pass; the counts are those of this stretch."""
        end = self.now + seconds
        self.sent = self.good = self.refused = self.most_in_flight = 0
        self.busy_sec = 0.0
        while self.now < end:
            while self.pressure.open:
                self._send(answer, pace)
            self.most_in_flight = max(self.most_in_flight, self.pressure.in_flight)
            before = self.now
            waits = self.now + (self.pressure.wait_sec or 1e9)
            self.now = min(end, waits, self._flying[0][0] if self._flying else end)
            self.busy_sec += self.pressure.in_flight * (self.now - before)
            while self._flying and self._flying[0][0] <= self.now:
                self._arrive(retry_after_sec)

    @property
    def mean_in_flight(self) -> float:
        """Over the last stretch, given that it took as long as `seconds`."""
        return self.busy_sec

    def _send(self, answer: Answer, pace: Pace) -> None:
        self.pressure.enter()
        self.sent += 1
        kind = answer(self.pressure.in_flight)
        sec = pace(self.pressure.in_flight) if callable(pace) else pace
        latency = sec * self.dice.uniform(0.8, 1.2) if kind == "ok" else 0.02
        heapq.heappush(self._flying, (self.now + latency, self.sent, kind, latency))

    def _arrive(self, retry_after_sec: float | None) -> None:
        _, _, kind, latency = heapq.heappop(self._flying)
        self.pressure.leave()
        if kind == "ok":
            self.good += 1
            self.pressure.succeeded(latency, 300, 100)
        elif kind == "429":
            self.refused += 1
            self.pressure.refused(retry_after_sec)
        else:
            self.pressure.unreachable()


def always(kind: str) -> Answer:
    """The same whatever is in flight."""
    return lambda in_flight: kind


def test_an_endpoint_that_keeps_up_is_given_all_it_may_have() -> None:
    """From 64 to a cap of 256 within a few replies' time, and never beyond."""
    simulation = Simulation(256)
    simulation.run(10.0, always("ok"))
    simulation.run(60.0, always("ok"))
    assert simulation.most_in_flight == 256
    assert simulation.mean_in_flight / 60.0 > 255.0


@pytest.mark.parametrize("retry_after_sec", [None, 1.0])
def test_a_steady_sprinkle_of_refusals_costs_almost_nothing(retry_after_sec: float | None) -> None:
    """2.5% of answers: it stays near the cap."""
    simulation = Simulation(64)

    def sprinkle(in_flight: int) -> str:
        return "429" if simulation.dice.random() < 0.025 else "ok"

    simulation.run(300.0, sprinkle, retry_after_sec=retry_after_sec)
    assert simulation.mean_in_flight / 300.0 > 0.9 * 64


@pytest.mark.parametrize("grants", [4, 20, 50])
def test_it_settles_at_what_the_endpoint_grants(grants: int) -> None:
    """A wall at so many in flight: most of it is used, and little more is tried."""
    simulation = Simulation(256)

    def wall(in_flight: int) -> str:
        return "ok" if in_flight <= grants else "429"

    simulation.run(60.0, wall)
    simulation.run(300.0, wall)
    assert 0.75 * grants < simulation.mean_in_flight / 300.0 < 1.1 * grants
    assert simulation.most_in_flight <= grants + 4
    assert simulation.refused < 0.5 * simulation.good


def test_a_wall_of_refusals_is_waited_out_as_asked() -> None:
    """Nothing is sent before `Retry-After` is over."""
    simulation = Simulation(16)
    simulation.run(5.0, always("429"), retry_after_sec=60.0)
    sent = simulation.sent
    assert 0 < sent <= 16 + 8
    simulation.run(54.0, always("ok"))
    assert simulation.sent == 0
    simulation.run(10.0, always("ok"))
    assert simulation.good > 50


def test_an_endpoint_that_is_down_is_probed_one_call_at_a_time_and_recovers() -> None:
    """Pauses between probes grow to 5 s; one answer and it is as before."""
    simulation = Simulation(64)
    simulation.run(20.0, always("ok"))
    limit = simulation.pressure.limit
    simulation.run(2.0, always("dead"))
    assert simulation.pressure.down
    simulation.run(60.0, always("dead"))
    assert simulation.most_in_flight == 1
    assert 60.0 / PROBE_SEC[1] - 1 <= simulation.sent <= 20
    simulation.run(PROBE_SEC[1] + 3.0, always("ok"))
    assert not simulation.pressure.down
    assert simulation.pressure.limit >= limit and simulation.most_in_flight == 64


def test_calls_that_were_under_way_when_it_went_down_make_no_pause_longer() -> None:
    """However many they were, the first probe goes out after the shortest pause."""
    now = [0.0]
    pressure = Pressure(64, now=lambda: now[0])
    for _ in range(64):
        pressure.unreachable()
    assert pressure.down and pressure.wait_sec == PROBE_SEC[0]


def test_a_few_failures_between_answers_are_no_outage() -> None:
    """Only failures in a row count, with no answer between them."""
    pressure = Pressure(8, now=lambda: 0.0)
    for _ in range(20):
        for _ in range(DEAD_AFTER - 1):
            pressure.unreachable()
        pressure.succeeded(1.0, 10, 10)
    assert not pressure.down and pressure.limit == 8


def test_hard_limits_are_never_exceeded() -> None:
    """Requests a minute, and tokens a minute once replies tell what they cost."""
    simulation = Simulation(64, requests=120.0)
    simulation.run(60.0, always("ok"))
    assert 118 <= simulation.sent <= 121
    simulation = Simulation(64, tokens=40_000.0)
    simulation.run(60.0, always("ok"))
    simulation.run(600.0, always("ok"))
    assert 0.9 * 1000 <= simulation.good <= 1.1 * 1000  # 400 tokens a call


def test_an_endpoint_that_slows_down_by_far_is_given_less() -> None:
    """Latency per token six times the best seen means that calls queue up there."""
    simulation = Simulation(64)
    simulation.run(60.0, always("ok"))
    simulation.run(300.0, always("ok"), pace=20.0)
    assert simulation.pressure.limit < 48


def test_an_endpoint_that_others_slow_down_is_given_half_of_its_calls_at_least() -> None:
    """Fewer calls do not make its replies faster: one at a time, a run would take as long as they do added up."""
    simulation = Simulation(64)
    simulation.run(60.0, always("ok"))
    simulation.run(4000.0, always("ok"), pace=30.0)
    assert simulation.pressure.limit == 32
    simulation.run(100.0, always("ok"))
    assert simulation.pressure.limit == 64


def test_an_endpoint_on_which_calls_queue_up_is_given_fewer_as_long_as_that_helps() -> None:
    """One reply a second whatever it is given, where it was 64: past six in flight they take six times as long."""
    simulation = Simulation(64)
    simulation.run(60.0, always("ok"))
    simulation.run(4000.0, always("ok"), pace=float)
    assert 4 < simulation.pressure.limit < 12


@pytest.mark.parametrize("cap", [16, 64])
@pytest.mark.parametrize("before_sec", [60.0, 60.3, 60.6, 60.9])
def test_calls_are_not_left_in_a_queue_that_was_still_filling_up_when_it_was_noticed(
    cap: int, before_sec: float
) -> None:
    """One reply a second, in the order in which calls came: they take longer and longer until all wait there."""
    simulation = Simulation(cap)
    free_sec = 0.0

    def queue(in_flight: int) -> float:
        nonlocal free_sec
        free_sec = max(free_sec, simulation.now) + 1.0
        return free_sec - simulation.now

    simulation.run(before_sec, always("ok"))
    simulation.run(4000.0, always("ok"), pace=queue)
    assert 2 < simulation.pressure.limit < 8


def test_replies_faster_than_any_model_writes_are_not_slow_however_unsteady() -> None:
    """A millisecond at best, a hundred times that on a machine with other work: all calls that it may have stay."""
    simulation = Simulation(64)
    simulation.run(2.0, always("ok"), pace=0.001)
    simulation.run(20.0, always("ok"), pace=lambda in_flight: simulation.dice.choice((0.001, 0.01, 0.2)))
    assert simulation.pressure.limit == 64 and simulation.pressure.slower == 1.0


def test_the_limit_never_falls_below_one_call() -> None:
    """Whatever is refused for however long."""
    simulation = Simulation(16)
    simulation.run(600.0, always("429"), retry_after_sec=0.1)
    assert simulation.pressure.limit >= 1.0
    simulation.run(100.0, always("ok"))
    assert simulation.mean_in_flight / 100.0 > 12.0


def test_a_run_begins_with_few_calls_and_one_more_for_each_reply() -> None:
    endpoint = Simulation(cap=1000)
    assert endpoint.pressure.places == SLOW_START
    endpoint.pressure.succeeded(1.0, 300, 100)
    assert endpoint.pressure.places == SLOW_START + 1
    endpoint.run(5, always("ok"))
    assert endpoint.pressure.places == 1000


class Told:
    """A line that notes what it is told."""

    def __init__(self) -> None:
        self.open = True
        self.told: list[int | str] = []

    def set(self, places: int) -> None:
        self.told.append(places)

    def take_back(self, *, for_good: bool) -> None:
        self.told.append("all, for good" if for_good else "all")


def test_calls_are_handed_over_to_a_line_beyond_the_places_and_it_is_told_of_these() -> None:
    """So many as are taken at once when places become free; they do not count as being with the endpoint."""
    endpoint, line = Simulation(cap=SLOW_START), Told()
    endpoint.pressure.hand_over_to(line)
    ahead = endpoint.pressure.ahead
    assert ahead == int(SLOW_START * AHEAD_SHARE)
    endpoint.run(0.1, always("ok"))
    assert endpoint.pressure.in_flight == SLOW_START + ahead
    assert endpoint.pressure.sent == endpoint.pressure.peak_in_flight == SLOW_START
    endpoint.pressure.timed_out()
    endpoint.pressure.pause(7.0)
    endpoint.pressure.end()
    assert line.told == [SLOW_START, SLOW_START // 2, "all", "all, for good"]


@pytest.mark.parametrize(
    "why", ["no line", "line is gone", "calls by the minute", "tokens by the minute", "slots", "held"]
)
def test_no_call_is_handed_over_beyond_the_places_where_it_would_have_to_be_sent(why: str) -> None:
    """Or where each call has its time, or the endpoint's own queue holds the next one."""
    endpoint = Simulation(
        requests=6e5 if why == "calls by the minute" else None, tokens=6e6 if why == "tokens by the minute" else None
    )
    line = Told()
    line.open = why != "line is gone"
    if why != "no line":
        endpoint.pressure.hand_over_to(line)
    if why == "slots":
        endpoint.pressure.settle(40)
    if why == "held":
        endpoint.pressure.hold()
    assert endpoint.pressure.ahead == 0
    endpoint.run(2, always("ok"))
    assert endpoint.most_in_flight <= endpoint.pressure.cap
