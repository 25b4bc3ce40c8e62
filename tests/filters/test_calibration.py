"""The judges' test tells judges apart, in a handful of calls, and a rebuild asks none of them again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from bench_calibration import run_test
from hypothesis import given
from hypothesis import strategies as st
from planted_teacher import Planted, run_slots

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.errors import UsageError
from labgen.export.calibration_report import calibration_json, calibration_lines, calibration_markdown
from labgen.filters.calibration import (
    Calibration,
    Counts,
    ItemOutcome,
    JudgeResult,
    count_outcomes,
    weakness,
    wilson_interval,
)
from labgen.filters.calibration_items import (
    ANSWER_CUT_OFF,
    ANSWER_EXCHANGED,
    CONTEXT_EXCHANGED,
    DEFECTS,
    INSTRUCTION_CUT_OFF,
    NUMBER_ALTERED,
    QUESTION_REPEATED,
    TRUE,
    Item,
    alter_number,
    cut_off,
    instruction_items,
    pair_items,
)
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.plan.example_pairs import ExamplePair
from labgen.plan.leaf_plan import plan_leaves
from labgen.records import State
from labgen.taxonomy.load import load_taxonomy
from labgen.verbs.calibrate import calibrate_pairs, read_labelled
from labgen.verbs.generate import build_dataset
from labgen.verbs.plan import estimate_build
from labgen.verbs.session import Session

BUNDLED = Path(__file__).parents[2] / "taxonomy"
KINDS = (ANSWER_EXCHANGED, CONTEXT_EXCHANGED, NUMBER_ALTERED, ANSWER_CUT_OFF)
PLANS = plan_leaves(load_taxonomy(BUNDLED).leaves, {}, Config(), PromptSet(), SHIPPED_FLOWS)


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.leaf.path.rsplit("/", 1)[-1])
@pytest.mark.parametrize(("manner", "fit"), [("good", True), ("always yes", False), ("always no", False)])
def test_a_good_judge_is_told_from_one_that_always_says_the_same(
    plan: SimpleNamespace, manner: str, fit: bool, tmp_path: Path
) -> None:
    """In every bundled leaf, a good judge with 7 calls at most, others with 14."""
    problem, calls = asyncio.run(run_test(plan, manner, Config(), tmp_path))
    assert (problem == "") is fit
    assert calls <= (7 if fit else 14)


def test_a_judge_at_random_is_stopped_nearly_everywhere(tmp_path: Path) -> None:
    """In at least nine of ten leaves."""
    found = [
        asyncio.run(run_test(plan, "random", Config(), tmp_path / str(number)))[0] for number, plan in enumerate(PLANS)
    ]
    assert sum(map(bool, found)) >= 0.9 * len(PLANS)


def seeds(*pairs: tuple[str | None, str, str]) -> list[ExamplePair]:
    """Examples."""
    return [ExamplePair(*pair) for pair in pairs]


def test_two_distinct_seeds_are_enough_for_a_judge_that_always_says_yes_to_fail() -> None:
    """Even where both have the same short answer there are two defects, so it passes everything and is stopped."""
    true, defects = pair_items(seeds((None, "Is it 1?", "yes"), (None, "Is it 2?", "yes")), KINDS, creative=False)
    assert len(true) == 2
    assert [item.kind for item in defects] == [QUESTION_REPEATED] * 2
    blind = JudgeResult("j", Counts(len(true), len(true)), {QUESTION_REPEATED: Counts(len(defects), len(defects))})
    assert weakness(blind, 0.5)


def test_what_could_be_right_is_no_defect() -> None:
    """Answers to the same question, answers alike, figures of a story, and passages that say the same."""
    same = seeds((None, "A joke?", "Why did it?"), (None, "A joke?", "Knock, knock."))
    assert ANSWER_EXCHANGED not in {item.kind for item in pair_items(same, KINDS, creative=True)[1]}
    alike = seeds((None, "Colour of grass?", "It is green."), (None, "Colour of leaves?", "It is green."))
    assert ANSWER_EXCHANGED not in {item.kind for item in pair_items(alike, KINDS, creative=False)[1]}
    story = seeds((None, "A story?", "In 1802 a hen left."), (None, "A poem?", "Seven ships, no wind."))
    assert NUMBER_ALTERED not in {item.kind for item in pair_items(story, KINDS, creative=True)[1]}
    held = seeds(
        ("Ann met Bob in Rome.", "Who met Bob?", "Ann from Rome."), ("Rome: Ann met Bob.", "Where?", "In Rome.")
    )
    assert CONTEXT_EXCHANGED not in {item.kind for item in pair_items(held, KINDS, creative=False)[1]}


texts = st.text(st.characters(codec="utf-8"), max_size=120)


@given(st.lists(st.tuples(st.none() | texts, texts, texts), max_size=6), st.booleans())
def test_items_are_the_same_each_time_and_defects_differ_from_what_is_true(
    pairs: list[tuple[str | None, str, str]], creative: bool
) -> None:
    """For any seeds whatever: no crash, same items, and each defect differs from its own example."""
    examples = seeds(*pairs)
    assert pair_items(examples, KINDS, creative=creative) == pair_items(examples, KINDS, creative=creative)
    found: list[Item] = [*pair_items(examples, KINDS, creative=creative)[1], *instruction_items(examples)[1]]
    for item in found:
        assert item.kind in DEFECTS
        own = item.example
        if item.kind != QUESTION_REPEATED and item.response:
            assert (item.context, item.instruction, item.response) != (own.context, own.instruction, own.response)


def test_numbers_are_altered_where_they_count() -> None:
    """The last figure, in all its places, to one that stands nowhere; never a list's numbering."""
    assert alter_number("1. It is 40.", "40") == "1. It is 45."
    assert alter_number("40 and 45 make 85", "") == "40 and 45 make 97"
    assert alter_number("In 1900 and 12", "x", must_stand_in="about 1900") == "In 2171 and 12"
    assert alter_number("1. one\n2. two", "") == ""


