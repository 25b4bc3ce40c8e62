"""What `labgen doctor` measures of an endpoint, what it advises, and what `labgen plan` makes of it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from faulty_server import Behave, Fault, FaultyServer, llama_cpp, make_taxonomy, refusal, run

from labgen.config.file import load_config
from labgen.config.whole import Config
from labgen.ledger.replies import Ledger
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.advice import advise, tell_context
from labgen.teacher.finding import Finding
from labgen.teacher.measured import Measured, recall, remember
from labgen.teacher.openai_client import OpenAIClient
from labgen.teacher.probing import Needs, Probe
from labgen.verbs.build_time import BuildTime, Work, build_times

MODEL = "labgen-rehearsal"
WORDS = [f"word{number} " for number in range(60)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    return tmp_path


def examine(server: FaultyServer, *more: object) -> dict[str, dict[str, Any]]:
    """Findings by name."""
    result = run("doctor", "--json", "--base-url", server.base_url, "--model", MODEL, *more)
    return {finding["name"]: finding for finding in json.loads(result.stdout)["findings"]}


def streamed(text: list[str], *, reasoning: str = "", model: str = MODEL, **usage: Any) -> Fault:
    """A reply in pieces, with what it used."""
    events: list[dict[str, Any]] = [{"delta": {"reasoning_content": reasoning}}] if reasoning else []
    events += [{"delta": {"content": piece}} for piece in text]
    events.append({"delta": {}, "finish_reason": "stop"})
    lines = [{"model": model, "choices": [{"index": 0} | event]} for event in events]
    counts = {"prompt_tokens": 600, "completion_tokens": len(text)} | usage
    data = [json.dumps(line) for line in [*lines, {"model": model, "choices": [], "usage": counts}]]
    body = "".join(f"data: {each}\n\n" for each in [*data, "[DONE]"]).encode()
    return Fault(body=body, content_type="text/event-stream")


def long_calls(fault: Fault, again: Fault | None = None) -> Behave:
    """Calls that are timed get this reply, the second long prompt another; the rehearsal answers the others."""

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        if not body.get("stream_options"):
            return None
        long = "Stock list" in str(body.get("messages"))
        return (again or fault) if long and body["max_tokens"] < 20 else fault

    return behave


def test_each_line_is_printed_when_it_is_known(here: Path) -> None:
    """While the endpoint still thinks about its first call, one can read that it is reachable."""
    with FaultyServer() as server:
        server.hold = threading.Event()
        where = ("--base-url", server.base_url, "--model", MODEL)
        command = [sys.executable, "-m", "labgen", "doctor", *where]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here) as process:
            assert process.stdout
            lines = []
            for line in process.stdout:
                lines.append(line)
                if "reachable" in line:
                    break
            assert process.poll() is None
            assert server.answered == []
            server.hold.set()
            lines += process.stdout.readlines()
    assert process.returncode == 0
    assert any("latency" in line for line in lines)


def test_json_stays_one_object(here: Path) -> None:
    """For scripts, printed at the end."""
    with FaultyServer() as server:
        result = run("doctor", "--json", "--base-url", server.base_url, "--model", MODEL)
    assert set(json.loads(result.stdout)) == {"well", "findings"}


def schemas(number: int, body: dict[str, Any]) -> Fault | None:
    """As llama.cpp: a schema is honoured on chat, and on completions in a field of the server's own alone."""
    chat = "messages" in body
    if (chat and "response_format" in body) or "json_schema" in body:
        text = '{"ready": true}'
        choice = {"message": {"content": text}} if chat else {"text": text}
        return Fault(body=json.dumps({"model": "real-model", "choices": [choice | {"finish_reason": "stop"}]}).encode())
    return None


def test_a_server_that_says_what_it_is_is_told_as_it_says(here: Path) -> None:
    """Slots, context, models, and a schema for each API; in few calls."""
    with FaultyServer(schemas, **llama_cpp(4, 8192)) as server:
        findings = examine(server)
        assert len(server.bodies) <= 20
    assert findings["slots"]["words"] == "works on 4 calls at a time, as it says of itself"
    assert findings["context"]["words"].startswith("8192 tokens")
    assert findings["JSON schema (chat)"] | {"status": "ok", "words": "honoured"} == findings["JSON schema (chat)"]
    assert "own field `json_schema` is honoured" in findings["JSON schema (completions)"]["words"]
    assert findings["concurrency"]["words"] == "5 calls at a time for its 4 slots"
    assert findings["chunk_tokens"]["status"] == "ok"


