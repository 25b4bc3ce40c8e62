"""What changed between two states of a leaf, in words and as kinds that a program can tell apart."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from labgen.lazy.dataclasses import dataclass
from labgen.records import DocumentSource, Leaf, SeedExample

REWORDED_ABOVE = 0.5
"""Share of common characters from which two seed examples are one that was reworded, not one out and one in."""

HASH_CHARS = 10


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that changed.

    Attributes:
        kind: such as `seeds_added`, `task_reworded`, `commit_moved`: stable, for programs.
        words: the same for people; names and addresses in it are as the leaf has them.
    """

    kind: str
    words: str


def describe_leaf(before: Leaf, after: Leaf) -> list[Detail]:
    """What differs between two readings of a leaf, in the order of its keys; empty where nothing that is read does."""
    found = []
    if before.version != after.version:
        found.append(Detail("version", f"version {before.version} became {after.version}"))
    for kind, name, words in (
        ("task_reworded", "task_description", "task"),
        ("domain_reworded", "domain", "domain"),
        ("outline_reworded", "document_outline", "document outline"),
    ):
        found += _text(kind, words, getattr(before, name), getattr(after, name))
    if before.reasoning != after.reasoning:
        what = f"`{after.reasoning}`" if after.reasoning else "nothing"
        found.append(Detail("reasoning", f"beside its answers {what} is kept of how they came about"))
    found += describe_seeds(before.seed_examples, after.seed_examples)
    found += _documents(before.document, after.document)
    if before.created_by != after.created_by:
        found.append(Detail("author", "contributor's name changed"))
    return found


def _text(kind: str, words: str, before: str, after: str) -> list[Detail]:
    if before == after:
        return []
    if not before or not after:
        return [Detail(kind, f"{words} {'added' if after else 'removed'}")]
    if before.split() == after.split():
        return [Detail(kind, f"{words} wrapped anew, the same words")]
    return [Detail(kind, f"{words} reworded")]


def describe_seeds(before: Sequence[SeedExample], after: Sequence[SeedExample]) -> list[Detail]:
    """Seed examples added, removed, reworded, put in another order (which changes what a draw shows)."""
    old, new = [(seed.context, seed.pairs) for seed in before], [(seed.context, seed.pairs) for seed in after]
    if old == new:
        return []
    gone = [before[place] for place in _without(old, new)]
    come = [after[place] for place in _without(new, old)]
    reworded = _pair_up(gone, come)
    found = []
    for kind, count, verb in (
        ("seeds_added", len(come) - reworded, "added"),
        ("seeds_removed", len(gone) - reworded, "removed"),
        ("seeds_reworded", reworded, "reworded"),
    ):
        if count:
            found.append(Detail(kind, f"{count} seed example{'s' if count > 1 else ''} {verb}"))
    return found or [Detail("seeds_reordered", "seed examples put in another order")]


def _without(these: Sequence[object], those: Sequence[object]) -> list[int]:
    """Places in `these` of what `those` has not, counting repeats."""
    left = Counter(those)
    places = []
    for place, item in enumerate(these):
        if left[item]:
            left[item] -= 1
        else:
            places.append(place)
    return places


def _pair_up(gone: Sequence[SeedExample], come: Sequence[SeedExample]) -> int:
    """How many of the seeds that went came back in other words: the most alike first, each once."""
    scored = []
    for left, old in enumerate(gone[:100]):
        for right, new in enumerate(come[:100]):
            likeness = _likeness(old, new)
            if likeness >= REWORDED_ABOVE:
                scored.append((-likeness, left, right))
    lefts: set[int] = set()
    rights: set[int] = set()
    for _, left, right in sorted(scored):
        if left not in lefts and right not in rights:
            lefts.add(left)
            rights.add(right)
    return len(lefts)


def _likeness(old: SeedExample, new: SeedExample) -> float:
    if {pair.question for pair in old.pairs} & {pair.question for pair in new.pairs}:
        return 1.0
    if old.context and old.context == new.context:
        return 0.99
    one, other = _flat(old), _flat(new)
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() >= REWORDED_ABOVE else 0.0


def _flat(seed: SeedExample) -> list[str]:
    # Words, not characters: quick enough for long passages, and as telling.
    texts = [seed.context or ""] + [f"{pair.question} {pair.answer}" for pair in seed.pairs]
    return " ".join(texts).split()[:400]


def _documents(before: DocumentSource | None, after: DocumentSource | None) -> list[Detail]:
    if before is None or after is None:
        return []
    found = []
    if before.beside_leaf != after.beside_leaf or (not after.beside_leaf and before.repo != after.repo):
        old, new = (
            "files beside the leaf" if source.beside_leaf else source.repo.strip() for source in (before, after)
        )
        found.append(Detail("repository_changed", f"documents moved from {old} to {new}"))
    elif not after.beside_leaf and before.commit != after.commit:
        old, new = before.commit[:HASH_CHARS], after.commit[:HASH_CHARS]
        found.append(Detail("commit_moved", f"documents moved to another commit: {old} became {new}"))
    if before.patterns != after.patterns:
        found.append(Detail("patterns_changed", "patterns of the documents changed"))
    return found
