"""Leaves that ask for reasoning have it beside their answers, and no other leaf notices that this can be asked for."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from brought import config_in, rehearse, rows_of
from workbench import Labgen, freeform, grounded, write_leaf

from labgen.records import Call
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

REQUESTS, NOTES = "foundational_skills/requests", "compositional_skills/notes/tasks"
SKILLS: dict[str, Any] = {"samples": 6, "mix": {"phases": False}}


def only(*paths: str, **entry: Any) -> list[dict[str, Any]]:
    """Entries of `leaves` that leave out all but some, and set something for these."""
    return [{"match": "**", "samples": 0}, *({"match": path, "samples": 6, **entry} for path in paths)]


def asked_for(call: Call) -> str:
    """The instruction that a prompt asks about."""
    (found,) = re.findall(r"<query>\n(.*?)\n</query>", call.messages[-1].content, re.DOTALL)
    return str(found)


def planned(plan: str, answer: str) -> str:
    """A reply in the form that the prompt asks for."""
    return f"<plan>\n{plan}\n</plan>\n<response>\n{answer}\n</response>"


@pytest.mark.parametrize(("path", "leaf"), [(REQUESTS, freeform), (NOTES, grounded)])
def test_a_plan_is_kept_beside_each_answer(path: str, leaf: Any, taxonomy: Path, tmp_path: Path) -> None:
    """In a column of its own, with and without a context; the other leaf of the build has none."""
    write_leaf(taxonomy, path, **leaf(reasoning="plan"))
    build, asked = rehearse(tmp_path, **SKILLS, leaves=only(REQUESTS, NOTES))
    rows = [
        row for branch in ("foundational", "compositional") for row in rows_of(tmp_path / "dataset", f"{branch}_skills")
    ]
    assert build.funnel.total().accepted == len(rows) == 12
    for row in rows:
        answer = row["messages"][-1]["content"]
        assert bool(row["reasoning"]) is (row["leaf"] == path)
        assert "<plan>" not in answer and "<response>" not in answer + row["reasoning"]
    assert asked["respond"] > 0 and asked["respond_with_plan"] > 0


def test_settings_win_over_the_leaf(taxonomy: Path, tmp_path: Path) -> None:
    """`none` switches a leaf's own off, and changes what the leaf's rows are known by."""
    write_leaf(taxonomy, REQUESTS, **freeform(reasoning="plan"))
    prints = set()
    for wanted in (None, "own", "none"):
        config = config_in(tmp_path, **SKILLS, leaves=only(REQUESTS, reasoning=wanted))
        (plan,) = Session.prepare(config).sources.plans
        assert plan.leaf.reasoning == {None: "plan", "own": "own", "none": ""}[wanted]
        assert plan.flow.reasons is (wanted != "none")
        prints.add(plan.fingerprint)
    assert len(prints) == 3
    plain = freeform()
    write_leaf(taxonomy, REQUESTS, **plain)
    (plan,) = Session.prepare(config_in(tmp_path, **SKILLS, leaves=only(REQUESTS))).sources.plans
    assert plan.fingerprint in prints and plan.flow.name == "freeform"


def test_a_reasoning_teachers_own_thoughts_are_kept_without_another_call(taxonomy: Path, tmp_path: Path) -> None:
    """The very calls of a leaf that asks for none; only the column differs."""

    def aloud(call: Call) -> str | None:
        return (
            f"<think>\nWhat is it about?\n</think>\nAn answer to this: {asked_for(call)}"
            if call.step == "respond"
            else None
        )

    found = {}
    for reasoning in ("none", "own"):
        _, asked = rehearse(tmp_path, aloud, **SKILLS, leaves=only(REQUESTS, reasoning=reasoning))
        rows = rows_of(tmp_path / "dataset", "foundational_skills")
        found[reasoning] = [row["messages"] for row in rows]
        assert {row["reasoning"] for row in rows} == {"What is it about?" if reasoning == "own" else ""}
        assert asked["respond_with_plan"] == 0 and (reasoning == "none") is (asked["respond"] > 0)
    assert found["own"] == found["none"]


def test_a_plan_with_another_result_than_its_answer_is_no_row(taxonomy: Path, tmp_path: Path) -> None:
    """Whatever the judges say; the same result, and what can't be compared, go on."""
    kinds = ("same", "other", "prose")

    def sums(call: Call) -> str | None:
        if call.step != "respond_with_plan":
            return None
        asked = asked_for(call)
        kind = kinds[len(asked) % 3]
        said = {"same": "Result: 84", "other": "Result: 74", "prose": "It is some eighty."}[kind]
        return planned(f"{kind} of {asked}\n{said}", f"On: {asked}\nThe answer is 84.")

    rehearse(tmp_path, sums, samples=12, leaves=only(REQUESTS, samples=12, reasoning="plan"))
    rows = rows_of(tmp_path / "dataset", "foundational_skills")
    rejected = rows_of(tmp_path / "dataset", "rejected")
    dropped = [row for row in rejected if row["reason"] == "other_result_than_reasoning"]
    assert {row["reasoning"].split()[0] for row in rows} <= {"same", "prose"} and rows
    assert dropped and all(row["reasoning"].startswith("other") for row in dropped)
    assert all(row["verdicts"][-1]["filter"] == "reasoning_result" for row in dropped)


