"""A row, a rejection or a held-out row as the page shows it: texts, verdicts with placed evidence, lineage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from labgen.formats.conversation_text import texts_by_role
from labgen.lazy.dataclasses import dataclass
from labgen.records import SECOND_TURN
from labgen.report.blocks import Names
from labgen.report.evidence import place
from labgen.text.printable import without_credentials
from labgen.text.token_count import estimate_tokens

KNOWN = frozenset(
    (
        *("id", "messages", "prompt", "leaf", "branch", "context", "source", "kind", "form", "reasoning", "raw"),
        *("seed_examples", "verdicts", "teacher", "served_model", "prompt_version", "leaf_fingerprint", "rehearsal"),
        *("state", "reason", "text", "unmask"),
    )
)
"""Columns that have a place of their own on the page; a config's others are listed below a row."""

ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Lineage:
    """The draw that a row comes from, and the calls of its history (ledger keys, in order)."""

    slot: int | None = None
    position: int | None = None
    calls: tuple[bytes, ...] = ()


@dataclass
class Shared:
    """What rows refer to by number: names of filters, teachers and files; passages that several rows show."""

    filters: Names = field(default_factory=Names)
    words: Names = field(default_factory=Names)
    passages: Names = field(default_factory=Names)


def texts_of(row: Mapping[str, Any]) -> dict[str, str]:
    """A row's texts by part (see `evidence.PARTS`). The question is without the context that it may come below."""
    turns = row.get("messages") or row.get("prompt") or []
    asked, asked_next = texts_by_role(turns, "user")
    answer, answer_next = texts_by_role(turns, "assistant")
    context = row.get("context") or ""
    return {
        "context": context,
        "system": "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system"),
        "question": asked.removeprefix(f"{context}\n\n") if context else asked,
        "answer": answer,
        "question_2": asked_next,
        "answer_2": answer_next,
        "reasoning": row.get("reasoning") or "",
        "raw": row.get("raw") or "",
    }


def entry_of(row: Mapping[str, Any], config: str, lineage: Lineage, shared: Shared) -> dict[str, Any]:
    """A row as plain data for the page. What is empty is left out."""
    texts = texts_of(row)
    # What was said of a second turn is looked for there, and in no part of the first.
    second = {part: text for part, text in texts.items() if part in ("context", "question_2", "answer_2")}
    source = row.get("source")
    entry: dict[str, Any] = {
        "id": row["id"],
        "state": row.get("state"),
        "reason": row.get("reason"),
        **{part: text for part, text in texts.items() if part != "context"},
        "kind": row.get("kind"),
        "form": row.get("form"),
        "seeds": row.get("seed_examples"),
        "teacher": _teacher(row),
        "verdicts": [
            [
                shared.filters.number(verdict["filter"]),
                verdict["value"],
                verdict["reason"],
                [place(piece, seen) for piece in verdict["evidence"] or ()],
            ]
            for verdict in row.get("verdicts") or ()
            for seen in [second if verdict["filter"].startswith(f"{SECOND_TURN}/") else texts]
        ],
        "own": {name: _told(value) for name, value in row.items() if name not in KNOWN and value not in (None, "")},
    }
    if source:
        entry["source"] = [
            shared.words.number(without_credentials(source[name])) for name in ("repo", "commit", "file")
        ]
        entry["source"] += [source["start"], source["end"]]
        entry["passage"] = shared.passages.number(texts["context"])
    else:
        entry["context"] = texts["context"]
    if lineage.slot is not None:
        entry |= {"slot": lineage.slot, "position": lineage.position}
    entry = {name: value for name, value in entry.items() if value not in (None, "", [], {})}
    return entry | {"set": config}


def _teacher(row: Mapping[str, Any]) -> str:
    served, asked = row.get("served_model") or "", row.get("teacher") or ""
    named = f"{asked} ({served} in its own replies)" if served not in ("", asked) else asked
    return f"{named}, rehearsal" if row.get("rehearsal") else named


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


class Index:
    """The columns that lists, filters and plots need of every entry, numbered by values that are told once."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._names = {name: Names() for name in ("leaf", "state", "reason", "set", "kind")}
        self._columns: dict[str, list[int]] = {name: [] for name in (*self._names, "question", "answer")}
        self._ids: list[str] = []
        self._scores: dict[int, tuple[dict[float, int], list[int]]] = {}

    def add(self, row: Mapping[str, Any], config: str, **instead: str) -> None:
        """Take an entry. `instead` gives values that do not stand in the row."""
        texts = texts_of(row)
        reason = (row.get("reason") or "").split(":", 1)[0].strip()[:80]
        values = {
            "leaf": row.get("leaf") or "",
            "state": row.get("state") or ACCEPTED,
            "reason": reason,
            "set": config,
            "kind": row.get("kind") or "",
        } | instead
        for name, value in values.items():
            self._columns[name].append(self._names[name].number(value))
        self._columns["question"].append(estimate_tokens(texts["question"] + texts["question_2"]))
        self._columns["answer"].append(estimate_tokens(texts["answer"] + texts["answer_2"]))
        for verdict in row.get("verdicts") or ():
            known, at = self._scores.setdefault(self._shared.filters.number(verdict["filter"]), ({}, []))
            at += [-1] * (len(self._ids) + 1 - len(at))
            at[-1] = known.setdefault(round(verdict["value"], 3), len(known))
        self._ids.append(row["id"])

    def to_json(self) -> dict[str, Any]:
        """As plain data. A score's column may be shorter than the others: what is missing has none."""
        return {
            "ids": self._ids,
            "columns": self._columns,
            "names": {name: names.to_json() for name, names in self._names.items()},
            "scores": {number: {"values": list(known), "at": at} for number, (known, at) in self._scores.items()},
        }
