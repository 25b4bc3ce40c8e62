"""Seeded chance that depends on what is drawn, not on when: a row's number stays when other rows come and go."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

Name = TypeVar("Name", int, tuple[int, str])

NUMBERS = 1 << 64
"""`number` is below this."""


def numbering(seed: int, purpose: str) -> Callable[[str], int]:
    """What gives each name a number from 0 to 2**64 - 1, evenly spread, fixed by all three on every machine."""
    begun = hashlib.blake2b(f"{seed}\0{purpose}\0".encode("utf-8", "surrogatepass"), digest_size=8)

    def of(name: str) -> int:
        whole = begun.copy()
        whole.update(name.encode("utf-8", "surrogatepass"))
        return int.from_bytes(whole.digest(), "big")

    return of


def number(seed: int, purpose: str, name: str) -> int:
    """The number of one name."""
    return numbering(seed, purpose)(name)


def draw(names: Iterable[tuple[str, Name]], count: int, seed: int, purpose: str) -> set[Name]:
    """`count` of the names, without replacement: those whose texts have the smallest numbers."""
    names, of = list(names), numbering(seed, purpose)
    if count >= len(names):
        return {name for _, name in names}
    return {name for _, _, name in heapq.nsmallest(count, ((of(text), text, name) for text, name in names))}


class Quota:
    """Turns a share into whole numbers, leaf after leaf, so that the sum is the share of the sum, rounded."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._seen = 0

    def take(self, available: int) -> int:
        """How many of the next `available` to draw."""
        before = int(self._seen * self._share + 0.5)
        self._seen += available
        return int(self._seen * self._share + 0.5) - before
