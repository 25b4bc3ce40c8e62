"""The rehearsal teacher's batch API as an OpenAI client meets it."""

from __future__ import annotations

import asyncio
import io
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch

from labgen.records import REHEARSAL_MODEL
from labgen.teacher.rehearsal import batch_files, batch_lines
from labgen.teacher.rehearsal.server import RehearsalServer

CHAT = "/v1/chat/completions"


@pytest.fixture
def server() -> Iterator[RehearsalServer]:
    """A server without batches."""
    with RehearsalServer() as running:
        yield running


@pytest.fixture
def client(server: RehearsalServer) -> Iterator[openai.OpenAI]:
    """Its client, which tries nothing twice."""
    with openai.OpenAI(base_url=server.base_url, api_key="anything", max_retries=0) as made:
        yield made


def entry(number: int, **body: Any) -> dict[str, Any]:
    """A line of an input file."""
    asked = {"model": REHEARSAL_MODEL, "messages": [{"role": "user", "content": "Hello there"}], "seed": number, **body}
    return {"custom_id": f"call-{number}", "method": "POST", "url": CHAT, "body": asked}


def jsonl(entries: list[dict[str, Any]]) -> bytes:
    """Lines of JSON."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in entries)


def submit(client: openai.OpenAI, content: bytes, endpoint: Any = CHAT, **more: Any) -> Batch:
    """Upload a file and have a batch made of it."""
    stored = client.files.create(file=("calls.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=stored.id, endpoint=endpoint, completion_window="24h", **more)


def wait(client: openai.OpenAI, batch: Batch) -> Batch:
    """The batch once it has ended."""
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.01)
        batch = client.batches.retrieve(batch.id)
    return batch


def lines_of(client: openai.OpenAI, file_id: str | None) -> list[dict[str, Any]]:
    """The lines of a result file."""
    assert file_id is not None
    return [json.loads(line) for line in client.files.content(file_id).content.splitlines()]


def test_a_batch_is_answered_as_single_requests_are(client: openai.OpenAI) -> None:
    """Every line gets the reply that its body gets online, and the batch says how many there are."""
    entries = [entry(number, max_tokens=60) for number in range(20)]
    batch = wait(client, submit(client, jsonl(entries), metadata={"round": "1"}))
    assert (batch.status, batch.metadata, batch.model) == ("completed", {"round": "1"}, REHEARSAL_MODEL)
    assert batch.request_counts is not None
    assert batch.request_counts.model_dump() == {"total": 20, "completed": 20, "failed": 0}
    assert batch.error_file_id is None
    found = {line["custom_id"]: line for line in lines_of(client, batch.output_file_id)}
    assert list(found) == [line["custom_id"] for line in entries]
    for line in entries:
        response = found[line["custom_id"]]["response"]
        assert response["status_code"] == 200
        assert response["body"] == client.chat.completions.create(**line["body"]).model_dump(exclude_unset=True)


def test_plain_completions_go_in_batches_too(client: openai.OpenAI) -> None:
    """With the endpoint and the url of completions."""
    body = {"model": REHEARSAL_MODEL, "prompt": "Hello there", "seed": 3}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": body}
    batch = wait(client, submit(client, jsonl([line]), "/v1/completions"))
    (found,) = lines_of(client, batch.output_file_id)
    assert found["response"]["body"]["choices"][0]["text"] == client.completions.create(**body).choices[0].text  # type: ignore[call-overload]


def test_refused_lines_are_in_the_error_file(client: openai.OpenAI) -> None:
    """With the status and the body that the request gets online; the others are answered."""
    entries = [entry(0), entry(1, seed="x"), entry(2, stream=True), entry(3)]
    batch = wait(client, submit(client, jsonl(entries)))
    assert batch.status == "completed"
    assert batch.request_counts is not None
    assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 2)
    assert [line["custom_id"] for line in lines_of(client, batch.output_file_id)] == ["call-0", "call-3"]
    seed, stream = lines_of(client, batch.error_file_id)
    assert (seed["custom_id"], seed["error"], seed["response"]["status_code"]) == ("call-1", None, 400)
    assert seed["response"]["body"]["error"]["param"] == "seed"
    assert stream["response"]["body"]["error"]["param"] == "stream"


def test_a_batch_of_refused_lines_only_has_no_output_file(client: openai.OpenAI) -> None:
    """As at OpenAI: it is completed all the same."""
    batch = wait(client, submit(client, jsonl([entry(0, n=0)])))
    assert (batch.status, batch.output_file_id) == ("completed", None)
    assert len(lines_of(client, batch.error_file_id)) == 1


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (jsonl([entry(0)]) + b'{"custom_id": \n' + jsonl([entry(1)]), "invalid_json_line", 2),
        (jsonl([entry(0)]) + b"[" * 100_000, "invalid_json_line", 2),
        (jsonl([entry(0)]) + b"\xff\xfe\n", "invalid_json_line", 2),
        (jsonl([entry(0), entry(1), entry(0)]), "duplicate_custom_id", 3),
        (jsonl([entry(0), {**entry(1), "url": "/v1/completions"}]), "invalid_url", 2),
        (jsonl([entry(0), {**entry(1), "method": "GET"}]), "invalid_method", 2),
        (jsonl([{**entry(1), "custom_id": 7}]), "missing_required_parameter", 1),
        (jsonl([entry(0), entry(1, model="another")]), "mismatched_model", 2),
        (b"\n", "empty_file", None),
    ],
)
def test_a_file_with_a_fault_fails_before_anything_is_answered(
    server: RehearsalServer, client: openai.OpenAI, content: bytes, code: str, line: int | None
) -> None:
    """The batch says which line, and why."""
    batch = wait(client, submit(client, content))
    assert (batch.status, batch.output_file_id, batch.error_file_id) == ("failed", None, None)
    assert batch.errors is not None
    assert batch.errors.data is not None
    (error,) = batch.errors.data
    assert (error.code, error.line) == (code, line)
    assert error.message
    assert server.stats()["requests"] == 0


def test_files_over_the_limits_are_refused(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of lines in the batch's errors, of bytes at once."""
    monkeypatch.setattr(batch_lines, "MAX_LINES", 3)
    batch = wait(client, submit(client, jsonl([entry(number) for number in range(6)])))
    assert batch.errors is not None
    assert [(error.code, error.line) for error in batch.errors.data or ()] == [("too_many_tasks", 4)]
    monkeypatch.setattr(batch_files, "MAX_FILE_BYTES", 1000)
    with pytest.raises(openai.APIStatusError, match="Split it") as refused:
        submit(client, b"x" * 1001)
    assert refused.value.status_code == 413


