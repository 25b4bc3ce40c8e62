"""A flow of another package: what labgen makes of it without an edit of its own, and what it can't do to a run."""

from __future__ import annotations

import json
import re
from pathlib import Path
from runpy import run_path

import pytest
import yaml
from brought import ROOT, Install, config_in, rehearse, rows_of, shown
from workbench import Labgen, digest

from labgen import bundled_taxonomy
from labgen.flows.freeform import FREEFORM
from labgen.flows.known import known_flows
from labgen.formats.prompts import PromptSet
from labgen.records import State
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

FLOWS = "labgen.flows"
ONE_LEAF = [{"match": branch, "samples": 0} for branch in ("knowledge/**", "compositional_skills/**")]


def test_the_flow_of_the_page_is_short() -> None:
    """Its prompts, a step of its own and the list of steps, in one module."""
    assert len(shown("revised.py").splitlines()) <= 60


def test_a_flow_of_another_package_is_planned_built_and_shown(install: Install, letters: str, labgen: Labgen) -> None:
    """By each verb, with nothing but the package: plan, table of filters, build, funnel, row, preview, settings."""
    install("revised")
    ours = ["--leaf", letters]
    planned = labgen("plan", "--json", *ours).json
    assert planned["leaves"][letters]["flow"] == "revised" and "revised" in planned["expected_yield"]
    assert planned["leaves"][letters]["calls_to_pay"] > 30 * 3  # a draft, a revision and a judge for each row

    words = labgen("plan", *ours).out
    assert "Reckoned with a yield of: revised 70%" in words and "compositional_skills" in words
    assert "revised" in labgen("plan", "--filters").out.splitlines()[0].split()
    table = labgen("plan", "--filters", "--json").json
    places = [(row["places"].get("revised"), row["places"].get("freeform")) for row in table]
    assert any(place for place, _ in places) and all(own == freeform for own, freeform in places)

    run = labgen("generate", "--samples", "4", "--json", *ours)
    assert run.status == 0, run.err
    assert run.json["funnel"]["leaves"][letters]["states"]["accepted"] == 4
    rows = rows_of(labgen.folder / "dataset", "compositional_skills")
    assert len(rows) == 4 and all(row["rehearsal"] and row["leaf"] == letters for row in rows)
    assert PromptSet().version(FREEFORM.prompts) not in {row["prompt_version"] for row in rows}
    settings = yaml.safe_load((labgen.folder / "dataset/settings.yaml").read_text())
    assert settings["installed_flows"] == {"revised": "revised 0.1"}

    history = labgen("show", rows[0]["id"], "--json").json["history"]
    steps = [call["step"] for call in history]
    assert steps == ["revised_instructions", "judge_instructions", "respond", "revise", "judge_pair"]
    assert rows[0]["messages"][1]["content"] == history[steps.index("revise")]["reply"]

    rejected = rows_of(labgen.folder / "dataset", "rejected")
    funnel = json.loads((labgen.folder / "dataset/funnel.json").read_text(encoding="utf-8"))["leaves"][letters]
    assert sum(funnel["states"].values()) == funnel["candidates"] >= 4
    assert {row["leaf"] for row in rejected} <= {letters}
    assert letters in (labgen.folder / "dataset/README.md").read_text(encoding="utf-8")

    page = labgen("preview", letters, "--rows", "2")
    assert page.status == 0 and rows[0]["messages"][1]["content"].splitlines()[0] in page.out


def test_what_a_plan_says_of_a_flow_and_a_judge_is_what_a_build_spends(install: Install, tmp_path: Path) -> None:
    """In calls, within a tenth: all of them, those of the flow's own step, and those of the judge's."""
    install("revised")
    install("complete")
    more = [{"match": "compositional_skills/writing/**", "samples": 20}]
    # About the yield that the rehearsal teacher has.
    settings = {"taxonomy": bundled_taxonomy(), "samples": 6, "leaves": more, "expected_yield": 0.8}
    estimate = estimate_build(Session.prepare(config_in(tmp_path, **settings)))
    build, asked = rehearse(tmp_path, **settings)
    assert estimate.total("calls") == pytest.approx(build.traffic.answered, rel=0.1)
    for step in ("revise", "judge_complete"):
        planned = sum(leaf.to_pay.calls[step] for leaf in estimate.leaves)
        assert planned == pytest.approx(asked[step], rel=0.1), step


