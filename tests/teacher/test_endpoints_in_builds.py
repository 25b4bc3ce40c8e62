"""Builds with several endpoints, another judge, a log and permanent failures, over real HTTP."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from faulty_server import KEY, Behave, Fault, FaultyServer, dataset_bytes, make_taxonomy, refusal, run

from labgen.errors import ConfigError, TeacherDown, TeacherMisconfigured, UsageError
from labgen.teacher import pressure

MODEL = "labgen-rehearsal"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy; waits between attempts are short."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pressure, "PROBE_SEC", (0.02, 0.1))
    make_taxonomy(tmp_path / "taxonomy")
    config(tmp_path, "")
    return tmp_path


def generate(base_url: str, *more: object, name: str = "d") -> Any:
    return run("generate", "--base-url", base_url, "--model", MODEL, "--samples", 3, "--work", f"w-{name}", "--output",
               name, "--json", *more)  # fmt: skip


def config(tmp: Path, teacher: str, more: str = "") -> Path:
    """A settings file."""
    path = tmp / "labgen.yaml"
    places = "taxonomy: taxonomy\nsamples: 3\noutput: d\nwork: w-d\n"
    path.write_text(f"{places}teacher:\n  model: {MODEL}\n  first_backoff_sec: 0.01\n{teacher}\n{more}")
    return path


@pytest.fixture
def expected(here: Path) -> dict[str, bytes]:
    """The dataset of a build without faults."""
    with FaultyServer() as server:
        assert generate(server.base_url, name="expected").return_value == 0
    return dataset_bytes(Path("expected"))


def now_and_then(fault: Fault, every: int = 4) -> Behave:
    """Requests fail by number, so that a retry finds another number."""
    return lambda number, body: fault if number % every == 1 else None


def is_marked(body: dict[str, Any], share: int = 8) -> bool:
    """Whether a prompt is one of those that always fail: by a hash of it, restated ones too."""
    first = json.dumps(body["messages"][:2]).encode() + str(body.get("seed")).encode()
    return hashlib.sha256(first).digest()[0] % share == 0


def test_an_endpoint_that_only_refuses_for_load_stops_the_run_and_loses_nothing(
    expected: dict[str, bytes], here: Path
) -> None:
    """A wall of 503 has an end, too; no call that was answered is asked again."""
    with FaultyServer(lambda number, body: refusal(503, "out of order") if number >= 10 else None) as server:
        config(here, f"  base_url: {server.base_url}\n  concurrency: 12\n  outage_sec: 0.4\n")
        with pytest.raises(TeacherDown, match=rf"{server.base_url}: no answer for .*run again when") as error:
            run("generate")
        assert error.value.exit_status == 1
        answered = list(server.answered)
        assert len(answered) == 10
        server.behave = lambda number, body: None
        assert run("generate").return_value == 0
        assert not [body for body in server.answered[10:] if body in answered]
    assert dataset_bytes(Path("d")) == expected


def test_a_dying_replica_moves_its_work_to_the_other(expected: dict[str, bytes], here: Path) -> None:
    """No candidate fails, and nothing waits for the one that is gone."""
    with (
        FaultyServer(lambda number, body: Fault(drop=True) if number >= 8 else None) as dying,
        FaultyServer() as other,
    ):
        config(
            here, f"  endpoints:\n    - base_url: {dying.base_url}\n    - base_url: {other.base_url}\n      weight: 2\n"
        )
        result = run("generate", "--json")
    assert result.return_value == 0
    assert dataset_bytes(Path("d")) == expected
    assert len(dying.answered) == 8
    assert len(other.answered) > 8


def test_a_replica_whose_key_expires_gets_no_more_calls_and_the_user_is_told(
    expected: dict[str, bytes], here: Path
) -> None:
    """It had answered, so the run goes on with the others; were it the first answer, the run would stop."""
    with (
        FaultyServer(lambda number, body: refusal(401, f"expired {KEY}") if number >= 4 else None) as expiring,
        FaultyServer() as other,
    ):
        config(here, f"  endpoints:\n    - base_url: {expiring.base_url}\n    - base_url: {other.base_url}\n")
        result = run("generate", "--json")
        assert result.return_value == 0
        assert f"{expiring.base_url} gets no more calls in this run" in result.stderr
        assert KEY not in result.output
        assert dataset_bytes(Path("d")) == expected
    with FaultyServer(lambda number, body: refusal(401)) as wrong, pytest.raises(TeacherMisconfigured):
        generate(wrong.base_url, name="other")


def test_each_endpoint_has_its_own_key_model_name_and_api(expected: dict[str, bytes], here: Path,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Replicas of one logical model may be called something else and be asked another way: the dataset is the same."""
    monkeypatch.setenv("OTHER_KEY", "other-secret")
    with FaultyServer() as first, FaultyServer() as second:
        config(
            here,
            f"  endpoints:\n    - base_url: {first.base_url}\n    - base_url: {second.base_url}\n"
            "      api_key_env: OTHER_KEY\n      model: its-own-name\n"
            "      api: completions\n      prompt_format: chatml\n",
        )
        assert run("generate").return_value == 0
    assert dataset_bytes(Path("d")) == expected
    assert first.keys == {f"Bearer {KEY}"}
    assert second.keys == {"Bearer other-secret"}
    assert {body["model"] for body in second.bodies} == {"its-own-name"}
    assert {body["model"] for body in first.bodies} == {MODEL}