def test_a_text_cut_off_ends_within_a_word() -> None:
    """And a short one is not cut."""
    assert cut_off("The bridge over the river was finished in the year after the great flood.")[-1].isalpha()
    assert cut_off("Too short to tell.") == ""


@pytest.mark.parametrize(("passed", "asked"), [(0, 5), (5, 5), (3, 8), (0, 0)])
def test_intervals_hold_the_share_and_stay_within_bounds(passed: int, asked: int) -> None:
    """Wilson's, also at the ends."""
    low, high = wilson_interval(passed, asked)
    assert 0.0 <= low <= (passed / asked if asked else 0.0) <= high <= 1.0


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    """8 of 10: 0.490 to 0.943."""
    assert wilson_interval(8, 10) == pytest.approx((0.490, 0.943), abs=0.001)


def test_a_leaf_with_an_unfit_judge_is_not_drawn_from(tmp_path: Path) -> None:
    """It stops with a message that says what passed; its test's calls are counted, and nothing else is asked."""
    planted = Planted("knowledge", {}, judge="always_yes", slots=8)
    candidates, run = run_slots(planted, Config(), tmp_path, None, wanted=8)
    assert candidates == []
    assert run.progress.stopped.startswith("judge not fit: groundedness_judge passes")
    assert set(planted.steps) == {"judge_grounded"}
    assert run.progress.calls == planted.steps["judge_grounded"] <= 18


def test_switched_off_nothing_is_tested(tmp_path: Path) -> None:
    """`calibration.enabled: false`."""
    planted = Planted("knowledge", {}, judge="always_yes", slots=8)
    config = read_section(Config, {"calibration": {"enabled": False}})
    candidates, run = run_slots(planted, config, tmp_path, None, wanted=8)
    assert run.progress.accepted == 8
    assert run.progress.calibration is None
    assert len(candidates) >= 8


def test_replies_that_cant_be_read_count_against_a_judge(tmp_path: Path) -> None:
    """A judge that never keeps to the form lets nothing true pass."""
    planted = Planted("freeform", {}, slots=4)
    planted._judge_pair = lambda prompt, step: "Hard to say."  # type: ignore[method-assign]
    _, run = run_slots(planted, Config(), tmp_path, None, wanted=4)
    assert run.progress.calibration
    result = next(each for each in run.progress.calibration.results if each.judge == "pair_judge")
    assert result.true.unreadable == result.true.asked > 0
    assert "can't be read" in run.progress.stopped


def test_a_judge_that_only_says_yes_and_drops_the_last_verdict_of_a_list_is_unfit() -> None:
    """What it did not say is no defect caught: of two on a sheet it passed one, and said nothing of the other."""
    true = [ItemOutcome("instruction_judge", TRUE, None)] * 2
    passed = ItemOutcome("instruction_judge", INSTRUCTION_CUT_OFF, None)
    dropped = ItemOutcome("instruction_judge", INSTRUCTION_CUT_OFF, State.UNPARSED, "no_verdict_judge_instructions")
    result = count_outcomes("instruction_judge", [passed, *true, dropped])
    assert result.index == 0.0
    assert "1 of 2 that were made wrong" in weakness(result, 0.5) and "1 of its replies can't be read" in weakness(
        result, 0.5
    )


def test_a_judge_whose_questions_are_all_refused_is_unfit_and_one_without_a_reply_is_not() -> None:
    """A prompt that does not fit will not fit the next time; an outage ends."""
    refused = ItemOutcome(
        "j", TRUE, State.FAILED, "too_long_judge_pair: the prompt has 1899 tokens, the context 512: no"
    )
    nothing = count_outcomes("j", [refused])
    assert weakness(nothing, 0.5, [refused]).endswith("(1899 tokens against a context of 512)")
    assert weakness(nothing, 0.5, [ItemOutcome("j", TRUE, State.FAILED, "exhausted_judge_pair")]) == ""


