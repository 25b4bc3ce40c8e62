"""The workflows that the project ships are valid, and safe to run on pull requests of strangers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from labgen.cli import app
from labgen.taxonomy.skeleton import STARTER

TOP = Path(__file__).parent.parent
WORKFLOWS = sorted([*(TOP / ".github/workflows").glob("*.yml"), *(STARTER / "dot-github/workflows").glob("*.yml")])


def load(file: Path) -> dict[Any, Any]:
    data = yaml.safe_load(file.read_text())
    assert isinstance(data, dict)
    return data


def steps(workflow: dict[Any, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_workflows_are_valid_by_the_public_schema() -> None:
    """GitHub's own words for workflows, as check-jsonschema carries them."""
    assert len(WORKFLOWS) == 5
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: f"{file.parents[2].name}-{file.name}")
def test_workflows_are_safe_for_forks(file: Path) -> None:
    """Nothing untrusted runs with rights, and nothing untrusted is pasted into a script."""
    text, workflow = file.read_text(), load(file)
    triggers = workflow[True]  # YAML reads the key `on` as a truth value
    assert "pull_request_target" not in triggers
    assert workflow["permissions"], "rights are named, not inherited"
    writes = [name for name, right in workflow["permissions"].items() if right == "write"]
    if "workflow_run" in triggers:
        assert writes == ["pull-requests"]
        assert not any("uses" in step for step in steps(workflow)), "nothing is checked out or borrowed"
        assert "secrets." not in text
    else:
        assert not writes and "secrets." not in text and "github.token" not in text
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "names from outside come as variables"
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"]), "actions are named by their commit"
        if "checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_the_comment_waits_for_the_check() -> None:
    """The second workflow names the first as it is called."""
    for folder in (TOP / ".github/workflows", STARTER / "dot-github/workflows"):
        check, comment = load(folder / "check-leaves.yml"), load(folder / "comment-preview.yml")
        assert comment[True]["workflow_run"]["workflows"] == [check["name"]]


