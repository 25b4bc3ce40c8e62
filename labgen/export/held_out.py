"""Rows that are held out: what they look like, where they stand in the dataset, and the proof that nothing leaked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labgen.errors import OutputError
from labgen.export.configs import ASKED, CHOICE, HELD_OUT, READING, RECALL, REJECTED, SKILLS
from labgen.export.files import DataFile, ShardedTable, read_rows
from labgen.export.fit import conversations_of
from labgen.export.forms import passages_apart
from labgen.export.rows import OPEN_BOOK, BuildInfo, LeafInfo, row_of, row_schema
from labgen.filters.leaks import HeldOutText, Leak, LeakIndex, Place, Training, TrainingText
from labgen.filters.sentence_support import NAME as SENTENCE_SUPPORT
from labgen.formats.training.base import PREFERENCE_CONFIGS
from labgen.lazy.dataclasses import dataclass
from labgen.records import SECOND_TURN, Candidate

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 500
NAMED_LEAKS = 5
_BEARS_OUT = ("groundedness", SENTENCE_SUPPORT)
_COLUMNS = ["id", "messages", "context", "source", "verdicts", "form"]


@dataclass(frozen=True)
class HeldOutRows:
    """What a build holds out.

    Attributes:
        rows: config to its rows, of `held_out_schema`.
        report: what became of the draws: content of `held_out.json`.
        complete: whether every leaf was drawn from to its end.
        marked_bad: ids of the marks that ended a row.
    """

    rows: Mapping[str, Sequence[dict[str, Any]]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)
    complete: bool = True
    marked_bad: frozenset[str] = frozenset()


def split_of(config: str) -> str:
    """The name of a config's one split."""
    return "test" if config in HELD_OUT else "train"


def for_training(config: str) -> bool:
    """Whether a config's rows are for training: not what was turned down, and not what is held out."""
    return config != REJECTED and config not in HELD_OUT


def held_out_schema(config: str) -> pa.Schema:
    """The Arrow schema of a held-out config: that of rows; `choice` has `question`, `choices`, `answer` (0-based index
    of the right one) and `of`, the id of the row that it was made of, as well.
    """
    import pyarrow as pa

    if config != CHOICE:
        return row_schema()
    own = [("question", pa.string()), ("choices", pa.list_(pa.string())), ("answer", pa.int32()), ("of", pa.string())]
    return pa.schema([*row_schema(), *own])


def held_out_row(candidate: Candidate, config: str, leaf: LeafInfo, about: BuildInfo) -> dict[str, Any]:
    """An accepted candidate as a held-out row. To be read, it comes below its passage."""
    row = row_of(candidate, leaf, about)
    if config == READING:
        row["messages"][0]["content"] = f"{row['context']}\n\n{row['messages'][0]['content']}"
        row["form"] = OPEN_BOOK
    return row


def question_of(row: Mapping[str, Any]) -> str:
    """A row's question, without the passage that it may come below."""
    asked = _turns(row, "user")
    context = row["context"]
    return asked.removeprefix(f"{context}\n\n") if context else asked


def answer_of(row: Mapping[str, Any]) -> str:
    """A row's answer."""
    return _turns(row, "assistant")


def _turns(row: Mapping[str, Any], role: str) -> str:
    return "\n\n".join(turn["content"] for turn in row["messages"] if turn["role"] == role)


def evidence_of(row: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[Place, ...]]:
    """What bears a row's answer out: the words, and where they stand in its document."""
    pieces = [
        piece
        for verdict in row["verdicts"]
        if verdict["filter"].removeprefix(f"{SECOND_TURN}/") in _BEARS_OUT
        for piece in verdict["evidence"]
        if piece["start"] >= 0
    ]
    source, context = row["source"], row["context"] or ""
    if source is None:
        return tuple(piece["text"] for piece in pieces), ()
    document = (source["repo"], source["commit"], source["file"])
    before = source["end"] - len(context)  # the passage ends with the document's own words
    places = (Place(document, before + piece["start"], before + piece["end"]) for piece in pieces)
    return tuple(piece["text"] for piece in pieces), tuple(places)


