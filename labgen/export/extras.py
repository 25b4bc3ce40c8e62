"""Datasets of others, read row by row and put into labgen's row schema, to be mixed into phases."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from labgen.config.dataset import ExtraDataset
from labgen.errors import ConfigError, UsageError
from labgen.export.rows import storable
from labgen.formats.conversation_rows import read_conversation
from labgen.formats.dataset_reader import read_dataset
from labgen.records import ID_CHARS

CHECKED_ROWS = 1000
"""First rows that are looked at before a build."""


def check_extras(extras: Iterable[ExtraDataset]) -> None:
    """Read the first rows of each, so that what is wrong is said before a build is paid for, not after.

    Raises: ConfigError: one can't be opened, is empty, or has rows that can't be taken.
    """
    for extra in extras:
        index = -1
        for index, record in enumerate(islice(_records(extra), CHECKED_ROWS)):
            _row(extra, index, record)
        if index < 0:
            raise ConfigError(f"mix.extras `{extra.name}`: {extra.path} has no rows.")


def count_extra(extra: ExtraDataset) -> int:
    """How many rows it has.

    Raises: ConfigError: it can't be opened.
    """
    return sum(1 for _ in _records(extra))


def draw_extra(extra: ExtraDataset, count: int, available: int, *, seed: int, phase: str) -> Iterator[dict[str, Any]]:
    """`count` of its rows, without replacement, in their order, as rows of `rows.row_schema()`.

    Reads row by row (selection sampling: each row is taken with the odds that fill the number exactly). The draw
    depends on seed, name and phase.

    Raises: ConfigError: more are asked for than there are, or a row has no form that is known.
    """
    if count > available:
        raise ConfigError(
            f"mix.extras `{extra.name}`: {phase} wants {count} of its rows and it has {available}. No row is repeated: "
            f"lower its `weight` to {extra.weight * available / count:.3g} or less."
        )
    chance = random.Random(f"{seed} {extra.name} {phase}")  # noqa: S311 (a draw, not a secret)
    wanted = count
    for index, record in enumerate(islice(_records(extra), available)):
        if wanted and chance.random() * (available - index) < wanted:
            wanted -= 1
            yield _row(extra, index, record)


def _records(extra: ExtraDataset) -> Iterator[dict[str, Any]]:
    try:
        yield from read_dataset(extra.path, config=extra.config, split=extra.split)
    except UsageError as error:
        raise ConfigError(f"mix.extras `{extra.name}`: {error}") from error


def _row(extra: ExtraDataset, index: int, record: dict[str, Any]) -> dict[str, Any]:
    try:
        turns = read_conversation(record, with_context=True)
        if not turns[-1].content.strip():
            raise UsageError("has an empty answer")
    except UsageError as error:
        raise ConfigError(
            f"mix.extras `{extra.name}`: row {index} of {extra.path} {error}. Take such rows out, or put them into "
            "`messages`."
        ) from None
    messages = [{"role": turn.role, "content": storable(turn.content)} for turn in turns]
    text = json.dumps([extra.name, index, messages])
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:ID_CHARS],
        "messages": messages,
        "leaf": f"extra/{extra.name}",
        "branch": "extra",
        "context": None,
        "source": None,
        "kind": "",
        "form": "",
        "reasoning": "",
        "seed_examples": [],
        "verdicts": [],
        "teacher": "",
        "served_model": "",
        "prompt_version": "",
        "leaf_fingerprint": "",
        "rehearsal": False,
    }
