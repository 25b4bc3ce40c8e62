"""Packages as an installer leaves them, with the modules of docs/extending.md or others, and builds that use them."""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from workbench import freeform, write_leaf

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.flows.prompts import prompts_of, rehearsed_tasks
from labgen.records import REHEARSAL_MODEL, Call, Reply
from labgen.teacher.rehearsal.model import reply
from labgen.teacher.scripted import ScriptedBackend
from labgen.verbs.built import Build
from labgen.verbs.generate import build_dataset
from labgen.verbs.session import Session

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
LETTERS = "compositional_skills/writing/letters"
"""A leaf that the flow of the page suits."""

Install = Callable[..., Path]
Instead = Callable[[Call], str | None]


def shown(name: str) -> str:
    """A block of the page, as it stands there."""
    found = re.search(rf"<!-- tested: {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"docs/extending.md has no block marked `tested: {name}`"
    return found[1]


def shown_entries(module: str) -> dict[str, dict[str, str]]:
    """The entry points that the page gives for one of its modules, by group."""
    groups: dict[str, dict[str, str]] = tomllib.loads(shown(f"{module}.toml"))["project"]["entry-points"]
    return groups


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package of one module: one of the page, or another text with entry points of its own.

    It is called with the module's name and, where it is not the page's, its text and its entry points by group. The
    package is called as its module, and has version 0.1.
    """

    def make(module: str, text: str | None = None, entries: Mapping[str, Mapping[str, str]] | None = None) -> Path:
        groups = shown_entries(module) if entries is None else entries
        site = tmp_path / "site"
        about = site / f"{module}-0.1.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (site / f"{module}.py").write_text(shown(f"{module}.py") if text is None else text, encoding="utf-8")
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 0.1\n", encoding="utf-8")
        lines: list[str] = []
        for group, named in groups.items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in named.items())]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return site

    return make


@pytest.fixture
def letters(taxonomy: Path) -> str:
    """Path of a leaf that the flow of the page suits, beside those of the three shipped flows."""
    write_leaf(taxonomy, LETTERS, **freeform())
    return LETTERS


class Rehearsal:
    """The rehearsal teacher without its server; counts what it is asked, by step.

    Args:
        instead: a text for calls that are answered in another way, None for all others.
    """

    def __init__(self, session: Session, instead: Instead) -> None:
        self.asked: Counter[str] = Counter()
        self._instead = instead
        self._tasks = rehearsed_tasks(session.prompts, prompts_of(session.flows, session.filters))

    def __call__(self, call: Call) -> Reply:
        """The reply to a call."""
        self.asked[call.step] += 1
        if (text := self._instead(call)) is not None:
            return Reply(text)
        found = reply(
            call.messages,
            seed=call.seed,
            temperature=call.temperature,
            max_tokens=call.max_tokens,
            schema=call.schema,
            tasks=self._tasks,
        )
        return Reply(found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens)


def config_in(folder: Path, **settings: Any) -> Config:
    """Settings of a rehearsal in a folder: the taxonomy that is there, where no other is set."""
    places = {"taxonomy": folder / "taxonomy", "output": folder / "dataset", "work": folder / "work"}
    return read_section(Config, {**places, "teacher": {"model": REHEARSAL_MODEL}, **settings})


def rehearse(
    folder: Path, instead: Instead = lambda call: None, *, dry_run: bool = True, **settings: Any
) -> tuple[Build, Counter[str]]:
    """A build with such settings, and what was asked for it, by step.

    Args:
        dry_run: without it, as if what goes wrong came up in the teacher's replies alone, and not with seed examples.
    """
    config = config_in(folder, **settings)
    teacher = Rehearsal(Session.prepare(config), instead)
    with nullcontext() if dry_run else mock.patch.object(Session, "check_flows"):
        return build_dataset(config, backend=ScriptedBackend(teacher), replace_output=True), teacher.asked


def rows_of(dataset: Path, config: str) -> list[dict[str, Any]]:
    """The rows of one config of a dataset."""
    import pyarrow.parquet as pq

    return [row for file in sorted(dataset.glob(f"data/{config}-*")) for row in pq.read_table(file).to_pylist()]
