"""`labgen check` as a person runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from workbench import Labgen

from labgen.cli import app
from labgen.errors import UsageError

LEAF = "version: 3\ncreated_by: me\ntask_description: Say why.\nseed_examples:\n" + "".join(
    f"  - question: Why {n}?\n    answer: So {n}.\n" for n in ("one", "two", "three", "four", "five")
)
PLACE = "compositional_skills/reasons/qna.yaml"


@pytest.fixture
def taxonomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A taxonomy of one clean leaf, seen from the folder that holds it."""
    root = tmp_path / "taxonomy"
    write(root, PLACE, LEAF)
    write(root, "compositional_skills/reasons/attribution.txt", "License of the work: MIT\n")
    monkeypatch.chdir(tmp_path)
    return root


def write(root: Path, place: str, text: str) -> Path:
    file = root / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(app, ["check", *arguments], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_clean_taxonomy_ends_with_0_and_an_error_with_1(taxonomy: Path) -> None:
    """Warnings and style alone are no failure."""
    assert run().return_value == 0
    write(taxonomy, PLACE, LEAF.replace("me\n", "me  \n"))
    assert run().return_value == 0
    write(taxonomy, PLACE, LEAF.replace("So one.", "Yes"))
    result = run()
    assert result.return_value == 1
    assert f"taxonomy/{PLACE}:6:13: error LG205" in result.stdout


@pytest.mark.parametrize(
    "path",
    [
        "taxonomy",
        "taxonomy/compositional_skills",
        f"taxonomy/{PLACE}",
        "taxonomy/compositional_skills/reasons",
        "taxonomy/compositional_skills/reasons/attribution.txt",
        "compositional_skills/**",
        "taxonomy/compositional_skills/*",
    ],
)
def test_files_folders_and_patterns_name_leaves(taxonomy: Path, path: str) -> None:
    """Each of these is the one leaf, named as one would type it from here."""
    write(taxonomy, PLACE, LEAF.replace("So one.", "Yes"))
    write(taxonomy, "knowledge/other/qna.yaml", "- nonsense\n")
    found = json.loads(run(path, "--format", "json").stdout)["violations"]
    files = {violation["file"] for violation in found if violation["code"] == "LG205"}
    assert files == {f"taxonomy/{PLACE}"}


def test_an_absolute_path_needs_no_configuration(
    taxonomy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The root is what stands before the branch."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "\n1 leaf: 0 errors" in run(str(taxonomy / PLACE)).stdout


def test_fix_writes_what_it_mends_and_upgrade_raises_versions(taxonomy: Path) -> None:
    """And the report is of the mended files; rules that are off are not mended."""
    file = write(taxonomy, PLACE, LEAF.removeprefix("version: 3\n").replace("me\n", "me  \n"))
    Path("labgen.yaml").write_text("check:\n  disable: [LG402]\n")
    run("--fix")
    assert file.read_text() == "version: 1\n" + LEAF.removeprefix("version: 3\n").replace("me\n", "me  \n")
    Path("labgen.yaml").unlink()
    result = run("--fix", "--upgrade")
    assert file.read_text() == LEAF
    assert result.stdout.endswith("1 leaf: 0 errors, 0 warnings, 0 of style.\n")
    assert "raised 1 leaf to version 3" in result.stderr


def test_compat_makes_the_references_errors_ours(taxonomy: Path) -> None:
    """A trailing space fails under `--compat instructlab` only."""
    write(taxonomy, PLACE, LEAF.replace("me\n", "me  \n"))
    assert run().return_value == 0
    assert run("--compat", "instructlab").return_value == 1


def test_near_duplicates_in_leaves_that_were_not_named_are_found(taxonomy: Path) -> None:
    """One leaf is checked, its twin is only compared with."""
    twin = LEAF.replace("Why", "Why is it that people say")
    write(taxonomy, PLACE, twin)
    for name in ("a", "b", "c"):
        write(taxonomy, f"compositional_skills/{name}/qna.yaml", LEAF.replace("Why", f"What {name} is there in"))
    write(taxonomy, "compositional_skills/twin/qna.yaml", twin)
    result = run(f"taxonomy/{PLACE}")
    assert "LG303 seed example 1 is nearly the same as seed example 1 of `compositional_skills/twin`" in result.stdout


def test_least_hides_what_is_milder(taxonomy: Path) -> None:
    """The summary then counts what is shown."""
    write(taxonomy, PLACE, LEAF.replace("me\n", "me  \n"))
    assert "LG402" not in run("--least", "warning").stdout


def test_explain_and_list_rules_need_no_taxonomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By code in any case, or by name; an unknown one names a near one."""
    monkeypatch.chdir(tmp_path)
    assert "Bad:" in run("--explain", "lg205").stdout
    assert run("--explain", "unquoted-value").stdout == run("--explain", "LG205").stdout
    assert run("--list-rules").stdout.count("\n| LG") > 40
    with pytest.raises(Exception, match="Did you mean LG205"):
        run("--explain", "LG2055")


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    """No taxonomy, no such path, no such rule: a message without a traceback."""
    for arguments in ([], ["nowhere/qna.yaml"], ["--explain", "X1"]):
        done = Labgen(tmp_path)("check", *arguments)
        assert done.status == 2, arguments
        assert done.err
        assert "Traceback" not in done.err


def test_checking_imports_nothing_heavy(taxonomy: Path) -> None:
    """What `generate` needs would cost more than the check itself."""
    code = "import sys\nfrom labgen.cli import main\ntry:\n    main(['check'])\nexcept SystemExit:\n    pass\n"
    code += (
        "print([name for name in ('openai', 'pyarrow', 'datasets', 'git', 'aiohttp', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_contributor_learns_which_voice_answers_and_why(taxonomy: Path) -> None:
    """By the kind of task, in words and as data; a setting wins."""
    told = run(str(taxonomy / PLACE)).stdout
    assert "compositional_skills/reasons: answered by the precise persona (" in told
    Path("labgen.yaml").write_text("leaves: [{match: '**/reasons', persona: creative}]\n")
    personas = json.loads(run("--format", "json", str(taxonomy / PLACE)).stdout)["personas"]
    assert personas == {"compositional_skills/reasons": {"persona": "creative", "why": "`persona` in labgen.yaml"}}


def test_a_leaf_that_nobody_reads_fails_wherever_it_is_looked_for(taxonomy: Path) -> None:
    """In the whole, by its folder or its file, and beside the taxonomy where `labgen.yaml` is; not in another one."""
    write(taxonomy, "skills/towns/qna.yaml", LEAF)
    for words in ([], ["taxonomy"], ["taxonomy/skills"], ["taxonomy/skills/towns/qna.yaml"]):
        result = run(*words)
        assert result.return_value == 1 and "taxonomy/skills/towns/qna.yaml:1:1: error LG108" in result.stdout, words
    (taxonomy / "skills/towns/qna.yaml").unlink()
    write(Path(), "knowledge/tides/qna.yaml", LEAF)
    write(Path(), "other/knowledge/tides/qna.yaml", LEAF)
    assert run().return_value == 0
    Path("labgen.yaml").write_text("samples: 3\n")
    result = run()
    assert result.return_value == 1 and result.stdout.count("LG108") == 1
    assert "knowledge/tides/qna.yaml:1:1: error LG108 this leaf lies outside the taxonomy" in result.stdout


def test_a_taxonomy_without_a_branch_is_told_of_its_leaves(taxonomy: Path) -> None:
    """Better than that it is none."""
    (taxonomy / "compositional_skills").rename(taxonomy / "skills")
    result = run()
    assert result.return_value == 1 and "LG108" in result.stdout


def test_an_empty_taxonomy_is_a_taxonomy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `init --no-examples` makes it: nothing is wrong with it; only a build has nothing to build."""
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(app, ["init", "--no-examples", "--no-git"], standalone_mode=False)
    result = run("--strict")
    assert result.return_value == 0 and result.stdout == "0 leaves: 0 errors, 0 warnings, 0 of style.\n"
    assert "`labgen new` writes one" in result.stderr
    with pytest.raises(UsageError, match="no leaf in this taxonomy yet"):
        CliRunner().invoke(app, ["plan"], standalone_mode=False, catch_exceptions=False)


def test_strict_counts_warnings_and_statistics_count_rules(taxonomy: Path) -> None:
    """Also those that --least hides."""
    write(taxonomy, PLACE, LEAF.replace("So one.", "'TO DO: so'").replace("So two.", "Yes").replace("me\n", "me  \n"))
    lines = run("--statistics").stdout.splitlines()
    assert [line.split()[:3] for line in lines[:3]] == [
        ["1", "LG205", "error"],
        ["1", "LG323", "warning"],
        ["1", "LG402", "style"],
    ]
    assert lines[3].endswith("1 leaf: 1 error, 1 warning, 1 of style (2 fixable with --fix).")
    run("--fix")
    assert run().return_value == 0
    assert run("--strict", "--least", "error").return_value == 1
    with pytest.raises(click.UsageError):
        run("--statistics", "--format", "json")


def test_watching_looks_again_when_a_file_changes_until_it_is_stopped(taxonomy: Path) -> None:
    """The status is that of the last look."""
    file = taxonomy / PLACE
    with subprocess.Popen(
        [sys.executable, "-m", "labgen", "check", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as watching:
        assert watching.stdout and watching.stderr
        assert watching.stderr.readline().startswith("Watching")
        file.write_text(LEAF.replace("So one.", "Yes"))
        assert watching.stderr.readline().startswith("Watching")
        watching.send_signal(signal.SIGINT)
        said = watching.stdout.read()
        assert watching.wait() == 1
    assert said.index("0 errors") < said.index("LG205") < said.index("1 error,")