def test_a_model_that_is_another_than_was_asked_for_is_named(here: Path) -> None:
    """And the others that the server lists."""

    def alias(number: int, body: dict[str, Any]) -> Fault:
        choice = {"message": {"content": "ready"}, "text": "ready", "finish_reason": "stop"}
        return Fault(body=json.dumps({"model": "real-model", "choices": [choice]}).encode())

    listed = {"data": [{"id": name} for name in (MODEL, "real-model", "a", "b", "c", "d")]}
    with FaultyServer(alias, listed=listed) as server:
        found = examine(server)["model"]
    assert found["status"] == "warn"
    assert found["words"] == f"asked for {MODEL}, its replies say real-model; it also lists a, b, c and 1 more"
    with FaultyServer(listed=listed) as server:
        assert examine(server)["model"]["status"] == "ok"


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (streamed(WORDS), "ok", "none seen"),
        (streamed(["The answer."], reasoning="So then."), "ok", "in a field of its own"),
        (streamed(["<think>", "So then.", "</think>", "The answer."]), "ok", "in the text, marked with `<think>`"),
        (streamed(["[THINK]So then.[/THINK]The answer."]), "ok", "marked with `[THINK]`"),
        (streamed(["So then.", "</think>", "The answer."]), "ok", "marked with `</think>`"),
        (streamed(["<think>", "So then", " and then"]), "warn", "were not enough to come to an answer"),
        (streamed([], reasoning="So then."), "warn", "were not enough to come to an answer"),
    ],
    ids=["none", "field", "tags", "brackets", "unopened", "unclosed", "field-alone"],
)
def test_a_model_that_reasons_is_known_by_it(here: Path, fault: Fault, status: str, words: str) -> None:
    """In which notation, and whether an answer comes of it."""
    with FaultyServer(long_calls(fault)) as server:
        found = examine(server)["reasoning"]
    assert (found["status"], words in found["words"]) == (status, True), found
    assert "reasoning: off" in found["todo"] or status == "ok"


@pytest.mark.parametrize(
    ("cached", "words"), [(590, "590 of 600 tokens of the same prompt were known"), (0, "0 of 600 tokens")]
)
def test_a_prefix_cache_is_seen_by_what_the_endpoint_counts(here: Path, cached: int, words: str) -> None:
    """In the usage of the same prompt's second reply."""
    again = streamed(WORDS, prompt_tokens_details={"cached_tokens": cached})
    with FaultyServer(long_calls(streamed(WORDS), again)) as server:
        found = examine(server)["prefix cache"]
    assert words in found["words"]
    assert ("--enable-prefix-caching" in found["todo"]) == (cached == 0)


def test_long_prompts_are_new_each_time(here: Path) -> None:
    """A server that knows them from an earlier look would seem faster than it is."""
    with FaultyServer() as server:
        for _ in range(2):
            examine(server)
        asked = [str(body["messages"]) for body in server.bodies if "Stock list" in str(body.get("messages"))]
    assert len(asked) == 4
    assert len(set(asked)) == 2


def test_an_endpoint_that_refuses_to_stream_is_measured_all_the_same(here: Path) -> None:
    """Without it, reading and writing can't be told apart."""

    def whole(number: int, body: dict[str, Any]) -> Fault | None:
        return refusal(400, "`stream` is not supported") if "stream" in body else None

    with FaultyServer(whole) as server:
        findings = examine(server)
    assert findings["reasoning"]["status"] == "ok"
    assert "can't be seen" in findings["prefix cache"]["words"]


def test_plan_gives_a_time_from_what_doctor_measured(here: Path) -> None:
    """For the address and model that were measured, and no other; where no ledger was, doctor begins one."""
    with FaultyServer(long_calls(streamed(WORDS)), **llama_cpp(2, 8192)) as server:
        who = ("--base-url", server.base_url, "--model", MODEL)
        assert "doctor` measured" not in run("plan", *who).stdout
        run("doctor", *who)
        asked = len(server.bodies)
        assert "(2 calls at once), as `labgen doctor` measured on 2" in run("plan", *who).stdout
        data = json.loads(run("plan", "--json", *who).stdout)["time"]
        assert data["seconds"] > 0 and data["at_once"] == 2
        for other in (("--base-url", server.base_url, "--model", "other"), ()):
            assert json.loads(run("plan", "--json", *other).stdout)["time"] is None
        assert len(server.bodies) == asked
        run("generate", *who, "--samples", 1)
    card = Path("dataset/README.md").read_text(encoding="utf-8")
    assert data["measured_on"] not in card


def time_of(config: Config, tokens: int) -> BuildTime | None:
    """The time that so many prompt and reply tokens take."""
    return build_times(config, [Work(1, tokens, tokens)])[0]


