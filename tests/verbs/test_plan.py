"""`labgen plan` prices all that a build will ask, whoever asks it, and comes close to what the build then spends."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import bench_plan
import pytest
import yaml
from workbench import Labgen, freeform, write_leaf

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.generate.leaf_price import expected_slots
from labgen.verbs.plan import Estimate, estimate_build
from labgen.verbs.row_length import estimate_lengths
from labgen.verbs.session import Session

BUNDLED = Path(__file__).parents[2] / "taxonomy"
LEAVES = ("knowledge/science/**", "compositional_skills/extraction/**", "foundational_skills/reasoning/**")
CLOSE = 0.10


@pytest.mark.parametrize(("name", "settings", "judge"), bench_plan.CASES, ids=[case[0] for case in bench_plan.CASES])
def test_a_plan_is_within_a_tenth_of_what_the_build_spends(
    name: str, settings: Mapping[str, object], judge: bool
) -> None:
    """Calls, and tokens of prompts and replies; a guard and a judge of another package are priced as all else is."""
    with bench_plan.with_judge(judge):
        planned, spent = bench_plan.measure(BUNDLED, 30, settings, LEAVES)
    assert planned.calls == pytest.approx(spent.calls, rel=CLOSE)
    assert planned.tokens == pytest.approx(spent.tokens, rel=CLOSE)


def test_a_guard_and_a_judge_of_another_package_are_priced_under_their_own_steps(tmp_path: Path) -> None:
    """So that who pays sees what each of them costs."""
    config = read_section(Config, {"taxonomy": BUNDLED, "work": tmp_path, "samples": 10, "guard": bench_plan.GUARD})
    with bench_plan.with_judge(True):
        leaves = estimate_build(Session.prepare(config, LEAVES)).leaves
    for leaf in leaves:
        assert leaf.to_pay.calls["guard"] >= 10
        assert leaf.to_pay.calls["tidy"] > leaf.to_pay.calls["guard"], "its test comes on top"


@pytest.mark.parametrize(("share", "slots"), [(1.0, 10), (0.5, 20.5), (0.8, 13)])
def test_slots_are_as_many_as_it_takes_on_average(share: float, slots: float) -> None:
    """Forty rows, four candidates a slot."""
    assert expected_slots(40, 4, share) == slots


def test_a_judge_that_erred_in_tests_that_are_paid_is_priced_with_more_rounds_in_the_others(tmp_path: Path) -> None:
    """What one branch has shown of a judge counts for the leaves that are still to come."""
    config = read_section(
        Config, {"taxonomy": BUNDLED, "work": tmp_path / "work", "samples": 4, "teacher": {"model": "labgen-rehearsal"}}
    )
    to_come, built = "knowledge/science/**", "compositional_skills/**"
    with bench_plan.with_judge(True):
        before = estimate_build(Session.prepare(config, (to_come, built)))
        bench_plan.build(config.changed(output=tmp_path / "dataset"), (built,))
        after = estimate_build(Session.prepare(config, (to_come, built)))

    def price(estimate: Estimate) -> float:
        return sum(leaf.to_pay.calls["tidy"] for leaf in estimate.leaves if leaf.plan.leaf.path.startswith("knowledge"))

    assert price(after) > price(before)


@pytest.mark.parametrize("kept", [True, False])
def test_a_plan_of_nothing_is_of_nothing_also_where_leaves_thin_each_other(tmp_path: Path, *, kept: bool) -> None:
    """Each leaf was built by itself: together, the later ones have rows that are too close to the first one's."""
    project, names = Labgen(tmp_path), ("requests", "requests_too")
    settings: dict[str, object] = {"samples": 16, "calibration": {"enabled": False}}
    settings |= {"thresholds": {"duplicate_rouge_l": 0.4, "duplicate_rouge_l_cap": 0.4}}
    settings |= {} if kept else {"outcomes": {"max_bytes": 0}}
    (tmp_path / "labgen.yaml").write_text(yaml.safe_dump(settings))
    for name in names:
        write_leaf(tmp_path / "taxonomy", f"foundational_skills/{name}", **freeform())
        assert project("generate", "--replace", "--leaf", f"**/{name}").status == 0
    planned = project("plan", "--json").json["leaves"]
    assert planned["foundational_skills/requests"]["calls_to_pay"] == 0
    assert planned["foundational_skills/requests_too"]["calls_to_pay"] > 0
    assert project("generate", "--replace", "--json").json["calls"]["sent"] > 0
    assert project("generate", "--json").json["calls"]["sent"] == 0
    stands = project("plan", "--json").json
    shutil.rmtree(tmp_path / "dataset")
    assert project("plan", "--json").json["leaves"] == stands["leaves"]
    assert stands["calls_to_pay"] == 0
    assert stands["calls_paid"] == project("generate", "--json").json["calls"]["from_ledger"]


def test_a_plan_says_what_a_row_of_each_kind_costs(tmp_path: Path) -> None:
    """A document has a slot to itself, and a call for each handful of sentences; a rewrite shares its slot."""
    kinds = {"knowledge": {"kinds": {"fact": 1, "summary": 1, "rewrite": 1}}}
    config = read_section(Config, {"taxonomy": BUNDLED, "work": tmp_path, **kinds})
    rows = estimate_build(Session.prepare(config, ("knowledge/science/**",))).per_row
    calls = {kind: sum(row.calls.values()) for kind, row in rows.items()}
    assert list(calls) == ["fact", "summary", "rewrite"] and calls["fact"] < calls["rewrite"] < calls["summary"] < 5
    assert rows["summary"].calls["judge_document"] > rows["rewrite"].calls["judge_document"] > 0


def test_a_plan_says_which_passages_and_leaves_do_not_fit_what_the_trainer_takes(tmp_path: Path) -> None:
    """Before anything is paid; without a length nothing is said."""
    config = Config(taxonomy=BUNDLED, work=tmp_path, samples=2)
    session = Session.prepare(config, ("knowledge/science/**", "compositional_skills/extraction/**"))
    assert estimate_lengths(config.mix, session.sources.plans) is None
    found = {}
    for limit in (64, 512, 100_000):
        mix = config.mix.changed(max_tokens=limit)
        found[limit] = estimate_lengths(mix, session.sources.plans)
    assert found[64] and found[64].too_long and found[64].in_part == found[64].passages > 0
    assert found[512] and 0 < found[512].in_part <= found[512].passages
    assert found[100_000] and not found[100_000].too_long and not found[100_000].in_part and found[100_000].estimated
