"""`labgen init`, and the whole way from an empty folder to a first commit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from labgen.cli import app
from labgen.settings_file import load_config
from labgen.taxonomy.load import load_taxonomy


@pytest.fixture(autouse=True)
def _own_git_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\n name = Ada\n email = ada@example.org\n[init]\n defaultBranch = other\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    # The hook must find labgen the way a user's shell does.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def run(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, words, standalone_mode=False)
    assert result.exception is None and (result.return_value or 0) == status, (result.output, result.exception)
    return result


def git(*words: str, status: int = 0) -> str:
    done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_from_an_empty_folder_to_a_checked_first_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a new user goes: init, check, new, check, preview, commit, and a commit that the hook stops."""
    run("init", "mine")
    monkeypatch.chdir("mine")
    assert "3 leaves: 0 errors, 0 warnings, 0 of style." in run("check").output
    run("new", "foundational_skills/arithmetic/units")
    assert "4 leaves: 0 errors, 3 warnings, 0 of style." in run("check").output
    page = run("preview", "foundational_skills/arithmetic/units", "--rows", "2").output
    assert "REHEARSAL" in page and "Row 2" in page and "LG323" in page
    git("add", ".")
    assert "4 leaves: 0 errors" in git("commit", "-m", "First leaves")
    assert git("status", "--short") == "" and git("branch", "--show-current").strip() == "main"
    leaf = Path("taxonomy/foundational_skills/arithmetic/units/qna.yaml")
    leaf.write_text(leaf.read_text().replace("answer:", "anwser:", 1))
    assert "LG203" in git("commit", "--all", "-m", "Worse", status=1)
    assert "1 modified since main" in run("diff").output
    run("check", "--base", "HEAD", status=1)


def test_everything_that_is_made_can_be_read() -> None:
    """Settings load, YAML and JSON parse, schemas are where editors are pointed, and the version is filled in."""
    run("init", "mine", "--no-git")
    top = Path("mine")
    assert load_config(top / "labgen.yaml").taxonomy == top / "taxonomy"
    assert len(load_taxonomy(top / "taxonomy").leaves) == 3
    settings = json.loads((top / ".vscode/settings.json").read_text())
    for schema in settings["yaml.schemas"]:
        assert (top / schema).is_file()
    for leaf in (top / "taxonomy").rglob("qna.yaml"):
        schema = leaf.read_text().split("$schema=", 1)[1].split("\n", 1)[0]
        assert (leaf.parent / schema).is_file()
    for file in [*top.rglob("*.yaml"), *top.rglob("*.yml")]:
        yaml.safe_load(file.read_text())
    for file in top.rglob("*"):
        assert not file.is_file() or b"@VERSION@" not in file.read_bytes()
    assert not (top / ".git").exists()


def test_settings_that_are_commented_out_are_right() -> None:
    """Taking away the signs before them gives settings that load."""
    run("init", "mine", "--no-git", "--no-examples")
    file = Path("mine/labgen.yaml")
    lines = [
        line[1:] if line.startswith("#") and line[1:2] not in (" ", "") else line
        for line in file.read_text().split("\n")
    ]
    text = "\n".join(line[1:] if line.startswith("#  ") else line for line in lines)
    file.write_text(text)
    config = load_config(file)
    assert config.teacher.base_url and config.price and config.check.disable == ("LG306",)


def test_nothing_that_is_there_is_overwritten() -> None:
    """The user's files stay, where the user has leaves no examples are added, and a second run changes nothing."""
    Path("mine/taxonomy/knowledge/a/b").mkdir(parents=True)
    Path("mine/taxonomy/knowledge/a/b/qna.yaml").write_text("version: 3\n")
    Path("mine/labgen.yaml").write_text("samples: 7\n")
    output = run("init", "mine").output
    assert "Kept  mine/labgen.yaml" in output
    assert Path("mine/labgen.yaml").read_text() == "samples: 7\n"
    assert [file.parent.name for file in Path("mine/taxonomy").rglob("qna.yaml")] == ["b"]
    assert "Wrote" not in run("init", "mine").output


def test_a_folder_in_another_repository_is_left_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No repository in a repository; the note says what does not work there."""
    git("init", "--quiet")
    output = run("init", "data/mine").output
    assert "GitHub reads workflows only at its top" in output
    assert not Path("data/mine/.git").exists() and not Path(".git/hooks/pre-commit").exists()


def test_hooks_that_are_there_stay() -> None:
    """A hook of the user's own, and hooks that are kept elsewhere for many repositories."""
    git("init", "--quiet", "one")
    hook = Path("one/.git/hooks/pre-commit")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    assert "Kept  one/.git/hooks/pre-commit" in run("init", "one").output
    assert hook.read_text() == "#!/bin/sh\n"
    git("config", "--global", "core.hooksPath", str(Path("shared").absolute()))
    assert "core.hooksPath" in run("init", "two").output
    assert not Path("shared").exists()


def test_a_file_in_the_way_is_explained() -> None:
    """Where the folder should be, there is a file."""
    Path("mine").write_text("")
    result = CliRunner().invoke(app, ["init", "mine"])
    assert "a file is there" in str(result.exception)
