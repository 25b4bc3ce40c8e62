"""An answer without an end is read to a limit that is told, in pieces; no prompt follows a redirect."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc

import openai
import pytest
from faulty_server import KEY, Fault, FaultyServer, make_call
from hostile_server import HostileServer, Pieces, answer, without_end

from labgen.errors import BadReply, TeacherError, TeacherMisconfigured, TeacherUnavailable
from labgen.records import Reply
from labgen.teacher.http import HttpBackend, most_reply_bytes
from labgen.teacher.openai_client import MOST_REFUSAL_BYTES, MOST_WORDS_CHARS, OpenAIClient
from labgen.teacher.streamed import WIRE_TIMES

MIB = 2**20
HELD_BYTES = most_reply_bytes(make_call().max_tokens)
BUFFERS_BYTES = 8 * MIB
"""What is on its way between the two sides."""


def event(**delta: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": delta}]}).encode() + b"\n\n"


def bomb() -> bytes:
    """A reply of 300 MB that takes 300 kB on its way."""
    return gzip.compress(b'{"choices": [{"message": {"content": "' + b"a" * 300 * MIB)


def ask(base_url: str) -> tuple[Reply | BaseException, int]:
    """One call's outcome, and the most memory that it took (bytes)."""

    async def through() -> Reply | BaseException:
        backend = HttpBackend(base_url, KEY, timeout_sec=20.0, connections=4)
        try:
            return (await asyncio.gather(backend.ask(make_call()), return_exceptions=True))[0]
        finally:
            await backend.close()

    asyncio.run(through_nothing())
    tracemalloc.start()
    try:
        found = asyncio.run(through())
        return found, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def through_nothing() -> None:
    """Load what a first call loads."""
    backend = HttpBackend("http://127.0.0.1:9/v1", KEY, timeout_sec=1.0, connections=1)
    await asyncio.gather(backend.ask(make_call()), return_exceptions=True)
    await backend.close()


STREAM = answer(kind="text/event-stream")
WORDS = b"many words " * 6_000


@pytest.mark.parametrize(
    ("pieces", "most_sent"),
    [
        (without_end(answer(b'{"choices": [{"message": {"content": "'), WORDS), HELD_BYTES),
        (without_end(answer(), b" " * 65_536), HELD_BYTES),
        (without_end(answer(), b"[" * 65_536), HELD_BYTES),
        (without_end(STREAM + b"data: ", WORDS), WIRE_TIMES * HELD_BYTES),
        (without_end(STREAM, (b": still here" + b" and here" * 6 + b"\n\n") * 1_000), WIRE_TIMES * HELD_BYTES),
        (without_end(STREAM, event(content="".join(map(str, range(10_000))))), HELD_BYTES),
        (without_end(STREAM, event(reasoning_content="".join(map(str, range(10_000))))), HELD_BYTES),
        (without_end(STREAM, event(tool="x" * 60_000)), WIRE_TIMES * HELD_BYTES),
    ],
    ids=["text", "blanks", "brackets", "one event", "comments", "words", "thoughts", "what nobody reads"],
)
def test_a_reply_without_end_is_given_up_at_a_limit_that_is_told(pieces: Pieces, most_sent: int) -> None:
    """What it takes in memory is a few times the longest reply, whatever it holds."""
    with HostileServer(pieces) as server:
        found, most_bytes = ask(server.base_url)
        assert isinstance(found, BadReply) and "the rest of which was not read" in str(found)
        assert server.sent_bytes < most_sent + BUFFERS_BYTES
    assert most_bytes < 6 * HELD_BYTES + BUFFERS_BYTES


def test_a_reply_counts_as_it_is_unpacked() -> None:
    """Not as it comes over the wire."""
    packed = answer(bomb(), headers="Content-Encoding: gzip\r\n")
    with HostileServer(lambda: iter([packed])) as server:
        found, most_bytes = ask(server.base_url)
    assert isinstance(found, BadReply) and "the rest of which was not read" in str(found)
    assert most_bytes < 6 * HELD_BYTES + BUFFERS_BYTES


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "429 Slow Down", "500 Oops", "307 There"])
def test_of_a_refusal_no_more_is_read_than_is_said(status: str) -> None:
    """It may go on for ever."""
    with HostileServer(without_end(answer(status=status, kind="text/plain"), WORDS)) as server:
        found, most_bytes = ask(server.base_url)
        assert isinstance(found, TeacherError) and len(str(found)) < MOST_WORDS_CHARS + 300
        assert server.sent_bytes < server.asked * (MOST_REFUSAL_BYTES + BUFFERS_BYTES)
    assert most_bytes < BUFFERS_BYTES


@pytest.mark.parametrize("more", [b"X-More: " + b"a" * 60_000, b"X-Many: 1\r\n" * 5_000])
def test_headers_without_end_are_a_broken_connection(more: bytes) -> None:
    """Long ones and many."""
    head = b"HTTP/1.1 200 OK\r\n"
    with HostileServer(without_end(head, more)) as server:
        found, most_bytes = ask(server.base_url)
    assert isinstance(found, TeacherUnavailable) and len(str(found)) < 300
    assert most_bytes < BUFFERS_BYTES


def test_a_body_of_many_parts_is_not_taken_apart() -> None:
    """It would be thirty times as large in memory."""
    body = b'{"choices": [' + b"[]," * 100_000 + b"1]}"
    found, most_bytes = None, 0
    with FaultyServer(lambda number, _: Fault(body=body)) as server:
        found, most_bytes = ask(server.base_url)
    assert isinstance(found, BadReply) and "objects, lists and members" in str(found)
    assert most_bytes < BUFFERS_BYTES


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_prompt_goes_to_an_address_that_nobody_named(status: int) -> None:
    """A redirect is told, with where it leads and without what is secret in it."""
    with FaultyServer() as other:
        place = f"http://user:{KEY}@127.0.0.1:{other.port}/v1/chat/completions?key={KEY}"
        with FaultyServer(lambda number, body: Fault(status, headers={"Location": place})) as server:
            found, _ = ask(server.base_url)
            assert len(server.bodies) == 1
        assert not other.bodies and not other.asked
    assert isinstance(found, TeacherMisconfigured)
    assert f"127.0.0.1:{other.port}" in str(found) and "--base-url" in str(found) and KEY not in str(found)


def test_files_are_sent_nowhere_else_and_fetched_from_elsewhere_without_the_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Some endpoints keep the files of batches at a store, to which a download is sent on."""
    monkeypatch.setenv("MORE_KEY", f"more-{KEY}")
    with HostileServer(lambda: iter([answer(b"{}")])) as store:
        place = f"Location: {store.base_url}/there\r\n"
        with HostileServer(lambda: iter([answer(status="307 There", headers=place)])) as server:
            client = OpenAIClient(
                server.base_url,
                KEY,
                name="e",
                timeout_sec=5.0,
                connections=1,
                extra_headers={"x-api-key": "${MORE_KEY}"},
            )
            files = client.for_files(5.0)
            with pytest.raises((openai.APIConnectionError, TeacherMisconfigured)) as refused:
                files.post("/files", cast_to=object, body={"prompt": "p"})
            assert store.asked == 0
            told = client.no_answer(refused.value)
            assert isinstance(told, TeacherMisconfigured) and "--base-url" in str(told) and KEY not in str(told)
            files.get("/files/1/content", cast_to=object)
            assert KEY in server.heads[-1]
    assert store.asked == 1 and KEY not in store.heads[0]
