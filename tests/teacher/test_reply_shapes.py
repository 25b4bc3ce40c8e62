"""What a reply is, in every shape that servers give it: the same rows, from the same number of requests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from faulty_server import Fault, FaultyServer, dataset_bytes, make_taxonomy, run

from labgen.errors import TeacherMisconfigured
from labgen.teacher.rehearsal.wire import answer, as_events
from labgen.teacher.reply_body import read_body

Shape = Callable[[dict[str, Any], dict[str, Any]], bytes]
"""From the rehearsal's reply, and the request, to a body."""

CHAT, PLAIN = {"api": "chat"}, {"api": "completions", "prompt_format": "chatml"}
APIS = pytest.mark.parametrize("api", [CHAT, PLAIN], ids=["chat", "completions"])
THOUGHT = 'The user wants examples. I should write <instruction>none of this</instruction> first, and {"score": 1}.'


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with two small leaves, and in `expected` what a build of them gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OPENAI_BASE_URL", raising=False)
        patch.delenv("OPENAI_API_KEY", raising=False)
        folder = tmp_path_factory.mktemp("shapes")
        patch.chdir(folder)
        make_taxonomy(folder / "taxonomy")
        with FaultyServer() as server:
            assert build(server, CHAT, "expected").return_value == 0
            (folder / "requests").write_text(str(len(server.bodies)))
        yield folder


def build(server: FaultyServer, api: dict[str, str], name: str, **teacher: Any) -> Result:
    """A build into a folder, with a work folder of its own."""
    asked = {"base_url": server.base_url, "model": "labgen-rehearsal", "first_backoff_sec": 0.01, **api, **teacher}
    Path("labgen.yaml").write_text(yaml.safe_dump({"samples": 2, "teacher": asked}))
    return run("generate", "--json", "--output", name, "--work", f"w-{name}")


def reply_to(body: dict[str, Any]) -> dict[str, Any]:
    """What the rehearsal teacher answers, in one object."""
    return answer({**body, "model": "labgen-rehearsal", "stream": False}, chat="messages" in body)


def with_text(change: Callable[[str], Any]) -> Shape:
    """The reply with its text changed."""

    def shape(found: dict[str, Any], body: dict[str, Any]) -> bytes:
        for choice in found["choices"]:
            if "message" in choice:
                choice["message"]["content"] = change(choice["message"]["content"])
            else:
                choice["text"] = change(choice["text"])
        return json.dumps(found).encode()

    return shape


def with_field(name: str) -> Shape:
    """The reply with reasoning in a field of its own."""

    def shape(found: dict[str, Any], body: dict[str, Any]) -> bytes:
        for choice in found["choices"]:
            choice.get("message", choice)[name] = THOUGHT
        return json.dumps(found).encode()

    return shape


def with_end(word: str | None) -> Shape:
    """The reply with another word for how it ended."""

    def shape(found: dict[str, Any], body: dict[str, Any]) -> bytes:
        for choice in found["choices"]:
            choice["finish_reason"] = word
        return json.dumps(found).encode()

    return shape


def in_events(found: dict[str, Any], body: dict[str, Any]) -> bytes:
    """A stream of events, whether it was asked for or not, with comments between them."""
    return b": keep-alive\n\n" + as_events(found, {"stream_options": {"include_usage": True}})


def in_pieces(found: dict[str, Any], body: dict[str, Any]) -> bytes:
    """A stream of a few characters an event, with carriage returns, names of events, and no space after the colon."""
    events = []
    for choice in found["choices"]:
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        for start in range(0, len(text), 7):
            piece = text[start : start + 7]
            said = {"delta": {"content": piece}} if "message" in choice else {"text": piece}
            events.append({"choices": [{"index": choice["index"], "finish_reason": None, **said}]})
        last = {"delta": {}} if "message" in choice else {"text": ""}
        events.append({"choices": [{"index": choice["index"], "finish_reason": choice["finish_reason"], **last}]})
    lines = "".join(
        f"event: chunk\r\nid: {number}\r\ndata:{json.dumps({'id': found['id'], **event})}\r\n\r\n"
        for number, event in enumerate(events)
    )
    return (lines + "data:[DONE]\r\n\r\n").encode()


def serve(shape: Shape, content_type: str = "application/json") -> FaultyServer:
    """A server whose every reply has a shape."""
    return FaultyServer(lambda number, body: Fault(body=shape(reply_to(body), body), content_type=content_type))


