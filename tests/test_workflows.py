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
from markdown_it import MarkdownIt

from labgen.cli import app, preview_page
from labgen.records import Candidate, State
from labgen.taxonomy.changes import Changes
from labgen.taxonomy.skeleton import STARTER
from labgen.verbs.preview import Draws, LeafPreview, Preview

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
    assert len(WORKFLOWS) == 6
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*command, *map(str, WORKFLOWS)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: f"{file.parents[2].name}-{file.name}")
def test_workflows_are_safe_for_forks(file: Path) -> None:
    """Nothing untrusted runs with rights, and nothing untrusted is pasted into a script."""
    text, workflow = file.read_text(), load(file)
    triggers = workflow[True]  # YAML reads the key `on` as a truth value
    assert "pull_request_target" not in triggers
    assert "permissions" in workflow, "rights are named, not inherited"
    rights = [workflow["permissions"], *(job.get("permissions", {}) for job in workflow["jobs"].values())]
    writes = [name for each in rights for name, right in each.items() if right == "write"]
    if "workflow_run" in triggers:
        assert writes == ["pull-requests"]
        assert not any("uses" in step for step in steps(workflow)), "nothing is checked out or borrowed"
        assert "secrets." not in text
    elif "pull_request" in triggers:
        assert not writes and "secrets." not in text and "github.token" not in text
    else:
        assert triggers == {"push": {"tags": ["v*"]}} and "secrets." not in text, "who may push a tag may release"
    for step in steps(workflow):
        assert "${{" not in step.get("run", ""), "names from outside come as variables"
        for options in re.findall(r"\bpython3?\b(.*)", step.get("run", "")):
            assert options.startswith(" -I "), "Python imports nothing from the folder that it is started in"
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


def lay_modules(folder: Path, told: Path) -> None:
    """Put modules of a stranger's into a folder, which leave a file behind where one of them is imported."""
    for name in ("labgen", "pip", "yaml", "re", "click"):
        (folder / name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            (folder / name / file).write_text(f"open({str(told)!r}, 'w').write({name!r})\n")


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
    (clone / "page").mkdir()
    (clone / "page/preview.md").write_text("MINE\n")
    lay_modules(clone, tmp_path / "was-run")
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
    assert "LG323" in play(workflow, pull_request, names[:2], **variables).stdout
    done = play(workflow, pull_request, [names[0], names[2]], **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "+ added compositional_skills/mail/away" in done.stdout
    page = (tmp_path / "page/preview.md").read_text()
    assert page.startswith("<!-- labgen preview -->") and "#### Row 5" in page and "moon" not in page
    assert "MINE" not in page
    assert (tmp_path / "summary").read_text() == page and not (tmp_path / "outside").exists()
    assert not (tmp_path / "was-run").exists(), "nothing is imported from the pull request's folder"
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
        ("labgen[documents]==1.2.3", True),
        ("labgen==1.*", False),
        ("labgen>=1.2.3", False),
        ("labgen==1.2.3 evil", False),
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
  *"/artifacts "*) printf '%s' "$ARTIFACTS" ;;
  "run download"*) [ "$DOWNLOAD" = works ] && mkdir page && cp given.md page/preview.md ;;
  *"/pulls "*) echo '[{"number": 7, "head": {"sha": "abc"}}]' ;;
  *"--paginate"*) printf '%s' "$COMMENTS" ;;
  *"--method"*) cp comment.md "posted-$(ls posted-* 2>/dev/null | wc -l)"
    if [ -n "$REFUSES" ] && grep --quiet "$REFUSES" comment.md; then exit 1; fi ;;
esac
"""
COMMENT = STARTER / "dot-github/workflows/comment-preview.yml"
MARKER = "<!-- labgen preview -->"
needs_jq = pytest.mark.skipif(not shutil.which("jq"), reason="jq, which GitHub's machines have, is not here")


@pytest.fixture
def gh(tmp_path: Path) -> dict[str, str]:
    """Variables of a run in `tmp_path`, with a program in place of GitHub's that writes down what it is asked."""
    (tmp_path / "page").mkdir()
    (tmp_path / "gh").write_text(FAKE_GH)
    (tmp_path / "gh").chmod(0o755)
    return {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "REPOSITORY": "o/r",
        "RUN_ID": "5",
        "RUN_URL": "https://example.org/run/5",
        "HEAD_SHA": "abc",
        "HEAD_OWNER": "somebody",
        "HEAD_BRANCH": "idea",
        "COMMENTS": f'[{{"id": 1, "user": {{"login": "somebody"}}, "body": "{MARKER}"}}, '
        f'{{"id": 2, "user": {{"login": "github-actions[bot]"}}, "body": "{MARKER} old"}}]',
        "REFUSES": "",
        "ARTIFACTS": '{"artifacts": [{"size_in_bytes": 900}]}',
        "DOWNLOAD": "works",
    }


