"""Pairs of responses: what failed is answered once more, several are compared, and nothing harmful is a side."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from brought import config_in, rehearse, rows_of
from workbench import Labgen, Teacher, digest

from labgen.records import REPAIR, SAMPLE, Call
from labgen.verbs.built import Build

WRONG, BETTER, WORSE = "wrongly put", "finely put", "plainly put"
WHY = "it is wrongly put, in the second half"
SECRET = "The key is AKIAIOSFODNN7EXAMPLQ and the card is 4111 1111 1111 1111."
OTHER = "another-model"
SKILLS: dict[str, Any] = {"samples": 12, "leaves": [{"match": "knowledge/**", "samples": 0}]}


def between(call: Call, tag: str) -> str:
    """What stands last in a prompt between a tag and its end."""
    asked = "\n".join(message.content for message in call.messages if message.role == "user")
    return re.findall(rf"<{tag}[^>]*>\n(.*?)\n</{tag}>", asked, re.DOTALL)[-1]


def chance(*parts: str) -> float:
    """A number from 0 to 1 that hangs on some texts alone."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:4]) / 2**32


class Skilled:
    """A teacher of known skill, whose judge is always right: it fails some instructions, and mends some of these.

    Args:
        fails: share of its first responses that are wrong; mends: share of its second ones that are right.
    """

    def __init__(self, fails: float, mends: float) -> None:
        self.fails, self.mends = fails, mends
        self.repairs: list[str] = []

    def __call__(self, call: Call) -> str | None:
        if call.step == "respond":
            asked = between(call, "query")
            return self._answer(asked, good=chance("first", asked) >= self.fails)
        if call.step == "repair":
            self.repairs.append(call.messages[-1].content)
            asked = between(call, "query")
            return self._answer(asked, good=chance("second", asked) < self.mends) + " Once more."
        if call.step in ("judge_pair", "judge_grounded"):
            return self._verdict(call)
        return None

    def _answer(self, asked: str, *, good: bool) -> str:
        return f"About {asked[:40].lower()}: this is {'rightly put' if good else WRONG}, as can be seen."

    def _verdict(self, call: Call) -> str | None:
        reply = between(call, "reply")
        if "rightly put" not in reply and WRONG not in reply:
            return None  # the judges' own test
        fields = {"score": 1 if WRONG in reply else 3, "safe": "yes", "hazard": "none"}
        fields["reason"] = WHY if WRONG in reply else "right and complete"
        if call.step == "judge_grounded":
            text = between(call, "document")
            claim = {"claim": "it", "evidence": text.split(". ")[0], "supported": "yes"}
            fields |= {"answerable": "yes", "relevant": "yes", "claims": [claim]}
        return json.dumps(fields)


def pairs_of(build: Build) -> list[dict[str, Any]]:
    """The rows of the config `preferences`."""
    assert build.folder is not None
    return rows_of(build.folder, "preferences")


def text(turns: list[dict[str, str]]) -> str:
    """The last turn's text."""
    return turns[-1]["content"]


def test_what_failed_is_answered_once_more_and_becomes_a_pair(taxonomy: Path, tmp_path: Path) -> None:
    """The row is saved, told what was wrong; both responses stand side by side, with margin and reason."""
    teacher = Skilled(fails=0.5, mends=0.6)
    build, asked = rehearse(tmp_path, teacher, preferences={"repair": True}, **SKILLS)
    pairs = pairs_of(build)
    states = build.funnel.total().to_json()
    assert states["reasons"]["accepted"]["repaired"] == len(pairs) > 3
    assert all(WRONG in prompt for prompt in teacher.repairs)
    assert all(WHY in prompt for prompt in teacher.repairs)
    for pair in pairs:
        assert WRONG in text(pair["rejected"]) and WRONG not in text(pair["chosen"])
        assert text(pair["chosen"]).endswith("Once more.")
        assert (pair["margin"], pair["kind"], pair["rejected_state"]) == (1.0, REPAIR, "low_quality")
        assert WHY in pair["reason"] and (pair["score_chosen"], pair["score_rejected"]) == (3.0, 1.0)
    # Of what failed, the share that the teacher mends is saved, within what so few can tell.
    failed = states["states"]["low_quality"]
    saved = len(teacher.repairs) - failed
    assert abs(saved / len(teacher.repairs) - 0.6) < 0.25
    assert asked["repair"] == len(teacher.repairs)
    assert {row["id"] for row in rows_of(tmp_path / "dataset", "*_skills")} >= {pair["row"] for pair in pairs}


