"""All rows and rejections of a dataset as a list that can be narrowed: by leaf, state, reason, score and text."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from labgen.errors import UsageError
from labgen.export.configs import HELD_OUT, REJECTED
from labgen.export.files import read_tables
from labgen.export.find import SHOWN
from labgen.export.folder import read_manifest
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import State
from labgen.taxonomy.path_patterns import match_path

HELD_OUT_STATE = "held out"
STATES = (*(state.value for state in State), HELD_OUT_STATE)
"""What a listed row may be; `accepted` for those that are trained on."""

COLUMNS = ("id", "leaf", "messages", "context", "verdicts", "state", "reason")

_BOUND = re.compile(r"\s*(?P<filter>[\w.-]+)\s*(?P<sign><=|>=|<|>|=)\s*(?P<value>[-+]?[\d.]+)\s*")
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
}


@dataclass(frozen=True)
class ListedRow:
    """A row, a rejection or a held-out row as a list needs it.

    Attributes:
        config: where it lies; state: one of `STATES`; reason: why it was turned down, else empty.
        question, answer: without the context that the question may come below, and without system text.
        scores: filter to the value of its verdict.
    """

    id: str
    config: str
    state: str
    reason: str
    leaf: str
    question: str
    answer: str
    scores: Mapping[str, float]

    @cached_property
    def searched(self) -> str:
        """What text is looked for in: in lower case."""
        return f"{self.question}\n{self.answer}\n{self.id}".lower()


@dataclass(frozen=True, slots=True)
class ScoreBound:
    """A condition on a filter's value, such as `rouge_l>=0.5`."""

    filter: str
    sign: str
    value: float

    @classmethod
    def parse(cls, text: str) -> ScoreBound:
        """Raises: UsageError: it is no condition."""
        found = _BOUND.fullmatch(text)
        try:
            if found:
                return cls(found["filter"], found["sign"], float(found["value"]))
        except ValueError:
            pass
        raise UsageError(f"`{text}` is no condition on a score. Write it as `rouge_l>=0.5`, with <, <=, >, >= or =.")

    def holds(self, row: ListedRow) -> bool:
        """Whether the row has such a verdict and it is so."""
        value = row.scores.get(self.filter)
        return value is not None and _SIGNS[self.sign](value, self.value)


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Which rows are wanted: those that fit every part that is given.

    Attributes:
        leaf_patterns: any of these matches the leaf; state: any of these is its state.
        reason, text: words in the reason; in question, answer or id. Upper and lower case are the same.
        scores: all hold.
    """

    leaf_patterns: Sequence[str] = ()
    states: Sequence[str] = ()
    reason: str = ""
    text: str = ""
    scores: Sequence[ScoreBound] = ()

    def fits(self, row: ListedRow) -> bool:
        """Whether a row is wanted."""
        return (
            (not self.states or row.state in self.states)
            and self.reason.lower() in row.reason.lower()
            and self.text.lower() in row.searched
            and (not self.leaf_patterns or any(match_path(row.leaf, pattern) for pattern in self.leaf_patterns))
            and all(bound.holds(row) for bound in self.scores)
        )


def list_rows(folder: Path, wanted: RowFilter) -> Iterator[ListedRow]:
    """The rows of a dataset that a filter lets through, configs in their order, held-out ones last.

    Raises: UsageError: no dataset there.
    """
    manifest = read_manifest(folder)
    for config in SHOWN:
        for name in manifest["configs"].get(config, {"files": []})["files"]:
            path = folder / name
            if not path.is_file() and config == REJECTED:
                continue  # rejections stay where the dataset was built
            for table in read_tables(path):
                for row in table.select([each for each in COLUMNS if each in table.column_names]).to_pylist():
                    if wanted.fits(listed := _listed(row, config)):
                        yield listed


def _listed(row: Mapping[str, Any], config: str) -> ListedRow:
    said: dict[str, list[str]] = {"user": [], "assistant": [], "system": []}
    for turn in row["messages"]:
        said[turn["role"]].append(turn["content"])
    state = HELD_OUT_STATE if config in HELD_OUT else row.get("state") or State.ACCEPTED.value
    return ListedRow(
        row["id"],
        config,
        state,
        row.get("reason") or "",
        row["leaf"],
        "\n\n".join(said["user"]).removeprefix(f"{row['context']}\n\n"),
        "\n\n".join(said["assistant"]),
        {verdict["filter"]: verdict["value"] for verdict in row["verdicts"] or ()},
    )
