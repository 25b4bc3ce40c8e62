"""Whose words replies are: known by what they say of themselves, whatever the model is called when it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web
from faulty_server import FaultyServer, dataset_bytes, make_taxonomy, run

from labgen.errors import UsageError
from labgen.publish.release import local_refusals, read_release
from labgen.teacher.rehearsal.wire import answer, as_events

Disguise = Callable[[dict[str, Any], dict[str, Any]], None]
"""Changes a reply and its headers as a gateway does."""


class Gateway(FaultyServer):
    """The rehearsal teacher behind a server that calls it otherwise.

    Args:
        disguise: what is done to each reply and to its headers; listed: names in its list of models.
    """

    def __init__(self, disguise: Disguise, listed: tuple[str, ...] = ("teach",), *, streams: bool = True) -> None:
        super().__init__()
        self._disguise, self._listed, self._streams = disguise, listed, streams

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": name} for name in self._listed]})

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        found = answer({**body, "model": "labgen-rehearsal"}, chat=request.path.endswith("/chat/completions"))
        headers: dict[str, Any] = {}
        self._disguise(found, headers)
        if not (body.get("stream") and self._streams):
            return web.json_response(found, headers=headers)
        events = as_events({"system_fingerprint": None, **found}, body)
        return web.Response(body=events, headers={**headers, "Content-Type": "text/event-stream"})


def litellm(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """What LiteLLM's proxy 1.108.7 does to a streamed completion: its alias for a name, no fingerprint."""
    found["model"] = "teach"
    found.pop("system_fingerprint", None)
    headers["x-litellm-model-name"] = "openai/labgen-rehearsal"