def test_another_model_may_judge(here: Path) -> None:
    """The judge's calls go to the judge, under its own name."""
    with FaultyServer() as teacher, FaultyServer() as judge:
        config(here, f"  base_url: {teacher.base_url}\n", f"judge:\n  model: a-judge\n  base_url: {judge.base_url}\n")
        assert run("generate").return_value == 0
    assert {body["model"] for body in judge.bodies} == {"a-judge"}
    assert {body["model"] for body in teacher.bodies} == {MODEL}
    assert all("response_format" in body or "restate" in str(body) for body in judge.bodies)
    settings = Path("d/settings.yaml").read_text()
    assert "a-judge" in settings
    assert judge.base_url not in settings


@pytest.mark.parametrize(
    ("teacher", "more", "words"),
    [
        ("  base_url: ftp://x/v1", "", "no http or https address"),
        ("  base_url: http://localhost:80000/v1", "", "a port up to 65535"),
        ("  base_url: http://one..two/v1", "", "no http or https address"),
        ("  base_url: http://one two/v1", "", "no http or https address"),
        ("  base_url: http://x/v1\n  endpoints: [{base_url: http://y/v1}]", "", "either `base_url` or `endpoints`"),
        ("  endpoints: [{base_url: http://y/v1}, {base_url: http://y/v1}]", "", "listed twice"),
        ("  endpoints: [{base_url: http://y/v1, weigth: 2}]", "", "Did you mean `weight`"),
        ("  base_url: http://x/v1", f"judge: {{model: {MODEL}}}", "judge.model is the teacher's own"),
        ("", "judge: {model: j, base_url: http://x/v1}", "judge has an endpoint and teacher has none"),
        ("  base_url: http://x/v1\n  api: completions\n  prompt_format: nope", "", "Known: mixtral"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(here: Path, teacher: str, more: str, words: str) -> None:
    """Before anything is asked."""
    config(here, teacher, more)
    with pytest.raises(ConfigError, match=words):
        run("generate")


def test_the_log_has_every_outcome_and_no_text(here: Path) -> None:
    """One JSON object a line: what was asked where and how it ended, never prompts, replies or keys."""
    with FaultyServer(now_and_then(refusal(500, f"secret words {KEY}"))) as server:
        result = generate(server.base_url, "--log", "calls.jsonl")
    generate(server.base_url, "--log", "calls.jsonl")
    text = Path("calls.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    calls = json.loads(result.stdout)["calls"]
    kinds = [line["outcome"] for line in lines]
    assert kinds.count("ok") == calls["answered"] == len(server.answered)
    assert kinds.count("TeacherUnavailable") == calls["problems"]["TeacherUnavailable"] >= calls["retries"] > 0
    assert kinds.count("ledger") > 0
    assert KEY not in text
    assert "secret words" not in text
    assert "Task" not in text
    assert {"time", "key", "leaf", "step", "model", "endpoint", "outcome", "latency_sec"} <= set(lines[0])
    assert 0 < calls["utilisation"] <= 1
    assert calls["peak_in_flight"] > 1


def test_the_key_is_nowhere(here: Path) -> None:
    """Not in the ledger, the dataset, the log or on the screen, whatever the endpoint says back."""
    with FaultyServer(now_and_then(refusal(400, f"maximum context length; your key is {KEY}"))) as server:
        result = generate(server.base_url, "--log", "calls.jsonl")
    assert KEY not in result.output
    for path in here.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_permanent_failures_are_kept_and_asked_again_only_when_told(expected: dict[str, bytes]) -> None:
    """Too long stays too long, until someone serves the model with a longer context."""
    long = refusal(400, "This model's maximum context length is 8 tokens")
    with FaultyServer(lambda number, body: long if is_marked(body) else None) as server:
        assert generate(server.base_url).return_value == 1
        count = len(server.bodies)
        assert generate(server.base_url).return_value == 1
        assert len(server.bodies) == count
        server.behave = lambda number, body: None
        result = generate(server.base_url, "--retry-failed")
        assert result.return_value == 0
        assert "failed for good are asked again" in result.stderr
    assert dataset_bytes(Path("d")) == expected


def test_a_log_that_cannot_be_written_any_more_does_not_stop_the_build(here: Path) -> None:
    """The user is told afterwards; a log that can't even be begun is refused before anything is asked."""
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    with FaultyServer() as server:
        result = generate(server.base_url, "--log", "/dev/full")
        assert result.return_value == 0
        assert "/dev/full: the log ends early" in result.stderr
        with pytest.raises(UsageError, match="Give --log another path"):
            generate(server.base_url, "--log", ".")


def test_a_daily_limit_ends_the_run_like_a_budget(here: Path) -> None:
    """Status 1, at once, with the time; the rows that are there are written, and the next run goes on."""
    used_up = refusal(429, "Daily limit reached", retry_after="3600")
    with FaultyServer(lambda number, body: used_up if number >= 25 else None) as server:
        result = run("generate", "--base-url", server.base_url, "--model", MODEL)
        assert result.return_value == 1
        assert "lets nothing through until" in result.output and "Run again to go on" in result.output
        asked = len(server.bodies)
        assert 25 < asked <= 25 + 64
        server.behave = lambda number, body: None
        result = run("generate", "--base-url", server.base_url, "--model", MODEL)
        assert result.return_value == 0
