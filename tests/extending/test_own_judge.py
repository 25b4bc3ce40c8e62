"""The judge of docs/extending.md: priced, tested and rehearsed like labgen's own; a moved setting asks nothing."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import yaml
from brought import Install, config_in, rehearse, rows_of, shown, shown_entries
from workbench import Labgen, digest

from labgen import bundled_taxonomy
from labgen.records import Call
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
        ["freeform_reasoned", "freeform"],
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
    """Filters measure, settings decide: of the same replies, a strict build keeps fewer, and neither pays twice."""

    def two_of_three(call: Call) -> str | None:
        return '{"score": 2}' if call.step == "judge_complete" and call.key[0] % 2 else None

    install("complete")
    built = {}
    for least in (3, 2, 3):
        # Without the test of judges: what a judge says at first decides how much more its test asks.
        own = {"filters": settings(least), "calibration": {"enabled": False}}
        build, asked = rehearse(tmp_path, two_of_three, samples=12, leaves=SKILLS, **own)
        rejected = {row["reason"] for row in rows_of(tmp_path / "dataset", "rejected")}
        assert ("incomplete" in rejected) is (least == 3) and build.funnel.total().accepted == 12
        assert bool(asked) is not bool(built)
        assert built.setdefault(least, digest(tmp_path / "dataset/data")) == digest(tmp_path / "dataset/data")
    assert built[2] != built[3]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"complete": {"least": 5}}, "filters.settings.complete: filter `complete` of complete 0.1 refuses what is set "
         "(ValueError: `least` is 1, 2 or 3). Correct it, or leave it out."),
        ({"complete": {"leats": 3}}, "filter `complete` of complete 0.1 refuses what is set (TypeError: "),
        ({"compleet": {"least": 3}}, "there is no filter `compleet`. Did you mean `complete`?"),
        ({"pair_judge": {"least": 3}}, "`pair_judge` comes with labgen and has no settings there"),
        ({"complete": {"api_key": "abc"}}, "filters.settings.complete.api_key looks like a secret"),
        ({"complete": {"more": {"password": "abc"}}}, "filters.settings.complete.more.password looks like a secret"),
        ({"complete": {"least": "sk-proj-" + "a1B2" * 12}}, "filters.settings.complete.least looks like a secret"),
        ({"complete": 3}, "filters.settings.complete"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(
    install: Install, taxonomy: Path, labgen: Labgen, named: dict[str, object], words: str
) -> None:
    """Before anything is asked, with status 2; a secret is not repeated, and stands in no dataset."""
    install("complete")
    text = yaml.safe_dump({"filters": {"settings": named}})
    (labgen.folder / "labgen.yaml").write_text(text, encoding="utf-8")
    for verb in ("plan", "generate"):
        run = labgen(verb)
        assert run.status == 2 and run.out == "" and "Traceback" not in run.err
        assert words in run.err and "abc" not in run.err and "a1B2a1B2" not in run.err, run.err
    assert not (labgen.folder / "dataset").exists()


def test_what_it_is_set_to_stands_in_the_dataset(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """So that whoever has the rows knows what they were measured by."""
    install("complete")
    text = yaml.safe_dump({"filters": settings(3), "samples": 1})
    (labgen.folder / "labgen.yaml").write_text(text, encoding="utf-8")
    assert labgen("generate", "--leaf", "foundational_skills/**").status == 0
    shown = yaml.safe_load((labgen.folder / "dataset/settings.yaml").read_text(encoding="utf-8"))
    assert shown["filters"]["settings"] == {"complete": {"least": 3}}
    assert shown["installed_filters"] == {"complete": "1"}


FAULTY = """

class Careless(Complete):
    {name} = {value}
"""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("stage", "'response'", "its `stage` is none of instruction, pair"),
        ("kind", "'model'", "its `kind` is none of rule, index, judge"),
        ("flows", "'freeform'", "its `flows` are not names of flows, such as ('knowledge',)"),
        ("flows", "('freefrom',)", "looks at 'freefrom', and there is no such flow. There are: knowledge, grounded"),
        ("cost", "8", "its `cost` is no labgen.filters.base.Cost"),
        ("catches", "('answer_cut',)", "it `catches` 'answer_cut', and the kinds of defect are answer_exchanged"),
        ("catches", "ANSWER_CUT_OFF", "its `catches` are no tuple of kinds of defect"),
        ("prompts", "('judge_complete',)", "its `prompts` are no tuple of labgen.formats.prompts.Prompt"),
        (
            "prompts",
            "(Prompt('judge_pair', PROMPT),)",
            "prompt `judge_pair` has the name of one that comes with labgen",
        ),
        ("__init__", "lambda self: exit(1)", "can't be loaded (SystemExit: 1)"),
    ],
)
def test_what_is_no_judge_is_refused_with_its_package(
    install: Install, taxonomy: Path, labgen: Labgen, name: str, value: str, words: str
) -> None:
    """Whatever of it is not as the page says."""
    install("mine", shown("complete.py") + FAULTY.format(name=name, value=value), {FILTERS: {"mine": "mine:Careless"}})
    run = labgen("plan")
    assert run.status == 2 and run.err.startswith("labgen: filter `mine` of mine 0.1"), run.err
    assert words in run.err


TOGETHER = """
from labgen.filters.base import Cost
from labgen.records import Verdict

SEEN = []