def test_what_cannot_be_a_batch_is_refused(client: openai.OpenAI) -> None:
    """A wrong purpose, name, window, endpoint, id or metadata, each by its name."""
    for name, purpose, param in (("a.jsonl", "vision", "purpose"), ("a.txt", "batch", "file")):
        with pytest.raises(openai.BadRequestError) as refused:
            client.files.create(file=(name, b"{}"), purpose=purpose)  # type: ignore[arg-type]
        assert refused.value.param == param
    stored = client.files.create(file=("a.jsonl", jsonl([entry(0)])), purpose="batch")
    asked = {"input_file_id": stored.id, "endpoint": CHAT, "completion_window": "24h"}
    wrong = {"endpoint": "/v1/embeddings", "completion_window": "1h", "metadata": {"a": "x" * 513}}
    for param, value in wrong.items():
        with pytest.raises(openai.BadRequestError) as refused:
            client.batches.create(**{**asked, param: value})  # type: ignore[arg-type]
        assert refused.value.param == param
    for call in (
        lambda: client.batches.create(**{**asked, "input_file_id": "file-none"}),  # type: ignore[arg-type]
        lambda: client.batches.retrieve("batch_none"),
        lambda: client.batches.cancel("batch_none"),
        lambda: client.files.retrieve("file-none"),
        lambda: client.files.content("file-none"),
    ):
        with pytest.raises(openai.NotFoundError):
            call()


