"""The engine takes the steps of a flow in the order of its value, whatever that order is.

A package brings a flow with all steps in some order. What runs is noted where it runs: in each step, each filter and
the look for near-duplicates. That has to be what the value says, and what `labgen plan --filters` prints.
"""

from __future__ import annotations

import importlib
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import yaml
from brought import Install, rehearse
from workbench import Labgen

from labgen.config.whole import Config
from labgen.filters.available import filters_for
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.steps import Respond
from labgen.records import Candidate

PACKAGE = '''
"""A flow of all the steps there are, and two of its own."""

from dataclasses import replace

from labgen.flows.find_duplicates import FindDuplicates
from labgen.flows.freeform import FREEFORM
from labgen.flows.steps import FreeFilters, Judges, OneByOne, Respond, WholeSlot

RAN = []


class One(OneByOne):
    async def __call__(self, candidate, slot):
        RAN.append((candidate, "One()"))
        return candidate


class All(WholeSlot):
    async def __call__(self, candidates, slot):
        RAN.extend((candidate, "All()") for candidate in candidates if candidate.state is None)
        return candidates


MINE = replace(FREEFORM, name="mine", like="freeform", steps=(FREEFORM.steps[0], {steps}))
'''

RUNS = {
    'FreeFilters("instruction")': ["instruction_rules, instruction", "privacy, instruction"],
    'FreeFilters("pair")': ["response_rules, pair", "privacy, pair", "arithmetic, pair", "code, pair"],
    'Judges("instruction")': ["instruction_judge, instruction"],
    'Judges("pair")': ["pair_judge, pair"],
    "FindDuplicates()": ["duplicates, instruction"],
    "Respond()": ["Respond()"],
    "One()": ["One()"],
    "All()": ["All()"],
}
"""A step as it stands in the package, to what runs in it: filters with their stages, or the step itself."""
FILTERS = ["instruction_rules", "privacy", "response_rules", "arithmetic", "code", "instruction_judge", "pair_judge"]


@contextmanager
def noted(ran: list[tuple[Candidate, str]]) -> Iterator[None]:
    """Note what runs on which candidate; no filter ends one, so that they get to the steps behind it."""

    def noting(kind: type, method: str, label: Callable[[Any], str]) -> Any:
        original = getattr(kind, method)

        def call(self: Any, candidate: Candidate, *rest: Any) -> Any:
            ran.append((candidate, label(self)))
            return original(self, candidate, *rest)

        return mock.patch.object(kind, method, call)

    patches = [
        noting(Respond, "__call__", lambda step: "Respond()"),
        noting(DuplicatesInLeaf, "look_at", lambda index: "duplicates, instruction"),
    ]
    for kind in {type(each) for each in filters_for(Config(), None).filters}:
        patches.append(noting(kind, "__call__", lambda each: f"{each.name}, {each.stage}"))
        patches.append(mock.patch.object(kind, "decide", lambda self, verdict, slot: None))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def some_orders() -> list[list[str]]:
    """The steps in the usual order, the other way round, and in some others."""
    usual = list(RUNS)
    return [usual, usual[::-1], *(random.Random(number).sample(usual, len(usual)) for number in range(10))]


@pytest.mark.parametrize("steps", some_orders())
def test_steps_run_in_the_order_of_the_value_and_of_the_table(
    install: Install, taxonomy: Path, labgen: Labgen, steps: list[str]
) -> None:
    """For every candidate up to where it ended; with filters in the order that the settings ask for."""
    order = random.Random(str(steps)).sample(FILTERS, len(FILTERS))
    install("mine", PACKAGE.replace("{steps}", ", ".join(steps)), {"labgen.flows": {"mine": "mine:MINE"}})
    settings = {"filters": {"order": order}, "calibration": {"enabled": False}}
    of_value = [name for step in steps for name in sorted(RUNS[step], key=lambda name: _rank(name, order))]

    ran: list[tuple[Candidate, str]] = []
    others = [{"match": branch, "samples": 0} for branch in ("knowledge/**", "compositional_skills/**")]
    with mock.patch.object(importlib.import_module("mine"), "RAN", ran), noted(ran):
        build, _ = rehearse(labgen.folder, dry_run=False, samples=4, leaves=others, **settings)
    assert build.funnel.total().accepted == 4
    ways = ways_of(ran, of_value[0])
    assert all(way == of_value[: len(way)] for way in ways)
    assert sum(way == of_value for way in ways) >= 4

    (labgen.folder / "labgen.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    filters = [name for name in of_value if ", " in name]
    rows = [row for row in labgen("plan", "--filters", "--json").json if "mine" in row["places"]]
    in_data = sorted(rows, key=lambda row: row["places"]["mine"])
    assert [f"{row['name']}, {row['stage']}" for row in in_data] == filters
    assert printed(labgen("plan", "--filters").out) == filters


def ways_of(ran: list[tuple[Candidate, str]], first: str) -> list[list[str]]:
    """What each candidate went through, each time it was taken through: what the ledger answers is taken twice."""
    ways: dict[tuple[int, int], list[list[str]]] = {}
    for candidate, name in ran:
        times = ways.setdefault((candidate.slot, candidate.position), [[]])
        if name == first and times[-1]:
            times.append([])
        times[-1].append(name)
    return [way for times in ways.values() for way in times]


def _rank(name: str, order: list[str]) -> int:
    filter_name = name.split(", ")[0]
    return order.index(filter_name) if filter_name in order else 0


def printed(table: str) -> list[str]:
    """The filters of the flow `mine` as the printed table has them, by their places in its column."""
    head, *lines = table.split("\n\n")[0].splitlines()
    stage, mine = head.index("stage"), head.index("mine")
    found = {}
    for line in lines:
        place = line[mine:].split()[0]
        if place.isdigit():
            found[int(place)] = f"{line.split()[0]}, {line[stage:].split()[0]}"
    return [found[place] for place in sorted(found)]
