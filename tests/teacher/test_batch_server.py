"""The batch server with faults does what it is told, so that other tests may rest on it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from batch_dialects import Azure, Groq, Together
from batch_server import OTHER_MODEL, BatchServer, Faults
from openai.types import Batch

from labgen.records import REHEARSAL_MODEL

CHAT = "/v1/chat/completions"


@pytest.fixture
def server() -> Iterator[BatchServer]:
    """A server without faults yet."""
    with BatchServer() as running:
        yield running


@pytest.fixture
def client(server: BatchServer) -> Iterator[openai.OpenAI]:
    """Its client, which tries nothing twice."""
    with openai.OpenAI(base_url=server.base_url, api_key="anything", max_retries=0) as made:
        yield made


def content(lines: int) -> bytes:
    """A file of requests, `a0` and so on."""
    entries = []
    for number in range(lines):
        body = {"model": REHEARSAL_MODEL, "messages": [{"role": "user", "content": "Hello there"}], "seed": number}
        entries.append({"custom_id": f"a{number}", "method": "POST", "url": CHAT, "body": body})
    return b"".join(json.dumps(entry).encode() + b"\n" for entry in entries)


def run(client: openai.OpenAI, lines: int = 10) -> Batch:
    """A batch from its upload to its end."""
    stored = client.files.create(file=("a.jsonl", content(lines)), purpose="batch")
    batch = client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
    return wait(client, batch)


def wait(client: openai.OpenAI, batch: Batch) -> Batch:
    """The batch once it has ended."""
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.01)
        batch = client.batches.retrieve(batch.id)
    return batch


def output(client: openai.OpenAI, batch: Batch) -> list[bytes]:
    """Lines of the output file as they are."""
    assert batch.output_file_id
    return client.files.content(batch.output_file_id).content.split(b"\n")


def errors(client: openai.OpenAI, batch: Batch) -> list[dict[str, Any]]:
    """Lines of the error file."""
    assert batch.error_file_id
    return [json.loads(line) for line in client.files.content(batch.error_file_id).content.splitlines()]


def test_half_of_an_expired_batch_is_there(server: BatchServer, client: openai.OpenAI) -> None:
    """The other half is told in the error file; the next batch ends well."""
    server.faults = Faults(expiring_batches=1)
    batch = run(client, 11)
    assert batch.status == "expired"
    assert len(output(client, batch)) - 1 == 5 == sum(server.answered.values())
    assert [line["error"]["code"] for line in errors(client, batch)] == ["batch_expired"] * 6
    assert run(client, 11).status == "completed"
    assert server.paid_twice() == ["a0", "a1", "a2", "a3", "a4"]


def test_output_files_hold_what_they_should_not(server: BatchServer, client: openai.OpenAI) -> None:
    """Shuffled, doubled and foreign lines, broken ones, another model's, and an end in the middle of a line."""
    server.faults = Faults(shuffled=True, doubled=True, foreign=True, broken_lines=1, other_models=2, cut_files=1)
    lines = output(client, run(client, 10))
    whole, broken = [], 0
    for line in lines:
        try:
            whole.append(json.loads(line))
        except ValueError:
            broken += 1
    names = [line["custom_id"] for line in whole]
    assert lines[-1] != b""
    assert (broken, len(lines)) == (3, 16), "a broken line, twice, and the last"
    assert sum(name.startswith("foreign") for name in names) == 3
    assert [name for name in names if not name.startswith("foreign")] != sorted(names)
    assert sum(line["response"]["body"]["model"] == OTHER_MODEL for line in whole) == 3 + 2
    assert sorted(server.spoiled) == ["a0", "a1", "a9"]
    assert server.faults == Faults(shuffled=True, doubled=True, foreign=True)


def test_lines_are_refused_by_what_they_ask_and_in_turn(server: BatchServer, client: openai.OpenAI) -> None:
    """A wrong parameter, one that is too long, and errors of the server."""
    server.faults = Faults(line_statuses=[500, 429])
    batch = run(client, 3)
    assert [line["response"]["status_code"] for line in errors(client, batch)] == [500, 429]
    server.faults = Faults(context_chars=5)
    (line,) = errors(client, run(client, 1))
    assert line["response"]["body"]["error"]["code"] == "context_length_exceeded"
    server.faults = Faults(refused_parameter="seed")
    batch = run(client, 3)
    assert batch.output_file_id is None
    assert {line["response"]["body"]["error"]["message"] for line in errors(client, batch)} == {
        "Unrecognized request argument supplied: seed"
    }
    assert server.sizes == [3, 1, 3]


def test_the_quota_is_refused_in_each_form(server: BatchServer, client: openai.OpenAI) -> None:
    """As a failed batch or at once; by turns, or by the lines that are under way."""
    server.faults = Faults(quota_refusals=1)
    batch = run(client)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].code == "token_limit_exceeded"
    for form, kind in (("429", openai.RateLimitError), ("400", openai.BadRequestError)):
        server.faults = Faults(quota_form=form, quota_lines=9)  # type: ignore[arg-type]
        with pytest.raises(kind, match="limit reached"):
            run(client, 10)
        assert run(client, 9).status == "completed"
    server.faults = Faults(quota_form="insufficient_quota", quota_refusals=1)
    with pytest.raises(openai.RateLimitError) as refused:
        run(client)
    assert refused.value.code == "insufficient_quota"
    server.faults = Faults(quota_lines=9, in_progress_sec=3600)
    stored = client.files.create(file=("a.jsonl", content(5)), purpose="batch")
    first = client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
    while first.status == "validating":
        first = client.batches.retrieve(first.id)
    assert run(client, 5).status == "failed", "ten lines would be under way"


