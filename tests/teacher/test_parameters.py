"""Parameters, headers and queries of the configuration's own: what is sent, what is a call's key, what stays secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from faulty_server import Fault, FaultyServer, make_taxonomy, refusal, run

from labgen.config.models import OWN_PARAMETERS
from labgen.errors import ConfigError, TeacherMisconfigured

TOKEN = "tkn-0123456789-abcdefgh"
REASONING = ("reasoning_effort", "chat_template_kwargs")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two small leaves."""
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("GATEWAY_TOKEN", TOKEN)
    monkeypatch.chdir(tmp_path)
    make_taxonomy(tmp_path / "taxonomy")
    return tmp_path


def build(server: FaultyServer, teacher: dict[str, Any], *more: object, **settings: Any) -> Result:
    """Build with settings of the teacher."""
    asked = {"base_url": server.base_url, "model": "labgen-rehearsal", "first_backoff_sec": 0.01, **teacher}
    Path("labgen.yaml").write_text(yaml.safe_dump({"samples": 2, "teacher": asked, **settings}))
    return run("generate", "--json", *more)


def test_further_parameters_reach_every_call_and_are_part_of_its_key(here: Path) -> None:
    """Asked again is only what is asked with others."""
    one, two = {"top_k": 20, "repetition_penalty": 1.1}, {"top_k": 40}
    with FaultyServer() as server:
        asked = []
        for extra in (one, one, two, {}, one):
            server.bodies.clear()
            assert build(server, {"extra_body": extra}).return_value == 0
            assert all({name: body.get(name) for name in extra} == extra for body in server.bodies)
            asked.append(len(server.bodies))
    assert asked[0] > 0 < asked[2] and asked[3] > 0 and (asked[1], asked[4]) == (0, 0)
    assert "top_k" in Path("dataset/README.md").read_text()


def test_judge_and_guard_have_their_own(here: Path) -> None:
    """What the teacher is asked with is nothing to them."""
    with FaultyServer() as server, FaultyServer() as other:
        judge = {"model": "judge", "base_url": other.base_url, "extra_body": {"top_k": 1}}
        build(server, {"extra_body": {"top_k": 40}}, judge=judge)
        assert {body.get("top_k") for body in server.bodies} == {40}
        assert {body.get("top_k") for body in other.bodies} == {1}


@pytest.mark.parametrize("name", sorted(OWN_PARAMETERS))
def test_what_labgen_sets_itself_is_not_for_the_configuration(here: Path, name: str) -> None:
    """It names the parameter; nothing is asked."""
    with FaultyServer() as server, pytest.raises(ConfigError, match=f"labgen sets `{name}` itself"):
        build(server, {"extra_body": {name: 1}})
    assert not server.bodies


def test_headers_and_query_reach_every_request_with_values_of_the_environment(here: Path) -> None:
    """Also those of doctor; they are no part of a key."""
    ours = {"extra_headers": {"X-Team": "bees", "api-key": "${GATEWAY_TOKEN}"}, "extra_query": {"api-version": "2024"}}
    with FaultyServer() as server:
        assert build(server, ours).return_value == 0
        run("doctor", "--json")
        assert {(each["x-team"], each["api-key"]) for each in server.headers} == {("bees", TOKEN)}
        assert not any("authorization" in each for each in server.headers), "no key is set, and none is made up"
        assert all(query == {"api-version": "2024"} for query in server.queries)
        server.bodies.clear()
        assert build(server, {}).return_value == 0
        assert not server.bodies
    kept = b"".join(path.read_bytes() for path in here.rglob("*") if path.is_file())
    assert TOKEN.encode() not in kept


def test_an_endpoint_has_headers_of_its_own(here: Path) -> None:
    """Instead of the model's."""
    with FaultyServer() as one, FaultyServer() as two:
        places = [{"base_url": one.base_url}, {"base_url": two.base_url, "extra_headers": {"X-Team": "wasps"}}]
        build(one, {"base_url": None, "endpoints": places, "extra_headers": {"X-Team": "bees"}, "concurrency": 1})
        assert {each.get("x-team") for each in one.headers} == {"bees"}
        assert {each.get("x-team") for each in two.headers} == {"wasps"}


