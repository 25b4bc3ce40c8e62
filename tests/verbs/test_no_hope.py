"""A run without hope ends with its first calls and says why; one with hope is not held up, and pays nothing twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from faulty_server import BUNDLED, LEAVES, Fault, FaultyServer, dataset_bytes, make_taxonomy, refusal

from labgen.cli import app
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.rehearsal.wire import answer

APIS = ["chat", "completions"]


def say(body: dict[str, Any], text: str, end: str = "stop") -> Fault:
    """A reply of the API that a body was sent to."""
    said = {"message": {"role": "assistant", "content": text}} if "messages" in body else {"text": text}
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    return Fault(body=json.dumps({"choices": [{"index": 0, "finish_reason": end, **said}], "usage": usage}).encode())


def unmarked(body: dict[str, Any]) -> Fault:
    """What the rehearsal says, without the signs by which it is known: a rehearsal goes on with unfit judges."""
    found = answer({**body, "model": REHEARSAL_MODEL}, chat="messages" in body)
    found |= {"id": "1", "model": body["model"], "system_fingerprint": ""}
    return Fault(body=json.dumps(found).encode())


def prompt_of(body: dict[str, Any]) -> str:
    """All that a request says."""
    return "\n".join(each["content"] for each in body["messages"]) if "messages" in body else str(body["prompt"])


def judges(body: dict[str, Any]) -> bool:
    """Whether a request is one to a judge."""
    return "## Task: judge" in prompt_of(body)


def verdict(body: dict[str, Any], word: str, *, dropped: int = 0) -> Fault:
    """A judge that says the same of everything. `dropped`: verdicts at the end of a list that it leaves out."""
    prompt = prompt_of(body)
    count = len(re.findall(r'<candidate id="\d+">', prompt))
    if count:
        each = {"on_task": word, "answerable": word, "safe": "yes"}
        return say(body, json.dumps({"verdicts": [{"id": at + 1, **each} for at in range(count - dropped)]}))
    passages = re.findall(r"<document>\n(.*?)\n</document>", prompt, re.DOTALL)
    claim = {"claim": "so", "evidence": passages[-1].split("\n")[0] if passages else "", "supported": word}
    score = {"answerable": word, "claims": [claim], "relevant": word, "score": 3 if word == "yes" else 1, "safe": "yes"}
    return say(body, json.dumps(score))


@dataclass
class Outcome:
    """What a run of `labgen generate` came to. `requests` are those that it sent."""

    status: int
    requests: int
    result: dict[str, Any]
    told: str

    @property
    def cause(self) -> str:
        """Why there was no hope; '' where there was."""
        return self.result["hopeless"]["cause"] if self.result["hopeless"] else ""

    @property
    def remedy(self) -> str:
        """What was said to do about it."""
        return self.result["hopeless"]["remedy"] if self.result["hopeless"] else ""


Generate = Callable[..., Outcome]


@pytest.fixture
def generate(tmp_path: Path) -> Generate:
    """Runs `labgen generate --samples 2` on the bundled taxonomy, as JSON, in the same folders each time."""

    def run(server: FaultyServer, *options: str, taxonomy: Path = BUNDLED, samples: int = 2) -> Outcome:
        before = len(server.bodies)
        arguments = ["generate", "--json", "--samples", str(samples), "--taxonomy", str(taxonomy)]
        arguments += ["--output", str(tmp_path / "dataset"), "--work", str(tmp_path / "work")]
        arguments += ["--base-url", server.base_url, "--model", "other", *options]
        found = CliRunner().invoke(app, arguments, standalone_mode=False)
        if found.exception:
            raise found.exception
        return Outcome(found.return_value, len(server.bodies) - before, json.loads(found.stdout), found.stderr)

    return run


HOPELESS: dict[str, tuple[Callable[[dict[str, Any]], Fault | None], str, str]] = {
    "nothing readable": (lambda body: say(body, "Sure, gladly!"), "did not keep to the form", "a larger model"),
    "draws unreadable": (
        lambda body: None if judges(body) else say(body, "Sure, gladly!"),
        "none of the first 8 draws of other",
        "JSON schemas",
    ),
    "empty": (lambda body: say(body, ""), "were empty", "--api completions"),
    "reasoning without an end": (
        lambda body: say(body, "<think>Well, let me see", "length"),
        "held reasoning and no answer",
        "reasoning: off",
    ),
    "cut at the limit": (
        lambda body: say(body, "Once upon a", "length"),
        "ended at the token limit",
        "raise generation.max_context_tokens",
    ),
    "draws unreadable, and judges most often": (
        lambda body: say(body, "yes" if "judge a pair" in prompt_of(body) else "Hard to say."),
        "could be used",
        "a larger model",
    ),
    "judge unreadable": (
        lambda body: say(body, "Hard to say.") if judges(body) else None,
        "none of the first 8 verdicts of other",
        "a larger model",
    ),
    "judge says yes": (
        lambda body: verdict(body, "yes") if judges(body) else None,
        "groundedness_judge catches none of",
        "choose another judge",
    ),
    "judge says no": (
        lambda body: verdict(body, "no") if judges(body) else None,
        "groundedness_judge passes none of",
        "choose another judge",
    ),
    "judge says yes and drops the last": (
        lambda body: verdict(body, "yes", dropped=1) if judges(body) else None,
        "groundedness_judge catches none of",
        "choose another judge",
    ),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", HOPELESS)
def test_a_hopeless_teacher_or_judge_ends_a_run_of_14_leaves_within_40_calls(
    kind: str, api: str, generate: Generate
) -> None:
    """With the cause by name, the remedy, status 1 and a cause for every leaf; a second run says the same and asks
    nothing.
    """
    behave, cause, remedy = HOPELESS[kind]
    format_options = ("--api", api) if api == "chat" else ("--api", api, "--prompt-format", "chatml")
    with FaultyServer(lambda number, body: behave(body)) as server:
        first = generate(server, *format_options)
        assert first.status == 1 and first.requests <= 40
        assert cause in first.cause and remedy in first.remedy
        assert len(first.result["short"]) == 14 and all(cause in why for why in first.result["short"].values())
        second = generate(server, *format_options)
        assert (second.status, second.requests, second.cause) == (1, 0, first.cause)


def test_a_large_build_sends_a_hundredth_of_its_calls_at_most_before_there_is_hope(
    generate: Generate, tmp_path: Path
) -> None:
    """Beside the trial; what it says is the same, also the second time, which asks nothing."""
    samples, rehearsed = 300, tmp_path / "rehearsed"
    plan = ["plan", "--json", "--samples", str(samples), "--taxonomy", str(BUNDLED), "--work", str(rehearsed)]
    leaves = json.loads(CliRunner().invoke(app, plan, standalone_mode=False).stdout)["leaves"]
    expected = sum(leaf["calls_to_pay"] for leaf in leaves.values())
    behave, cause, _ = HOPELESS["draws unreadable"]
    with FaultyServer(lambda number, body: behave(body), delay_sec=0.2) as server:
        first = generate(server, "--concurrency", "500", samples=samples)
        assert first.status == 1 and cause in first.cause
        assert 40 < first.requests <= 40 + 0.011 * expected
        second = generate(server, "--concurrency", "500", samples=samples)
        assert (second.status, second.requests, second.cause) == (1, 0, first.cause)


def test_a_good_draw_that_the_trial_has_not_seen_opens_no_later_run(generate: Generate, tmp_path: Path) -> None:
    """What is sent beside it makes no row, which would be hope for the next run."""

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        prompt = prompt_of(body)
        return None if judges(body) or "## Task: respond" in prompt or "UTF-8" in prompt else say(body, "Sure, gladly!")

    (tmp_path / "labgen.yaml").write_text("calibration: {enabled: false}\n")
    options = ("--concurrency", "400", "--config", str(tmp_path / "labgen.yaml"))
    with FaultyServer(behave, delay_sec=0.2) as server:
        first = generate(server, *options, samples=800)
        assert first.status == 1 and first.cause and first.requests > 100
        second = generate(server, *options, samples=800)
        assert (second.status, second.requests, second.cause) == (1, 0, first.cause)


@pytest.mark.parametrize("concurrency", ["1", "200"])
def test_what_ends_a_run_does_not_depend_on_how_many_calls_are_out(concurrency: str, generate: Generate) -> None:
    """Nor does how often it asks."""
    with FaultyServer(lambda number, body: verdict(body, "yes") if judges(body) else None) as server:
        found = generate(server, "--concurrency", concurrency)
    assert "instruction_judge catches none of 6 that were made wrong" in found.cause
    assert found.requests <= 40


def test_a_good_teacher_is_asked_nothing_that_its_build_does_not_need(generate: Generate, tmp_path: Path) -> None:
    """And once only: what the trial asked is part of the build, and no reply counts as one of an earlier run."""
    with FaultyServer() as server:
        found = generate(server, "--concurrency", "4")
        calls = found.result["calls"]
        assert found.cause == ""
        assert found.requests == calls["answered"] <= found.result["funnel"]["total"]["calls"] + calls["ahead"]
        assert calls["from_ledger"] == 0
        again = generate(server)
        assert again.requests == 0


def test_one_kind_of_leaf_without_hope_does_not_end_the_run(generate: Generate) -> None:
    """Its leaves stop, each by its own test; the others go on."""

    def behave(number: int, body: dict[str, Any]) -> Fault:
        return verdict(body, "yes") if "## Task: judge a pair" in prompt_of(body) else unmarked(body)

    with FaultyServer(behave) as server:
        found = generate(server)
    assert found.status == 1 and found.cause == ""
    short = found.result["short"]
    assert short and all("judge not fit: " in why and "pair_judge passes" in why for why in short.values())
    assert found.result["funnel"]["total"]["states"]["accepted"] > 10


def test_a_leaf_of_which_nothing_can_be_drawn_stops_after_a_few_draws(generate: Generate, tmp_path: Path) -> None:
    """With its cause; the other leaf gets its rows, and the remedy is said."""
    taxonomy = make_taxonomy(tmp_path / "taxonomy")
    proverbs = LEAVES[1].rsplit("/", 1)[1]

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        draws = "## Task: new instructions\n" in prompt_of(body) and "Redewendung" in prompt_of(body)
        return say(body, "Es war einmal", "length") if draws else None

    with FaultyServer(behave) as server:
        found = generate(server, taxonomy=taxonomy, samples=6)
        why = next(why for path, why in found.result["short"].items() if proverbs in path)
        assert (
            why
            == "none of its first 8 draws could be used: 8 replies ended at the token limit before they could be read"
        )
        assert any("raise generation.max_instruction_tokens" in remedy for remedy in found.result["remedies"])
        assert found.result["funnel"]["total"]["states"]["accepted"] == 6
        assert sum("## Task: new instructions\n" in prompt_of(body) for body in server.bodies) <= 16 + 2
        before = dataset_bytes(tmp_path / "dataset")
        assert generate(server, taxonomy=taxonomy, samples=6).requests == 0
        assert dataset_bytes(tmp_path / "dataset") == before


def test_a_build_without_a_row_ends_with_one(generate: Generate, tmp_path: Path) -> None:
    """Also where every leaf stopped by itself, which is no error of a leaf that has some."""
    taxonomy = make_taxonomy(tmp_path / "taxonomy", LEAVES[:1])

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        return say(body, "I can't help with that.") if "## Task: respond" in prompt_of(body) else None

    (tmp_path / "labgen.yaml").write_text("stop: {min_calls: 20}\n")
    with FaultyServer(behave) as server:
        found = generate(server, "--config", str(tmp_path / "labgen.yaml"), taxonomy=taxonomy)
    (why,) = found.result["short"].values()
    assert found.status == 1
    assert re.match(r"low yield: \d+ calls for 0 rows; mostly malformed \(\d+ of \d+ candidates\)", why)


def exceeds(kind: str, tokens: int) -> Fault:
    """A server's refusal of a prompt of so many tokens, at a context of 512."""
    if kind == "llama.cpp":
        error: dict[str, Any] = {
            "code": 400,
            "message": "the request exceeds the available context size, try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": tokens,
            "n_ctx": 512,
        }
        return Fault(400, json.dumps({"error": error}).encode())
    if kind == "llama.cpp 500":
        return refusal(500, f"request ({tokens} tokens) exceeds the available context size (512 tokens)")
    if kind == "Gemini":
        return refusal(400, f"The input token count ({tokens}) exceeds the maximum number of tokens allowed (512).")
    if kind == "TGI":
        words = f"`inputs` tokens + `max_new_tokens` must be <= 512. Given: {tokens} `inputs` tokens and 256 new"
        return Fault(
            422, json.dumps({"error": f"Input validation error: {words}", "error_type": "validation"}).encode()
        )
    return refusal(400, "zorp")