def test_the_generated_tables_of_the_documentation_follow_from_flows(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more flow is one more table of steps, and one more column in that of filters."""
    install("revised")
    parts = run_path(str(ROOT / "scripts/update_docs"))["PARTS"]
    monkeypatch.setattr("labgen.flows.known.SHIPPED_FLOWS", known_flows())
    own = parts["flows"]().partition("### revised\n")[2]
    assert own.strip().startswith("As freeform, with a second call")
    assert "| 5 | `Respond` | `respond` |" in own and "| 6 | `Revise` | `revise` |" in own
    assert " revised |" in parts["filters"]().splitlines()[0]


def test_a_build_that_was_cut_short_goes_on_to_the_same_bytes(install: Install, letters: str, labgen: Labgen) -> None:
    """With a flow and a judge of other packages, however often it was cut short; a rebuild asks nothing."""
    install("revised")
    install("complete")
    ours = ["--samples", "6", "--leaf", letters, "--leaf", "foundational_skills/**"]
    assert labgen("generate", *ours, "--work", "straight").status == 0
    straight = digest(labgen.folder / "dataset/data")
    cuts, in_pieces = 0, (*ours, "--json", "--output", "pieces")
    while not labgen("generate", *in_pieces, "--max-calls", "25").json["complete"]:
        assert labgen("plan", *ours, "--json").json["calls_paid"] > 0
        cuts += 1
    assert cuts > 1 and digest(labgen.folder / "pieces/data") == straight
    run = labgen("generate", *in_pieces)
    assert run.json["calls"]["answered"] == 0 and digest(labgen.folder / "pieces/data") == straight


FAULTY = '''
"""Flows that do what they may not."""

from dataclasses import replace

from labgen.flows.draw import Draw, draw_pairs
from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.freeform import FREEFORM
from labgen.flows.steps import FreeFilters, Judges, OneByOne, Respond, WholeSlot
from labgen.formats.prompts import Prompt
from labgen.records import State
from labgen.teacher.asker import CandidateEnds

DRAW, *REST = FREEFORM.steps


class Text(str):
    """Text of a kind of its own."""


class Each(OneByOne):
    def __init__(self, does):
        self.does = does

    async def __call__(self, candidate, slot):
        return self.does(candidate)


class All(WholeSlot):
    def __init__(self, does):
        self.does = does

    async def __call__(self, candidates, slot):
        return self.does(candidates)


def fail(*given):
    raise ZeroDivisionError("on purpose")


def end(state):
    def does(given):
        raise CandidateEnds(state, "as it likes")

    return does


def flow(step=None, *, first=DRAW, **changes):
    return replace(FREEFORM, **{"name": "mine", "steps": (first, *filter(None, [step]), *REST)} | changes)


async def nothing(slot):
    return []


async def strings(slot):
    return ["an instruction"]


async def crash(slot):
    fail()


ENDS = flow(Each(end(State.LOW_QUALITY)))
ENDS_ALL = flow(All(end(State.IRRELEVANT)))
LOSES = flow(All(lambda candidates: candidates[1:]))
DOUBLES = flow(All(lambda candidates: [*candidates, *candidates]))
DRAWS_STRINGS = flow(first=Draw((), strings, dict))
DRAWS_NOTHING = flow(first=Draw((), nothing, dict))
DRAW_CRASHES = flow(first=Draw((), crash, dict))
HARMLESS = flow(Each(lambda candidate: replace(candidate, instruction=Text(candidate.instruction))))
'''


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        ("ENDS", State.LOW_QUALITY, "as it likes"),
        ("ENDS_ALL", State.IRRELEVANT, "as it likes"),
        ("LOSES", State.FAILED, "flow_mine: All: it was given 4 candidates, and gave 3 or others"),
        ("DOUBLES", State.FAILED, "flow_mine: All: it was given 4 candidates, and gave 8 or others"),
        ("DRAWS_STRINGS", State.FAILED, "flow_mine: Draw: it gave a str, which is no candidate"),
        ("DRAW_CRASHES", State.FAILED, "flow_mine: Draw: ZeroDivisionError: on purpose"),
    ],
)
def test_what_a_step_does_wrong_ends_its_candidates_and_nothing_else(
    install: Install, taxonomy: Path, tmp_path: Path, fault: str, state: State, reason: str
) -> None:
    """Each is a record with a reason that names the flow; none passes. Other faults: `test_faults_of_packages`."""
    install("faulty", FAULTY, {FLOWS: {"mine": f"faulty:{fault}"}})
    settings = {"samples": 1, "stop": {"min_calls": 3}, "calibration": {"enabled": False}}
    build, _ = rehearse(tmp_path, dry_run=False, leaves=ONE_LEAF, **settings)
    (tally,) = build.funnel.leaves.values()
    assert build.complete and tally.accepted == 0 and tally.stopped
    rejected = rows_of(tmp_path / "dataset", "rejected")
    assert {row["state"] for row in rejected} - {"malformed", "duplicate"} == {state}
    assert all(row["reason"].startswith(reason) for row in rejected if row["state"] == state)


def test_a_flow_that_draws_nothing_comes_to_an_end(install: Install, taxonomy: Path, tmp_path: Path) -> None:
    """By the stop rule, although it spends no call."""
    install("faulty", FAULTY, {FLOWS: {"mine": "faulty:DRAWS_NOTHING"}})
    settings = {"calibration": {"enabled": False}, "stop": {"min_calls": 5}}
    build, asked = rehearse(tmp_path, dry_run=False, leaves=ONE_LEAF, **settings)
    assert build.complete and not asked
    assert [tally.stopped for tally in build.funnel.leaves.values()] == ["low yield: 5 slots for 0 rows"]


def test_texts_of_a_kind_of_their_own_are_rows_like_any_other(install: Install, taxonomy: Path, tmp_path: Path) -> None:
    """The same rows as with plain text, also where a build goes on from the ledger."""
    install("faulty", FAULTY, {FLOWS: {"mine": "faulty:HARMLESS"}})
    assert rehearse(tmp_path, leaves=ONE_LEAF, samples=3)[0].funnel.total().accepted == 3
    build, asked = rehearse(tmp_path, leaves=ONE_LEAF, samples=3)
    assert build.funnel.total().accepted == 3 and not asked


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("Missing", r"can't be loaded \(AttributeError"),
        ("Text", r"is a type, no labgen.plan.flow.Flow"),
        ("flow(name='other')", "calls itself `other`. Give both the same name"),
        ("flow(steps=())", "its first step draws nothing"),
        ("flow(steps=tuple(REST))", "its first step draws nothing"),
        ("flow(DRAW)", "it draws twice"),
        ("flow(FindDuplicates())", "it looks for near-duplicates twice"),
        ("flow(Respond)", r"its step Respond is a class. Make one of it: `Respond\(\)`"),
        ("flow(fail)", "its step function has no `whole_slot`"),
        ("flow(Judges('pairs'))", "its step Judges has the stage `pairs`. There are: instruction, pair"),
        ("flow(steps=[DRAW, *REST])", "its `steps` are no tuple"),
        ("flow(like='freefrom')", "it is `like` `freefrom`, which labgen does not have. There are: knowledge,"),
        ("flow(grounding='none')", "its `grounding` is no labgen.records.Grounding"),
        ("flow(suits=True)", "its `suits` can't be called"),
        ("flow(suits=fail)", r"can't say whether it suits .*requests \(ZeroDivisionError: on purpose\)"),
        ("flow(Respond('respond'))", "what it asks with are not all labgen.formats.prompts.Prompt"),
        ("flow(Asks())", r"its step Asks costs can't be reckoned \(no typical reply to `respond`\)"),
    ],
)
def test_what_is_no_flow_is_refused_with_its_package(
    install: Install, taxonomy: Path, labgen: Labgen, fault: str, words: str
) -> None:
    """Before anything is asked, with status 2 and what to mend; never with a traceback."""
    made = f"MADE = {fault}" if "(" in fault else ""
    install("faulty", f"{FAULTY}\n{ASKS}\n{made}\n", {FLOWS: {"mine": f"faulty:{'MADE' if made else fault}"}})
    run = labgen("plan", "--leaf", "foundational_skills/**")
    assert run.status == 2 and run.out == ""
    assert re.match(rf"labgen: flow `mine` of faulty 0.1.*{words}", run.err), run.err


@pytest.mark.parametrize(
    ("verb", "text"),
    [
        ("plan", "raise ZeroDivisionError('on purpose')"),
        ("generate", "1 +"),
        ("preview", "import no_such_module"),
        ("calibrate", "exit(3)"),
        ("teacher", "raise KeyError"),
    ],
)
def test_a_package_that_cannot_be_imported_is_said(
    install: Install, taxonomy: Path, labgen: Labgen, verb: str, text: str
) -> None:
    """By every verb that needs flows, with the way on; to the others it might as well not be there."""
    install("broken", text, {FLOWS: {"mine": "broken:MINE"}})
    run = labgen(verb, *(["foundational_skills/requests"] if verb == "preview" else []))
    assert run.status == 2 and run.err.startswith("labgen: flow `mine` of broken 0.1 can't be loaded ("), run.err
    assert run.err.endswith("Mend the package, or remove it.\n")
    assert labgen("check").out and not labgen("check").err


def test_a_name_that_is_taken_is_refused(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """By labgen's own flows, or by another package."""
    install("faulty", FAULTY, {FLOWS: {"freeform": "faulty:HARMLESS"}})
    run = labgen("generate")
    assert run.status == 2 and "flow `freeform` of faulty 0.1: there is another flow of that name" in run.err
    install("faulty", FAULTY, {FLOWS: {"mine": "faulty:HARMLESS"}})
    install("second", FAULTY, {FLOWS: {"mine": "second:HARMLESS"}})
    run = labgen("plan", "--filters")
    assert run.status == 2 and "flow `mine` of second 0.1: there is another flow of that name" in run.err


ASKS = """
class Asks(OneByOne):
    asks = True

    def __init__(self, **prompt):
        self.prompts = (Prompt(**prompt),) if prompt else ()

    async def __call__(self, candidate, slot):
        await slot.asker.ask("respond", str, max_tokens=9, temperature=0.0, leaf=slot.plan.leaf, seeds=slot.shown,
            persona="", context=None, instruction=candidate.instruction)
        return candidate


MINE = "--- user ---\\n## Task: mine"
"""


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("name='respond', text=MINE", "prompt `respond` has the name of one that comes with labgen"),
        ("name='mine'", "prompt `mine` has no text, and none of that name comes with labgen"),
        ("name='../mine', text=MINE", "prompt `../mine` can't be called so"),
        ("name='mine', text='words'", "faulty 0.1: prompt `mine.md` has no line `--- user ---`"),
        ("name='mine', text=MINE + '{% if %}'", "faulty 0.1: prompt `mine.md`, line 2: "),
        (
            "name='mine', text=MINE, rehearsed_as='repond'",
            "which the rehearsal teacher can't do. Did you mean `respond`",
        ),
        ("name='mine', text='--- user ---\\nx', rehearsed_as='respond'", "has no line `## Task: ...`"),
        ("name='mine', text='--- user ---\\n## Task: respond', rehearsed_as='new context'", "knows another one"),
    ],
)
def test_a_prompt_that_cannot_be_is_refused_with_its_package(
    install: Install, taxonomy: Path, labgen: Labgen, prompt: str, words: str
) -> None:
    """So that no package changes what another one asks, or what the rehearsal teacher makes of it."""
    text = f"{FAULTY}\n{ASKS}\nMADE = flow(Asks({prompt}))\n"
    install("faulty", text, {FLOWS: {"mine": "faulty:MADE"}})
    run = labgen("plan", "--leaf", "foundational_skills/**")
    assert run.status == 2 and run.err.startswith("labgen: flow `mine` of faulty 0.1: prompt `"), run.err
    assert words in run.err


def test_two_packages_cannot_ask_with_one_name(install: Install, taxonomy: Path, labgen: Labgen) -> None:
    """Whose prompt is meant could only be guessed."""
    for module in ("first", "second"):
        text = f"{FAULTY}\n{ASKS}\nMADE = flow(Asks(name='mine', text=MINE + '{module}'), name='{module}')\n"
        install(module, text, {FLOWS: {module: f"{module}:MADE"}})
    run = labgen("plan")
    assert run.status == 2 and "flow `second` of second 0.1: prompt `mine` has the name of another one" in run.err