def test_hooks_are_defined_for_pre_commit() -> None:
    """Each has what pre-commit asks for, and calls a command that exists."""
    hooks = yaml.safe_load((TOP / ".pre-commit-hooks.yaml").read_text())
    hooks += yaml.safe_load((STARTER / "dot-pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    for hook in hooks:
        assert {"id", "name", "entry", "language", "files"} <= hook.keys()
        assert hook["entry"].startswith("labgen check")
        assert re.compile(hook["files"]).search("taxonomy/knowledge/a/qna.yaml")


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def pull_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone as actions/checkout leaves it for a pull request that adds a leaf, and worse, to `labgen init`'s."""
    (tmp_path / "gitconfig").write_text("[user]\n name = Ada\n email = a@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert not CliRunner().invoke(app, ["init", str(tmp_path / "upstream")]).exception
    git(tmp_path / "upstream", "add", ".")
    git(tmp_path / "upstream", "commit", "--no-verify", "--message", "first")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(tmp_path / "upstream"), "clone")
    git(clone, "switch", "--quiet", "--detach")
    added = [
        "new",
        "--taxonomy",
        str(clone / "taxonomy"),
        "compositional_skills/mail/away",
        "--created-by",
        "@everyone",
    ]
    assert not CliRunner().invoke(app, added).exception
    (clone / "labgen.yaml").unlink()
    (clone / "labgen.yaml").symlink_to(tmp_path / "outside")
    git(clone, "add", ".")
    git(clone, "commit", "--quiet", "--message", "mine")
    return clone


def play(workflow: Path, folder: Path, names: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the scripts of some steps as GitHub does."""
    found = {step["name"]: step["run"] for step in steps(load(workflow)) if "run" in step}
    script = "\n".join(found[name] for name in names)
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, check=False
    )


def test_the_check_annotates_previews_and_keeps_to_the_bases_settings(pull_request: Path, tmp_path: Path) -> None:
    """Only the changed leaf is looked at, with the base's labgen.yaml, and the page is left for the comment."""
    workflow = STARTER / "dot-github/workflows/check-leaves.yml"
    names = [
        "Use the settings of the base, not those of the pull request",
        "Check the changed leaves",
        "Preview the changed leaves with the rehearsal teacher",
    ]
    variables = {"BASE": "origin/main", "RUNNER_TEMP": str(tmp_path), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    # Model texts that nobody has replaced stop it, and a preview is made all the same.
    assert "LG323" in play(workflow, pull_request, names[1:2], **variables).stdout
    done = play(workflow, pull_request, [names[0], names[2]], **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ added compositional_skills/mail/away" in done.stdout
    page = (pull_request / "page/preview.md").read_text()
    assert page.startswith("<!-- labgen preview -->") and "#### Row 5" in page and "moon" not in page
    assert (tmp_path / "summary").read_text() == page and not (tmp_path / "outside").exists()
    leaf = pull_request / "taxonomy/compositional_skills/mail/away/qna.yaml"
    leaf.write_text(leaf.read_text().replace("answer:", "anwser:", 1))
    worse = play(workflow, pull_request, names[1:2], **variables)
    assert (
        worse.returncode == 1 and "::error file=taxonomy/compositional_skills/mail/away/qna.yaml,line=" in worse.stdout
    )


@pytest.mark.parametrize(
    ("address", "installed"),
    [
        ("to be filled in", False),
        ("labgen", False),
        ("labgen @ git+https://example.org/labgen@main", False),
        (f"labgen[documents] @ git+https://example.org/labgen@{'0a' * 20}", True),
        (f"labgen @ https://example.org/labgen-1.whl#sha256={'0a' * 32}", True),
        (f"labgen @ git+https://example.org/labgen@{'0a' * 20} evil", False),
    ],
)
def test_only_a_pinned_labgen_is_installed(tmp_path: Path, address: str, installed: bool) -> None:
    """A placeholder, a bare name and a branch stop with a message, before anything is asked of an index."""
    (tmp_path / "python").write_text('#!/bin/sh\necho "$*" > called\n')
    (tmp_path / "python").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    workflow = STARTER / "dot-github/workflows/check-leaves.yml"
    done = play(workflow, tmp_path, ["Install labgen"], PATH=path, LABGEN=address)
    assert (done.returncode == 0) is installed
    assert (tmp_path / "called").exists() is installed
    assert installed or "::error title=labgen has no address yet::" in done.stdout


def test_a_base_without_settings_is_no_failure(pull_request: Path) -> None:
    """As in the pull request that brings labgen.yaml: the defaults hold, not the stranger's settings."""
    git(pull_request, "switch", "--quiet", "--create", "bare")
    git(pull_request, "rm", "--quiet", "labgen.yaml")
    git(pull_request, "commit", "--quiet", "--no-verify", "--message", "no settings")
    (pull_request / "labgen.yaml").write_text("samples: 1\n")
    workflow = STARTER / "dot-github/workflows/check-leaves.yml"
    name = "Use the settings of the base, not those of the pull request"
    assert play(workflow, pull_request, [name], BASE="bare").returncode == 0
    assert not (pull_request / "labgen.yaml").exists()


FAKE_GH = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  *"/pulls "*) echo '[{"number": 7, "head": {"sha": "abc"}}]' ;;
  *"--paginate"*) printf '%s' "$COMMENTS" ;;
esac
"""


@pytest.mark.skipif(not shutil.which("jq"), reason="jq, which GitHub's machines have, is not here")
def test_the_comment_is_harmless_and_replaced(tmp_path: Path) -> None:
    """The page is a stranger's: nobody is called, no marker is forged, and the old comment is found by who wrote it."""
    workflow = STARTER / "dot-github/workflows/comment-preview.yml"
    (tmp_path / "page").mkdir()
    (tmp_path / "page/preview.md").write_text("<!-- labgen preview -->\nHello @everyone\n" + "ä" * 70_000)
    (tmp_path / "gh").write_text(FAKE_GH)
    (tmp_path / "gh").chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "REPOSITORY": "o/r",
        "HEAD_SHA": "abc",
        "HEAD_OWNER": "somebody",
        "HEAD_BRANCH": "idea",
        "COMMENTS": '[{"id": 1, "user": {"login": "somebody"}, "body": "<!-- labgen preview -->"}, '
        '{"id": 2, "user": {"login": "github-actions[bot]"}, "body": "<!-- labgen preview --> old"}]',
    }
    done = play(workflow, tmp_path, ["Write or replace the comment"], **variables)
    assert done.returncode == 0, done.stderr
    body = (tmp_path / "comment.md").read_text()
    assert body.startswith("<!-- labgen preview -->") and "too long for a comment" in body and "ä" not in body
    (tmp_path / "page/preview.md").write_text(
        "<!-- labgen preview -->\nHello @everyone, @\u200bsomebody\n" + "ä" * 30_000
    )
    assert play(workflow, tmp_path, ["Write or replace the comment"], **variables).returncode == 0
    body = (tmp_path / "comment.md").read_text()
    assert body.startswith("<!-- labgen preview -->") and "@everyone" not in body and len(body.encode()) < 65_536
    assert "@\u200beveryone, @\u200bsomebody" in body and body.endswith("ä")
    assert "--method PATCH repos/o/r/issues/comments/2" in (tmp_path / "calls").read_text()
    again = play(workflow, tmp_path, ["Write or replace the comment"], **{**variables, "COMMENTS": "[]"})
    assert again.returncode == 0 and "POST repos/o/r/issues/7/comments" in (tmp_path / "calls").read_text()
    (tmp_path / "calls").unlink()
    moved = play(workflow, tmp_path, ["Write or replace the comment"], **{**variables, "HEAD_SHA": "other"})
    assert moved.returncode == 0 and "comments" not in (tmp_path / "calls").read_text()
    (tmp_path / "page/preview.md").unlink()
    assert "left no page" in play(workflow, tmp_path, ["Write or replace the comment"], **variables).stdout
    (tmp_path / "page/preview.md").symlink_to("/proc/self/environ")
    assert play(workflow, tmp_path, ["Write or replace the comment"], **variables).returncode != 0


def test_both_places_have_the_same_comment_workflow() -> None:
    """What is mended in one is mended in the other."""
    ours = (TOP / ".github/workflows/comment-preview.yml").read_text()
    assert ours == (STARTER / "dot-github/workflows/comment-preview.yml").read_text()