SHAPES: dict[str, Shape] = {
    "events": in_events,
    "events in pieces": in_pieces,
    "no word for its end": with_end(None),
    "another word for its end": with_end("eos_token"),
    "reasoning_content": with_field("reasoning_content"),
    "reasoning": with_field("reasoning"),
    "<think>": with_text(lambda text: f"<think>\n{THOUGHT}\n</think>\n\n{text}"),
    "<think>, nothing in it": with_text(lambda text: f"<think>\n\n</think>\n\n{text}"),
    "</think> that was not opened": with_text(lambda text: f"{THOUGHT}\n</think>\n\n{text}"),
    "<thinking>": with_text(lambda text: f"<thinking>{THOUGHT}</thinking>\n{text}"),
    "[THINK]": with_text(lambda text: f"[THINK]{THOUGHT}[/THINK]{text}"),
    "<reasoning>": with_text(lambda text: f"<reasoning>\n{THOUGHT}\n</reasoning>\n{text}"),
    "harmony channels": with_text(
        lambda text: (
            f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{text}"
        )
    ),
}
CHAT_SHAPES: dict[str, Shape] = {
    "parts": with_text(lambda text: [{"type": "text", "text": text[:9]}, {"type": "text", "text": text[9:]}]),
    "parts with thinking": with_text(
        lambda text: [
            {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]},
            {"type": "text", "text": text},
        ]
    ),
}


@pytest.mark.parametrize(
    ("api", "name"),
    [(CHAT, name) for name in (*SHAPES, *CHAT_SHAPES)] + [(PLAIN, name) for name in SHAPES],
    ids=lambda value: value if isinstance(value, str) else value["api"],
)
def test_rows_are_the_same_in_every_shape_of_a_reply(here: Path, api: dict[str, str], name: str) -> None:
    """Text joined, reasoning apart, the end known; and no request more than without it."""
    shape = {**SHAPES, **CHAT_SHAPES}[name]
    folder = f"{api['api']} {name}".replace("/", "").replace("<", "tag ").replace(">", "").replace("|", "")
    with serve(shape) as server:
        result = build(server, api, folder)
        assert result.return_value == 0, result.output
        assert len(server.bodies) == int(Path("requests").read_text())
    assert dataset_bytes(Path(folder) / "data") == dataset_bytes(Path("expected/data"))


SPEED = ("speed", "concurrency", "timeout_sec")


