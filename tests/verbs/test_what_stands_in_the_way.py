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
        ("judge: {model: j, backend: {kind: nope}}", "there is no kind `nope`"),
        ("judge: {model: j, backend: {kind: http, foo: 1}}", "has no setting `foo`"),
        ("teacher: {backend: {kind: http, foo: 1}}", "has no setting `foo`"),
        ("teacher: {prompt_format: nope}", "no prompt format `nope`"),
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
