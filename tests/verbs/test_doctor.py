"""`labgen doctor` finds what stands in the way, and every line ends in what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from faulty_server import KEY, Fault, FaultyServer, make_taxonomy, refusal, run

from labgen.config.file import load_config
from labgen.errors import ConfigError
from labgen.ledger.replies import Ledger
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.connect import connect
from labgen.teacher.finding import Finding

MODEL = "labgen-rehearsal"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    return tmp_path


def examine(*arguments: object) -> tuple[int, dict[str, dict[str, Any]], str]:
    """Exit status, findings by name, and all that was printed."""
    result = run("doctor", "--json", *arguments)
    data = json.loads(result.stdout)
    assert data["well"] == (result.return_value == 0)
    for finding in data["findings"]:
        assert finding["todo"].endswith((".", "`")), finding
    return result.return_value, {finding["name"]: finding for finding in data["findings"]}, result.output


def ask(server: FaultyServer, *more: object) -> tuple[int, dict[str, dict[str, Any]], str]:
    return examine("--base-url", server.base_url, "--model", MODEL, "--timeout-sec", 2, *more)


def test_a_machine_without_an_endpoint_is_well_and_told_how_to_get_one(here: Path) -> None:
    """git, folders, disk, ledger, token, taxonomy: each with a status."""
    status, findings, _ = examine()
    assert status == 0
    assert {"python", "git", "work folder", "disk", "ledger", "Hub token", "taxonomy", "tokenizer", "output"} <= set(
        findings
    )
    assert "--base-url" in findings["endpoints"]["todo"]
    assert not Path(".labgen").exists()


def test_a_good_endpoint_is_described(here: Path) -> None:
    """What it can, what it has, how quick it is; each line of the plain report ends in what to do."""
    with FaultyServer() as server:
        status, findings, _ = ask(server)
        assert status == 0
        for name in (
            "reachable",
            "key",
            "model",
            "chat",
            "completions",
            "system role",
            "seed",
            "context",
            "latency",
        ):
            assert findings[name]["status"] == "ok", findings[name]
        assert findings["context"]["words"].startswith("131072 tokens")
        plain = run("doctor", "--base-url", server.base_url, "--model", MODEL).stdout
        lines = [line for line in plain.splitlines() if line.startswith("  ")]
        assert len(lines) == len(findings)
        assert all(line.rstrip().endswith(".") for line in lines)
        assert len(server.bodies) < 40


@pytest.mark.parametrize(
    ("fault", "name", "todo"),
    [
        (refusal(401, f"bad key {KEY}"), "key", "Set OPENAI_API_KEY to a key of this endpoint."),
        (refusal(404, "Not Found"), "chat", "end in /v1"),
        (refusal(500, "boom"), "chat", "try again"),
        (Fault(body=b"<html></html>", content_type="text/html"), "chat", "message"),
        (Fault(drop=True), "chat", "message"),
    ],
    ids=["key", "address", "broken", "page", "dropped"],
)
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_what_stands_in_the_way_is_a_failure_with_a_remedy(
    here: Path, monkeypatch: pytest.MonkeyPatch, api: str, fault: Fault, name: str, todo: str
) -> None:
    """Status 1; the key is not repeated."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultyServer(lambda number, body: fault) as server:
        status, findings, output = ask(server, "--api", api, *([] if api == "chat" else ["--prompt-format", "chatml"]))
    name = api if name == "chat" else name
    assert status == 1
    assert findings[name]["status"] == "fail"
    assert todo in findings[name]["todo"]
    assert KEY not in output


def test_a_server_that_is_not_there_and_a_model_that_is_not(here: Path) -> None:
    """The first thing that fails is the last thing that is asked."""
    with FaultyServer() as server:
        pass
    status, findings, _ = ask(server)
    assert status == 1
    assert "Start the server" in findings["reachable"]["todo"]
    assert "model" not in findings
    with FaultyServer(lambda number, body: refusal(404, "no such model")) as server:
        status, findings, _ = examine("--base-url", server.base_url, "--model", "labgen-rehersal")
    assert status == 1
    assert f"it has {MODEL}" in findings["model"]["todo"]


def picky(number: int, body: dict[str, Any]) -> Fault | None:
    """An endpoint without system role, seed, schemas; it tells its limit only when asked for too much."""
    if body.get("messages", [{}])[0].get("role") == "system":
        return refusal(400, "System role not supported")
    for name in ("seed", "response_format"):
        if name in body:
            return refusal(400, f"`{name}` is not supported")
    if body["max_tokens"] > 10**6:
        return refusal(400, "max_tokens 100000000 exceeds this model's maximum context length of 4,096 tokens")
    return None


def test_what_an_endpoint_lacks_is_found_said_and_remembered_for_builds(here: Path) -> None:
    """The next build sends nothing that is known to be refused."""
    Ledger(here / ".labgen").close()
    with FaultyServer(picky) as server:
        status, findings, _ = ask(server)
        assert status == 0
        assert {name for name, finding in findings.items() if finding["status"] == "warn"} >= {
            "system role",
            "seed",
            "JSON schema (chat)",
        }
        server.bodies.clear()
        result = run("generate", "--base-url", server.base_url, "--model", MODEL, "--samples", 1)
        assert "refuses a system role" not in result.stderr.split("earlier runs found")[0]
        assert not [body for body in server.bodies if picky(0, body)]
        server.behave = lambda number, body: None
        ask(server)
        server.bodies.clear()
        run("generate", "--base-url", server.base_url, "--model", MODEL, "--samples", 1, "--seed", 1, "--output", "b")
        assert any("seed" in body for body in server.bodies)


