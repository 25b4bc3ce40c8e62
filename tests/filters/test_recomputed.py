"""Wrong sums and Python that does not parse never reach a dataset, whatever the judge says; right ones all do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from planted_teacher import Fact, Planted, run_slots

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.records import Candidate, Pair, State

CODE = "\n\n```python\nprint({}\n```"
WRONG = {
    "letter": "12 x 7 = 74", "sign": "12 × 7 = 74", "star": "12*7 = 74", "over": "84 ÷ 7 = 13", "slash": "84 / 7 = 13",
    "minus": "84 − 7 = 67", "thousands": "1,000 + 500 = 1,600", "units": "12 kg + 3 kg = 16 kg",
    "money": "$9 + $3 = $13", "share": "15% of 80 = 13", "fraction": "1/2 + 1/4 = 2/6", "power": "2^10 = 1025",
    "latex": r"$12 \times 7 = 74$",
    "rest": "17 ÷ 5 = 3 R 3",
}  # fmt: skip
RIGHT = {
    "letter": "12 x 7 = 84", "sign": "12 × 7 = 84", "star": "12*7 = 84", "over": "84 ÷ 7 = 12", "slash": "84 / 7 = 12",
    "minus": "84 − 7 = 77", "thousands": "1,000 + 500 = 1,500", "units": "12 kg + 3 kg = 15 kg",
    "money": "$9 + $3 = $12", "share": "15% of 80 = 12", "fraction": "1/2 + 1/4 = 3/4", "power": "2^10 = 1024",
    "latex": r"$12 \times 7 = 84$",
    "rest": "17 ÷ 5 = 3 R 2",
}  # fmt: skip


@dataclass
class Reckoning(Planted):
    """A teacher whose answers reckon: by their kind, the answer has a sum of `sums` or a block of Python."""

    sums: str = "WRONG"

    def _pair(self, kind: str, true: Fact, other: Fact, first: Fact, slot: int) -> tuple[str, str]:
        shown = WRONG if self.sums == "WRONG" else RIGHT
        if kind in shown:
            return true.question, f"{true.answer} For {shown[kind]} is what it comes to."
        if kind == "code":
            return true.question, true.answer + CODE.format("1" if self.sums == "WRONG" else "1)")
        return super()._pair(kind, true, other, first, slot)


def drawn(sums: str, tmp_path: Path, *, seed: str = "", disable: tuple[str, ...] = ()) -> list[tuple[str, Candidate]]:
    """Candidates with the kinds that were planted, under a judge that says yes to all."""
    rates = dict.fromkeys([*WRONG, "code"], 0.04)
    teacher = Reckoning("freeform", rates, judge="always_yes", slots=60, sums=sums)
    if seed:
        leaf = teacher.plan.leaf
        example = replace(leaf.seed_examples[0], pairs=(Pair("What is it?", seed),))
        teacher.plan = replace(teacher.plan, leaf=replace(leaf, seed_examples=(example, *leaf.seed_examples[1:])))
    config = read_section(Config, {"calibration": {"enabled": False}, "filters": {"disable": disable}})
    candidates, _ = run_slots(teacher, config, tmp_path, None)
    return [(teacher.kinds[each.slot, each.position], each) for each in candidates]


def test_no_planted_wrong_sum_or_code_reaches_the_dataset(tmp_path: Path) -> None:
    """With a judge that always says yes; the verdict has the words and their place."""
    found = drawn("WRONG", tmp_path)
    planted = [(kind, each) for kind, each in found if kind]
    assert {kind for kind, _ in planted} == {*WRONG, "code"}
    assert {each.state for _, each in planted} == {State.LOW_QUALITY}
    assert {each.reason for _, each in planted} == {"wrong_sum", "python_does_not_parse"}
    for kind, each in planted:
        (piece,) = each.verdicts[-1].evidence
        assert each.response[piece.start : piece.end].strip() == piece.text
        assert kind == "code" or "is wrong: the left side is " in each.verdicts[-1].reason
    assert all(each.state is State.ACCEPTED for kind, each in found if not kind)


def test_right_sums_and_code_all_pass_without_a_verdict(tmp_path: Path) -> None:
    """So a build without wrong ones has the same rows as before there were these filters."""
    found = drawn("RIGHT", tmp_path)
    assert {kind for kind, _ in found} == {"", *RIGHT, "code"}
    assert {each.state for _, each in found} == {State.ACCEPTED}
    assert not {verdict.filter for _, each in found for verdict in each.verdicts} & {"arithmetic", "code"}


@pytest.mark.parametrize(
    ("seed", "disable"), [("In our game 2 x 3 = 7." + CODE.format(1), ()), ("", ("arithmetic", "code"))]
)
def test_a_leaf_of_puzzles_is_not_looked_at(seed: str, disable: tuple[str, ...], tmp_path: Path) -> None:
    """Where an example does the same, it is meant; and the filters can be switched off."""
    assert {each.state for _, each in drawn("WRONG", tmp_path, seed=seed, disable=disable)} == {State.ACCEPTED}
