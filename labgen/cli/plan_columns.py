"""The table of `labgen plan`: its lines, their order, and what of them fits a terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from labgen.progress.run_words import short_path
from labgen.text.columns import align_columns
from labgen.text.durations import duration

LEAST_PATH = 30
"""Characters that a leaf's path has at least; columns that can be done without go before it gets fewer."""
LEAST_VOICE = 20
"""Characters that there have to be for who answers, and why."""
SPARE = ("leaves", "slots", "of it exact", "paid", "reply tokens", "prompt tokens")
"""Columns that are left out on a narrow terminal, in this order; `--json` has all."""


def terminal_columns() -> int | None:
    """Width of the terminal that stdout is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def plan_lines(estimate: Any, by_leaf: bool, *, sort: str | None, width: int | None) -> list[str]:
    """The table; see `labgen.cli.plan.plan_table`."""
    groups: dict[str, list[Any]] = {}
    for leaf in estimate.leaves:
        groups.setdefault(leaf.plan.leaf.path if by_leaf else leaf.plan.leaf.branch, []).append(leaf)
    rows = [(name, _sums(leaves)) for name, leaves in groups.items()]
    if sort == "leaf":
        rows.sort(key=lambda row: row[0])
    elif sort:
        rows.sort(key=lambda row: -(row[1][SORTED_BY[sort]] or 0.0))
    rows.append(("in all", _sums(list(estimate.leaves))))
    columns = {name: [_shown(name, sums[name]) for _, sums in rows] for name in rows[0][1]}
    if estimate.cost is None:
        del columns["cost"]
    else:
        columns[f"cost ({estimate.currency})"] = columns.pop("cost")
        columns["time"] = columns.pop("time")
    if estimate.time is None:
        del columns["time"]
    names = [name for name, _ in rows]
    if width is not None:
        names = _fit(names, columns, width)
    table = [["", *columns], *([name, *cells] for name, *cells in zip(names, *columns.values(), strict=True))]
    lines = align_columns(table)
    if by_leaf and (width is None or width - max(map(len, lines)) >= LEAST_VOICE):
        voices = {leaf.plan.leaf.path: _voice(leaf.plan) for leaf in estimate.leaves}
        said = ["responses", *(voices.get(name, "") for name, _ in rows)]
        lines = [f"{line}  {voice}".rstrip() for line, voice in zip(lines, said, strict=True)]
    return [line if width is None or len(line) <= width else f"{line[: width - 1].rstrip()}…" for line in lines]


SORTED_BY = {"cost": "cost", "time": "time", "calls": "to pay", "rows": "rows"}


def _sums(leaves: Sequence[Any]) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "leaves": len(leaves),
        "rows": sum(leaf.plan.wanted for leaf in leaves),
        "slots": sum(leaf.slots for leaf in leaves),
        "paid": sum(leaf.paid for leaf in leaves),
        "to pay": sum(leaf.calls for leaf in leaves),
        "of it exact": sum(leaf.first_calls for leaf in leaves),
        "prompt tokens": sum(leaf.prompt_tokens for leaf in leaves),
        "reply tokens": sum(leaf.completion_tokens for leaf in leaves),
    }
    for name, attribute in (("cost", "cost"), ("time", "seconds")):
        known = [value for leaf in leaves if (value := getattr(leaf, attribute)) is not None]
        found[name] = sum(known) if known else None
    return found


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    if name == "cost":
        return f"{value:,.2f}" if value >= 1.0 or not value else f"{value:.4f}"
    return duration(value) if name == "time" else f"{round(value):,}"


def _fit(names: Sequence[str], columns: dict[str, list[str]], width: int) -> list[str]:
    """Leave columns out until a line fits, and shorten paths to what room there is; gives the names."""
    longest = max(map(len, names))

    def room() -> int:
        return width - sum(2 + max(len(name), *map(len, cells)) for name, cells in columns.items())

    for name in SPARE:
        if room() >= min(longest, LEAST_PATH):
            break
        columns.pop(name, None)
    return [short_path(name, max(8, room())) for name in names]


def _voice(plan: Any) -> str:
    """The persona that answers a skill's instructions, and why that one; knowledge comes with its answers."""
    return "" if plan.chunks else f"{plan.persona.name}: {plan.persona.why}"
