"""How far filters and judges agree with the people who reviewed: by filter, over rows and rejections with a mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from labgen.export.markdown import code, markdown_table
from labgen.filters.calibration import Counts
from labgen.flows.obey_marks import REVIEW
from labgen.lazy.dataclasses import dataclass
from labgen.records import State
from labgen.taxonomy.marks import MarkVerdict, RowMark
from labgen.text.columns import align_columns

AGREEMENT = "agreement.json"
"""File of a dataset. It does not go to the Hub; the card has what is of use there."""
ALL_FILTERS = "all filters"


@dataclass
class Looked:
    """What one filter made of marked candidates (counts): those that people call good, and those that they call bad."""

    good_passed: int = 0
    good_rejected: int = 0
    bad_passed: int = 0
    bad_rejected: int = 0

    def add(self, *, good: bool, rejected: bool) -> None:
        """Count a candidate."""
        name = f"{'good' if good else 'bad'}_{'rejected' if rejected else 'passed'}"
        setattr(self, name, getattr(self, name) + 1)

    @property
    def agreed(self) -> Counts:
        """Marked candidates that it looked at, and those of them on which it agrees."""
        every = self.good_passed + self.good_rejected + self.bad_passed + self.bad_rejected
        return Counts(every, self.good_passed + self.bad_rejected)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        counts = self.agreed
        return {
            "good": {"passed": self.good_passed, "rejected": self.good_rejected},
            "bad": {"passed": self.bad_passed, "rejected": self.bad_rejected},
            "agreement": {
                "share": round(counts.share, 4),
                "interval": [round(bound, 4) for bound in counts.interval],
            },
        }


@dataclass
class Agreement:
    """Filled with a build's candidates as they come.

    Attributes:
        marks: kind of mark to how many candidates bear one.
        filters: name of a verdict to what it made of them, and `ALL_FILTERS`.
        edits_rejected: id of an edited row to why a filter turned its new text down.
        unmatched: ids of marks whose rows the build does not have.
        held_out: ids of marks on rows that are held out, or were before they were marked bad.
    """

    marks: Counter[str] = field(default_factory=Counter)
    filters: dict[str, Looked] = field(default_factory=dict)
    edits_rejected: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    held_out: list[str] = field(default_factory=list)

    def add(self, row: Mapping[str, Any], mark: RowMark) -> None:
        """Take a row or a rejection (see `labgen.export.rows`) that bears a mark."""
        self.marks[mark.verdict.value] += 1
        state, by = row.get("state") or "", row.get("rejected_by") or ""
        if mark.verdict is MarkVerdict.EDITED and row["edited_by"] and state not in ("", State.SURPLUS):
            self.edits_rejected[row["id"]] = f"{state}: {row['reason']}"
        if mark.verdict not in (MarkVerdict.GOOD, MarkVerdict.BAD) or row["edited_by"]:
            return
        good = mark.verdict is MarkVerdict.GOOD
        spoke = {verdict["filter"] for verdict in row["verdicts"]} - {REVIEW}
        for name in sorted(spoke):
            self.filters.setdefault(name, Looked()).add(good=good, rejected=name == by)
        passed = state in ("", State.SURPLUS, State.MARKED_BAD)
        self.filters.setdefault(ALL_FILTERS, Looked()).add(good=good, rejected=not passed)

    def to_json(self) -> dict[str, Any]:
        """As plain data; filters by name, all of them together first."""
        names = sorted(self.filters, key=lambda name: (name != ALL_FILTERS, name))
        return {
            "marks": {verdict.value: self.marks[verdict.value] for verdict in MarkVerdict},
            "filters": {name: self.filters[name].to_json() for name in names},
            "edits_rejected": dict(sorted(self.edits_rejected.items())),
            "unmatched": sorted(self.unmatched),
            "held_out": sorted(self.held_out),
        }


def agreement_lines(data: Mapping[str, Any]) -> list[str]:
    """What a terminal is told: marks, rows that they were not found on, agreement by filter."""
    if not any(data["marks"].values()) and not data["unmatched"] and not data["held_out"]:
        return []
    counts = ", ".join(f"{count} {name}" for name, count in data["marks"].items() if count)
    lines = [f"Marks of reviewers, on rows and rejections: {counts or 'none of this build'}."]
    if held := len(data["held_out"]):
        lines.append(f"Beside these, {_rows(held)} that {'is' if held == 1 else 'are'} held out.")
    if data["filters"]:
        lines += align_columns([_HEAD, *_cells(data)])
    for id, why in data["edits_rejected"].items():
        lines.append(f"The edit of {id} was turned down ({why}); edit it again, or mark it bad.")
    if data["unmatched"]:
        some = data["unmatched"]
        which = ", ".join(some[:4]) + (" ..." if len(some) > 4 else "")
        lines.append(
            f"{_rows(len(some))} with a mark {'is' if len(some) == 1 else 'are'} not in this build ({which}): the leaf "
            "or the settings have changed since. `labgen review --prune` takes such marks out."
        )
    return lines


def agreement_markdown(data: Mapping[str, Any]) -> str:
    """The card's section; empty where nobody has marked anything."""
    if not any(data["marks"].values()):
        return ""
    counts = ", ".join(f"{count:,} {name}" for name, count in data["marks"].items() if count)
    parts = [
        "## What reviewers say",
        f"People have looked at rows and rejections and marked them: {counts}. Rows marked bad are not in the dataset; "
        "edited ones name their editor in `edited_by`, and no judge has looked at what they say now.",
    ]
    if data["filters"]:
        cells = [[name if name == ALL_FILTERS else code(name), *rest] for name, *rest in _cells(data)]
        parts.append(markdown_table(["filter", *_HEAD[1:]], cells))
        parts.append(
            "A filter agrees where it passed what is marked good, or turned down what is marked bad. People mark what "
            "strikes them: these are no random rows, and a filter that speaks only of what it turns down has nothing "
            "under *bad passed*. Intervals are Wilson's."
        )
    return "\n\n".join(parts)


_HEAD = ["", "good passed", "good turned down", "bad passed", "bad turned down", "agrees", "95 % interval"]


def _cells(data: Mapping[str, Any]) -> Iterable[list[str]]:
    for name, found in data["filters"].items():
        low, high = found["agreement"]["interval"]
        counts = [str(found[mark][end]) for mark in ("good", "bad") for end in ("passed", "rejected")]
        yield [name, *counts, f"{found['agreement']['share']:.0%}", f"{100 * low:.0f}-{100 * high:.0f} %"]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
