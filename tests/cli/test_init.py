"""`labgen init`, and the whole way from an empty folder to a first commit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from labgen.cli import app
from labgen.config.file import load_config
from labgen.errors import UsageError
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
        assert not file.is_file() or b"@SOURCE@" not in file.read_bytes()
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


@pytest.mark.parametrize("path", ["labgen", "python alone", "relative"])
@pytest.mark.parametrize("extra", ["", ".", ":/nowhere", "~/here"])
def test_the_hook_runs_nothing_of_the_folder(path: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's modules and programs in the working tree stay unread, however labgen is found.

    With labgen on the path, without it, and with a path that leads into the folder; PYTHONPATH may lead there, too.
    """
    run("init", "mine")
    told = Path("was-run").absolute()
    for name in ("labgen", "yaml", "click", "re", "sitecustomize"):
        Path("mine", name).mkdir()
        for file in ("__init__.py", "__main__.py"):
            Path("mine", name, file).write_text(f"open({str(told)!r}, 'w').write({name!r})\n")
    Path("mine/bin").mkdir()
    Path("mine/bin/labgen").write_text(f"#!/bin/sh\necho program > '{told}'\n")
    Path("mine/bin/labgen").chmod(0o755)
    monkeypatch.chdir("mine")
    if extra:
        monkeypatch.setenv("PYTHONPATH", extra.replace("~/here", str(Path.cwd())))
    if path != "labgen":
        only = Path("../programs").absolute()
        only.mkdir()
        for program in ("git", "sh"):
            (only / program).symlink_to(str(shutil.which(program)))
        monkeypatch.setenv("PATH", f"bin:{only}" if path == "relative" else str(only))
    Path("taxonomy/knowledge/science/astronomy/moon_phases/qna.yaml").write_text("version: 3\n")
    done = subprocess.run([".git/hooks/pre-commit"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "moon_phases/qna.yaml" in done.stdout, done.stdout + done.stderr
    assert not told.exists(), told.read_text()


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


HASH = "0123456789" * 4
COMMIT = f"git+https://example.org/somebody/labgen@{HASH}"
WHEEL = f"https://example.org/labgen-1-py3-none-any.whl#sha256={HASH}{'f' * 24}"


def installed_in(workflow: Path) -> str:
    found = yaml.safe_load(workflow.read_text())["jobs"]["check"]["env"]["LABGEN"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("address", [COMMIT, WHEEL])
def test_workflows_install_labgen_from_a_pinned_address(address: str) -> None:
    """Given as an option."""
    assert "LABGEN there" not in run("init", "mine", "--labgen", address).output
    assert installed_in(Path("mine/.github/workflows/check-leaves.yml")) == f"labgen[documents] @ {address}"


@pytest.mark.parametrize(
    "address",
    [
        "labgen",
        "labgen==0.1.0",
        "git+https://example.org/somebody/labgen",
        "git+https://example.org/somebody/labgen@main",
        f"git+https://user:secret@example.org/labgen@{HASH}",
        "https://example.org/labgen-1-py3-none-any.whl",
        f"git+https://example.org/x y@{HASH}",
    ],
)
def test_an_address_that_may_change_is_refused(address: str) -> None:
    """A name, a branch, a file without its hash; and one with somebody's password."""
    result = CliRunner().invoke(app, ["init", "mine", "--labgen", address], standalone_mode=False)
    assert isinstance(result.exception, UsageError) and not Path("mine").exists()


def test_workflows_install_what_this_labgen_was_installed_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the installer wrote a commit down; a checkout of one's own has none, and is said to be filled in."""
    assert "fill in LABGEN there" in run("init", "first").output
    told = tmp_path / "packages/labgen-0.1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: labgen\nVersion: 0.1.0\n")
    content = {"url": "https://example.org/labgen", "vcs_info": {"vcs": "git", "commit_id": HASH}}
    (told / "direct_url.json").write_text(json.dumps(content))
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    run("init", "second")
    workflow = Path("second/.github/workflows/check-leaves.yml")
    assert installed_in(workflow) == f"labgen[documents] @ git+https://example.org/labgen@{HASH}"


@pytest.mark.parametrize(
    ("version", "installer", "written"),
    [
        ("1.2.3", "pip", "labgen[documents]==1.2.3"),
        ("1.2.3", "uv", "labgen[documents]==1.2.3"),
        ("1.2.3.dev4", "pip", "to be filled in"),
        ("1.2.3", "conda", "to be filled in"),
        ("1.2.3", "", "to be filled in"),
    ],
)
def test_workflows_follow_the_release_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, installer: str, written: str
) -> None:
    """Installed by name from a package index, labgen has itself installed there in the same version."""
    told = tmp_path / f"packages/labgen-{version}.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: labgen\nVersion: {version}\n")
    (told / "INSTALLER").write_text(f"{installer}\n")
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    run("init", "mine")
    assert installed_in(Path("mine/.github/workflows/check-leaves.yml")) == written


def test_nothing_that_init_writes_installs_a_bare_name() -> None:
    """Not even as advice: whoever owns the name on an index would own what it installs."""
    run("init", "mine")
    for file in Path("mine").rglob("*"):
        if file.is_file() and ".git/" not in file.as_posix():
            assert not re.search(r"pip install (?!\"\$LABGEN)", file.read_text()), file