def test_a_sound_file_may_fail_in_validation(server: BatchServer, client: openai.OpenAI) -> None:
    """Once."""
    server.faults = Faults(failing_batches=1)
    assert [run(client).status, run(client).status] == ["failed", "completed"]


def test_the_server_fails_around_a_batch(server: BatchServer, client: openai.OpenAI) -> None:
    """In the upload, after a batch was taken on, and half way through a download."""
    server.faults = Faults(upload_errors=1, lost_creates=1, cut_downloads=1)
    with pytest.raises(openai.InternalServerError):
        run(client)
    with pytest.raises(openai.APIConnectionError):
        run(client)
    (batch,) = [wait(client, each) for each in client.batches.list()]
    with pytest.raises(openai.APIConnectionError):
        output(client, batch)
    assert len(output(client, batch)) == 11


def test_a_server_that_comes_back_knows_its_batches(server: BatchServer, client: openai.OpenAI) -> None:
    """It goes on with one that was under way, and answers no line twice."""
    before = run(client)
    stored = client.files.create(file=("b.jsonl", content(3000).replace(b'"a', b'"b')), purpose="batch")
    batch = client.batches.create(input_file_id=stored.id, endpoint=CHAT, completion_window="24h")
    while not server.batches[-1].completed:
        time.sleep(0.001)
    server.stop()
    assert server.batches[-1].completed < 3000
    with pytest.raises(openai.APIConnectionError):
        client.batches.list()
    server.start()
    assert len(output(client, before)) == 11
    assert len(output(client, wait(client, batch))) == 3001
    assert len(server.answered) == 3010
    assert not server.paid_twice()


def test_azure_says_some_things_otherwise() -> None:
    """Endpoint without /v1, empty ids, an empty error file, codes of its own."""
    with BatchServer(dialect=Azure()) as server, openai.OpenAI(base_url=server.base_url, api_key="any") as client:
        for lines, status in ((content(2), "failed"), (content(2).replace(b'"/v1/chat', b'"/chat'), "completed")):
            stored = client.files.create(file=("a.jsonl", lines), purpose="batch")
            batch = client.batches.create(
                input_file_id=stored.id,
                endpoint="/chat/completions",  # type: ignore[arg-type]
                completion_window="24h",
            )
            assert (batch.output_file_id, batch.endpoint) == ("", None)
            batch = wait(client, batch)
            assert batch.status == status
            if batch.errors and batch.errors.data:
                assert {error.code for error in batch.errors.data} == {"url_mismatch"}
        assert errors(client, batch) == []
        assert len(output(client, batch)) == 3
        assert len(list(client.batches.list())) == 2


def test_groq_has_pages_and_errors_of_its_own() -> None:
    """A cursor beside the page, which a client must follow by itself; a bare list of errors."""
    with BatchServer(dialect=Groq()) as server, openai.OpenAI(base_url=server.base_url, api_key="any") as client:
        made = [run(client, 1).id for _ in range(3)]
        first = client.batches.list()
        assert [batch.id for batch in first.data] == made[:0:-1]
        assert client.batches.list(after=first.data[-1].id).data == first.data
        cursor = (first.model_extra or {})["paging"]["next_cursor"]
        (last,) = client.batches.list(extra_query={"cursor": cursor}).data
        assert last.id == made[0]
        server.faults = Faults(failing_batches=1)
        failed: Any = run(client, 1)
        assert [error.code for error in failed.errors] == ["invalid_json_line"]


def test_together_says_many_things_otherwise() -> None:
    """Another purpose and path of uploads, a wrapped batch, capitals, and a bare list."""
    with BatchServer(dialect=Together()) as server, openai.OpenAI(base_url=server.base_url, api_key="any") as client:
        with pytest.raises(openai.BadRequestError, match="checksum"):
            client.files.create(file=("a.jsonl", content(2)), purpose="batch-api")  # type: ignore[arg-type]
        stored = client.post(
            "/files/upload",
            cast_to=dict[str, Any],
            body={"purpose": "batch-api", "file_name": "a.jsonl"},
            files={"file": ("a.jsonl", content(2))},
            options={"headers": {"Content-Type": "multipart/form-data"}},
        )
        made = client.batches.create(input_file_id=stored["id"], endpoint=CHAT, completion_window="24h")
        job = (made.model_extra or {})["job"]
        assert (made.id, job["status"]) == (None, "VALIDATING")
        batch = client.batches.retrieve(job["id"])
        while batch.status != "COMPLETED":  # type: ignore[comparison-overlap]
            batch = client.batches.retrieve(job["id"])
        assert len(output(client, batch)) == 3
        assert [entry["id"] for entry in client.get("/batches", cast_to=list[dict[str, Any]])] == [batch.id]
