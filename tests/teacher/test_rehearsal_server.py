"""The rehearsal teacher over real HTTP: what an OpenAI client meets, and what `labgen teacher` prints."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from labgen.errors import LabgenError
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.rehearsal.server import RehearsalServer
from labgen.teacher.rehearsal.wire import CONTEXT_TOKENS

HELLO = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(scope="module")
def server() -> Iterator[RehearsalServer]:
    """One server for the tests that do not count requests."""
    with RehearsalServer() as running:
        yield running


def post(base_url: str, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a POST."""
    request = urllib.request.Request(base_url + path, data=body, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def get(base_url: str, path: str) -> dict[str, Any]:
    """JSON of a GET."""
    with urllib.request.urlopen(base_url + path, timeout=10) as response:
        found: dict[str, Any] = json.load(response)
        return found


def test_an_openai_client_is_at_home(server: RehearsalServer) -> None:
    """Chat, completions, models, choices and usage counts, with any key."""
    with openai.OpenAI(base_url=server.base_url, api_key="anything", max_retries=0) as client:
        assert [model.id for model in client.models.list().data] == [REHEARSAL_MODEL]
        chat = client.chat.completions.create(model=REHEARSAL_MODEL, messages=HELLO, n=3, seed=4, max_tokens=60)  # type: ignore[arg-type]
        assert chat.model == chat.system_fingerprint == REHEARSAL_MODEL
        assert [choice.index for choice in chat.choices] == [0, 1, 2]
        assert chat.usage is not None
        assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens > 0
        plain = client.completions.create(model=REHEARSAL_MODEL, prompt="Hello there", seed=4, max_tokens=60)
        assert plain.choices[0].text == chat.choices[0].message.content


def test_the_same_request_gets_the_same_bytes(server: RehearsalServer) -> None:
    """Nothing of time or of earlier requests is in a reply."""
    body = json.dumps({"model": REHEARSAL_MODEL, "messages": HELLO, "temperature": 1}).encode()
    assert post(server.base_url, "/chat/completions", body) == post(server.base_url, "/chat/completions", body)


def test_a_streamed_reply_says_what_one_in_one_piece_does(server: RehearsalServer) -> None:
    """Text, end, counts and name, by both APIs."""
    with openai.OpenAI(base_url=server.base_url, api_key="anything", max_retries=0) as client:
        asked = {"model": REHEARSAL_MODEL, "seed": 4, "max_tokens": 60}
        streamed = {"stream": True, "stream_options": {"include_usage": True}}
        for create, what in (
            (client.chat.completions.create, {"messages": HELLO}),
            (client.completions.create, {"prompt": "Hello there"}),
        ):
            whole = create(**asked, **what)  # type: ignore[operator]
            *pieces, last = create(**asked, **what, **streamed)  # type: ignore[operator]
            choices = [piece.choices[0] for piece in pieces]
            texts = [choice.delta.content if "messages" in what else choice.text for choice in choices]
            assert "".join(filter(None, texts)) == (
                whole.choices[0].message.content if "messages" in what else whole.choices[0].text
            )
            assert choices[-1].finish_reason == whole.choices[0].finish_reason
            assert (last.usage, last.model) == (whole.usage, whole.model)


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"model": "gpt-4"}, 404, "does not exist"),
        ({"model": None}, 400, "model"),
        ({"messages": []}, 400, "at least one message"),
        ({"messages": [{"role": "pirate", "content": "Arr"}]}, 400, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "must be text"),
        ({"temperature": 9}, 400, "from 0 to 2"),
        ({"max_tokens": 0}, 400, "max_tokens"),
        ({"n": True}, 400, "whole number"),
        ({"stop": [3]}, 400, "stop"),
        ({"response_format": {"type": "json_schema"}}, 400, "JSON schema"),
        ({"messages": [{"role": "user", "content": "x" * CONTEXT_TOKENS * 4}]}, 400, "maximum context length"),
    ],
)
def test_wrong_requests_get_openais_error_form(
    server: RehearsalServer, change: dict[str, Any], status: int, words: str
) -> None:
    """Status, message and type, as clients expect them."""
    body = json.dumps({"model": REHEARSAL_MODEL, "messages": HELLO} | change).encode()
    found, answer = post(server.base_url, "/chat/completions", body)
    assert found == status
    assert words in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1, 2]", b"[" * 100_000], ids=["half", "bytes", "list", "deep"])
def test_what_is_not_json_is_refused(server: RehearsalServer, body: bytes) -> None:
    """Bad JSON is a 400, not a crash."""
    status, answer = post(server.base_url, "/completions", body)
    assert status == 400
    assert "JSON" in answer["error"]["message"]


def test_unknown_paths_say_so(server: RehearsalServer) -> None:
    """404 in OpenAI's error form."""
    status, answer = post(server.base_url, "/embeddings", b"{}")
    assert status == 404
    assert "/v1/embeddings" in answer["error"]["message"]


def test_half_a_surrogate_pair_does_no_harm(server: RehearsalServer) -> None:
    """Text that cannot be encoded in UTF-8 still gets a reply."""
    body = json.dumps(
        {"model": REHEARSAL_MODEL, "messages": [{"role": "user", "content": "broken \ud83d here"}]}
    ).encode()
    assert post(server.base_url, "/chat/completions", body)[0] == 200


def test_stats_tell_what_was_asked_twice() -> None:
    """Requests, distinct ones, and those answered more than once; refused ones do not count."""
    with RehearsalServer() as own:
        for text in ("one", "two", "one", "one"):
            post(own.base_url, "/completions", json.dumps({"model": REHEARSAL_MODEL, "prompt": text}).encode())
        post(own.base_url, "/completions", b"{}")
        expected = {"requests": 4, "distinct": 2, "answered_twice": 1}
        assert get(own.base_url, "/labgen/stats") == expected == own.stats()


def test_a_port_in_use_is_named() -> None:
    """The message says which port and what to do."""
    with RehearsalServer() as first:
        port = int(first.base_url.split(":")[2].split("/")[0])
        with pytest.raises(LabgenError, match=f"port {port} .* in use"):
            RehearsalServer(port=port).__enter__()
    with RehearsalServer(port=port) as again:
        assert again.base_url == first.base_url


def test_a_server_can_be_stopped_while_it_answers() -> None:
    """Leaving does not wait for slow replies."""
    with RehearsalServer(delay_sec=30.0) as slow:
        host, port = "127.0.0.1", int(slow.base_url.split(":")[2].split("/")[0])
        body = json.dumps({"model": REHEARSAL_MODEL, "prompt": "x"})
        connection = socket.create_connection((host, port))
        connection.sendall(
            f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
    with connection:
        assert slow.stats()["requests"] == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_verb_prints_its_address_and_stops_cleanly(stop: signal.Signals) -> None:
    """`labgen teacher` prints the base URL alone on standard output and ends with status 0 when told to."""
    command = [sys.executable, "-m", "labgen", "teacher", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert get(base_url, "/models")["data"][0]["id"] == REHEARSAL_MODEL
        process.send_signal(stop)
        rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert rest == ""
    assert f"--base-url {base_url} --model {REHEARSAL_MODEL}" in errors
    assert "Traceback" not in errors


def test_the_verb_explains_a_port_in_use(server: RehearsalServer) -> None:
    """Exit status 1 and one line."""
    port = server.base_url.split(":")[2].split("/")[0]
    done = subprocess.run(
        [sys.executable, "-m", "labgen", "teacher", "--port", port], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"port {port}" in done.stderr
    assert "Traceback" not in done.stderr
