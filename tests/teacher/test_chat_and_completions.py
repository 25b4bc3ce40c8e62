"""The same dataset from both APIs and every prompt format."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from faulty_server import FaultyServer, dataset_bytes, make_taxonomy, run

from labgen.errors import ConfigError

MODEL = "labgen-rehearsal"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a taxonomy, without any endpoint in the environment."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    return tmp_path


def build(server: FaultyServer, name: str, *more: str) -> dict[str, bytes]:
    run("generate", "--base-url", server.base_url, "--model", MODEL, "--samples", 3, "--output", name, "--work",
        f"work-{name}", *more)  # fmt: skip
    return dataset_bytes(Path(name))


def test_chat_and_completions_give_the_same_bytes(here: Path) -> None:
    """The prompt format is how a call is sent, never what is asked."""
    with FaultyServer() as server:
        expected = build(server, "chat")
        assert any(name.startswith("data/compositional_skills") for name in expected)
        for format in ("mixtral", "tenyx", "cerebrum", "merlinite", "chatml", "plain"):
            before = len(server.bodies)
            assert build(server, format, "--api", "completions", "--prompt-format", format) == expected
            assert {path.removeprefix("/v1/") for path in server.paths[before:]} == {"completions"}
            assert all("messages" not in body for body in server.bodies[before:])


def test_a_ledger_moves_between_apis(here: Path) -> None:
    """What was paid for as chat is not asked again as completions: the key is the logical call's."""
    with FaultyServer() as server:
        expected = build(server, "chat")
        count = len(server.bodies)
        assert build(server, "chat", "--api", "completions", "--prompt-format", "chatml", "--replace") == expected
        assert len(server.bodies) == count


def test_the_beginning_of_sequence_token_is_the_servers_unless_told(here: Path) -> None:
    """It stands in the prompt once where `bos: text` says so, and not at all otherwise."""
    with FaultyServer() as server:
        for bos, count in (("server", 0), ("text", 1)):
            Path("labgen.yaml").write_text(
                f"taxonomy: taxonomy\nsamples: 1\nwork: work-{bos}\noutput: out-{bos}\nteacher:\n"
                f"  base_url: {server.base_url}\n  model: {MODEL}\n  api: completions\n  prompt_format: mixtral\n"
                f"  bos: {bos}\n"
            )
            server.bodies.clear()
            run("generate")
            assert {body["prompt"].count("<s>") for body in server.bodies} == {count}
            assert all(body["prompt"].startswith("<s> [INST]") == bool(count) for body in server.bodies)


def test_the_format_follows_the_models_name_with_a_notice(here: Path) -> None:
    """A model that labgen knows needs no setting, and it is said which format was chosen."""
    with FaultyServer() as server:
        result = run("generate", "--base-url", server.base_url, "--model", "org/Merlinite-7b", "--api", "completions",
                     "--samples", 1)  # fmt: skip
        assert "prompt format `merlinite`, by the model's name" in result.stderr
        assert all("<|assistant|>" in body["prompt"] for body in server.bodies)


def test_completions_without_a_known_format_is_refused_before_anything_is_asked(here: Path) -> None:
    """The message names the formats and the way out."""
    with FaultyServer() as server, pytest.raises(ConfigError, match=r"prompt_format.*mixtral.*Jinja.*api: chat"):
        run("generate", "--base-url", server.base_url, "--model", "unknown-model", "--api", "completions")
    assert not server.bodies


def test_help_stays_fast() -> None:
    """`labgen --help` loads no stage and no network client."""
    code = "import sys, labgen.cli; print([m for m in ('openai', 'aiohttp', 'pyarrow') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
