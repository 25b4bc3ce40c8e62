"""Slow is not broken: nothing that an endpoint works on is thrown away, and what only repeats itself is cut."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from faulty_server import make_call, make_taxonomy, run

from labgen.records import Reply
from labgen.teacher.http import HttpBackend
from labgen.teacher.listening import OVERTAKEN_MIN, OVERTAKEN_PER_CALL, Listening, Wait
from labgen.teacher.rehearsal.wire import answer, as_events
from labgen.teacher.streamed import PERIODIC_CHARS, is_periodic


class SlowServer:
    """The rehearsal teacher with few slots, each of which takes its time.

    `streams` says whether it sends a reply as it comes; `broken` counts replies that nobody waited for.
    """

    def __init__(self, *, slots: int, reply_sec: float, streams: bool, loops: bool = False) -> None:
        self.slots, self.reply_sec, self.streams, self.loops = slots, reply_sec, streams, loops
        self.asked: Counter[str] = Counter()
        self.broken = self.pieces = 0
        self.port = 0

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked[json.dumps(body, sort_keys=True)] += 1
        found = answer({**body, "model": "labgen-rehearsal"}, chat=True)
        async with self.free:
            if not (self.streams and body.get("stream")):
                await asyncio.sleep(self.reply_sec)
                return web.json_response(found)
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            try:
                await response.prepare(request)
                if self.loops:
                    await self._loop(response)
                for event in as_events(found, body).split(b"\n\n"):
                    await asyncio.sleep(self.reply_sec / 4)
                    await response.write(event + b"\n\n")
            except ConnectionError:
                self.broken += 1
            return response

    async def _loop(self, response: web.StreamResponse) -> None:
        for _ in range(2000):
            choice = {"index": 0, "delta": {"content": "And the bees are bees, and "}, "finish_reason": None}
            await response.write(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
            self.pieces += 1
            await asyncio.sleep(0.001)

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve in a thread. Gives the address."""
        ready, loop = threading.Event(), asyncio.new_event_loop()

        async def begin() -> None:
            self.free = asyncio.Semaphore(self.slots)
            application = web.Application()
            application.router.add_post("/v1/chat/completions", self.serve)
            self.runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
            await self.runner.setup()
            site = web.TCPSite(self.runner, "127.0.0.1", 0)
            await site.start()
            self.port = self.runner.addresses[0][1]
            ready.set()

        def work() -> None:
            asyncio.set_event_loop(loop)
            loop.run_until_complete(begin())
            loop.run_forever()
            loop.run_until_complete(self.runner.cleanup())
            loop.close()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        ready.wait(10)
        yield f"http://127.0.0.1:{self.port}/v1"
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small leaves."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    return tmp_path


def build(base_url: str, **teacher: Any) -> Any:
    """A small build."""
    asked = {"base_url": base_url, "model": "labgen-rehearsal", "first_backoff_sec": 0.01, **teacher}
    Path("labgen.yaml").write_text(yaml.safe_dump({"samples": 1, "teacher": asked}))
    result = run("generate", "--json")
    return result.return_value, json.loads(result.stdout)


@pytest.mark.parametrize("streams", [True, False], ids=["streaming", "at once"])
def test_calls_that_wait_their_turn_are_waited_for(here: Path, streams: bool) -> None:
    """One slot, dozens of calls, and a time limit that holds for a fraction of the queue: none is asked twice."""
    server = SlowServer(slots=1, reply_sec=0.12, streams=streams)
    with server.running() as base_url:
        status, data = build(base_url, timeout_sec=3.0, concurrency=48)
    assert status == 0
    assert data["calls"]["problems"] == {}
    assert set(server.asked.values()) == {1} and data["calls"]["retries"] == server.broken == 0


def test_replies_that_take_longer_than_the_limit_are_whole_where_they_stream() -> None:
    """The limit is for silence."""
    server = SlowServer(slots=8, reply_sec=2.0, streams=True)

    async def ask(base_url: str) -> list[Reply]:
        backend = HttpBackend(base_url, "", timeout_sec=1.5, connections=8)
        try:
            return await asyncio.gather(*(backend.ask(make_call(str(number))) for number in range(8)))
        finally:
            await backend.close()

    with server.running() as base_url:
        replies = asyncio.run(ask(base_url))
    assert all(reply.text for reply in replies) and set(server.asked.values()) == {1}