def doctor(server: FaultyServer, api: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """What `labgen doctor` ends with and finds, by name; without what speed decides."""
    asked = {"base_url": server.base_url, "model": "labgen-rehearsal", **api}
    Path("labgen.yaml").write_text(yaml.safe_dump({"teacher": asked}))
    result = run("doctor", "--json")
    found = {each["name"]: each for each in json.loads(result.stdout)["findings"]}
    return result.return_value, {name: each for name, each in found.items() if name not in SPEED}


@APIS
def test_doctor_reads_every_shape_of_a_reply(here: Path, api: dict[str, str]) -> None:
    """Nothing fails, no request more than without it; where there is reasoning, it says in which notation."""
    with FaultyServer() as server:
        _, plain = doctor(server, api)
        requests = len(server.bodies)
    notations = {"<think>", "<thinking>", "[THINK]", "<reasoning>", "reasoning_content", "reasoning"}
    for name, shape in (SHAPES | (CHAT_SHAPES if api is CHAT else {})).items():
        with serve(shape) as server:
            status, found = doctor(server, api)
            assert status == 0 and len(server.bodies) <= requests, name
        assert {each: found[each]["status"] for each in found} == {each: plain[each]["status"] for each in plain}, name
        own_field = name.startswith("reasoning")
        if name in notations and (api is CHAT or not own_field):
            words = "in a field of its own" if own_field else f"marked with `{name}`"
            assert words in found["reasoning"]["words"], name


@APIS
def test_doctor_says_why_a_reply_is_none(here: Path, api: dict[str, str]) -> None:
    """An error in a reply of status 200, and an end that is none, as a build would say it."""

    def overloaded(found: dict[str, Any], body: dict[str, Any]) -> bytes:
        return json.dumps({"error": {"message": "the model is overloaded", "code": 503}}).encode()

    for shape, words in ((overloaded, "overloaded"), (with_end("abort"), "ended its reply with `abort`")):
        with serve(shape) as server:
            status, found = doctor(server, api)
        assert status == 1 and words in found[api["api"]]["words"], found[api["api"]]


@APIS
def test_reasoning_is_kept_beside_the_reply(here: Path, api: dict[str, str]) -> None:
    """`labgen ledger export` shows it; a row's text has none of it."""
    folder = f"kept {api['api']}"
    with serve(SHAPES["<think>"]) as server:
        build(server, api, folder)
    run("ledger", "export", "--work", f"w-{folder}", f"{folder}.jsonl.gz")
    _, *replies = map(json.loads, gzip.decompress(Path(f"{folder}.jsonl.gz").read_bytes()).splitlines())
    assert {reply["reasoning"] for reply in replies} == {THOUGHT}
    assert b"The user wants examples" not in b"".join(dataset_bytes(Path(folder) / "data").values())


@APIS
@pytest.mark.parametrize("word", ["error", "abort"])
def test_what_ended_in_an_error_is_asked_again_and_never_kept(here: Path, api: dict[str, str], word: str) -> None:
    """Every first answer to a body ends so; the rows are as without."""
    seen: set[str] = set()

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        words = json.dumps(body, sort_keys=True)
        if words in seen:
            return None
        seen.add(words)
        return Fault(body=with_end(word)(reply_to(body), body))

    folder = f"{word} {api['api']}"
    with FaultyServer(behave) as server:
        assert build(server, api, folder).return_value == 0
        assert len(server.bodies) == 2 * int(Path("requests").read_text())
    assert dataset_bytes(Path(folder) / "data") == dataset_bytes(Path("expected/data"))


@APIS
def test_an_error_inside_a_reply_is_treated_by_its_own_code_and_words(here: Path, api: dict[str, str]) -> None:
    """Status 200 or not: 429 waits and uses up no attempt, and a wrong key ends the run."""

    def inside(code: int, message: str) -> Fault:
        return Fault(body=json.dumps({"error": {"code": code, "message": message}}).encode())

    folder = f"inside {api['api']}"
    with FaultyServer(lambda number, body: inside(429, "slow down") if number % 2 == 0 else None) as server:
        assert build(server, api, folder, max_attempts=1, concurrency=1).return_value == 0
    assert dataset_bytes(Path(folder) / "data") == dataset_bytes(Path("expected/data"))
    with FaultyServer(lambda number, body: inside(401, "Incorrect API key provided")) as server:
        with pytest.raises(TeacherMisconfigured, match="refused the key"):
            build(server, api, f"key {api['api']}")
        assert len(server.bodies) <= 64


def test_a_prefill_that_a_server_repeats_is_not_part_of_the_reply(here: Path) -> None:
    """llama.cpp goes on from an assistant's turn, and says that turn once more."""

    def echo(found: dict[str, Any], body: dict[str, Any]) -> bytes:
        last = body["messages"][-1]
        before = last["content"] if last["role"] == "assistant" else ""
        return with_text(lambda text: before + text)(found, body)

    with serve(echo) as server:
        assert build(server, CHAT, "echo").return_value == 0
    assert dataset_bytes(Path("echo/data")) == dataset_bytes(Path("expected/data"))


@APIS
def test_a_schema_that_one_prompt_cannot_meet_is_left_out_for_that_call_alone(here: Path, api: dict[str, str]) -> None:
    """The others are asked with theirs."""

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        if "response_format" in body and body["seed"] == 0 and number % 5 == 0:
            error = {"message": "Failed to generate JSON. Please adjust your prompt.", "code": "json_validate_failed"}
            return Fault(400, json.dumps({"error": error}).encode())
        return None

    folder = f"schema {api['api']}"
    with FaultyServer(behave) as server:
        assert build(server, api, folder, concurrency=1).return_value == 0
        assert any("response_format" in body for body in server.bodies[-10:]), "others still have theirs"
    assert dataset_bytes(Path(folder) / "data") == dataset_bytes(Path("expected/data"))


def test_of_several_replies_in_turn_one_is_read_and_nothing_after_the_end() -> None:
    """As where the settings ask for two (`extra_body: {n: 2}`): their words are not mixed."""

    def event(**choice: Any) -> bytes:
        return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"

    turns = [(0, "one"), (1, "other"), (0, " two"), (1, " words")]
    events = [event(index=index, delta={"content": text}) for index, text in turns]
    ends = [event(index=index, delta={}, finish_reason=end) for index, end in ((0, "stop"), (1, "length"))]
    late = event(index=0, delta={"content": " three"})
    body = read_body(b"".join([*events, *ends, b"data: [DONE]\n\n", late]))
    assert ("".join(body.text), body.end) == ("one two", "stop")