class Together:
    version, kind, stage, flows, cost = "1", "judge", "pair", ("freeform",), Cost(shared=True)

    async def __call__(self, candidate, slot):
        SEEN.append([(each.position, bool(each.response), each.state) for each in slot.siblings])
        return [Verdict("together", "1", 1.0)]

    def decide(self, verdict, slot):
        return None
"""


@pytest.mark.parametrize("filters", [{}, {"disable": ["duplicates"]}])
def test_a_judge_of_all_is_shown_what_reached_its_step(
    install: Install, taxonomy: Path, tmp_path: Path, filters: dict[str, object]
) -> None:
    """With their responses, and without what an earlier step has ended."""
    install("together", TOGETHER, {FILTERS: {"together": "together:Together"}})
    build, _ = rehearse(tmp_path, samples=6, leaves=SKILLS, filters=filters)
    seen = importlib.import_module("together").SEEN
    assert seen and build.funnel.total().accepted == 6
    assert all(answered and state is None for each in seen for _, answered, state in each)


@pytest.mark.parametrize("filters", [{}, {"disable": ["duplicates"]}])
def test_labgens_own_judge_is_not_asked_about_what_rules_have_ended(
    taxonomy: Path, tmp_path: Path, filters: dict[str, object]
) -> None:
    """Wherever it stands in the flow; a second instruction of each draw is made too short."""

    def too_short(call: Call) -> str | None:
        if call.step == "freeform_instructions":
            return "".join(
                f"<instruction>{words}</instruction>" for words in ("Ask for tea, please.", "No!", "Say why.")
            )
        if call.step == "judge_instructions":
            asked.append(call.messages[-1].content)
        return None

    asked: list[str] = []
    rehearse(tmp_path, too_short, samples=1, leaves=SKILLS, filters=filters, calibration={"enabled": False})
    assert asked and not any("No!" in words for words in asked)


def test_a_judge_that_asks_in_some_slots_is_priced(install: Install, taxonomy: Path, tmp_path: Path) -> None:
    """By the share of slots in which it asks: here every other one."""
    always = shown("complete.py")
    now_and_then = always.replace(
        "        reading = await",
        "        if slot.asker.slot.index % 2:\n            return []\n        reading = await",
    )
    calls = []
    for text in (always, now_and_then):
        install("complete", text, shown_entries("complete"))
        config = config_in(tmp_path, leaves=SKILLS, samples=16, calibration={"enabled": False})
        (leaf,) = estimate_build(Session.prepare(config)).leaves
        calls.append(leaf.to_pay.calls["judge_complete"])
    assert calls[0] > 0 and calls[1] == pytest.approx(calls[0] / 2)


def twice(typical: str) -> str:
    """The judge of the page, which asks again with a long prompt about what it is told; `typical` is in its cost."""
    return (
        shown("complete.py")
        .replace("cost = Cost(reply_tokens=8)", f"cost = Cost({typical})")
        .replace("rehearsed_as=\"judge a pair\"),)", "rehearsed_as=\"judge a pair\"), "
                 "Prompt('judge_again', PROMPT + '\\nA word more.' * 300, rehearsed_as='judge a pair'))")
        .replace('return [Verdict("complete"', """if reading.value["score"] < 2:
            return [Verdict("complete", self.version, 1.0)]
        reading = await slot.asker.judge_with(
            "judge_again", lambda text: read_fields(text, {"score": "score3"}), schema=SCHEMA,
            seeds=reference(slot, candidate), instruction=candidate.instruction, response=candidate.response,
        )
        return [Verdict("complete\"""")
    )  # fmt: skip


TYPICAL = """typical_replies={"judge_complete": '{"score": 3}', "judge_again": '{"score": 3}'}"""


@pytest.mark.parametrize("typical", [TYPICAL, "calls=2"])
def test_a_judge_that_asks_again_is_priced_with_both(install: Install, tmp_path: Path, typical: str) -> None:
    """In calls, within a tenth, its tests included; where it says what is replied to it, in tokens as well."""
    install("complete", twice(typical), shown_entries("complete"))
    settings = {"taxonomy": bundled_taxonomy(), "samples": 6, "leaves": SKILLS[:1], "expected_yield": 0.8}
    estimate = estimate_build(Session.prepare(config_in(tmp_path, **settings)))
    build, _ = rehearse(tmp_path, **settings)
    assert estimate.total("calls") == pytest.approx(build.traffic.answered, rel=0.1)
    if typical == TYPICAL:
        assert estimate.total("prompt_tokens") == pytest.approx(build.traffic.prompt_tokens, rel=0.1)


@pytest.mark.parametrize(
    ("typical", "words"),
    [
        (
            "typical_replies={'judge_complete': 'Fine.'}",
            "can't read its own typical reply: unreadable_judge_complete",
        ),
        (
            "typical_replies={'judge_complete': '3', 'judge_again': 'Fine.'}",
            "can't read its own typical reply: unreadable_judge_again",
        ),
        (TYPICAL.replace("again", "agian"), "typical reply to `judge_agian`, which is none of its prompts"),
        ("typical_replies={'judge_complete': 3}", "`typical_replies` of a Cost map names of prompts to texts"),
    ],
)
def test_typical_replies_that_are_none_are_refused(
    install: Install, taxonomy: Path, labgen: Labgen, typical: str, words: str
) -> None:
    """Otherwise the price would be one of a judge that restates."""
    install("complete", twice(typical), shown_entries("complete"))
    run = labgen("plan", "--leaf", "foundational_skills/**")
    assert run.status == 2 and words in run.err, run.err
