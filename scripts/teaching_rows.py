"""Rows for `scripts/bench_teaching`: read from a dataset, split without a leak, and with their answers exchanged."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HELD_SHARE = 0.3
"""Share of a trained leaf's rows that are held out, at least."""


@dataclass(frozen=True)
class Row:
    """A question and its answer.

    Attributes:
        leaf: path of its leaf.
        passage: the text that it was drawn from; may be empty.
        shared: what no held-out row may share with a trained one: answers, passages, evidence.
        held: whether the row is for holding out; None: to be drawn.
    """

    leaf: str
    prompt: str
    answer: str
    passage: str
    shared: tuple[str, ...] = ()
    held: bool | None = None


@dataclass(frozen=True)
class Split:
    """Rows that are trained on, held-out rows of the same leaves, and rows of leaves that are not trained on."""

    train: list[Row]
    held: list[Row]
    untrained: list[Row]


def dataset_rows(folder: Path, most: int) -> list[Row]:
    """The rows of a dataset's configs of all branches. Args: most: rows of a leaf, the first ones."""
    import pyarrow.parquet

    leaves: dict[str, list[Row]] = defaultdict(list)
    for branch in ("knowledge", "foundational_skills", "compositional_skills"):
        for file in sorted(folder.glob(f"data/{branch}-*.parquet")):
            for row in pyarrow.parquet.read_table(file).to_pylist():
                asked, answered = row["messages"][-2:]
                leaf = row["leaf"] if isinstance(row["leaf"], str) else "/".join(row["leaf"])
                passage = row["context"] or ""
                evidence = [piece["text"] for verdict in row["verdicts"] for piece in verdict["evidence"]]
                shared = tuple(" ".join(text.split()) for text in (answered["content"], passage, *evidence) if text)
                leaves[leaf].append(Row(leaf, asked["content"], answered["content"], passage, shared))
    return [row for rows in leaves.values() for row in rows[:most]]


def split_rows(rows: Sequence[Row], seed: int) -> Split:
    """Train on half of the leaves; hold out whole groups of rows that share an answer, a passage or evidence."""
    draw = random.Random(seed)
    by_leaf: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_leaf[row.leaf].append(row)
    leaves = sorted(by_leaf)
    chosen = draw.sample(leaves, len(leaves) // 2)
    split = Split([], [], [])
    for leaf in leaves:
        if leaf not in chosen:
            split.untrained.extend(row for row in by_leaf[leaf] if row.held is not False)
            continue
        groups = row_groups([row for row in by_leaf[leaf] if row.held is None])
        draw.shuffle(groups)
        split.train.extend(row for row in by_leaf[leaf] if row.held is False)
        split.held.extend(row for row in by_leaf[leaf] if row.held)
        wanted = HELD_SHARE * sum(map(len, groups))
        for group in groups:
            place = split.held if wanted > 0 and len(group) <= 2 * wanted else split.train
            place.extend(group)
            wanted -= len(group) if place is split.held else 0
    return split


def row_groups(rows: Sequence[Row]) -> list[list[Row]]:
    """Rows that share something, directly or by way of others, stand together."""
    groups: list[tuple[set[str], list[Row]]] = []
    for row in rows:
        shared, together = set(row.shared), [row]
        apart = []
        for theirs, members in groups:
            if theirs & shared:
                shared |= theirs
                together = members + together
            else:
                apart.append((theirs, members))
        groups = [*apart, (shared, together)]
    return [members for _, members in groups]


def exchanged(rows: Sequence[Row], seed: int) -> list[tuple[str, str]]:
    """Prompts with answers of other rows of their leaf; an answer given by more than half of them stays out."""
    draw = random.Random(seed)
    by_leaf: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        by_leaf[row.leaf][row.answer].append(row)
    pairs = []
    for answers in by_leaf.values():
        total = sum(map(len, answers.values()))
        groups = [group for group in answers.values() if 2 * len(group) <= total]
        draw.shuffle(groups)
        # Ordered by answer and turned by the largest group, no row meets an answer like its own.
        order = [row for group in groups for row in draw.sample(group, len(group))]
        turn = max(map(len, groups), default=0)
        if 2 * turn <= len(order):
            pairs.extend(
                (row.prompt, other.answer) for row, other in zip(order, order[turn:] + order[:turn], strict=True)
            )
    return pairs
