"""Datasets of others, read row by row and put into labgen's row schema, to be mixed into phases."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from labgen.config import ExtraDataset
from labgen.errors import ConfigError, UsageError
from labgen.export.rows import ID_CHARS, storable
from labgen.formats.dataset_reader import read_dataset

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
QUESTIONS = ("instruction", "prompt", "question")
ANSWERS = ("output", "completion", "response", "answer")


def check_extras(extras: Iterable[ExtraDataset]) -> None:
    """Read the first row of each, so that a wrong path is said before a build is paid for, not after.

    Raises: ConfigError: one can't be opened, is empty, or has rows of no form that is known.
    """
    for extra in extras:
        first = next(_records(extra), None)
        if first is None:
            raise ConfigError(f"mix.extras `{extra.name}`: {extra.path} has no rows.")
        _row(extra, 0, first)


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
    messages = _messages(record)
    if not messages:
        raise ConfigError(
            f"mix.extras `{extra.name}`: row {index} of {extra.path} has neither `messages` nor `conversations` nor a "
            f"question ({', '.join(QUESTIONS)}) with an answer ({', '.join(ANSWERS)}) in text."
        )
    text = json.dumps([extra.name, index, messages])
    return {
        "id": hashlib.sha256(text.encode()).hexdigest()[:ID_CHARS],
        "messages": messages,
        "leaf": f"extra/{extra.name}",
        "branch": "extra",
        "context": None,
        "source": None,
        "kind": "",
        "seed_examples": [],
        "verdicts": [],
        "teacher": "",
        "served_model": "",
        "prompt_version": "",
        "leaf_fingerprint": "",
        "rehearsal": False,
    }


def _messages(record: dict[str, Any]) -> list[dict[str, str]] | None:
    turns = record.get("messages") or record.get("conversations")
    if isinstance(turns, list) and all(isinstance(turn, dict) for turn in turns):
        pairs = [(turn.get("role") or turn.get("from"), turn.get("content") or turn.get("value")) for turn in turns]
    else:
        question = next((record[name] for name in QUESTIONS if record.get(name)), None)
        answer = next((record[name] for name in ANSWERS if record.get(name)), None)
        more = record.get("input")
        pairs = [("user", f"{question}\n\n{more}" if more and question else question), ("assistant", answer)]
    if not all(isinstance(content, str) and ROLES.get(str(role)) for role, content in pairs):
        return None
    return [{"role": ROLES[str(role)], "content": storable(str(content))} for role, content in pairs]