def exchanges_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A row of several turns as rows of one question and answer each; what bears the answers out is all the first's.

    A row with anything else than questions and answers by turns is one. What is asked next comes without a passage.
    """
    turns = row["messages"]
    roles = [turn["role"] for turn in turns]
    if len(turns) < 3 or roles != ["user", "assistant"] * (len(turns) // 2):
        return [row]
    first, *others = (turns[begin : begin + 2] for begin in range(0, len(turns), 2))
    return [{**row, "messages": first}, *({**row, "messages": each, "verdicts": [], "form": ""} for each in others)]


def training_texts(row: Mapping[str, Any]) -> list[TrainingText]:
    """What a training row shows, turn by turn."""
    return [_training_text(each) for each in exchanges_of(row)]


def _training_text(row: Mapping[str, Any]) -> TrainingText:
    evidence, places = evidence_of(row)
    passages, asked = passages_apart(_turns(row, "user"), row.get("form") or "", row["context"] or "")
    return TrainingText(
        row["id"],
        asked,
        question_of(row).rpartition("\n\n")[2],
        answer_of(row),
        row["context"] or "",
        passages,
        evidence,
        places,
    )


def held_out_texts(row: Mapping[str, Any], config: str) -> list[HeldOutText]:
    """What training must not show of a held-out row, turn by turn."""
    return [_held_out_text(each, config) for each in exchanges_of(row)]


def _held_out_text(row: Mapping[str, Any], config: str) -> HeldOutText:
    evidence, places = evidence_of(row)
    passage = "" if config == RECALL else row["context"] or ""
    return HeldOutText(
        row["id"], question_of(row), answer_of(row), evidence, places, passage, of_document=config != SKILLS
    )


def write_held_out(root: Path, held_out: HeldOutRows) -> dict[str, Sequence[DataFile]]:
    """Write the held-out configs below `root/held_out`. Returns: config to its files; those without rows left out."""
    found: dict[str, Sequence[DataFile]] = {}
    for config in HELD_OUT:
        if rows := held_out.rows.get(config):
            with ShardedTable(root, f"held_out/{config}", held_out_schema(config)) as table:
                for row in rows:
                    table.add(row)
            found[config] = tuple(table.files)
    return found


def check_no_leak(root: Path, configs: Mapping[str, Sequence[str]]) -> None:
    """Look through every training row for anything that is held out.

    Args:
        configs: all of the dataset's, each with its files below `root`.
    Raises: OutputError: something is there; the message says what and where.
    """
    index = _index(root, configs)
    if index is None:
        return
    leaks: list[tuple[str, Leak]] = []
    for config in filter(for_training, configs):
        every = chain.from_iterable(map(shown_in, _rows(root, config, configs[config])))
        while rows := list(islice(every, BATCH_ROWS)):
            leaks += (
                (config, leak) for leak in index.find(Training([text for row in rows for text in training_texts(row)]))
            )
    if leaks:
        raise OutputError(_what_leaked(root, leaks))


def shown_in(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What a training row shows, as rows with turns: a pair shows its prompt with either response."""
    if "messages" in row:
        return [dict(row)]
    return [
        {"id": row["id"], "messages": turns, "context": None, "source": None, "verdicts": []}
        for turns in conversations_of(row)
    ]


def _index(root: Path, configs: Mapping[str, Sequence[str]]) -> LeakIndex | None:
    """All that is held out; None for nothing."""
    held = [
        text
        for config in ASKED
        for file in configs.get(config, ())
        for row in read_rows(root / file, _COLUMNS)
        for text in held_out_texts(row, config)
    ]
    return LeakIndex(held) if held else None


def _rows(root: Path, config: str, files: Iterable[str]) -> Iterator[dict[str, Any]]:
    columns = None if config in PREFERENCE_CONFIGS else _COLUMNS
    for file in files:
        yield from read_rows(root / file, columns)


def _what_leaked(root: Path, leaks: Sequence[tuple[str, Leak]]) -> str:
    rows = len({leak.held_out for _, leak in leaks})
    named = "; ".join(
        f"the {leak.piece} of {leak.held_out} in row {leak.training} of `{config}`"
        for config, leak in leaks[:NAMED_LEAKS]
    )
    more = f", and {len(leaks) - NAMED_LEAKS} more" if len(leaks) > NAMED_LEAKS else ""
    return (
        f"{rows} held-out {'row' if rows == 1 else 'rows'} would be trained on: {named}{more}. Nothing was written. "
        "Where the row is of a dataset that `mix.extras` adds, take that out; else build the dataset again."
    )
