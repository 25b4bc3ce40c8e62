"""The order of work as a table: every filter, and its place in each flow. Read from the flows that the engine takes."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.filters.available import DUPLICATES, FilterSet
from labgen.filters.base import Cost, Filter
from labgen.filters.installed import Installed
from labgen.filters.sentence_support import NAME as SENTENCE_SUPPORT
from labgen.filters.sentence_support import SENTENCES_PER_CALL, VERSION
from labgen.flows.bound import BoundFlow
from labgen.flows.self_consistency import NAME as SELF_CONSISTENCY
from labgen.flows.self_consistency import VERSION as CONSISTENCY_VERSION
from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table of filters.

    Attributes:
        calls: what a candidate costs in calls, in words.
        places: flow to 1-based place; flows that it does not look at are missing.
        origin: `labgen`, or the package that it comes from.
        filter: the filter itself; None for one that is a step: the look for near-duplicates, and that at sentences.
    """

    name: str
    kind: str
    stage: str
    calls: str
    places: dict[str, int]
    version: str
    origin: str
    filter: Filter | None = None


def order_of_work(flows: Sequence[Flow], filters: FilterSet, *, per_call: int) -> list[Row]:
    """Every filter that will look, in the order in which a candidate of the longest flow gets to it.

    Args:
        per_call: candidates that share a call, where a judge takes a slot's together.
    """
    sequences = {flow.name: BoundFlow.of(flow, filters).filters for flow in flows}
    rows = []
    for each in dict.fromkeys(each for found in sequences.values() for each in found):
        places = {flow: found.index(each) + 1 for flow, found in sequences.items() if each in found}
        rows.append(_row(each, places, per_call))
    # As in the flow that has most of them.
    longest = sorted(sequences, key=lambda flow: -len(sequences[flow]))
    return sorted(rows, key=lambda row: next(row.places[flow] for flow in longest if flow in row.places))


def _row(each: Filter | str, places: dict[str, int], per_call: int) -> Row:
    if each == SENTENCE_SUPPORT:
        calls = f"1 for {SENTENCES_PER_CALL} sentences"
        return Row(SENTENCE_SUPPORT, "judge", "pair", calls, places, VERSION, "labgen")
    if each == SELF_CONSISTENCY:
        return Row(SELF_CONSISTENCY, "judge", "pair", "reasoning_samples - 1", places, CONSISTENCY_VERSION, "labgen")
    if isinstance(each, str):
        return Row(DUPLICATES, "index", "instruction", "0", places, "1", "labgen")
    origin = each.package if isinstance(each, Installed) else "labgen"
    return Row(each.name, each.kind, each.stage, _calls(each, per_call), places, each.version, origin, each)


def _calls(each: Filter, per_call: int) -> str:
    if each.kind != "judge":
        return "0"
    cost: Cost = getattr(each, "cost", Cost())
    return f"{cost.usual_calls:g} for {per_call}" if cost.shared else f"{cost.usual_calls:g}"
