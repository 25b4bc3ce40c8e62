"""One endpoint over real HTTP: what it answers becomes a reply, or an error that says what to do."""

from __future__ import annotations

import asyncio
import json
import re
import time
from email.utils import formatdate

import pytest
from faulty_server import KEY, Fault, FaultyServer, make_call, refusal
from hypothesis import given
from hypothesis import strategies as st

from labgen.errors import (
    BadReply,
    CallRejected,
    ContextTooLong,
    RateLimited,
    TeacherError,
    TeacherMisconfigured,
    TeacherRefused,
    TeacherTimeout,
    TeacherUnavailable,
)
from labgen.records import Message, Reply, Schema
from labgen.teacher.http import HttpBackend
from labgen.teacher.quirks import Quirks
from labgen.teacher.rate_limit_headers import LONGEST_PAUSE_SEC, rate_limit_pause, retry_after, wait_said


def ask(server: FaultyServer, *calls: object, **settings: object) -> list[Reply | BaseException]:
    """Ask calls one after the other; errors are returned."""

    async def run() -> list[Reply | BaseException]:
        backend = HttpBackend(server.base_url, KEY, timeout_sec=0.3, connections=4, **settings)  # type: ignore[arg-type]
        try:
            return [
                (await asyncio.gather(backend.ask(call), return_exceptions=True))[0]  # type: ignore[arg-type]
                for call in (calls or (make_call(),))
            ]
        finally:
            await backend.close()

    return asyncio.run(run())


def fail(fault: Fault) -> TeacherError:
    """The error that a fault becomes."""
    with FaultyServer(lambda number, body: fault) as server:
        found = ask(server)[0]
        assert isinstance(found, TeacherError), found
        assert KEY not in str(found)
        assert server.keys == {f"Bearer {KEY}"}
    return found


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (refusal(429, "slow down"), RateLimited, "HTTP 429: slow down"),
        (refusal(503, "overloaded"), RateLimited, "HTTP 503: overloaded"),
        (
            refusal(429, "Request too large for m: limit 9, requested 10"),
            CallRejected,
            "HTTP 429: Request too large",
        ),
        (refusal(500, "oops"), TeacherUnavailable, "HTTP 500: oops"),
        (refusal(502), TeacherUnavailable, "HTTP 502"),
        (refusal(400, "something odd"), CallRejected, "HTTP 400: something odd"),
        (Fault(drop=True), TeacherUnavailable, "connection"),
        (Fault(cut=True), TeacherUnavailable, "connection"),
        (Fault(stall_sec=2.0), TeacherTimeout, "no reply in time"),
        (Fault(body=b'{"choices": [{"mess'), BadReply, "not of the API's form"),
        (Fault(body=b'{"choices": []}'), BadReply, "not of the API's form"),
        (Fault(body=b"[]"), BadReply, "not of the API's form"),
        (Fault(body=b""), BadReply, "not of the API's form"),
        (Fault(body=b"<html></html>", content_type="text/html"), TeacherMisconfigured, "most end in /v1"),
        (refusal(400, "This model's maximum context length is 10 tokens"), ContextTooLong, "maximum context length"),
        (refusal(413, "body"), ContextTooLong, "body"),
        (refusal(400, "violates our content policy"), TeacherRefused, "content policy"),
        (refusal(403, "blocked by the content filter"), TeacherRefused, "content filter"),
        (refusal(401, f"wrong key {KEY}"), TeacherMisconfigured, r"refused the key.*Set the right one"),
        (refusal(404, "the model m does not exist"), TeacherMisconfigured, "no model `m`.*--model"),
        (refusal(404, "Not Found"), TeacherMisconfigured, "no such address.*--base-url"),
        (refusal(429, "you are out", "insufficient_quota"), TeacherMisconfigured, "quota is used up"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_every_kind_of_trouble_has_its_error(fault: Fault, kind: type[TeacherError], words: str) -> None:
    """Foreign exceptions become ours, with words, and never with the key."""
    error = fail(fault)
    assert type(error) is kind

    assert re.search(words, str(error))


def test_a_content_filter_that_cuts_a_reply_is_a_refusal() -> None:
    """The finish reason says so, not the status."""
    body = {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]}
    assert isinstance(fail(Fault(body=json.dumps(body).encode())), TeacherRefused)