def test_a_second_failure_is_the_last(taxonomy: Path, tmp_path: Path) -> None:
    """No instruction is answered three times, and none of these becomes a pair."""
    teacher = Skilled(fails=1.0, mends=0.0)
    build, asked = rehearse(tmp_path, teacher, preferences={"repair": True}, stop={"min_calls": 40}, **SKILLS)
    assert asked["repair"] == len(teacher.repairs) == len(set(teacher.repairs)) > 3
    assert build.folder is None or not pairs_of(build)
    assert build.funnel.total().accepted == 0


class Comparing(Skilled):
    """A teacher whose further responses are better or worse, and a judge that sees that, or always takes the first."""

    def __init__(self, *, swayed: bool) -> None:
        super().__init__(0.0, 0.0)
        self.swayed = swayed

    def __call__(self, call: Call) -> str | None:
        if call.step == "respond":
            said = super().__call__(call) or ""
            kind = BETTER if call.temperature >= 0.5 else WORSE
            return f"{said} It is {kind}."
        if call.step == "compare":
            found = re.findall(r"<candidate[^>]*>\n(.*?)\n</candidate>", call.messages[-1].content, re.DOTALL)
            better = 1 if self.swayed else next((n for n, each in enumerate(found, 1) if BETTER in each), 0)
            return json.dumps({"better": better, "strength": 2, "reason": "it is better put"})
        return super().__call__(call)


def test_responses_are_compared_in_both_orders(taxonomy: Path, tmp_path: Path) -> None:
    """The better one is chosen, whichever came first, with the mean of what was said; leaves may ask for their own."""
    settings = SKILLS | {"leaves": [*SKILLS["leaves"], {"match": "compositional_skills/**", "responses": 1}]}
    build, asked = rehearse(tmp_path, Comparing(swayed=False), preferences={"responses": 2}, **settings)
    pairs = pairs_of(build)
    assert len(pairs) == 12 and {pair["leaf"] for pair in pairs} == {"foundational_skills/requests"}
    for pair in pairs:
        assert BETTER in text(pair["chosen"]) and WORSE in text(pair["rejected"])
        assert (pair["margin"], pair["kind"]) == (pytest.approx(2 / 3), SAMPLE) and pair["reason"]
    assert asked["compare"] % 2 == 0 and asked["compare"] >= 24


def test_a_judge_that_takes_whatever_stands_first_makes_no_pair(taxonomy: Path, tmp_path: Path) -> None:
    """Its two verdicts contradict each other: a tie, and the card says that there are no pairs."""
    build, asked = rehearse(tmp_path, Comparing(swayed=True), preferences={"responses": 3}, **SKILLS)
    assert asked["compare"] and not pairs_of(build)
    card = (tmp_path / "dataset/README.md").read_text()
    assert "Without rows, and so without a config:" in card and "`preferences`" in card.split("Without rows")[1][:200]


