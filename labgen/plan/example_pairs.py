"""A leaf's seed examples as single pairs: what prompts show and what filters compare with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from labgen.records import Leaf, SeedExample


@dataclass(frozen=True, slots=True)
class Example:
    """One question and answer of a leaf's seed examples, as prompts and filters see it.

    In a leaf where only some seed examples have a context, the context is part of the instruction.
    """

    context: str | None
    instruction: str
    response: str


def examples_of(leaf: Leaf, indices: tuple[int, ...] | None = None) -> tuple[Example, ...]:
    """A leaf's seed examples (or those at `indices`, in that order) as single pairs."""
    by_seed = _examples_by_seed(leaf.seed_examples, leaf.flow)
    chosen = by_seed if indices is None else [by_seed[index] for index in indices]
    return tuple(example for examples in chosen for example in examples)


@lru_cache(maxsize=512)
def _examples_by_seed(seeds: tuple[SeedExample, ...], flow: str) -> tuple[tuple[Example, ...], ...]:
    # Made once per leaf, so that every slot's prompts and filters share the same objects.
    return tuple(
        tuple(
            Example(None, f"{seed.context}\n\n{pair.question}", pair.answer)
            if flow == "freeform" and seed.context
            else Example(seed.context, pair.question, pair.answer)
            for pair in seed.pairs
        )
        for seed in seeds
    )
