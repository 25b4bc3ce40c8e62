"""Slots: which seed examples, which chunk and which sampling seed the i-th draw from a leaf uses.

Source: LAB section 3.2 samples a leaf's own examples at random; ours rotates through them, so that every example is
shown equally often, a prompt's beginning recurs every few slots (which a server's prefix cache serves), and a slot is
fixed by its number alone.
"""

from __future__ import annotations

import hashlib

from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Slot


def make_slot(plan: LeafPlan, index: int, *, seed: int) -> Slot:
    """The `index`-th draw from a leaf (0-based, without end), the same for the same arguments, on every machine.

    Knowledge leaves go through their chunks in order, again and again; each round pairs a chunk with other seeds.
    """
    total = len(plan.leaf.seed_examples)
    chunk = index % len(plan.chunks) if plan.chunks else None
    start = index + (index // len(plan.chunks) if plan.chunks else 0)
    shown = distinct_window(plan, start, min(plan.seeds_per_prompt, total))
    return Slot(plan.leaf.path, index, shown, chunk, sampling_seed(seed, plan.leaf.path, index))


def distinct_window(plan: LeafPlan, start: int, size: int) -> tuple[int, ...]:
    """`size` seed examples from `start` on, cyclically; repeats of the same text are shown once."""
    seeds = plan.leaf.seed_examples
    shown: dict[object, int] = {}
    for step in range(len(seeds)):
        seed = seeds[(start + step) % len(seeds)]
        shown.setdefault((seed.context, seed.pairs), seed.index)
        if len(shown) == size:
            break
    return tuple(shown.values())


def sampling_seed(seed: int, leaf: str, index: int) -> int:
    """A number from 0 to 2**31 - 1 that differs for every run seed, leaf and slot."""
    digest = hashlib.sha256(f"{seed}\0{leaf}\0{index}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFFFFFF
