"""What stops a build is said by `doctor` and `plan` too: they never call well what `generate` will refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import Labgen


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("filters: {disable: [privacie]}", "there is no filter `privacie`. Did you mean `privacy`?"),
        ("filters: {order: [gard]}", "there is no filter `gard`. Did you mean `guard`?"),
        ("filters: {order: [privacy, guard, privacy]}", "`privacy` stands there twice"),
        ("filters: {order: [duplicates]}", "`duplicates` can't be moved"),
        ("filters: {settings: {nope: {a: 1}}}", "there is no filter `nope`"),
        ("prompts: nowhere", "nowhere"),
        ("judge: {model: j, backend: {kind: nope}}", "labgen.yaml:1: judge.backend.kind: there is no kind `nope`"),
        (
            "judge: {model: j, backend: {kind: http, foo: 1}}",
            "yaml:1: judge.backend: kind `http` has no setting",
        ),
        ("teacher: {backend: {kind: http, foo: 1}}", "labgen.yaml:1: teacher.backend: kind `http` has no setting"),
        ("\nteacher: {prompt_format: nope}", "labgen.yaml:2: teacher.prompt_format: no prompt format `nope`"),
        (
            "guard: {kind: llama_guard_3, model: g, base_url: 'ftp://x'}",
            "yaml:1: guard.base_url `ftp://x` is no",
        ),
        (
            "teacher:\n  endpoints:\n  - {base_url: 'http://a/v1'}\n  - {base_url: b}",
            "labgen.yaml:4: teacher.endpoints.1.base_url `b` is no",
        ),
        ("\n\nfilters:\n  order:\n  - privacy\n  - gard", "labgen.yaml:6: filters.order: there is no filter `gard`"),
        ("teacher: {extra_headers: {X-Team: '${NOT_SET_ANYWHERE}'}}", "NOT_SET_ANYWHERE is not set"),
        ("teacher: {extra_body: {api_key: abc}}", "teacher.extra_body.api_key looks like a secret"),
        ("mix: {extras: [{name: a, path: nowhere.jsonl, weight: 1, licence: MIT}]}", "nowhere.jsonl"),
    ],
)
def test_every_verb_that_looks_at_a_configuration_refuses_it(
    taxonomy: Path, labgen: Labgen, settings: str, said: str
) -> None:
    """In the same words: `plan` and `generate` with status 2, `doctor` with 1 and a finding."""
    (labgen.folder / "labgen.yaml").write_text(settings + "\n")
    for verb in ("plan", "generate"):
        run = labgen(verb)
        assert run.status == 2 and said in run.err and "Traceback" not in run.err, run.err
    run = labgen("doctor", "--json")
    assert run.status == 1
    failed = [finding for finding in run.json["findings"] if finding["status"] == "fail"]
    assert len(failed) == 1 and said in failed[0]["words"]


def test_a_prompt_that_cannot_be_filled_in_is_refused_before_anything_is_asked(taxonomy: Path, labgen: Labgen) -> None:
    """By all verbs that would ask with it: file, the name that there is not, and those that there are."""
    (labgen.folder / "own").mkdir()
    wrong = {
        "respond": ("oops", "{{ oops }}"),
        "judge_pair": ("oops", "{{ leaf.oops }}"),
        "restate": ("oops", "{{ oops }}"),
        "judge_grounded": ("division by zero", "{{ 1 / 0 }}"),
        "knowledge_pairs": ("recursion", "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}"),
    }
    for name, (words, text) in wrong.items():
        file = labgen.folder / "own" / f"{name}.md"
        file.write_text(f"--- user ---\n## Task: x\n{text}\n")
        for verb in ("plan", "generate", "calibrate", *(["preview"] if name == "respond" else [])):
            more = ["foundational_skills/requests"] if verb == "preview" else []
            run = labgen(verb, "--prompts", "own", *more)
            assert run.status == 2 and run.out == "", run
            assert "own/" in run.err and f"{name}.md cannot be filled in" in run.err and words in run.err, run.err
        failed = [
            each for each in labgen("doctor", "--prompts", "own", "--json").json["findings"] if each["status"] == "fail"
        ]
        assert len(failed) == 1 and f"{name}.md cannot be filled in" in failed[0]["words"]
        file.unlink()
    assert not (labgen.folder / ".labgen").exists()


def test_a_prompt_that_is_no_template_is_said_with_its_line_in_the_file(taxonomy: Path, labgen: Labgen) -> None:
    """Counted from the file's beginning, not from that of its section."""
    (labgen.folder / "own").mkdir()
    (labgen.folder / "own/respond.md").write_text("--- system ---\nx\n--- user ---\n## Task: x\n{% if %}\n")
    run = labgen("plan", "--prompts", "own")
    assert run.status == 2 and "respond.md, line 5: Expected an expression" in run.err, run.err