@pytest.mark.parametrize("planted", ["unsafe", "secret", "guarded", "unjudged"])
def test_no_harmful_text_becomes_a_side(taxonomy: Path, tmp_path: Path, planted: str) -> None:
    """What a rule turns down before anybody looked for harm in it is held back where it is harmful, or unknown."""
    poison = {"secret": SECRET, "unsafe": "how to hurt people", "guarded": "sly words", "unjudged": "so-so"}[planted]

    class Poisoned(Skilled):
        def __call__(self, call: Call) -> str | None:
            if call.step == "guard":
                return "unsafe\nS1" if poison in call.messages[-1].content else "safe"
            said = super().__call__(call)
            if call.step == "respond":
                return f"{said} {poison} <|im_end|> more of it"  # leftover marks: malformed, before privacy looks
            reply = between(call, "reply") if call.step.startswith("judge_") and "<reply>" in call.canonical else ""
            if said and poison in reply:
                if planted == "unjudged":
                    return "no verdict at all"
                return json.dumps(json.loads(said) | {"safe": "no" if planted == "unsafe" else "yes"})
            return said

    guard = {"kind": "llama_guard_3", "model": "guard", "base_url": "http://localhost:9/v1"}
    extra = {"guard": guard} if planted == "guarded" else {}
    build, asked = rehearse(tmp_path, Poisoned(0.0, 1.0), preferences={"repair": True}, **SKILLS, **extra)
    assert asked["repair"] and build.funnel.total().accepted
    for config in ("preferences", "feedback", "checkable"):
        assert poison not in json.dumps(rows_of(tmp_path / "dataset", config))
    assert re.search(r"[1-9]\d* pairs were held back", (tmp_path / "dataset/README.md").read_text())


def test_a_mended_break_of_a_rule_is_a_pair_once_a_judge_calls_it_harmless(taxonomy: Path, tmp_path: Path) -> None:
    """The judge is asked of the first response only where the second one passed."""

    class Marked(Skilled):
        def __call__(self, call: Call) -> str | None:
            said = super().__call__(call)
            return f"{said} <|im_end|> more" if call.step == "respond" else said

    build, _asked = rehearse(tmp_path, Marked(0.0, 1.0), preferences={"repair": True}, **SKILLS)
    pairs = pairs_of(build)
    assert pairs and {pair["rejected_state"] for pair in pairs} == {"malformed"}
    assert all("leftover" in pair["reason"] or "left in the text" in pair["reason"] for pair in pairs)
    assert {pair["margin"] for pair in pairs} == {0.5}


def test_an_answer_that_its_passage_does_not_bear_out_is_repaired(taxonomy: Path, tmp_path: Path) -> None:
    """The teacher is told which claim has no evidence; the pair's prompt has the passage before the question."""
    invented = "Sailors fear the crystal moon."
    told: list[str] = []

    def instead(call: Call) -> str | None:
        if call.step == "knowledge_pairs":
            passage = between(call, "document").splitlines()[-1]
            asked = f"What is said of it in {passage[:30]}?"
            return f"<pair>\n<question>{asked}</question>\n<answer>{passage} {invented}</answer>\n</pair>"
        if call.step == "repair":
            told.append(call.messages[-1].content)
            return between(call, "document").splitlines()[-1]
        return None

    settings: dict[str, Any] = {"samples_per_passage": 1, "samples": 1, "knowledge": {"kinds": {"fact": 1}}}
    settings |= {"documents": {"chunk_tokens": 64, "min_chunk_tokens": 5}, "stop": {"min_calls": 30}}
    settings["leaves"] = [{"match": "*_skills/**", "samples": 0}]
    build, asked = rehearse(tmp_path, instead, preferences={"repair": True}, **settings)
    pairs = pairs_of(build)
    assert pairs and asked["repair"] == len(told)
    assert all(f"at: {invented}" in prompt for prompt in told)
    for pair in pairs:
        assert invented in text(pair["rejected"]) and invented not in text(pair["chosen"])
        passage, _, question = text(pair["prompt"]).rpartition("\n\n")
        assert text(pair["chosen"]) in passage and question.startswith("What is said of it")
        assert pair["rejected_state"] == "ungrounded"


