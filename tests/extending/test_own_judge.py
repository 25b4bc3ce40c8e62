"""A judge of another package: priced, tested and rehearsed like labgen's own; its settings decide, and ask nothing."""

from __future__ import annotations

from pathlib import Path

from brought import Install, config_in, rehearse, rows_of
from workbench import Labgen

from labgen.records import State
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

FILTERS = "labgen.filters"
SKILLS = [{"match": branch, "samples": 0} for branch in ("knowledge/**", "compositional_skills/**")]


def settings(least: object) -> dict[str, object]:
    """Settings of `labgen.yaml` for the judge of the page."""
    return {"settings": {"complete": {"least": least}}}


def test_the_judge_of_the_page_is_priced_tested_and_asked(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """Under its own step, in the table of filters, in the judges' test, in the rows and in the card."""
    install("complete")
    (row,) = [row for row in labgen("plan", "--filters", "--json").json if row["name"] == "complete"]
    assert (row["kind"], row["calls"], row["origin"], list(row["places"])) == (
        "judge",
        "1",
        "complete 0.1",
        ["freeform"],
    )
    estimate = estimate_build(Session.prepare(config_in(labgen.folder, leaves=SKILLS)))
    assert estimate.leaves[0].to_pay.calls["judge_complete"] > 30
    run = labgen("generate", "--samples", "3", "--leaf", "foundational_skills/**")
    assert run.status == 0 and "complete: answer_exchanged" in run.out, run.err
    rows = rows_of(labgen.folder / "dataset", "foundational_skills")
    assert all("complete" in {verdict["filter"] for verdict in row["verdicts"]} for row in rows)
    assert "complete: answer_exchanged" in labgen("calibrate", "--leaf", "foundational_skills/**").out
    assert "complete" in (labgen.folder / "dataset/README.md").read_text()


def test_its_setting_moves_its_decisions_and_asks_nothing_again(
    install: Install, taxonomy: Path, tmp_path: Path
) -> None:
    """Filters measure, thresholds decide."""
    install("complete")
    strict, asked = rehearse(tmp_path, samples=12, leaves=SKILLS, filters=settings(3))
    turned_down = strict.funnel.total().count(State.LOW_QUALITY)
    assert asked["judge_complete"] and "incomplete" in {
        row["reason"] for row in rows_of(tmp_path / "dataset", "rejected")
    }
    lax, asked = rehearse(tmp_path, samples=12, leaves=SKILLS, filters=settings(2))
    assert not asked and lax.funnel.total().count(State.LOW_QUALITY) < turned_down
    assert (strict.funnel.total().accepted, lax.funnel.total().accepted) == (12, 12)