def test_a_context_that_is_too_short_is_told_from_the_endpoints_own_words(here: Path) -> None:
    """Asked for where the list of models does not say it."""
    from labgen.verbs.doctor import examine_endpoints

    Path("labgen.yaml").write_text("documents: {chunk_tokens: 3000}\n")
    with FaultyServer(picky, listed={"data": []}) as server:
        config = load_config(None, {"teacher.base_url": server.base_url, "teacher.model": "org/other"})
        findings: dict[str, Finding] = {}
        examine_endpoints(config, lambda finding: findings.update({finding.name: finding}))
    assert findings["context"].status == "warn"
    assert findings["context"].words.startswith("4096 tokens")
    assert "chunk_tokens" in findings["context"].todo


def test_every_setting_of_an_endpoint_reaches_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint's own words come first, then the model's, then the teacher's for a judge."""
    Path("labgen.yaml").write_text(
        "teacher:\n  model: m\n  concurrency: 8\n  requests_per_minute: 600\n  endpoints:\n"
        "    - {base_url: http://one/v1, weight: 3, requests_per_minute: 60}\n    - {base_url: http://two/v1}\n"
        "judge:\n  model: j\n  concurrency: 5\n  tokens_per_minute: 1000\n"
    )
    with connect(load_config(), tasks={}, notice=lambda words: None) as models:
        assert (models.teacher, models.judge, models.rehearsal) == ("m", "j", False)
        one, two = models.serving["m"].endpoints
        assert (one.weight, two.weight) == (3, 1)
        for endpoint in (one, two):
            endpoint.pressure.enter()
        assert 0.9 < one.pressure.wait_sec <= 1.0
        assert 0.09 < two.pressure.wait_sec <= 0.1
        assert [endpoint.name for endpoint in models.serving["j"].endpoints] == ["http://one/v1", "http://two/v1"]
        assert [endpoint.pressure.cap for endpoint in models.serving["j"].endpoints] == [5, 5]
        judge = models.serving["j"].endpoints[0].pressure
        judge.enter()
        judge.succeeded(0.1, 90, 10)
        assert 6.5 < judge.wait_sec <= 7.0  # the request at that address, and its hundred tokens


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@localhost:9/v1",
        "user:secret@localhost:9/v1",
        "http://localhost:9/v1?key=secret",
        "http://[x",
    ],
)
def test_an_address_with_a_password_or_a_key_is_refused_and_not_repeated(here: Path, address: str) -> None:
    """It would end up in messages and in the ledger; keys belong in the environment."""
    Path("labgen.yaml").write_text(f"teacher: {{model: m, base_url: '{address}'}}\n")
    with pytest.raises(ConfigError, match="base_url") as refused:
        endpoint_specs(load_config())
    assert "secret" not in str(refused.value)
    result = run("doctor")
    assert "FAIL" in result.output and "secret" not in result.output


@pytest.mark.parametrize("settings", ["teacher: [{0}]", "teacher: {{endpoints: [{0}]}}", "seed: {0}", "{0}"])
def test_a_key_in_the_wrong_place_of_the_settings_is_not_repeated(here: Path, settings: str) -> None:
    """Whatever is wrong there, the message does without it."""
    Path("labgen.yaml").write_text(settings.format(KEY))
    with pytest.raises(ConfigError) as refused:
        load_config()
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("key", ["secret\u2026key12345", "secret\nkey12345"])
def test_a_key_that_no_header_can_carry_is_found(here: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """Before anything is sent, and without repeating it."""
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with FaultyServer() as server:
        output = run("doctor", "--base-url", server.base_url, "--model", MODEL).output
    assert "Copy it anew into OPENAI_API_KEY" in output and "12345" not in output
    assert server.keys == set()


def guarded(guard: FaultyServer, kind: str = "llama_guard_3") -> None:
    """Settings with a guard."""
    Path("labgen.yaml").write_text(f"guard: {{kind: {kind}, model: {MODEL}-guard, base_url: '{guard.base_url}'}}\n")


def says(text: str) -> Fault:
    """A reply of a chat API."""
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return Fault(body=json.dumps({"model": f"{MODEL}-guard", "choices": [choice]}).encode())


def test_a_guard_that_is_not_there_is_a_failure(here: Path) -> None:
    """With and without an endpoint of the teacher's; a build would have found out after its first candidates."""
    with FaultyServer() as dead:
        pass
    guarded(dead)
    status, findings, output = examine("--timeout-sec", 2)
    assert status == 1
    assert findings["reachable"]["status"] == "fail"
    assert dead.base_url in output
    with FaultyServer() as server:
        result = run("doctor", "--base-url", server.base_url, "--model", MODEL, "--timeout-sec", 2)
        assert result.return_value == 1
        assert server.base_url in result.stdout and dead.base_url in result.stdout


@pytest.mark.parametrize(
    ("text", "status", "words"),
    [
        ("safe", "ok", "a harmless pair is safe"),
        ("unsafe\nS2", "warn", "a harmless pair is unsafe: non-violent crimes"),
        ("I can help with that.", "fail", "can't be read"),
    ],
)
def test_a_guard_is_asked_about_a_harmless_pair(here: Path, text: str, status: str, words: str) -> None:
    """As a build asks it, so that a wrong kind shows."""
    with FaultyServer(lambda number, body: says(text)) as server:
        guarded(server)
        result, findings, _ = examine("--timeout-sec", 2)
    assert (findings["verdict"]["status"], result) == (status, int(status == "fail"))
    assert words in findings["verdict"]["words"]
    assert any(body["messages"][-1]["role"] == "assistant" for body in server.bodies)