def comment(folder: Path, variables: dict[str, str], page: str | bytes | None = None) -> tuple[str, Any]:
    """The comment that is written of a page, and how writing it ended."""
    if page is not None:
        (folder / "page/preview.md").write_bytes(page if isinstance(page, bytes) else page.encode())
    done = play(COMMENT, folder, ["Write or replace the comment"], **variables)
    return (folder / "comment.md").read_text() if (folder / "comment.md").exists() else "", done


@needs_jq
@pytest.mark.parametrize(
    "text",
    [
        "Hello @everyone, @\u200bsomebody, #1 and GH #12",
        "[click](https://evil.example) [ref]\n\n[ref]: https://evil.example\n\nwww.evil.example <https://evil.example>",
        "![seen](https://evil.example/pixel.png)<img src=x><a href='//evil.example'>x</a> <!-- hides the rest",
        "<details open><summary>x</summary>\n</details><script>x</script><DIV>",
        "日本語の文章 🌈 ä \x1b[2J\u202eback\x00",
        "<!-- labgen preview --><!-- labgen preview -->",
    ],
)
def test_a_strangers_page_calls_nobody_and_leads_nowhere(tmp_path: Path, gh: dict[str, str], text: str) -> None:
    """Whatever it says is read, as text: names, links, pictures, tags, comments, characters that nobody sees."""
    body, done = comment(tmp_path, gh, f"{MARKER}\n{text}\n")
    assert done.returncode == 0, done.stderr
    first, _, rest = body.partition("\n")
    assert first == MARKER and not re.search(r"@(?!\u200b)|#\d|://|www\.", rest)
    assert all(char.isprintable() or char in "\n\u200b" for char in rest)
    tags = {"<details>", "</details>", "<summary>", "</summary>", "<code>", "</code>"}
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(rest):
        for each in (token, *(token.children or ())):
            assert each.type not in ("link_open", "image"), rest
            if each.type.startswith("html"):
                assert set(re.findall(r"<[^\u200b]+?>", each.content)) <= tags and "<!" not in each.content
    letters = [char for char in text if char.isprintable() and not char.isspace() and char != "\u200b"]
    said = "".join(rest.replace("\u200b", "").split())
    assert "".join(letters).removeprefix(MARKER.replace(" ", "")) in said