def build(folder: Path, **settings: object) -> object:
    """A small build of two bundled leaves with the rehearsal teacher."""
    config = read_section(
        Config, {"taxonomy": BUNDLED, "output": folder / "dataset", "work": folder / "work", "samples": 2, **settings}
    )
    return config, build_dataset(config, leaf_patterns=["knowledge/**/metre"])


def test_a_build_tells_of_the_test_and_a_rebuild_asks_nothing(tmp_path: Path) -> None:
    """In the card, as data and in words; the plan counts the calls that are still to pay."""
    config, first = build(tmp_path)
    (leaf,) = first.calibrations
    assert "put to a test made of its own seed examples" in (tmp_path / "dataset/README.md").read_text("utf-8")
    assert calibration_json(first.calibrations)["leaves"][leaf]["judges"][0]["judge"] == "groundedness_judge"
    assert "groundedness_judge: true" in calibration_lines(first.calibrations)
    _, again = build(tmp_path)
    assert again.traffic.answered == 0
    assert again.calibrations == first.calibrations
    assert estimate_build(Session.prepare(config, ["knowledge/**/metre"])).total("calls") == 0
    fresh = config.changed(work=tmp_path / "other")
    without = fresh.changed(calibration=config.calibration.changed(enabled=False))
    tested, untested = (estimate_build(Session.prepare(each, ["knowledge/**/metre"])) for each in (fresh, without))
    assert tested.total("first_calls") - untested.total("first_calls") == 6


def test_the_card_says_how_many_leaves_were_stopped() -> None:
    """And by which floor."""
    result = JudgeResult("pair_judge", Counts(2, 2), {ANSWER_EXCHANGED: Counts(4, 4)})
    words = calibration_markdown({"a/b": Calibration((result,), (b"k",), weakness(result, 0.5))}, 0.5)
    assert "below 0.5" in words
    assert "stopped 1 of 1 leaves" in words
    rehearsed = calibration_markdown({"a/b": Calibration((result,), (b"k",), weakness(result, 0.5), True)}, 0.5)
    assert "would have stopped 1 of 1 leaves, but a rehearsal goes on" in rehearsed


def test_labelled_pairs_give_precision_and_recall(tmp_path: Path) -> None:
    """All judges over a file, those of a leaf for a pair that names one."""
    file = tmp_path / "pairs.jsonl"
    text = "The metre was redefined in 1983 by the speed of light."
    rows = [
        {"context": text, "question": "When was the metre redefined?", "answer": text, "good": True},
        {"context": text, "question": "When was the metre redefined?", "answer": "In 1871.", "defect": "figure"},
        {"question": "Name a fruit.", "answer": "", "good": False},
    ]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    config = read_section(Config, {"taxonomy": BUNDLED, "work": tmp_path / "work"})
    results = {result.judge: result for result in calibrate_pairs(config, read_labelled(file))}
    assert results["all judges"].true == Counts(1, 1, 0)
    assert results["groundedness_judge"].defects["figure"] == Counts(1, 0, 0)
    assert list(results)[-1] == "all judges"


def test_labelled_pairs_keep_what_belongs_to_their_question(tmp_path: Path) -> None:
    """System text, input, parts; and a character that ends a line elsewhere ends none here."""
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    rows = [
        {"messages": [*turns, {"role": "assistant", "content": "Ho"}], "good": True},
        {"instruction": "Sum up.", "input": "one\u2028two\x85three", "output": "three", "defect": "cut"},
    ]
    file = tmp_path / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    first, second = read_labelled(file)
    assert (first.instruction, first.response, first.kind) == ("Be brief.\n\nHi", "Ho", "true")
    assert (second.instruction, second.row, second.kind) == ("Sum up.\n\none\u2028two\x85three", 2, "cut")
    for wrong in (tmp_path, tmp_path / "none.jsonl"):
        with pytest.raises(UsageError, match=r"is a folder|no such file"):
            read_labelled(wrong)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1: can't be read as JSON"),
        ("[]", "line 1: a row is an object"),
        ('{"question": "q"}', "row 1: has neither"),
        ('{"question": "q", "answer": "a"}', "row 1: needs a label"),
        ('{"question": "q", "answer": "a", "good": true, "defect": "x"}', "row 1: is labelled as good, and"),
        ('{"question": "q", "answer": "a", "good": true, "history": [["q", "a"]]}', "row 1: has earlier turns"),
        ('{"question": "q", "answer": [{"type": "image"}], "good": true}', "row 1: `answer` has image as part 1"),
        ('{"question": "q", "answer": "a", "good": true}', "good ones and bad ones"),
    ],
)
def test_a_file_that_cant_be_read_says_where_and_what(line: str, words: str, tmp_path: Path) -> None:
    """With file and line."""
    file = tmp_path / "pairs.jsonl"
    file.write_text(line, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        read_labelled(file)