def test_a_page_in_the_middle_of_a_run_is_a_passing_fault() -> None:
    """After a first reply, a web page is a proxy's hiccup and not a wrong address."""
    page = Fault(body=b"<html></html>", content_type="text/html")
    with FaultyServer(lambda number, body: page if number else None) as server:
        first, second = ask(server, make_call(), make_call())
    assert isinstance(first, Reply)
    assert isinstance(second, BadReply)


def test_only_what_may_have_been_answered_may_have_been_paid() -> None:
    """A refusal costs nothing; a time-out or a broken reply may have cost all of it; no connection costs nothing."""
    paid = [Fault(stall_sec=2.0), Fault(cut=True), Fault(body=b"?")]
    assert [fail(fault).maybe_paid for fault in (*paid, refusal(429), refusal(500))] == [True] * 3 + [False] * 2
    with FaultyServer() as server:
        pass
    (error,) = ask(server)
    assert isinstance(error, TeacherUnavailable)
    assert not error.maybe_paid


@pytest.mark.parametrize(
    ("words", "parameter"),
    [
        ("Unrecognized request argument supplied: seed", "seed"),
        ("`response_format` is not supported", "response_format"),
        ("json_schema is not available for this model", "response_format"),
        ("Unsupported value: 'temperature' does not support 0.5 with this model", "temperature"),
        ("top_p: extra fields not permitted", "top_p"),
    ],
)
def test_a_refused_parameter_is_left_out_from_then_on_and_said_once(words: str, parameter: str) -> None:
    """It costs one refused request, not one per call."""
    notices: list[str] = []
    with FaultyServer(lambda number, body: refusal(400, words) if parameter in body else None) as server:
        calls = [make_call(f"call {number}", schema=Schema(type="object")) for number in range(3)]
        quirks = Quirks(server.base_url, "m", notice=notices.append)
        replies = ask(server, *calls, quirks=quirks)
    assert all(isinstance(reply, Reply) for reply in replies), replies
    assert [parameter in body for body in server.bodies] == [True, False, False, False]
    assert len(notices) == 1
    assert parameter in notices[0]


def test_max_tokens_is_renamed_for_servers_that_ask_for_it() -> None:
    """Some models know only `max_completion_tokens`."""
    words = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    with FaultyServer(lambda number, body: refusal(400, words) if "max_tokens" in body else None) as server:
        (reply,) = ask(server)
    assert isinstance(reply, Reply)
    assert server.bodies[-1]["max_completion_tokens"] == 20


def test_a_refused_system_role_goes_into_the_first_user_turn() -> None:
    """The words are the same, in another place."""

    def behave(number: int, body: dict) -> Fault | None:  # type: ignore[type-arg]
        return refusal(400, "System role not supported") if body["messages"][0]["role"] == "system" else None

    with FaultyServer(behave) as server:
        (reply,) = ask(server)
    assert isinstance(reply, Reply)
    assert server.bodies[-1]["messages"] == [{"role": "user", "content": "Be kind.\n\nHello"}]


class Memory:
    """Notes in a dictionary."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def note(self, name: str) -> str | None:
        return self.values.get(name)

    def set_note(self, name: str, value: str) -> None:
        self.values[name] = value


def test_what_an_endpoint_lacks_is_remembered_for_the_next_run_and_said_again() -> None:
    """The second run sends no request that is known to be refused."""
    memory, notices = Memory(), []  # type: tuple[Memory, list[str]]
    with FaultyServer(lambda number, body: refusal(400, "no `seed` here") if "seed" in body else None) as server:
        for _ in range(2):
            quirks = Quirks(server.base_url, "m", notice=notices.append, notes=memory)
            assert isinstance(ask(server, quirks=quirks)[0], Reply)
    assert ["seed" in body for body in server.bodies] == [True, False, False]
    assert "earlier runs found that it refuses `seed`" in notices[1]
    assert KEY not in json.dumps(memory.values)


def test_calls_under_way_when_the_first_is_refused_are_not_failures() -> None:
    """Many calls learn of the same refusal at the same time; none of them counts as unanswered."""

    async def run(server: FaultyServer) -> list[Reply]:
        backend = HttpBackend(server.base_url, "", timeout_sec=5.0, connections=20)
        try:
            return await asyncio.gather(*(backend.ask(make_call(f"call {number}")) for number in range(20)))
        finally:
            await backend.close()

    with FaultyServer(lambda number, body: refusal(400, "no `seed` here") if "seed" in body else None) as server:
        assert len(asyncio.run(run(server))) == 20


def test_a_reply_with_half_a_surrogate_pair_can_be_kept() -> None:
    """JSON can spell text that UTF-8 can't."""
    body = b'{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}'
    with FaultyServer(lambda number, _: Fault(body=body)) as server:
        (reply,) = ask(server)
    assert isinstance(reply, Reply)
    assert reply.text.encode() == b"a?"