def only_the_fingerprint(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """Another id and name, the fingerprint passed on."""
    found["model"], found["id"] = "teach", "gen-1"


def only_the_name(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """Nothing but the model's own name is left."""
    found["id"], found["system_fingerprint"] = "gen-1", "fp_1"


def real_model(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """Some other model, which bears its own name."""
    found["model"], found["id"], found["system_fingerprint"] = "smollm2-135m", "x", "b1"


def real_model_behind_litellm(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """Some other model behind the proxy."""
    found["model"], found["id"], found["system_fingerprint"] = "teach", "x", "b1"
    headers["x-litellm-model-name"] = "openai/smollm2-135m"


def real_model_that_echoes(found: dict[str, Any], headers: dict[str, Any]) -> None:
    """A server that calls its model whatever it is asked for."""
    found["model"], found["id"], found["system_fingerprint"] = "teach", "x", "b1"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_taxonomy(tmp_path / "taxonomy")
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def generate(base_url: str, *more: str, name: str = "d") -> Any:
    """A small build of a model called `teach`."""
    return run("generate", "--base-url", base_url, "--model", "teach", "--samples", 3, "--work", f"w-{name}",
               "--output", name, "--json", *more)  # fmt: skip


def rows(folder: str = "d") -> list[dict[str, Any]]:
    """Accepted rows and rejected candidates."""
    return [row for path in sorted(Path(folder).glob("data/*.parquet")) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("disguise", [litellm, only_the_fingerprint, only_the_name])
@pytest.mark.parametrize("api", ["chat", "completions"])
@pytest.mark.parametrize("streams", [True, False])
def test_the_rehearsal_is_known_under_any_name(here: Path, disguise: Disguise, api: str, streams: bool) -> None:
    """Rows, card, manifest, the command's own words and `push` all say so."""
    with Gateway(disguise, streams=streams) as gateway:
        result = generate(gateway.base_url, "--api", api, "--prompt-format", "chatml")
        assert result.return_value == 0, result.output
    assert result.stderr.count("is labgen's rehearsal teacher there") == 1
    assert json.loads(result.stdout)["rehearsal"]
    found = rows()
    assert found and all(row["rehearsal"] and row["teacher"] == "teach" for row in found)
    assert {row["served_model"] for row in found if row["messages"]} == {"labgen-rehearsal"}
    card = Path("d/README.md").read_text()
    assert "**Rehearsal data" in card and "`teach` (`labgen-rehearsal` in its own replies)" in card
    assert [refusal.name for refusal in local_refusals(read_release(Path("d")))][:1] == ["rehearsal"]
    shown = run("show", found[0]["id"], "--output", "d", "--work", "w-d").stdout
    assert "(labgen-rehearsal in its own replies)  (REHEARSAL)" in shown
    exported = run("export", "d", "--format", "messages", "--to", "e")
    assert "Rehearsal data" in exported.stdout


def test_what_the_rehearsal_judged_is_rehearsal_too(here: Path) -> None:
    """Another model wrote it; the judge, under another name, is the rehearsal teacher."""
    with Gateway(real_model, ("smollm2-135m",)) as teacher, Gateway(litellm) as judge:
        result = generate(teacher.base_url, "--judge-model", "judge", "--judge-base-url", judge.base_url)
        assert result.return_value == 0, result.output
    judged = [row for row in rows() if row["verdicts"]]
    assert judged and all(row["rehearsal"] and row["served_model"] == "smollm2-135m" for row in judged)
    card = Path("d/README.md").read_text()
    assert "rows were written or judged by labgen's built-in rule-based teacher" in card
    assert "judged by `judge` (`labgen-rehearsal` in its own replies)" in card


@pytest.mark.parametrize(
    ("disguise", "name"), [(real_model, "smollm2-135m"), (real_model_behind_litellm, "openai/smollm2-135m")]
)
def test_a_models_own_name_stands_beside_the_alias(here: Path, disguise: Disguise, name: str) -> None:
    """In rows, card and manifest, and nothing of them is a rehearsal; the notice comes once."""
    with Gateway(disguise) as gateway:
        result = generate(gateway.base_url)
        assert result.return_value in (0, 1), result.output
        doctor = run("doctor", "--base-url", gateway.base_url, "--model", "teach").stdout
    assert result.stderr.count(f"called `{name}`") == 1
    found = rows()
    assert found and not any(row["rehearsal"] for row in found)
    assert {(row["teacher"], row["served_model"]) for row in found if row["messages"]} == {("teach", name)}
    assert f"`teach` (`{name}` in its own replies)" in Path("d/README.md").read_text()
    assert json.loads(Path("d/manifest.json").read_text())["served_models"] == {"teach": [name]}
    assert f"asked for teach, its replies say {name}" in doctor


def test_a_server_that_lists_other_models_is_told(here: Path) -> None:
    """By `generate` once, by the card, and by `doctor`; a list that has the name is none of anybody's business."""
    with Gateway(real_model_that_echoes, ("gemma", "smollm2-135m", "a", "b")) as other:
        result = generate(other.base_url)
        assert result.stderr.count("which it does not list; it lists gemma, smollm2-135m, a and 1 more") == 1
        assert (
            "teach is not in its list; it also lists gemma"
            in run("doctor", "--base-url", other.base_url, "--model", "teach").stdout
        )
    assert (
        "Its server does not list that name, but gemma, smollm2-135m, a and 1 more." in Path("d/README.md").read_text()
    )
    with Gateway(real_model_that_echoes) as same:
        result = generate(same.base_url, name="same")
        assert "it does not list" not in result.stderr
    assert "does not list" not in Path("same/README.md").read_text()


def test_replies_of_another_address_or_model_are_told_once(here: Path) -> None:
    """What the ledger reuses is counted by where it came from; the dataset does not depend on who is asked now."""
    with Gateway(real_model) as first:
        generate(first.base_url)
        before = dataset_bytes(Path("d"))
    with Gateway(real_model) as second:
        result = generate(second.base_url, "--replace")
        assert not second.bodies
    kept = json.loads(result.stdout)["calls"]["from_ledger"]
    assert result.stderr.count(f"{kept} replies to `teach` are from {first.base_url} (model smollm2-135m), kept") == 1
    assert dataset_bytes(Path("d")) == before
    with Gateway(lambda found, headers: found.update(model="gemma", id="x", system_fingerprint="b2")) as third:
        more = run("generate", "--base-url", third.base_url, "--model", "teach", "--samples", 9, "--work", "w-d",
                   "--output", "d", "--json")  # fmt: skip
        assert third.bodies
    assert f"are from {first.base_url} (model smollm2-135m)" in more.stderr
    names = {row["served_model"] for row in rows() if row["messages"]}
    assert {"smollm2-135m", "gemma"} <= {name for names_of in names for name in names_of.split(", ")}


def test_a_rehearsal_under_another_name_does_not_replace_real_rows(here: Path) -> None:
    """That it is one is known only when it has answered; the rows that were there stay."""
    with Gateway(real_model) as real:
        generate(real.base_url)
        before = dataset_bytes(Path("d"))
    with Gateway(litellm) as gateway, pytest.raises(UsageError, match="a rehearsal would replace"):
        run("generate", "--base-url", gateway.base_url, "--model", "teach", "--samples", 3, "--work", "other",
            "--output", "d")  # fmt: skip
    assert dataset_bytes(Path("d")) == before


def test_a_build_without_rows_can_be_run_again_with_the_rehearsal_as_judge(here: Path) -> None:
    """Nothing could be read, so that no judge was asked: neither run is a rehearsal, and the second says the same."""

    def babbles(found: dict[str, Any], headers: dict[str, Any]) -> None:
        real_model(found, headers)
        for choice in found["choices"]:
            choice["message"]["content"] = "Nothing of any form."

    with Gateway(babbles, ("smollm2-135m",)) as teacher, Gateway(litellm) as judge:
        options = ("--judge-model", "labgen-rehearsal", "--judge-base-url", judge.base_url)
        first = generate(teacher.base_url, *options)
        before = dataset_bytes(Path("d"))
        second = generate(teacher.base_url, *options)
    assert (first.return_value, second.return_value) == (1, 1), second.output
    assert dataset_bytes(Path("d")) == before