def test_where_nothing_streams_the_limit_grows_until_replies_come(here: Path) -> None:
    """Some are given up at first; the run ends all the same, and does not ask for ever."""
    server = SlowServer(slots=64, reply_sec=0.2, streams=False)
    with server.running() as base_url:
        status, data = build(base_url, timeout_sec=0.08)
    assert status == 0
    assert 0 < data["calls"]["problems"]["TeacherTimeout"] < len(server.asked)
    assert max(server.asked.values()) <= 4


def test_a_reply_that_only_repeats_itself_is_cut(here: Path) -> None:
    """Long before its end; the run says how such replies ended."""
    server = SlowServer(slots=64, reply_sec=0.01, streams=True, loops=True)
    with server.running() as base_url:
        build(base_url, concurrency=4)
    calls = sum(server.asked.values())
    assert calls and server.pieces < 200 * calls


def test_what_is_lost_is_given_up_though_the_endpoint_answers_others() -> None:
    """A call that many later ones overtook waits no longer than the limit."""
    now = [0.0]
    listening = Listening(10.0, lambda: now[0])
    lost = listening.begin()
    for _ in range(OVERTAKEN_MIN - 1):
        now[0] += 1.0
        other = listening.begin()
        listening.heard(other)
        listening.answered(other)
        listening.end(other)
    assert listening.patience_sec(lost) > 0.0
    other = listening.begin()
    listening.heard(other)
    listening.answered(other)
    listening.end(other)
    assert listening.patience_sec(lost) == 0.0


def test_a_call_is_lost_where_enough_later_ones_were_answered() -> None:
    """Whatever is sent, answered, and given up in between: as by a count of later answers for each call."""
    now, dice, found = [0.0], random.Random(0), Counter[bool]()
    listening = Listening(10.0, lambda: now[0])
    later: dict[Wait, int] = {}
    for _ in range(3000):
        event = dice.choices(("send", "answer", "fail", "hear"), (10, 8, 2, 1))[0]
        if event == "send" or not later:
            later[listening.begin()] = 0
            continue
        wait = dice.choice(list(later)[-5:])  # some of the first are never answered
        if event == "hear":
            now[0] += 11.0
            listening.heard(wait)
            enough = max(OVERTAKEN_MIN, OVERTAKEN_PER_CALL * len(later))
            for other, answers in later.items():
                lost = now[0] - other.heard_sec >= listening.allowed_sec and answers >= enough
                assert (listening.patience_sec(other) == 0.0) == lost
                found[lost] += 1
            continue
        del later[wait]
        if event == "answer":
            listening.answered(wait)
            for other in later:
                later[other] += wait.number > other.number
        listening.end(wait)
    assert min(found[True], found[False]) > 20


def test_silence_of_all_is_given_up_and_the_next_wait_is_longer() -> None:
    """Twice as long, once for all calls that were sent together."""
    now = [0.0]
    listening = Listening(10.0, lambda: now[0])
    waits = [listening.begin() for _ in range(4)]
    assert [listening.patience_sec(wait) for wait in waits] == [10.0] * 4
    now[0] = 10.0
    assert [listening.patience_sec(wait) for wait in waits] == [0.0] * 4
    for wait in waits:
        listening.given_up(wait)
    assert listening.allowed_sec == 20.0


@pytest.mark.parametrize(
    ("text", "stuck"),
    [
        ("ab " * 400, True),
        ("The bees are in the hive. " * 60, True),
        ("- item\n" * 200, True),
        (" " * 1000, True),
        ("".join(f"{number}. The number {number} is followed by {number + 1}.\n" for number in range(60)), False),
        ("| a | b |\n" + "".join(f"| {number} | {number * 7 % 13} |\n" for number in range(200)), False),
        ("x" * (PERIODIC_CHARS - 1), False),
    ],
)
def test_only_one_piece_over_and_over_is_a_loop(text: str, stuck: bool) -> None:
    """A list or a table is none."""
    assert is_periodic(text[-PERIODIC_CHARS:]) is stuck
