"""docs/extending.md: nothing on it is there to be read alone. Modules are installed, settings and commands tried."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from brought import PAGE, Install, rows_of, shown, shown_entries
from workbench import Labgen

from labgen.config.section import read_section
from labgen.config.whole import Config

MODULES = re.findall(r"<!-- tested: (\w+)\.py -->", PAGE)
COMMANDS = [shlex.split(line, comments=True)[1:] for line in re.findall(r"^    (labgen .*)$", PAGE, re.MULTILINE)]


def test_every_module_is_tested_in_all_its_blocks() -> None:
    """Each has its entry points beside it, and a test that installs it; no other block of code is on the page."""
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_*.py"))
    groups = []
    for module in MODULES:
        groups += list(shown_entries(module))
        assert f'install("{module}")' in tests
    assert groups == re.findall(r"^\| `(labgen\.\w+)` \|", PAGE, re.MULTILINE)
    marked = re.findall(r"<!-- tested: \S+ -->\n```(python|toml)\n", PAGE)
    assert len(marked) == 2 * len(MODULES) == len(re.findall(r"^```(?:python|toml)$", PAGE, re.MULTILINE))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_written_as_labgens_own(module: str) -> None:
    """It is documented, no line is too wide, and none is left over at the end."""
    text = shown(f"{module}.py")
    assert (
        all(len(line) <= 120 for line in text.splitlines()) and text.startswith('"""') and text == text.strip() + "\n"
    )


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_settings_of_the_page_are_settings(block: str) -> None:
    """As labgen.yaml is read."""
    read_section(Config, yaml.safe_load(block))


def test_commands_of_the_page_can_be_run(install: Install, letters: str, labgen: Labgen) -> None:
    """One after the other, with flow and judge installed: the leaf and the row that they name are put in."""
    install("revised")
    install("complete")
    names = {"LEAF": letters}
    for words in COMMANDS:
        run = labgen(*(names.get(word, word) for word in words))
        assert run.status == 0, (words, run.err)
        if words[0] == "generate":
            names["ID"] = rows_of(labgen.folder / "dataset", "compositional_skills")[0]["id"]
    assert "ID" in names


def test_a_prompt_of_a_package_is_replaced_like_any_other(install: Install, letters: str, labgen: Labgen) -> None:
    """By a file of its name in the folder of `--prompts`, which is asked then; the rows have another version."""
    install("revised")
    (labgen.folder / "mine").mkdir()
    words = (
        "--- user ---\n## Task: revise an answer\nBe brief.\n<query>{{ instruction }}</query><reply>{{ draft }}</reply>"
    )
    (labgen.folder / "mine/revise.md").write_text(words, encoding="utf-8")
    versions = set()
    for more in ([], ["--prompts", "mine"]):
        assert labgen("generate", "--leaf", letters, "--samples", "1", *more).status == 0
        (row,) = rows_of(labgen.folder / "dataset", "compositional_skills")
        history = labgen("show", row["id"], "--json").json["history"]
        (revised,) = (call for call in history if call["step"] == "revise")
        assert ("Be brief." in str(revised)) is bool(more)
        versions.add(row["prompt_version"])
    assert len(versions) == 2