SERVERS = ["llama.cpp", "llama.cpp 500", "Gemini", "TGI", "zorp"]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("kind", SERVERS)
def test_prompts_that_are_all_too_long_end_the_run_at_once(kind: str, api: str, generate: Generate) -> None:
    """With the numbers where the server says them, and status 1; the second run asks nothing."""
    format_options = ("--api", api) if api == "chat" else ("--api", api, "--prompt-format", "chatml")

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        return exceeds(kind, 1899) if len(prompt_of(body)) > 300 else say(body, "Yes.")

    with FaultyServer(behave) as server:
        first = generate(server, *format_options)
        assert first.status == 1 and first.requests <= 40
        told = "(HTTP 400: zorp)" if kind == "zorp" else "(1899 tokens against a context of 512)"
        assert told in first.cause
        assert kind == "zorp" or "documents.chunk_tokens" in first.remedy
        assert ("--ctx-size" in first.remedy) == kind.startswith("llama.cpp")
        second = generate(server, *format_options)
        assert (second.status, second.requests, second.cause) == (1, 0, first.cause)


@pytest.mark.parametrize("kind", SERVERS)
def test_prompts_that_are_too_long_among_good_ones_hold_nobody_up(
    kind: str, generate: Generate, tmp_path: Path
) -> None:
    """The leaf whose draws don't fit stops by its cause, and the run asks hardly more than one without it."""
    leaves = (
        "foundational_skills/coding/python/short_functions",
        "foundational_skills/arithmetic/word_problems",
        "compositional_skills/extraction/action_items",
    )
    taxonomy = make_taxonomy(tmp_path / "taxonomy", leaves)

    def behave(number: int, body: dict[str, Any]) -> Fault | None:
        prompt = prompt_of(body)
        return exceeds(kind, 1899) if "## Task: new instructions\n" in prompt and "Python" in prompt else None

    with FaultyServer() as server:
        without = generate(
            server, "--output", str(tmp_path / "a"), "--work", str(tmp_path / "b"), taxonomy=taxonomy, samples=12
        )
    with FaultyServer(behave) as server:
        found = generate(server, taxonomy=taxonomy, samples=12)
        assert found.status == 1 and found.cause == ""
        assert found.requests <= 1.1 * without.requests
        why = found.result["short"][leaves[0]]
        assert why.startswith("none of its first 8 draws could be used: 8 replies were")
        assert ("zorp" if kind == "zorp" else "1899 tokens against a context of 512") in why
        states = {path: tally["states"] for path, tally in found.result["funnel"]["leaves"].items()}
        assert [states[path].get("accepted") for path in leaves[1:]] == [12, 12]
        assert generate(server, taxonomy=taxonomy, samples=12).requests == 0