def test_without_preferences_nothing_else_is_asked_or_written(taxonomy: Path, tmp_path: Path) -> None:
    """An empty section costs no call and changes no row; it adds its two configs."""
    plain, asked = rehearse(tmp_path, samples=8)
    before = digest(tmp_path / "dataset")
    empty, again = rehearse(tmp_path, samples=8, work=tmp_path / "other", preferences={})
    # What is asked ahead of need hangs on timing, and is no part of a leaf's calls.
    assert {leaf: tally.calls for leaf, tally in plain.funnel.leaves.items()} == {
        leaf: tally.calls for leaf, tally in empty.funnel.leaves.items()
    }
    assert set(asked) == set(again) and not {"repair", "compare"} & set(asked)
    after = digest(tmp_path / "dataset")
    data = {name: value for name, value in before.items() if name.startswith(("data/", "lineage/"))}
    assert plain.complete and data.items() <= after.items()
    new = {re.sub(r"-\w+\.parquet", "", name) for name in set(after) - set(before)}
    assert "data/feedback" in new and "data/preferences" not in new


def test_pairs_do_not_hang_on_timing(taxonomy: Path, labgen: Labgen) -> None:
    """The same bytes one call at a time and many at once, from the ledger alone, and in rounds of a batch API."""
    settings = "preferences: {repair: true, responses: 2}\nsamples: 6\n"
    (labgen.folder / "labgen.yaml").write_text(settings)
    digests = []
    for concurrency in ("1", "32"):
        run = labgen("generate", "--concurrency", concurrency, "--work", f"w{concurrency}", "--output", "out", "--json")
        assert run.status == 0, run.err
        digests.append(digest(labgen.folder / "out"))
    again = labgen("generate", "--work", "w32", "--output", "out", "--json")
    assert again.json["calls"]["answered"] == 0
    digests.append(digest(labgen.folder / "out"))
    bulk = labgen("bulk", "run", "--work", "bulk", "--output", "out", "--json")
    assert bulk.status == 0, bulk.err
    digests.append(digest(labgen.folder / "out"))
    assert all(each == digests[0] for each in digests) and any("preferences-" in name for name in digests[0])


def test_a_plan_reckons_with_what_preferences_cost(taxonomy: Path, labgen: Labgen) -> None:
    """Its calls are near those of the build, and well above those of the build without."""
    plain = labgen("plan", "--samples", "12", "--json").json
    (labgen.folder / "labgen.yaml").write_text("preferences: {repair: true, responses: 3}\nsamples: 12\n")
    planned = labgen("plan", "--json").json
    built = labgen("generate", "--json").json

    def calls(plan: Any) -> float:
        return sum(
            each["calls_to_pay"] if "calls_to_pay" in each else each["to_pay"] for each in plan["leaves"].values()
        )

    assert calls(planned) > 2 * calls(plain)
    assert 0.5 < built["calls"]["answered"] / calls(planned) < 1.5


def test_responses_for_a_leaf_need_the_section(tmp_path: Path) -> None:
    """A setting that would do nothing is refused, with what to add."""
    with pytest.raises(ValueError, match="needs a section `preferences:`"):
        config_in(tmp_path, leaves=[{"match": "**", "responses": 2}])


def test_a_run_in_pieces_comes_to_the_same_pairs(taxonomy: Path, labgen: Labgen) -> None:
    """Cut by a budget at many places, it ends with what one run writes."""
    (labgen.folder / "labgen.yaml").write_text("preferences: {repair: true, responses: 2}\nsamples: 5\n")
    whole = labgen("generate", "--work", "one", "--output", "whole", "--json")
    assert whole.status == 0, whole.err
    runs = (
        labgen("generate", "--work", "many", "--output", "pieces", "--max-calls", "23", "--json") for _ in range(60)
    )
    assert any(run.status == 0 for run in runs)
    assert digest(labgen.folder / "pieces") == digest(labgen.folder / "whole")


