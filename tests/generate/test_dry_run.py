"""What comes with labgen needs no trying out before the first call: every flow that it makes of any settings goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from faulty_server import make_taxonomy

from labgen.config.file import load_config
from labgen.errors import ConfigError
from labgen.generate import dry_run as module
from labgen.generate.dry_run import NobodyAsked, dry_run
from labgen.lazy.dataclasses import dataclass
from labgen.verbs.session import Session

SETTINGS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "repaired": {"preferences": {"responses": 1, "repair": True}},
    "compared": {"preferences": {"responses": 3, "repair": True}},
    "two turns": {"leaves": [{"match": "**", "turns": 2}]},
    "reasoned": {"leaves": [{"match": "*_skills/**", "reasoning": "plan"}]},
    "without judges": {"filters": {"disable": ["groundedness_judge", "pair_judge"]}},
}


def session(folder: Path, settings: Mapping[str, Any]) -> Session:
    """A run on some bundled leaves."""
    make_taxonomy(folder / "taxonomy")
    (folder / "labgen.yaml").write_text(yaml.safe_dump({"taxonomy": "taxonomy", **settings}))
    return Session.prepare(load_config(folder / "labgen.yaml"))


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_every_flow_that_comes_with_labgen_goes(tmp_path: Path, settings: Mapping[str, Any]) -> None:
    run = session(tmp_path, settings)
    assert run.prompts.shipped and not run.replay.others_take_part
    asyncio.run(dry_run(run.sources.plans, run.replay.context(NobodyAsked())))


@dataclass
class Tried:
    times: int = 0

    async def __call__(self, *_: Any) -> None:
        self.times += 1


def test_nothing_is_tried_where_all_comes_with_labgen_and_all_is_where_a_prompt_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_go_through", tried := Tried())
    session(tmp_path / "own", {}).check_flows()
    assert tried.times == 0
    prompts = tmp_path / "prompts"
    prompts.mkdir()
    (prompts / "respond.md").write_text("--- user ---\n{{ instruction }} {{ no_such_name }}\n")
    replaced = session(tmp_path / "replaced", {"prompts": str(prompts)})
    replaced.check_flows()
    assert tried.times == len({plan.flow.name for plan in replaced.sources.plans})
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"respond\.md cannot be filled in: .*no_such_name"):
        replaced.check_flows()