def test_a_judge_at_the_teachers_address_is_asked_with_the_teachers_headers(here: Path) -> None:
    """And one at an address of its own is not: what belongs to one place is not told another."""
    with FaultyServer() as server, FaultyServer() as other:
        ours = {"extra_headers": {"X-Team": "bees"}}
        build(server, ours, judge={"model": "judge"})
        assert {each.get("x-team") for each in server.headers} == {"bees"}
        build(server, ours, judge={"model": "judge", "base_url": other.base_url}, seed=1)
        assert {each.get("x-team") for each in other.headers} == {None}


@pytest.mark.parametrize(
    ("teacher", "words"),
    [
        ({"extra_headers": {"api-key": "0123456789"}}, r"extra_headers.api-key looks like a secret"),
        ({"extra_headers": {"Authorization": "Bearer x"}}, r"extra_headers.Authorization looks like a secret"),
        ({"extra_query": {"access_token": "x"}}, r"extra_query.access_token looks like a secret"),
        ({"extra_headers": {"api-key": "${NOT_SET_ANYWHERE}"}}, r"NOT_SET_ANYWHERE is not set"),
        ({"extra_body": {"metadata": {"password": "x"}}}, r"extra_body.metadata.password looks like a secret"),
        ({"reasoning": "off", "api": "completions", "prompt_format": "chatml"}, r"`off` is for the chat API"),
    ],
)
def test_secrets_stay_in_the_environment(here: Path, teacher: dict[str, Any], words: str) -> None:
    """What is written out is refused before anything is asked, and not repeated."""
    with FaultyServer() as server, pytest.raises(ConfigError, match=words):
        build(server, teacher)
    assert not server.bodies


def test_a_header_that_an_endpoint_repeats_is_nowhere_to_be_found(here: Path) -> None:
    """In no message and in no file."""

    def echo(number: int, body: dict[str, Any]) -> Fault:
        return refusal(400, f"bad header: {TOKEN}")

    with FaultyServer(echo) as server, pytest.raises(TeacherMisconfigured) as error:
        build(server, {"extra_headers": {"api-key": "${GATEWAY_TOKEN}"}})
    assert TOKEN not in str(error.value) and "[key]" in str(error.value)
    assert TOKEN.encode() not in b"".join(path.read_bytes() for path in here.rglob("*") if path.is_file())


@pytest.mark.parametrize("refused", [(), ("reasoning_effort",), REASONING])
def test_reasoning_can_be_switched_off(here: Path, refused: tuple[str, ...]) -> None:
    """In the words of either kind of server; what one does not know is left out, and the rest stays."""

    def picky(number: int, body: dict[str, Any]) -> Fault | None:
        unknown = [name for name in refused if name in body]
        return refusal(400, f"Unknown parameter: '{unknown[0]}'.") if unknown else None

    with FaultyServer(picky) as server:
        assert build(server, {}).return_value == 0
        assert not any(name in body for body in server.bodies for name in REASONING)
        server.bodies.clear()
        server.answered.clear()
        assert build(server, {"reasoning": "off"}).return_value == 0
        assert server.answered, "it is part of a call's key"
        kept = [name for name in REASONING if name not in refused]
        assert all([name for name in REASONING if name in body] == kept for body in server.answered)
        server.bodies.clear()
        assert build(server, {"reasoning": "off"}).return_value == 0
        assert not server.bodies


def test_a_parameter_of_the_configuration_is_never_left_out(here: Path) -> None:
    """Where an endpoint refuses it, the run says so and ends; nothing is drawn without it."""

    def picky(number: int, body: dict[str, Any]) -> Fault | None:
        return refusal(400, "Unknown parameter: 'reasoning_effort'.") if "reasoning_effort" in body else None

    with FaultyServer(picky) as server:
        with pytest.raises(TeacherMisconfigured, match="Unknown parameter: 'reasoning_effort'"):
            build(server, {"extra_body": {"reasoning_effort": "low"}})
        assert not server.answered and len(server.bodies) < 100
