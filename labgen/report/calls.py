"""What the ledger knows of a build's calls: prompts and replies, and tokens by leaf and step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import field
from itertools import islice
from pathlib import Path
from typing import Any

from labgen.config.whole import PriceConfig
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Entry, Ledger
from labgen.report.blocks import Blocks, Series

BLOCK_CALLS = 60
"""Some 400 KB of prompts and replies, 30 KB packed: calls of one leaf and step have much in common."""

KEYS_AT_ONCE = 500
"""Keys in one statement: SQLite takes some hundred values."""

MAX_CANDIDATES = 25_000
"""Candidates up to which prompts and replies go into a page unless it is said otherwise: some 40 MB."""


@dataclass
class Usage:
    """Calls and tokens, as the endpoints counted them."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one call."""
        self.calls += 1
        self.prompt_tokens += prompt_tokens
        self.completion_tokens += completion_tokens

    def to_json(self, price: PriceConfig | None) -> list[float | None]:
        """`[calls, prompt tokens, completion tokens, cost]`; the cost is None without prices."""
        cost = round(price.cost(self.prompt_tokens, self.completion_tokens), 6) if price else None
        return [self.calls, self.prompt_tokens, self.completion_tokens, cost]


@dataclass
class BuildSpending:
    """What the calls behind a build's rows and rejections came to."""

    by_step: dict[str, Usage] = field(default_factory=dict)
    by_leaf: dict[str, Usage] = field(default_factory=dict)
    missing: int = 0

    def add(self, leaf: str, step: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one call of a leaf's step."""
        self.by_step.setdefault(step, Usage()).add(prompt_tokens, completion_tokens)
        self.by_leaf.setdefault(leaf, Usage()).add(prompt_tokens, completion_tokens)

    def to_json(self, price: PriceConfig | None) -> dict[str, Any]:
        """As plain data."""
        return {
            "by_step": {name: usage.to_json(price) for name, usage in sorted(self.by_step.items())},
            "by_leaf": {name: usage.to_json(price) for name, usage in sorted(self.by_leaf.items())},
            "missing": self.missing,
            "priced": price is not None,
            "currency": price.currency if price else None,
        }


def spending(work: Path | None, keys: Iterable[bytes]) -> BuildSpending:
    """Tokens of the calls with these keys, each once. Raises: LedgerError: the ledger is damaged."""
    found = BuildSpending()
    seen: set[int] = set()  # 8 bytes of each key, which of four million are a quarter of the memory
    ledger = Ledger(work, read_only=True) if work else None
    try:
        coming = iter(keys)
        while some := list(islice(coming, KEYS_AT_ONCE)):
            wanted = {int.from_bytes(key[:8], "big"): key for key in some}
            own = tuple(key for short, key in wanted.items() if short not in seen)
            seen.update(wanted)
            rows = _usage(ledger, own) if ledger else []
            found.missing += len(own) - len(rows)
            for row in rows:
                found.add(*row)
    finally:
        if ledger:
            ledger.close()
    return found


def _usage(ledger: Ledger, keys: tuple[bytes, ...]) -> list[tuple[str, str, int, int]]:
    marks = ",".join("?" * len(keys))
    # The only thing put into the statement is its number of question marks.
    statement = f"SELECT leaf, step, prompt_tokens, completion_tokens FROM replies WHERE key IN ({marks})"  # noqa: S608
    return [(row[0], row[1], row[2], row[3]) for row in ledger.query(statement, keys)]


class CallBlocks:
    """Prompts and replies for the page, each call once, in the order in which rows name them."""

    def __init__(self, blocks: Blocks, work: Path | None) -> None:
        self._series = Series(blocks, "calls", BLOCK_CALLS)
        self._ledger = Ledger(work, read_only=True) if work else None
        self._numbers: dict[bytes, int | None] = {}

    def numbers(self, keys: Iterable[bytes]) -> list[int]:
        """The numbers of a row's calls on the page; those that the ledger lacks are left out."""
        return [number for key in keys if (number := self._number(key)) is not None]

    def _number(self, key: bytes) -> int | None:
        if key not in self._numbers:
            entry = self._ledger.entry(key) if self._ledger else None
            self._numbers[key] = self._series.add(call_of(entry)) if entry else None
        return self._numbers[key]

    def close(self) -> dict[str, int]:
        """Pack the rest and let go of the ledger; what the page has to know to find a call."""
        if self._ledger:
            self._ledger.close()
        return self._series.close()


def call_of(entry: Entry) -> dict[str, Any]:
    """A paid call as the page shows it: never an address, since pages are passed on."""
    call, reply = json.loads(entry.call), entry.reply
    told = {
        "key": entry.key.hex()[:12],
        "step": entry.step,
        "model": call["model"],
        "served": reply.served.model if reply.served.model != call["model"] else "",
        "messages": call["messages"],
        "reasoning": reply.reasoning,
        "reply": reply.text,
        "end": reply.failure or reply.finish_reason,
        "sampling": {name: call[name] for name in ("temperature", "top_p", "max_tokens", "seed") if name in call},
        "tokens": [reply.prompt_tokens, reply.completion_tokens],
    }
    return {name: value for name, value in told.items() if value not in ("", None)}