def test_secrets_in_a_plan_keep_the_row_out(taxonomy: Path, tmp_path: Path) -> None:
    """The column is released like the answer, so it is looked at like the answer."""

    def leaks(call: Call) -> str | None:
        if call.step != "respond_with_plan":
            return None
        return planned("1. Ask Ada, ada.byron@analytical.org, who knows.", f"On: {asked_for(call)} I would say so.")

    build, _ = rehearse(tmp_path, leaks, **SKILLS, leaves=only(REQUESTS, reasoning="plan"))
    assert build.funnel.total().accepted == 0
    reasons = {row["reason"] for row in rows_of(tmp_path / "dataset", "rejected") if row["state"] == "unsafe"}
    assert reasons == {"personal_data_in_reasoning: e-mail address"}


@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_an_answer_that_most_samples_do_not_come_to_is_no_row(threshold: float, taxonomy: Path, tmp_path: Path) -> None:
    """Five plans of each answer with a result; the share that agrees is a verdict, and what has none is not sampled."""

    def chancy(call: Call) -> str | None:
        if call.step != "respond_with_plan":
            return None
        asked = asked_for(call)
        if len(asked) % 4 == 0:
            return planned(f"On {asked}.", f"About this: {asked}")
        # At the sampling temperature some questions come out otherwise now and then, others nearly always.
        share = (0, 20, 90)[len(asked) % 3]
        errs = call.temperature > 0.5 and Random(call.seed).randrange(100) < share
        return planned(
            f"On {asked}.\nResult: {74 if errs else 84}", f"As to: {asked}\nThe answer is {74 if errs else 84}."
        )

    settings = {**SKILLS, "thresholds": {"min_self_consistency": threshold}}
    leaves = only(REQUESTS, samples=16, reasoning="plan", reasoning_samples=5)
    rehearse(tmp_path, chancy, **settings, leaves=leaves)
    rows = rows_of(tmp_path / "dataset", "foundational_skills")
    rejected = [row for row in rows_of(tmp_path / "dataset", "rejected") if row["reason"] == "samples_disagree"]
    shares = [each["value"] for row in rows for each in row["verdicts"] if each["filter"] == "self_consistency"]
    assert rejected and len(rows) == 16 and 0 < len(shares) <= len(rows) and min(shares) >= threshold
    assert all(row["verdicts"][-1]["value"] < threshold for row in rejected)
    assert all(len(row["verdicts"][-1]["evidence"]) == 5 for row in rejected)
    assert all(
        ("84" in row["messages"][-1]["content"].split("\n")[-1]) is bool(row["reasoning"].count("Result"))
        for row in rows
    )


def test_the_price_of_samples_is_in_the_plan(taxonomy: Path, tmp_path: Path) -> None:
    """A call for each further sample of whatever gets so far."""
    calls = {}
    for samples in (1, 5):
        leaves = only(REQUESTS, samples=20, reasoning="plan", reasoning_samples=samples)
        (leaf,) = estimate_build(Session.prepare(config_in(tmp_path, **SKILLS, leaves=leaves))).leaves
        calls[samples] = leaf.to_pay.calls["respond_with_plan"]
    assert calls[5] > calls[1] + 4 * 20


def test_the_price_of_plans_is_in_the_plan(taxonomy: Path, tmp_path: Path) -> None:
    """As many calls, of other tokens: no fewer replies are reckoned for a leaf that asks for plans."""
    priced = {}
    for reasoning in ("none", "plan"):
        session = Session.prepare(config_in(tmp_path, **SKILLS, leaves=only(REQUESTS, reasoning=reasoning)))
        (leaf,) = estimate_build(session).leaves
        priced[reasoning] = leaf
    assert priced["plan"].calls == pytest.approx(priced["none"].calls)
    assert priced["plan"].to_pay.calls["respond_with_plan"] == pytest.approx(priced["none"].to_pay.calls["respond"])
    assert priced["plan"].completion_tokens > 1.5 * priced["none"].completion_tokens


def test_a_check_says_where_the_key_means_nothing(taxonomy: Path, labgen: Labgen) -> None:
    """On knowledge, with a value that there is not, and to other programs of the field."""
    leaf = taxonomy / "knowledge/science/tides/qna.yaml"
    leaf.write_text(f"reasoning: plan\n{leaf.read_text()}")
    assert "it has no effect on knowledge" in labgen("check").out
    write_leaf(taxonomy, REQUESTS, **freeform(reasoning="plans"))
    assert "LG214 `reasoning` can't be `plans`; write `plan` or `own`" in labgen("check").out
    write_leaf(taxonomy, REQUESTS, **freeform(reasoning="plan"))
    assert "LG214" not in labgen("check").out
    strict = labgen("check", "--compat", "instructlab").out
    assert f"{REQUESTS}/qna.yaml" in strict and "InstructLab knows no key `reasoning`" in strict
