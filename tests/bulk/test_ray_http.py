"""The session under Ray's HTTP stage, driven as the stage drives it: each request ends in one line that says how."""

import asyncio
import json
import pickle
import threading
from collections import Counter

import aiohttp
import pytest
from aiohttp import web

from labgen.bulk.ray_http import SessionFactory

KEY = "sk-test-0123456789abcdef"
PAUSED = frozenset({429, 408, 502, 503, 504})


class Endpoint:
    """Answers as the prompt says, and counts."""

    def __init__(self):
        self.asked = Counter()
        self.seen = []
        self.now = self.most = 0

    async def answer(self, request):
        body = await request.json()
        word = body["prompt"]
        self.asked[word] += 1
        self.seen.append((request.path_qs, request.headers.get("Authorization"), await request.read()))
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.02)
        self.now -= 1
        kind, _, status = word.partition(" ")
        if kind == "refuse" or (kind == "first" and self.asked[word] == 1):
            return web.json_response({"error": {"message": f"no, {KEY}"}}, status=int(status))
        if kind == "page":
            return web.Response(text="<html>", status=int(status))
        if kind == "break":
            request.transport.close()
        if kind == "stall":
            await asyncio.sleep(30)
        said = {"choices": [{"text": f"to {word} \u2028 \ud800"}]}
        return web.json_response(said, headers={"x-request-id": "req-7"})


@pytest.fixture
def endpoint():
    """On loopback, in a thread."""
    found, loop, ready = Endpoint(), asyncio.new_event_loop(), threading.Event()

    async def start():
        app = web.Application()
        app.router.add_post("/v1/completions", found.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        return runner

    def serve():
        found.runner = loop.run_until_complete(start())
        loop.call_soon(ready.set)  # a stop that comes before the loop runs for ever would be lost
        loop.run_forever()
        loop.run_until_complete(found.runner.cleanup())

    thread = threading.Thread(target=serve)
    thread.start()
    ready.wait(10)
    yield found
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def request(word, custom_id=None):
    """A line of a batch input file."""
    body = {"model": "m", "prompt": word}
    return json.dumps({"custom_id": custom_id or word, "method": "POST", "url": "/v1/completions", "body": body})


def factory(endpoint, *, attempts=2, calls_at_once=8, timeout_sec=5.0, query=None):
    """As it reaches a worker."""
    made = SessionFactory(
        endpoint.base_url,
        headers={"Authorization": f"Bearer {KEY}"},
        query=query or {},
        secrets=(KEY,),
        calls_at_once=calls_at_once,
        attempts=attempts,
        timeout_sec=timeout_sec,
        proxies=False,
    )
    return pickle.loads(pickle.dumps(made))


async def one_batch(made, lines, attempts=2):
    """As Ray's stage goes about a batch: all are sent, then awaited in turn, some again. Returns: lines."""
    found = []
    async with made() as session:
        sent = [(line, session.post("unused", headers={}, data=json.dumps({"line": line}))) for line in lines]
        for line, under_way in sent:
            for attempt in range(attempts):
                if attempt:
                    under_way = session.post("unused", headers={}, data=json.dumps({"line": line}))
                try:
                    async with await under_way as response:
                        if response.status in PAUSED:
                            continue
                        found.append(json.loads((await response.json())["line"]))
                    break
                except (TimeoutError, aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                    continue
    return found


def test_a_reply_comes_as_it_is(endpoint):
    """With its status, its id, and texts that some readers take for ends of lines."""
    made = factory(endpoint, query={"api-version": "1"})
    (line,) = asyncio.run(one_batch(made, [request("hello \u2028", "k1")]))
    assert line["custom_id"] == "k1" and line["error"] is None
    assert line["response"]["status_code"] == 200 and line["response"]["request_id"] == "req-7"
    assert line["response"]["body"] == {"choices": [{"text": "to hello \u2028 \u2028 \ud800"}]}
    ((path, key, body),) = endpoint.seen
    assert path == "/v1/completions?api-version=1" and key == f"Bearer {KEY}"
    assert json.loads(body) == {"model": "m", "prompt": "hello \u2028"}


@pytest.mark.parametrize("status", [400, 401, 404, 500])
def test_a_refusal_keeps_its_status_and_words_and_is_asked_once(endpoint, status):
    """All but the key, should they hold it."""
    (line,) = asyncio.run(one_batch(factory(endpoint), [request(f"refuse {status}")]))
    assert line["response"]["status_code"] == status
    assert line["response"]["body"] == {"error": {"message": "no, ***"}}
    assert endpoint.asked == {f"refuse {status}": 1}


@pytest.mark.parametrize("status", sorted(PAUSED))
def test_what_ray_asks_again_comes_back_with_its_last_status(endpoint, status):
    """An outage ends no job, and a second attempt that works is a reply like others."""
    lines = [request(f"refuse {status}"), request(f"first {status}")]
    refused, worked = asyncio.run(one_batch(factory(endpoint), lines))
    assert refused["response"]["status_code"] == status
    assert worked["response"]["status_code"] == 200
    assert set(endpoint.asked.values()) == {2}


def test_a_page_instead_of_json_ends_nothing(endpoint):
    """It comes as the text that it is."""
    made = factory(endpoint)
    lines = asyncio.run(one_batch(made, [request("page 404"), request("page 200"), request("hello")]))
    assert [line["response"]["status_code"] for line in lines] == [404, 200, 200]
    assert lines[0]["response"]["body"] == "<html>"


def test_a_broken_connection_and_silence_are_no_refusals(endpoint):
    """They have no response, and say what it was."""
    made = factory(endpoint, timeout_sec=0.3)
    broken, silent = asyncio.run(one_batch(made, [request("break"), request("stall")]))
    assert broken["response"] is None and broken["error"]["code"] == "connection_error"
    assert silent["response"] is None and silent["error"]["code"] == "timeout"
    assert endpoint.asked["break"] == 2


def test_what_is_no_request_comes_back_without_being_sent(endpoint):
    """Half a line, and JSON of another form."""
    lines = asyncio.run(one_batch(factory(endpoint), ['{"custom_id": "a', "[]", '{"custom_id": 1}']))
    assert [line["error"]["code"] for line in lines] == ["invalid_line"] * 3
    assert not endpoint.asked


def test_a_batch_waits_for_its_replies_together_within_the_workers_bound(endpoint):
    """Over all batches of a worker."""
    made = factory(endpoint, calls_at_once=3)

    async def two_batches():
        lines = [request(f"word {number}") for number in range(12)]
        return await asyncio.gather(one_batch(made, lines[:6]), one_batch(made, lines[6:]))

    first, second = asyncio.run(two_batches())
    assert len(first) == len(second) == 6
    assert endpoint.most == 3


def test_the_key_is_not_in_what_is_shown_of_it(endpoint):
    """Logs print a constructor's arguments."""
    made = factory(endpoint)
    assert KEY not in f"{made} {made!r}"
