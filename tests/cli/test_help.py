"""What `--help` and a shell's completion offer."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from labgen.cli import VERBS, app
from labgen.cli.guide import EXAMPLES, GROUPS, grouped
from labgen.cli.settings import FoldedOption


def shown(*words: str) -> str:
    return CliRunner().invoke(app, [*words]).output


def test_every_verb_stands_in_one_group_and_has_an_example() -> None:
    """A verb that is new in `VERBS` is wanted in both."""
    placed = [verb for verbs in GROUPS.values() for verb in verbs]
    assert len(placed) == len(set(placed)) and set(VERBS) <= set(placed) & set(EXAMPLES)
    page = shown("--help")
    at = [page.index(f"{head}:") for head in GROUPS]
    assert at == sorted(at) and "More:" not in page
    assert grouped({**VERBS, "sing": "Sing."})["More"] == [("sing", "Sing.")]


@pytest.mark.parametrize("verb", VERBS)
def test_an_example_is_a_command_that_there_is(verb: str) -> None:
    """Its verb's help ends in it, and its options are the verb's."""
    words = shlex.split(EXAMPLES[verb])
    assert words[:2] == ["labgen", verb] and EXAMPLES[verb] in shown(verb, "--help")
    with click.Context(app) as top:
        command = app.get_command(top, verb)
        assert command is not None
        ctx = command.make_context(verb, words[2:], parent=top, resilient_parsing=True)
        if isinstance(command, click.Group) and len(words) > 2 and (below := command.get_command(ctx, words[2])):
            command = below
        known = {name for param in command.params for name in param.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= known


def test_what_many_verbs_share_is_folded_and_can_be_had() -> None:
    """The same options work as before; help names them on demand."""
    with click.Context(app) as top:
        command = app.get_command(top, "generate")
        assert command is not None
        folded = [param.opts[-1] for param in command.params if isinstance(param, FoldedOption)]
    assert "--judge-model" in folded and len(folded) == 7
    short, long = shown("generate", "--help"), shown("generate", "--help-endpoint")
    assert not [name for name in folded if name in short] and not [name for name in folded if name not in long]
    assert "--base-url" in short and "--help-endpoint" in short


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("c", ["check", "compare", "calibrate", "contaminate"]),
        ("preview knowledge/a", ["knowledge/a/tides"]),
        ("check taxonomy/know", ["taxonomy/knowledge/a/tides", "taxonomy/knowledge/b/tides"]),
        ("generate --leaf comp", ["compositional_skills/mail"]),
        ("new knowledge/", ["knowledge/", "knowledge/a/", "knowledge/b/"]),
        ("check --explain lg40", [f"LG40{number}" for number in range(1, 8)]),
        ("check --format s", ["sarif"]),
        ("export --format inst", ["instructlab", "instructlab-knowledge"]),
        ("export --template mer", ["merlinite"]),
        ("plan --prompt-format te", ["tenyx"]),
    ],
)
def test_a_shell_completes_leaves_rules_formats_and_templates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, offered: list[str]
) -> None:
    """As bash asks for it, in a folder with a taxonomy."""
    monkeypatch.chdir(tmp_path)
    for leaf in ("knowledge/a/tides", "knowledge/b/tides", "compositional_skills/mail"):
        (tmp_path / "taxonomy" / leaf).mkdir(parents=True)
        (tmp_path / "taxonomy" / leaf / "qna.yaml").write_text("version: 3\n")
    words = ["labgen", *typed.split(" ")]
    asked = {"_LABGEN_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "labgen"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert [line.split(",", 1)[1] for line in done.stdout.splitlines()] == offered
    assert not done.stderr


def test_a_broken_folder_completes_nothing_and_fails_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that waits for words gets none."""
    monkeypatch.chdir(tmp_path)
    Path("labgen.yaml").write_text("samples: [\n")
    asked = {"_LABGEN_COMPLETE": "bash_complete", "COMP_WORDS": "labgen preview k", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "labgen"], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
