"""What is wrong in labgen.yaml is said in plain words: the line, what is wanted, what stands there, what to write."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import Labgen

from labgen.config.file import load_config
from labgen.errors import ConfigError

WRONG = [
    (
        "samples: 3\nfilters:\n  disable: privacy\n",
        "3: `filters.disable` takes a list, such as `[one, two]` or a line with a dash for each; this is the text "
        "`privacy`. Write `[privacy]`.",
    ),
    ("samples: many\n", "1: `samples` takes a whole number, such as `30`; this is the text `many`."),
    ("samples: 3.5\n", "1: `samples` takes a whole number, such as `30`; this is the number 3.5."),
    ("\nsamples:\n", "2: `samples` takes a whole number, such as `30`; this is empty."),
    ("seed: -1\n", "1: `seed` takes a number of at least 0; this is the number -1."),
    ("teacher: 3\n", "1: `teacher` takes `name: value` lines beneath it; this is the number 3."),
    (
        "teacher:\n  extra_headers: {X-Team: 1}\n",
        "2: `teacher.extra_headers.X-Team` takes a text; put it in quotes where it looks like a number, a date, or yes "
        "or no; this is the number 1.",
    ),
    ("teacher: {api: chatt}\n", "1: `teacher.api` takes `chat` or `completions`; this is the text `chatt`."),
    ("calibration: {enabled: maybe}\n", "1: `calibration.enabled` takes `true` or `false`; this is the text `maybe`."),
    (
        "price:\n  prompt_per_million: 1\n",
        "1: `price.completion_per_million` is missing. Write it beneath `price:`.",
    ),
    ("mix:\n  leaf_floor: 5\n  leaf_ceiling: 2\n", "1: `mix`: `leaf_floor` is above `leaf_ceiling`."),
    (
        "teacher:\n  endpoints:\n  - base_url: http://one/v1\n    wieght: 2\n",
        "4: unknown setting `teacher.endpoints.0.wieght`. Did you mean `weight`?",
    ),
    ("mix: {branch_rows: {know: 3}}\n", "1: `mix.branch_rows.know` takes `knowledge`, `foundational_skills` or "
     "`compositional_skills`; this is the text `know`."),
    ("samples: 3\nsamples: 4\n", "2:1: `samples` is already set in line 1; keep one of the two."),
    ("stop:\n- 1\n", "1: `stop` takes `name: value` lines beneath it; this is a list."),
    ("- samples\n", "1: settings are `name: value` lines, and this is a list. Write a line such as `samples: 30`."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_each_fault_is_told_with_its_line_and_in_plain_words(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is a library's."""
    monkeypatch.chdir(tmp_path)
    Path("labgen.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_config()
    assert str(refused.value) == f"labgen.yaml:{said}"


def test_what_an_option_gives_is_not_looked_for_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its line would be another value's."""
    monkeypatch.chdir(tmp_path)
    Path("labgen.yaml").write_text("teacher:\n  timeout_sec: 5\n")
    with pytest.raises(ConfigError, match=r"^settings: `teacher.timeout_sec` takes a number above 0.0; this is"):
        load_config(overrides={"teacher.timeout_sec": -1})


@pytest.mark.parametrize("text", ["a: " + "[" * 2000 + "]" * 2000, "a: " + "1" * 5000, "a: 1\na: 2"])
def test_yaml_elsewhere_is_read_in_the_same_way(text: str, labgen: Labgen, tmp_path: Path) -> None:
    """Leaves, examples for a new leaf, and the settings in a chat template: file and line, and no traceback."""
    leaf = tmp_path / "taxonomy/foundational_skills/odd/qna.yaml"
    leaf.parent.mkdir(parents=True)
    leaf.write_text(text)
    run = labgen("check")
    assert run.status == 1 and "foundational_skills/odd/qna.yaml:" in run.out and "Traceback" not in run.err
    (tmp_path / "examples.yaml").write_text(text)
    run = labgen("new", "foundational_skills/new", "--examples", "examples.yaml", "--no-ask")
    assert run.status == 2 and "examples.yaml:" in run.err and "Traceback" not in run.err
    (tmp_path / "odd.jinja").write_text("{#- labgen:\n" + text + "\n-#}\n{{ messages[0].content }}")
    run = labgen("plan", "--prompt-format", "odd.jinja", "--api", "completions")
    assert run.status == 2 and "odd.jinja:" in run.err and "Traceback" not in run.err


def test_settings_that_are_there_and_can_not_be_read_are_told(tmp_path: Path) -> None:
    """A build with the defaults would be another one than was meant: no teacher, other numbers."""
    for there in (Path.mkdir, lambda path: path.symlink_to("on-a-disk-that-is-not-there.yaml")):
        work = tmp_path / str(id(there))
        work.mkdir()
        there(work / "labgen.yaml")
        said = Labgen(work)("plan")
        assert said.status == 2 and "labgen.yaml: no file" in said.err