def test_a_prompt_that_is_no_text_is_said(taxonomy: Path, labgen: Labgen) -> None:
    """With its file."""
    (labgen.folder / "own").mkdir()
    (labgen.folder / "own/respond.md").write_bytes(b"--- user ---\n\xff")
    run = labgen("plan", "--prompts", "own")
    assert run.status == 2 and "own/respond.md: cannot be read (" in run.err, run.err


@pytest.mark.parametrize("setting", ["samples: no", "teacher: {timeout_sec: yes}", "guard: 5"])
def test_a_truth_value_is_no_number(taxonomy: Path, labgen: Labgen, setting: str) -> None:
    """`samples: no` is not 0."""
    (labgen.folder / "labgen.yaml").write_text(setting + "\n")
    run = labgen("plan")
    assert run.status == 2 and "labgen.yaml:1: `" in run.err and " takes " in run.err, run.err


@pytest.mark.parametrize("setting", ["work", "output"])
def test_a_file_in_the_place_of_a_folder_is_wrong_usage(taxonomy: Path, labgen: Labgen, setting: str) -> None:
    """Told with what to do, and left alone."""
    (labgen.folder / "afile").write_text("mine")
    run = labgen("generate", f"--{setting}", "afile")
    assert run.status == 2 and "afile: a file is there. Choose another" in run.err
    assert (labgen.folder / "afile").read_text() == "mine"


def test_plan_says_that_the_build_would_be_refused(taxonomy: Path, labgen: Labgen) -> None:
    """For what stands in the output folder; the price is told all the same."""
    assert labgen("generate", "--samples", "2").status == 0
    run = labgen("plan", "--samples", "1")
    assert run.status == 0 and "`labgen generate` would refuse: dataset: holds" in run.err and "in all" in run.out
    assert labgen("plan", "--samples", "2").err == ""


def test_the_table_of_filters_is_not_shown_of_a_configuration_that_cannot_be(taxonomy: Path, labgen: Labgen) -> None:
    """It says what is wrong instead."""
    (labgen.folder / "labgen.yaml").write_text("prompts: nowhere\n")
    run = labgen("plan", "--filters")
    assert (run.status, run.out) == (2, "") and "nowhere" in run.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("samples: 1", "6 to 7 questions at most, by its flow, each of them a call; 18 to 21 where a judge errs."),
        (
            "calibration: {true_pairs: 3, defects: 5}",
            "8 to 9 questions at most, by its flow, each of them a call; 24 to 27 where a judge errs.",
        ),
        ("filters: {disable: [pair_judge]}", "1 to 7 questions at most"),
        ("filters: {disable: [pair_judge, groundedness_judge, instruction_judge]}", ""),
        ("calibration: {enabled: false}", ""),
    ],
)
def test_the_table_of_filters_says_how_long_the_judges_test_is_as_it_is_set(
    taxonomy: Path, labgen: Labgen, settings: str, said: str
) -> None:
    """Reckoned from the judges that there are; nothing where none is tested."""
    (labgen.folder / "labgen.yaml").write_text(settings + "\n")
    run = labgen("plan", "--filters")
    assert run.status == 0 and said in run.out and bool(said) == ("judges are tested" in run.out)
