"""What changed between two releases, by leaf, and how the card and the commit say it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from labgen.export.configs import DOCUMENTS
from labgen.export.files import read_rows
from labgen.lazy.dataclasses import dataclass
from labgen.records import BRANCHES

BEGIN = "<!-- changes by release, written by labgen push -->"
TITLE = "## Changes"
_LISTED = 200


@dataclass(frozen=True, slots=True)
class LeafRows:
    """Rows of one leaf that came, went, or have the same question and another answer or source."""

    leaf: str
    added: int = 0
    dropped: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True)
class RowKey:
    """What tells a row and its question apart, small enough to hold a million of."""

    leaf: str
    question: bytes


def branch_files(manifest: Mapping[str, Any]) -> set[str]:
    """Files of the branches and of the documents, which hold each row once (phases hold them again)."""
    configs = manifest["configs"]
    once = [name for name in (*BRANCHES, DOCUMENTS) if name in configs]
    names = once or [name for name in configs if name != "rejected"]
    return {file for name in names for file in configs[name]["files"]}


def row_keys(paths: Iterable[Path]) -> dict[str, RowKey]:
    """Row id to key, for all rows of some Parquet files."""
    keys: dict[str, RowKey] = {}
    leaves: dict[str, str] = {}
    for path in paths:
        for row in read_rows(path, ["id", "leaf", "messages"]):
            asked = "\n".join(turn["content"] for turn in row["messages"] if turn["role"] == "user")
            leaf = leaves.setdefault(row["leaf"], row["leaf"])
            keys[row["id"]] = RowKey(leaf, hashlib.blake2b(asked.encode(), digest_size=8).digest())
    return keys


def compare_rows(before: Mapping[str, RowKey], after: Mapping[str, RowKey]) -> list[LeafRows]:
    """Changes by leaf, in path order; leaves without any are left out.

    An id hashes a row's text, so a row whose answer changed has another id: it is recognised by leaf and question.
    """
    gone = Counter((key.leaf, key.question) for id, key in before.items() if id not in after)
    come = Counter((key.leaf, key.question) for id, key in after.items() if id not in before)
    changed, added, dropped = (Counter[str]() for _ in range(3))
    for pair in gone.keys() | come.keys():
        both = min(gone[pair], come[pair])
        changed[pair[0]] += both
        added[pair[0]] += come[pair] - both
        dropped[pair[0]] += gone[pair] - both
    leaves = sorted({leaf for leaf, _ in gone.keys() | come.keys()})
    return [LeafRows(leaf, added[leaf], dropped[leaf], changed[leaf]) for leaf in leaves]


def describe_changes(changes: Iterable[LeafRows] | None, *, rows: int, leaves: int) -> str:
    """The entry's text, as Markdown that also reads well in a commit. None: there was no release before."""
    if changes is None:
        return f"First release: {rows:,} rows of {leaves:,} {'leaf' if leaves == 1 else 'leaves'}."
    changes = list(changes)
    if not changes:
        return f"The same {rows:,} rows; the card or the settings changed."
    lines = [f"{rows:,} rows of {leaves:,} leaves. Changed:", ""]
    lines += [f"- `{shown_path(change.leaf)}`: {', '.join(_counts(change))}" for change in changes[:_LISTED]]
    if len(changes) > _LISTED:
        rest = changes[_LISTED:]
        added, dropped, changed = (sum(counts) for counts in zip(*map(_numbers, rest), strict=True))
        total = LeafRows("", added, dropped, changed)
        lines.append(f"- {len(rest):,} more leaves: {', '.join(_counts(total))}")
    return "\n".join(lines)


def shown_path(name: str) -> str:
    """A path as it may stand in Markdown and on a terminal: the name of a file or folder may hold anything."""
    return "".join("?" if char == "`" or not char.isprintable() else char for char in name)


def _numbers(change: LeafRows) -> tuple[int, int, int]:
    return change.added, change.dropped, change.changed


def _counts(change: LeafRows) -> Iterator[str]:
    for count, word in ((change.added, "added"), (change.dropped, "dropped"), (change.changed, "changed")):
        if count:
            yield f"{count:,} {word}"


def split_card(card: str) -> tuple[str, str]:
    """The card's own text, and the entries of earlier releases that `join_card` had put at its end."""
    text, mark, entries = card.partition(f"\n{BEGIN}\n")
    return (text.rstrip("\n") + "\n", entries.removeprefix(f"{TITLE}\n").strip()) if mark else (card, "")


def join_card(card: str, title: str, entry: str, earlier: str) -> str:
    """The card with a section of changes at its end, newest first."""
    entries = f"### {title}\n\n{entry}" + (f"\n\n{earlier}" if earlier else "")
    return card.rstrip("\n") + f"\n\n{BEGIN}\n{TITLE}\n\n{entries}\n"