def test_batches_and_files_are_listed_the_newest_first_in_pages(client: openai.OpenAI) -> None:
    """A client walks through all the pages by itself."""
    made = [wait(client, submit(client, jsonl([entry(number)]))).id for number in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2).data] == [made[4], made[3]]
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    assert [batch.id for batch in client.batches.list(limit=2, after=made[1])] == [made[0]]
    assert len(list(client.files.list(purpose="batch"))) == len(list(client.files.list(purpose="batch_output"))) == 5
    assert len(list(client.files.list(limit=3))) == 10
    with pytest.raises(openai.BadRequestError, match="limit"):
        client.batches.list(limit=101)


def test_a_cancelled_batch_says_what_was_not_run() -> None:
    """Nothing is answered after it; the rest is in the error file; it cannot be cancelled twice over."""
    with (
        RehearsalServer(delay_sec=3600) as slow,
        openai.OpenAI(base_url=slow.base_url, api_key="anything", max_retries=0) as client,
    ):
        batch = submit(client, jsonl([entry(0), entry(1)]))
        assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
        batch = wait(client, batch)
        assert (batch.status, batch.output_file_id) == ("cancelled", None)
        assert {line["error"]["code"] for line in lines_of(client, batch.error_file_id)} == {"batch_cancelled"}
        assert slow.stats()["requests"] == 0
        with pytest.raises(openai.ConflictError, match="cancelled"):
            client.batches.cancel(batch.id)


def test_a_deleted_file_is_gone(client: openai.OpenAI) -> None:
    """Neither its content nor a batch can be had of it."""
    stored = client.files.create(file=("a.jsonl", jsonl([entry(0)])), purpose="batch")
    assert client.files.delete(stored.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(stored.id)


def test_an_asynchronous_client_reads_from_disk_and_to_disk(server: RehearsalServer, tmp_path: Path) -> None:
    """Upload, batch and download with `AsyncOpenAI`."""
    source, target = tmp_path / "calls.jsonl", tmp_path / "replies.jsonl"
    source.write_bytes(jsonl([entry(number) for number in range(30)]))

    async def go() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="anything", max_retries=0) as client:
            stored = await client.files.create(file=source, purpose="batch")
            batch = await client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
            while batch.status != "completed":
                await asyncio.sleep(0.01)
                batch = await client.batches.retrieve(batch.id)
            assert [found.id async for found in client.batches.list()] == [batch.id]
            assert batch.output_file_id
            async with client.files.with_streaming_response.content(batch.output_file_id) as response:
                await response.stream_to_file(target)

    asyncio.run(go())
    assert len(target.read_bytes().splitlines()) == 30


def test_memory_does_not_grow_with_a_file(client: openai.OpenAI) -> None:
    """Ten megabytes go in, and are answered, with a fraction of that in this process."""
    content = jsonl([entry(number, metadata={"filling": "x" * 20_000}) for number in range(500)])
    tracemalloc.start()
    try:
        batch = wait(client, submit(client, content))
        assert tracemalloc.get_traced_memory()[1] < len(content) / 2
    finally:
        tracemalloc.stop()
    assert batch.request_counts is not None
    assert batch.request_counts.completed == 500


def test_a_batch_and_requests_are_answered_at_the_same_time(server: RehearsalServer, client: openai.OpenAI) -> None:
    """A request is answered while a batch is in progress; both are counted, by what they ask."""
    batch = submit(client, jsonl([entry(number) for number in range(2000)]))
    client.chat.completions.create(**entry(0)["body"])
    assert client.batches.retrieve(batch.id).status != "completed"
    wait(client, batch)
    assert server.stats() == {"requests": 2001, "distinct": 2000, "answered_twice": 1}


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder goes with the server, with a batch under way and a broken upload too."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        RehearsalServer(delay_sec=3600) as slow,
        openai.OpenAI(base_url=slow.base_url, api_key="anything", max_retries=0) as client,
    ):
        submit(client, jsonl([entry(0)]))
        with pytest.raises(openai.BadRequestError):
            client.files.create(file=("a.txt", io.BytesIO(b"{}")), purpose="batch")
        assert len(list(tmp_path.rglob("*.jsonl"))) <= 3
    assert not list(tmp_path.iterdir())
