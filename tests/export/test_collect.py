"""What becomes of retired candidates: in leaf order, whatever the order in which leaves retire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from labgen.config.whole import Config
from labgen.export.collect import Collector
from labgen.export.dataset import writing_dataset
from labgen.export.files import read_rows
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.flows.known import SHIPPED_FLOWS
from labgen.formats.prompts import PromptSet
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.spool import BLOCK_CANDIDATES, MAX_WAITING, Spool
from labgen.plan.leaf_plan import LeafPlan, plan_leaves
from labgen.records import Candidate, Leaf, Pair, SeedExample, State

NAMES = ("foundational_skills/a", "foundational_skills/b", "foundational_skills/c")
ABOUT = BuildInfo(teacher="someone", rehearsal=False)


@dataclass
class Retired:
    """As much of a leaf on its way as a collector looks at."""

    plan: LeafPlan
    progress: LeafProgress


def plans() -> tuple[LeafPlan, ...]:
    """Three freeform leaves."""
    seeds = tuple(SeedExample(at, None, (Pair(f"Sing of seed {at} alone.", f"La {at}."),)) for at in range(3))
    leaves = [
        Leaf(name, "foundational_skills", Path("qna.yaml"), 3, "Songs.", "", "", seeds, None, "me") for name in NAMES
    ]
    return plan_leaves(leaves, {}, Config(samples=4), PromptSet(), SHIPPED_FLOWS)


def rows(plan: LeafPlan, count: int, words: str = "") -> list[Candidate]:
    """Accepted candidates; with `words`, all of them ask the same."""
    return [
        Candidate(
            plan.leaf.path,
            slot,
            0,
            instruction=words
            or f"{plan.leaf.path} number{slot} {' '.join(f'{plan.leaf.path[-1]}{slot}x{at}' for at in range(9))}",
            response="An answer.",
            state=State.ACCEPTED,
        )
        for slot in range(count)
    ]


@contextmanager
def collecting(folder: Path) -> Iterator[tuple[Collector, list[Retired], Path]]:
    """A collector for the three leaves; the dataset is written at the end."""
    made = plans()
    leaves = [LeafInfo(plan.leaf.path, plan.leaf.branch, plan.flow.name, "fp", "pv", plan.wanted) for plan in made]
    with Spool(folder / "work") as spool, writing_dataset(folder / "out", leaves=leaves, about=ABOUT) as writer:
        across = DuplicatesAcrossLeaves(Config().thresholds)
        collector = Collector(made, {leaf.path: leaf for leaf in leaves}, spool, writer, across)
        yield collector, [Retired(plan, LeafProgress(4, calls=3)) for plan in made], folder / "out"
        collector.finish()
        writer.finish(ABOUT, collector.funnel)


def written(out: Path) -> list[tuple[str, str]]:
    """Leaf and instruction of every row, in the dataset's order."""
    return [
        (row["leaf"], row["messages"][0]["content"])
        for file in sorted(out.glob("data/foundational_skills-*"))
        for row in read_rows(file)
    ]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_dataset_is_in_leaf_order_whichever_leaf_retires_first(tmp_path: Path, order: tuple[int, ...]) -> None:
    """And the earlier leaf's row wins where two leaves have nearly the same, even if the later one came first."""
    with collecting(tmp_path) as (collector, leaves, out):
        for number in order:
            leaf = leaves[number]
            collector.take(leaf, rows(leaf.plan, 3))
            collector.take(leaf, rows(leaf.plan, 1, "Sing of the one and only sea of all."))
            leaf.progress.done = True
            collector.take(leaf, [])
    found = written(out)
    assert [leaf for leaf, _ in found] == [NAMES[0]] * 4 + [NAMES[1]] * 3 + [NAMES[2]] * 3
    funnel = json.loads((out / "funnel.json").read_text())
    assert funnel["leaves"][NAMES[0]]["states"] == {"accepted": 4}
    assert funnel["leaves"][NAMES[1]]["states"] == {"accepted": 3, "duplicate": 1}
    assert funnel["leaves"][NAMES[1]]["reasons"]["duplicate"] == {"across_leaves": 1}
    assert funnel["total"]["candidates"] == 12


def test_near_duplicates_within_a_leaf_are_its_own_affair(tmp_path: Path) -> None:
    """The look across leaves drops none of them: the leaf's own pass has decided."""
    with collecting(tmp_path) as (collector, leaves, out):
        collector.take(leaves[0], rows(leaves[0].plan, 2, "Sing of the one and only sea."))
    assert len(written(out)) == 2


def test_a_leaf_moves_on_as_it_retires_and_only_a_handful_at_a_time(tmp_path: Path) -> None:
    """Nobody waits long for it, and next to nothing is left for the end; others wait for their turn."""
    with collecting(tmp_path) as (collector, leaves, _):
        first, second = leaves[0], leaves[1]
        many = rows(first.plan, 2 * MAX_WAITING)
        for begin in range(0, len(many), 4):
            collector.take(first, many[begin : begin + 4])
            assert collector.funnel.total().candidates == begin + 4
        collector.take(second, rows(second.plan, MAX_WAITING + 5))
        assert collector.funnel.leaves[NAMES[1]].candidates == 0
        first.progress.done = True
        collector.take(first, [])
        assert collector.funnel.leaves[NAMES[1]].candidates == BLOCK_CANDIDATES


def test_a_run_that_ends_early_keeps_what_its_leaves_have(tmp_path: Path) -> None:
    """Leaves that are not done come in with their rows so far."""
    with collecting(tmp_path) as (collector, leaves, out):
        collector.take(leaves[2], rows(leaves[2].plan, 2))
        collector.take(leaves[0], rows(leaves[0].plan, 1))
    assert [leaf for leaf, _ in written(out)] == [NAMES[0], NAMES[2], NAMES[2]]