def test_another_model_gives_further_responses(taxonomy: Path, tmp_path: Path) -> None:
    """By turns with the teacher, through the same ledger; each pair says who wrote which side, and so does the card."""

    def by_model(call: Call) -> str | None:
        if call.step == "respond":
            who = "other" if call.model == OTHER else f"teacher at {call.temperature:g}"
            return f"About {between(call, 'query')[:40].lower()}: this is rightly put, says {who}."
        if call.step in ("judge_pair", "judge_grounded"):
            return Skilled(0, 0)(call)
        if call.step == "compare":
            # The other model's is always better, in whichever place it stands.
            first = "says other" in call.messages[-1].content.split('<candidate id="2">')[0]
            second = "says other" in call.messages[-1].content.split('<candidate id="2">')[1]
            better = 1 if first else 2 if second else 0
            return json.dumps({"better": better, "strength": 2, "reason": "it is finer"})
        return None

    preferences = {"responses": 3, "responder": {"model": OTHER, "terms": "Ours to use."}}
    build, _ = rehearse(tmp_path, by_model, **SKILLS, preferences=preferences)
    pairs = pairs_of(build)
    assert pairs and {(pair["chosen_by"], pair["rejected_by"]) for pair in pairs} == {(OTHER, "labgen-rehearsal")}
    assert all("says other" in text(pair["chosen"]) and "says teacher" in text(pair["rejected"]) for pair in pairs)
    assert build.folder is not None
    feedback = rows_of(build.folder, "feedback")
    assert {row["written_by"] for row in feedback} == {OTHER, "labgen-rehearsal"}
    assert all((row["written_by"] == OTHER) is ("says other" in text(row["completion"])) for row in feedback)
    rows = rows_of(build.folder, "foundational_skills")
    assert rows and all("says teacher" in text(row["messages"][1:]) for row in rows)
    assert OTHER in (build.folder / "settings.yaml").read_text()
    again, asked = rehearse(tmp_path, lambda call: "nothing", **SKILLS, preferences=preferences)
    assert not asked and pairs_of(again) == pairs


@pytest.mark.parametrize("name", ["labgen-rehearsal", "judging"])
def test_a_responder_is_another_model(name: str, taxonomy: Path, labgen: Labgen) -> None:
    """By name, since replies are kept by it; the message says where it stands."""
    judge = {"model": "judging"}
    teacher = {"base_url": "http://127.0.0.1:9/v1", "model": "labgen-rehearsal"}
    settings = {"teacher": teacher, "judge": judge, "preferences": {"responses": 2, "responder": {"model": name}}}
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    run = labgen("plan")
    assert run.status == 2 and "labgen.yaml:1" in run.err and "responder.model" in run.err


def test_a_responder_is_asked_at_its_own_address(taxonomy: Path, labgen: Labgen, teacher: Teacher) -> None:
    """Its address and key stand in no file of the dataset; without an endpoint a rehearsal does for all."""
    preferences = {"responses": 2, "responder": {"model": "labgen-rehearsal", "base_url": teacher.base_url}}
    settings = {"samples": 3, "samples_per_passage": 0, "preferences": preferences}
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    refused = labgen("generate")
    assert refused.status == 2 and "preferences.responder has an endpoint and teacher has none" in refused.err
    del preferences["responder"]["base_url"]
    (labgen.folder / "labgen.yaml").write_text(json.dumps(settings))
    assert labgen("generate").status == 0


def test_what_is_held_out_gives_way_to_responses_that_were_turned_down(taxonomy: Path, tmp_path: Path) -> None:
    """Preferences train on these as well, and are the same bytes with and without held-out rows."""
    teacher, settings = Skilled(fails=0.5, mends=0.0), {**SKILLS, "preferences": {}}
    settings["leaves"] = [{"match": "**", "samples": 0}, {"match": "foundational_skills/**", "samples": 12}]
    rehearse(tmp_path, teacher, **settings)
    before = {path.name: path.read_bytes() for path in (tmp_path / "dataset" / "data").iterdir()}
    turned_down = [text(row["prompt"]) for row in rows_of(tmp_path / "dataset", "feedback") if not row["label"]]
    assert turned_down

    def instead(call: Call) -> str | None:
        if call.step == "freeform_instructions":
            return f"<instruction>{turned_down[0]}</instruction>"
        return "So it is rightly put." if call.step == "respond" else teacher(call)

    build, _ = rehearse(tmp_path, instead, **settings, held_out={"skills": 1})
    assert build.held_out and build.held_out.report["sets"]["skills"]["leaked"] == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "dataset" / "data").iterdir()} == before
