"""A leaf's seed examples as single pairs: what prompts show and what filters compare with."""

from __future__ import annotations

from functools import lru_cache

from labgen.lazy.dataclasses import dataclass
from labgen.plan.flow import Flow
from labgen.records import Leaf, SeedExample


@dataclass(frozen=True, slots=True)
class ExamplePair:
    """One question and answer of a leaf's seed examples, as prompts and filters see it.

    In a flow without grounding, a seed example's context is part of the instruction.
    """

    context: str | None
    instruction: str
    response: str


def example_pairs(leaf: Leaf, flow: Flow, indices: tuple[int, ...] | None = None) -> tuple[ExamplePair, ...]:
    """A leaf's seed examples (or those at `indices`, in that order) as single pairs, as a flow shows them."""
    by_seed = _pairs_by_seed(leaf.seed_examples, flow.folds_context)
    chosen = by_seed if indices is None else [by_seed[index] for index in indices]
    return tuple(pair for pairs in chosen for pair in pairs)


@lru_cache(maxsize=512)
def _pairs_by_seed(seeds: tuple[SeedExample, ...], folds_context: bool) -> tuple[tuple[ExamplePair, ...], ...]:
    # Made once per leaf, so that every slot's prompts and filters share the same objects.
    return tuple(
        tuple(
            ExamplePair(None, f"{seed.context}\n\n{pair.question}", pair.answer)
            if folds_context and seed.context
            else ExamplePair(seed.context, pair.question, pair.answer)
            for pair in seed.pairs
        )
        for seed in seeds
    )