def test_time_is_reckoned_over_replicas_and_for_the_slower_of_teacher_and_judge(here: Path) -> None:
    """Two endpoints alike take half as long as one."""
    measured = Measured("2026-11-27", 4, 4096, 100.0, 50.0, 4, 20.0)
    Path("labgen.yaml").write_text(
        "teacher:\n  model: m\n  endpoints: [{base_url: 'http://one/v1'}, {base_url: 'http://two/v1'}]\n"
    )
    with_judge = load_config(None, {"judge.model": "j", "judge.base_url": "http://three/v1"})
    ledger = Ledger(here / ".labgen")
    remember(ledger, "http://one/v1", "m", measured)
    assert time_of(load_config(), 1000) is None
    remember(ledger, "http://two/v1", "m", measured)
    found = time_of(load_config(), 1000)
    assert found and (found.seconds, found.tokens_per_sec, found.at_once, found.at_most) == (15.0, 100.0, 8, False)
    assert time_of(load_config(), 0) is None
    assert time_of(with_judge, 1000) is None
    remember(ledger, "http://three/v1", "j", measured)
    found = time_of(with_judge, 1000)
    assert found and found.seconds == 30.0
    ledger.set_note("measured m http://one/v1", '{"date": 3}')
    assert recall(ledger, "http://one/v1", "m") is None
    ledger.close()


def test_an_endpoint_that_was_not_filled_takes_at_most_that_long() -> None:
    """Four calls at once as quick as one: forty may be as well."""
    assert Measured("d", None, None, 100.0, 80.0, 4, 21.0).idle
    assert not Measured("d", None, None, 100.0, 40.0, 4, 21.0).idle
    assert not Measured("d", 4, None, 100.0, 80.0, 4, 21.0).idle


def advised(measured: Measured, *, concurrency: int = 64, timeout_sec: float = 180.0) -> dict[str, Finding]:
    """What is advised, by name."""
    overrides = {
        "teacher.base_url": "http://127.0.0.1:9/v1",
        "teacher.model": "m",
        "teacher.concurrency": concurrency,
        "teacher.timeout_sec": timeout_sec,
    }
    spec = endpoint_specs(load_config(None, overrides))[0]
    client = OpenAIClient(spec.base_url, "", name=spec.name, timeout_sec=timeout_sec, connections=1)
    findings: dict[str, Finding] = {}
    probe = Probe(client, spec, Needs(800, 1500, 2048), lambda finding: findings.update({finding.name: finding}))
    if measured.context_tokens:
        tell_context(probe, measured.context_tokens, "so")
    advise(probe, measured)
    return findings


@pytest.mark.parametrize(
    ("measured", "concurrency", "status", "words"),
    [
        (Measured(slots=4), 64, "ok", "follow the slots"),
        (Measured(slots=16), 8, "warn", "Set teacher.concurrency to 17"),
        (Measured(reply_tokens_per_sec=22.0, at_once=4, one_tokens_per_sec=20.0), 64, "warn", "concurrency to 2"),
        (Measured(reply_tokens_per_sec=75.0, at_once=4, one_tokens_per_sec=20.0), 64, "ok", "Nothing to do"),
    ],
    ids=["slots", "idle-slots", "serial", "parallel"],
)
def test_concurrency_is_advised_by_slots_or_by_what_calls_at_once_bring(
    here: Path, measured: Measured, concurrency: int, status: str, words: str
) -> None:
    """With the reason beside it."""
    found = advised(measured, concurrency=concurrency)["concurrency"]
    assert (found.status, words in found.todo) == (status, True), found


def test_silence_is_waited_for_as_long_as_prompts_take_to_read(here: Path) -> None:
    """Four prompts of 2,300 tokens at 20 tokens/s are 460 s without a word."""
    slow = advised(Measured(slots=4, prompt_tokens_per_sec=20.0))["timeout_sec"]
    assert slow.status == "warn"
    assert slow.todo == "Set teacher.timeout_sec to 920."
    assert advised(Measured(slots=4, prompt_tokens_per_sec=2000.0))["timeout_sec"].status == "ok"


@pytest.mark.parametrize(
    ("context", "status", "words"),
    [
        (8192, "ok", "Nothing to do"),
        (4096, "warn", "Set documents.chunk_tokens to 500."),
        (3000, "warn", "Set documents.chunk_tokens to 750 and the limits in `generation:`"),
        (512, "warn", "No documents.chunk_tokens fits; a context of 2100 tokens is the least."),
    ],
)
def test_chunks_are_advised_that_fit_the_context(here: Path, context: int, status: str, words: str) -> None:
    """Numbers that can be written down, or what context is needed."""
    found = advised(Measured(context_tokens=context))
    assert (found["chunk_tokens"].status, words in found["chunk_tokens"].todo) == (status, True), found
    assert found["context"].status == status