@needs_jq
@pytest.mark.parametrize("sign", ["a", "日", "🌈"])
def test_a_comment_is_as_long_as_github_takes_in_characters(tmp_path: Path, gh: dict[str, str], sign: str) -> None:
    """Up to 65,000 characters, whatever they weigh; what is longer, escaping included, is not cut but named."""
    room = 65_000 - len(comment(tmp_path, gh, MARKER)[0])
    body, done = comment(tmp_path, gh, MARKER + sign * room)
    assert done.returncode == 0 and len(body) == 65_000 and body.endswith(sign)
    for page in (MARKER + sign * (room + 1), MARKER + "@" * (room // 2 + 1), sign * 1_200_000):
        body, done = comment(tmp_path, gh, page)
        assert done.returncode == 0, done.stderr
        assert "too long for a comment" in body and gh["RUN_URL"] in body and len(body) < 300
    body, done = comment(tmp_path, gh, MARKER.encode() + b"a\xe6\x97")
    assert done.returncode == 0 and body.endswith("a\ufffd"), "half a character is no reason to stop"


@needs_jq
def test_nothing_is_added_to_a_page_of_labgens(tmp_path: Path, gh: dict[str, str]) -> None:
    """Its pages are as harmless before, and so as long afterwards, up to the longest there is."""
    hostile = "@all #1 [x](https://e.example) www.e.example <b>日本語</b> </details> ``` 🌈 " * 30
    row = Candidate("knowledge/x", 0, 0, hostile, hostile, hostile, None, (0,), (), State.ACCEPTED)
    leaf = LeafPreview(f"knowledge/{hostile}", draws=Draws((row,), (), 3, hostile))
    changes = Changes(Path(), "main", "0" * 40, (), notes=(hostile,) * 100)
    page = preview_page.preview_markdown(Preview((leaf,) * 80, hostile, hostile, changes=changes))
    assert 50_000 < len(page) <= preview_page.MAX_PAGE_CHARS
    body, done = comment(tmp_path, gh, page)
    assert done.returncode == 0, done.stderr
    assert body.split("\n", 2)[2] == page.removeprefix(MARKER) and preview_page.INERT in COMMENT.read_text()


@needs_jq
def test_the_comment_is_found_again_and_replaced(tmp_path: Path, gh: dict[str, str]) -> None:
    """By its marker and by who wrote it; where there is none, one is made; a pull request that moved on gets none."""
    assert comment(tmp_path, gh, f"{MARKER}\nHello")[1].returncode == 0
    assert "--method PATCH repos/o/r/issues/comments/2" in (tmp_path / "calls").read_text()
    assert comment(tmp_path, {**gh, "COMMENTS": "[]"})[1].returncode == 0
    assert "POST repos/o/r/issues/7/comments" in (tmp_path / "calls").read_text()
    (tmp_path / "calls").unlink()
    assert comment(tmp_path, {**gh, "HEAD_SHA": "other"})[1].returncode == 0
    assert "comments" not in (tmp_path / "calls").read_text()
    (tmp_path / "page/preview.md").unlink()
    assert "no page" in comment(tmp_path, gh)[1].stdout
    (tmp_path / "page/preview.md").symlink_to("/proc/self/environ")
    assert comment(tmp_path, gh)[1].returncode != 0


@needs_jq
def test_a_comment_that_is_not_taken_is_seen(tmp_path: Path, gh: dict[str, str]) -> None:
    """The run fails and says so, and a line in the comment's place leads to the page."""
    _, done = comment(tmp_path, {**gh, "REFUSES": "Hello"}, f"{MARKER}\nHello")
    assert done.returncode == 1 and "::error title=The preview was not posted::" in done.stdout
    assert (
        "could not be posted" in (tmp_path / "posted-1").read_text()
        and gh["RUN_URL"] in done.stdout + (tmp_path / "posted-1").read_text()
    )
    _, done = comment(tmp_path, {**gh, "REFUSES": "labgen"}, f"{MARKER}\nHello")
    assert done.returncode == 1 and done.stdout.count("::error") == 2


@needs_jq
def test_a_page_that_cannot_be_fetched_is_told_from_none(tmp_path: Path, gh: dict[str, str]) -> None:
    """None is no failure; one that is there and doesn't come, or is larger than any of labgen's, is one."""
    (tmp_path / "page").rmdir()
    (tmp_path / "given.md").write_text("page")
    none = play(COMMENT, tmp_path, ["Get the page"], **{**gh, "ARTIFACTS": '{"artifacts": []}'})
    assert none.returncode == 0 and "left no page" in none.stdout
    huge = play(
        COMMENT, tmp_path, ["Get the page"], **{**gh, "ARTIFACTS": '{"artifacts": [{"size_in_bytes": 2000000}]}'}
    )
    assert huge.returncode == 1 and "::error" in huge.stdout and not (tmp_path / "page").exists()
    assert play(COMMENT, tmp_path, ["Get the page"], **{**gh, "DOWNLOAD": "fails"}).returncode == 1
    assert play(COMMENT, tmp_path, ["Get the page"], **gh).returncode == 0
    assert (tmp_path / "page/preview.md").read_text() == "page"


def test_zizmor_finds_nothing_above_low() -> None:
    """An auditor's view of the project's own workflows and of those that `labgen init` writes."""
    zizmor = Path(sys.executable).with_name("zizmor")
    words = ["--offline", "--persona=auditor", "--min-severity=medium", "--no-progress", "--no-config"]
    done = subprocess.run([zizmor, *words, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_places_have_the_same_comment_workflow() -> None:
    """What is mended in one is mended in the other."""
    ours = (TOP / ".github/workflows/comment-preview.yml").read_text()
    assert ours == (STARTER / "dot-github/workflows/comment-preview.yml").read_text()
