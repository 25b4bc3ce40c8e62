"""Slots: which seed examples, which passage, what to vary and which sampling seed the i-th draw from a leaf uses.

Source: LAB section 3.2 samples a leaf's own examples at random. Ours takes everything that a draw has a choice of in
rounds: each value once, in an order that is drawn anew for every round and every choice by hashing, before any value
comes again. So all are shown equally often, no two choices move in step, and a slot is fixed by its number alone. The
seed examples come in as many orders as there are examples, since a server's prefix cache serves a beginning that it has
seen; what varies most stands last in the prompts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

from labgen.plan.leaf_plan import LeafPlan, candidates_of
from labgen.plan.passages import beside
from labgen.records import Slot

T = TypeVar("T")

BY_ROUND = "difficulty"
"""The attribute that goes with the rounds: of its values each round takes the next one."""


def make_slot(plan: LeafPlan, index: int, *, seed: int) -> Slot:
    """The `index`-th draw of a plan (0-based, without end), the same for the same arguments, on every machine.

    Every passage of a leaf's documents is drawn from before any is drawn from again.
    """
    index += plan.first_slot
    own = f"{seed}\0{plan.leaf.path}"
    start = in_rounds(range(len(plan.leaf.seed_examples)), index, f"{own}\0seed examples")
    chunk = in_rounds(range(len(plan.chunks)), index, f"{own}\0passages") if plan.chunks else None
    kind = kind_of(plan, index, seed=seed)
    other = beside(plan, chunk) if kind == "across" and chunk is not None else None
    return Slot(
        plan.leaf.path,
        index,
        distinct_window(plan, start, min(plan.seeds_per_prompt, len(plan.leaf.seed_examples))),
        chunk,
        sampling_seed(seed, plan.leaf.path, index),
        "joined" if kind == "across" and other is None else kind,
        other,
        _attributes(plan, index, own),
    )


def kind_of(plan: LeafPlan, index: int, *, seed: int) -> str:
    """The kind of question or document whose turn it is in a slot, before it is known whether the passage has it."""
    return plan.kinds[(index + _hash(f"{seed}\0{plan.leaf.path}\0kinds")) % len(plan.kinds)] if plan.kinds else ""


def asked_for(plan: LeafPlan, index: int, *, seed: int, per_call: int) -> int:
    """How many candidates a slot is asked for (count), where a call that draws several asks for `per_call`."""
    return candidates_of(kind_of(plan, plan.first_slot + index, seed=seed), per_call)


def _attributes(plan: LeafPlan, index: int, own: str) -> tuple[tuple[str, str], ...]:
    round_length = len(plan.chunks) or len(plan.leaf.seed_examples)
    return tuple(
        (name, values[index // round_length % len(values)])
        if name == BY_ROUND
        else (name, in_rounds(values, index, f"{own}\0{name}"))
        for name, values in plan.attributes
    )


def in_rounds(values: Sequence[T], index: int, choice: str) -> T:
    """Of several values the one whose turn it is: each comes once in a round, in the round's own order.

    Args:
        values: one or more; index: how many turns there were before; choice: what is chosen, a name that is hashed.
    """
    return values[_order(len(values), f"{choice}\0{index // len(values)}")[index % len(values)]]


@lru_cache(maxsize=4096)
def _order(count: int, choice: str) -> tuple[int, ...]:
    return tuple(sorted(range(count), key=lambda place: hashlib.sha256(f"{choice}\0{place}".encode()).digest()))


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
    return _hash(f"{seed}\0{leaf}\0{index}")


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") & 0x7FFFFFFF
