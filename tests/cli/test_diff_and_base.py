"""`labgen diff`, and `--base` for check, plan and generate, in a real repository."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from labgen.cli import app
from labgen.errors import LabgenError

LEAF = "foundational_skills/arithmetic/units"
OTHER = "compositional_skills/mail/away"


def run(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(app, words, standalone_mode=False)
    assert result.exception is None and (result.return_value or 0) == status, (result.output, result.exception)
    return result


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _two_leaves_on_main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("gitconfig").write_text("[user]\n name = Ada\n email = a@example.org\n[init]\n defaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    git("init", "--quiet")
    run("new", LEAF)
    run("new", OTHER)
    Path(".gitignore").write_text(".labgen/\ndataset/\ngitconfig\n")
    git("add", ".")
    git("commit", "--quiet", "--message", "one")


def edit(leaf: str, old: str, new: str) -> None:
    file = Path("taxonomy", leaf, "qna.yaml")
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_diff_says_what_changed_as_text_and_as_json() -> None:
    """The same for people and for programs."""
    assert "No leaf has changed since main" in run("diff").output
    edit(LEAF, "135 minutes", "155 minutes")
    run("new", "knowledge/garden/compost")
    text = run("diff").output
    assert f"~ modified {LEAF}\n    1 seed example reworded\n" in text
    assert "+ added knowledge/garden/compost\n    knowledge, 5 seed examples\n" in text
    assert "1 added, 1 modified since main (" in text
    data = json.loads(run("diff", "--base", "HEAD", "--json").stdout)
    assert data["base"] == "HEAD" and [leaf["change"] for leaf in data["leaves"]] == ["modified", "added"]
    assert data["leaves"][0]["details"] == [{"kind": "seeds_reworded", "words": "1 seed example reworded"}]


def test_diff_prints_nothing_that_steers_a_terminal() -> None:
    """Names of folders and addresses in leaves are strangers' text."""
    Path("taxonomy/knowledge/\x1b[31mred").mkdir(parents=True)
    Path("taxonomy/knowledge/\x1b[31mred/qna.yaml").write_text("version: 3\n")
    for words in (["diff"], ["diff", "--json"]):
        output = run(*words).output
        assert "\x1b" not in output and "\\u001b[31mred" in output


def test_names_that_are_no_text_are_shown() -> None:
    """A folder's name may be any bytes; it is told, and nothing breaks."""
    folder = Path(os.fsdecode(b"taxonomy/compositional_skills/\xff\xfe"))
    folder.mkdir()
    (folder / "qna.yaml").write_text("version: 3\n")
    for words in (["diff"], ["diff", "--json"], ["check", "--base", "main"], ["preview", "--rows", "1"]):
        done = subprocess.run([sys.executable, "-m", "labgen", *words], capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr and "udcff" in done.stdout, done


def test_check_looks_at_changed_leaves_only() -> None:
    """An old leaf's errors are not a contributor's; a new file that is no leaf is."""
    edit(OTHER, "version: 3", "version: 9")
    git("commit", "--quiet", "--all", "--message", "worse")
    edit(LEAF, "135 minutes", "155 minutes")
    assert "1 leaf: 0 errors" in run("check", "--base", "HEAD").output
    assert "2 leaves: 1 error" in run("check", status=1).output
    assert "0 leaves: 0 errors" in run("check", f"taxonomy/{OTHER}", "--base", "HEAD").output
    Path("taxonomy/skills/x").mkdir(parents=True)
    Path("taxonomy/knowledge/y").mkdir(parents=True)
    Path("taxonomy/knowledge/y/qna.yml").write_text("version: 3\n")
    assert "LG107" in run("check", "--base", "HEAD", status=1).output


def test_a_leaf_that_nobody_reads_fails_diff_check_and_preview() -> None:
    """Below the root or beside it; what lay there before is no change of this branch."""
    for place in ("taxonomy/skills/old", "taxonomy/skills/tides", "knowledge/tides"):
        if place.endswith("skills/tides"):
            git("add", "taxonomy/skills")
            git("commit", "--quiet", "--message", "a leaf in the wrong place")
            run("diff", "--base", "HEAD")
            run("check", "--base", "HEAD")
        Path(place).mkdir(parents=True)
        Path(place, "qna.yaml").write_text("version: 3\n")
    Path("labgen.yaml").write_text("samples: 3\n")
    said = run("diff", "--base", "HEAD", status=1).stderr
    assert "error LG108 taxonomy/skills/tides/qna.yaml: `skills/` is no branch" in said
    assert "error LG108 knowledge/tides/qna.yaml: this leaf lies outside" in said and "skills/old" not in said
    data = json.loads(run("diff", "--base", "HEAD", "--json", status=1).stdout)
    assert [one["file"] for one in data["misplaced"]] == ["taxonomy/skills/tides/qna.yaml", "knowledge/tides/qna.yaml"]
    checked = run("check", "--base", "HEAD", status=1).output
    assert checked.count("LG108") == 2 and "skills/old" not in checked
    page = CliRunner().invoke(app, ["preview", "--base", "HEAD", "--format", "markdown"])
    assert page.exit_code == 1 and "LG108, skills/tides/qna.yaml" in page.output.replace("\\", "")


def test_plan_and_generate_take_the_changed_leaves() -> None:
    """And a build that is narrowed so does not replace a fuller one."""
    run("generate", "--samples", "2")
    edit(LEAF, "135 minutes", "155 minutes")
    plan = json.loads(run("plan", "--base", "main", "--json", "--samples", "2").stdout)
    assert list(plan["leaves"]) == [LEAF]
    with pytest.raises(LabgenError, match="holds a fuller build"):
        CliRunner().invoke(app, ["generate", "--base", "main", "--samples", "2"], catch_exceptions=False)
    result = run("generate", "--base", "main", "--samples", "2", "--output", "narrow", "--json")
    assert list(json.loads(result.stdout)["funnel"]["leaves"]) == [LEAF]
    assert "1 changed leaf since main" in result.stderr
    nothing = run("generate", "--base", "main", "--leaf", OTHER)
    assert "No leaf has changed since main" in nothing.stderr