def test_the_headers_of_replies_and_refusals_cause_pauses() -> None:
    """`x-ratelimit-*` is obeyed before the endpoint has to refuse."""
    pauses: list[float] = []
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}
    with FaultyServer(lambda number, body: Fault(429, b"{}", headers)) as server:
        ask(server, make_call(messages=(Message("user", "x"),)), pause=pauses.append)
    assert pauses == [2.0]


def test_retry_after_is_read_as_seconds_milliseconds_and_dates() -> None:
    """RFC 9110 allows seconds and dates; some servers give milliseconds; nonsense is no wish."""
    assert retry_after({"retry-after": "7"}) == 7.0
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    found = retry_after({"retry-after": formatdate(time.time() + 30, usegmt=True)})
    assert found is not None
    assert 25 < found <= 30
    assert retry_after({"retry-after": formatdate(time.time() - 30, usegmt=True)}) == 0.0
    assert retry_after({"retry-after": "soon"}) is None
    assert retry_after({}) is None
    with FaultyServer(lambda number, body: refusal(429, "slow", Retry_After="3")) as server:
        (error,) = ask(server)
    assert isinstance(error, RateLimited)
    assert error.retry_after_sec == 3.0


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Rate limit reached for m. Please try again in 7m12.5s. Visit our site.", 432.5),
        ("Please try again in 250ms.", 0.25),
        ("Please retry in 34.074824224s.", 34.074824224),
        ("Too many requests. Please wait 2 minutes before trying again", 120.0),
        ("try again in 1 hour and 5 minutes", 3900.0),
        ("Retry after 20 seconds", 20.0),
        ("Limit 30000, Used 29000, Requested 2000.", None),
        ("Try again later", None),
    ],
)
def test_the_wait_that_words_ask_for_is_kept_to(words: str, seconds: float | None) -> None:
    """Some endpoints say it nowhere else."""
    assert wait_said(words) == seconds
    with FaultyServer(lambda number, body: refusal(429, words)) as server:
        (error,) = ask(server)
    assert isinstance(error, RateLimited) and error.retry_after_sec == seconds


@pytest.mark.parametrize(
    ("headers", "pause_sec"),
    [
        ({"remaining-requests": "0", "reset-requests": "1s"}, 1.0),
        ({"remaining-requests": "0", "reset-requests": "1m30s"}, 90.0),
        ({"remaining-tokens": "0", "reset-tokens": "20ms"}, 0.02),
        ({"remaining-tokens": "-5", "reset-tokens": "6m0s"}, LONGEST_PAUSE_SEC),
        ({"remaining": "0", "reset": "3"}, 3.0),
        ({"remaining": "0", "reset": "1000000000"}, 0.0),
        ({"remaining": "0", "reset": "1000000000000"}, 0.0),
        ({"remaining": "0", "reset": "2001-09-09T01:46:40Z"}, 0.0),
        ({"remaining": "0", "reset": "9999-01-01T00:00:00Z"}, LONGEST_PAUSE_SEC),
        ({"remaining-requests": "0", "reset-requests": "1s", "remaining-tokens": "0", "reset-tokens": "2s"}, 2.0),
        ({"remaining-requests": "1", "reset-requests": "1s"}, None),
        ({"remaining-requests": "0"}, None),
        ({"remaining-requests": "0", "reset-requests": "later"}, None),
    ],
)
def test_rate_limit_headers_say_how_long_to_send_nothing(headers: dict[str, str], pause_sec: float | None) -> None:
    """Only what is used up causes a pause."""
    assert rate_limit_pause({f"x-ratelimit-{name}": value for name, value in headers.items()}) == pause_sec


@given(st.text(max_size=30), st.text(max_size=30))
def test_no_header_breaks_the_reading(remaining: str, reset: str) -> None:
    """Headers are strangers' text."""
    headers = {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset, "retry-after": reset}
    for seconds in (rate_limit_pause(headers), retry_after(headers)):
        assert seconds is None or seconds >= 0
