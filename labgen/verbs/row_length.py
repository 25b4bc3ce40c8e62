"""What `mix.max_tokens` would mean for a build, before anything is drawn: passages in part, and rows that can't fit."""

from __future__ import annotations

from collections.abc import Sequence

from labgen.config.dataset import MixConfig
from labgen.export.fit import RowLength
from labgen.lazy.dataclasses import dataclass
from labgen.plan.example_pairs import example_pairs
from labgen.plan.leaf_plan import LeafPlan


@dataclass(frozen=True, slots=True)
class LengthEstimate:
    """Passages and leaves beside the length that a trainer takes.

    Attributes:
        max_tokens: that a row may have.
        estimated: whether tokens are estimated, not counted by the tokenizer of the model in training.
        passages: in all (count). in_part: of these, that are too long to be shown whole with a question and an answer
            like the leaf's examples.
        too_long: leaves whose examples are longer by themselves, with their tokens: rows like them are in no phase.
    """

    max_tokens: int
    estimated: bool
    passages: int
    in_part: int
    too_long: tuple[tuple[str, int], ...]


def estimate_lengths(mix: MixConfig, plans: Sequence[LeafPlan]) -> LengthEstimate | None:
    """How a build's rows would fit; None where no length is set. Raises: ConfigError: the tokenizer can't be read."""
    length = RowLength.of(mix)
    if length.max_tokens is None or not mix.phases:
        return None
    passages, in_part, too_long = 0, 0, []
    for plan in plans:
        alone, sizes = _typical_tokens(plan, length)
        if alone > length.max_tokens:
            too_long.append((plan.leaf.path, alone))
        passages += len(sizes)
        in_part += sum(alone + size > length.max_tokens for size in sizes)
    return LengthEstimate(length.max_tokens, length.template is None, passages, in_part, tuple(too_long))


def _typical_tokens(plan: LeafPlan, length: RowLength) -> tuple[int, list[int]]:
    """Tokens of a row like the leaf's examples, by their median, and of each of its passages."""
    rows = sorted(
        length.tokens([{"role": "user", "content": asked}, {"role": "assistant", "content": example.response}])
        for example in example_pairs(plan.leaf, plan.flow)
        for asked in ["\n\n".join(filter(None, (None if plan.chunks else example.context, example.instruction)))]
    )
    return (rows[len(rows) // 2] if rows else 0), [length.count(chunk.passage) for chunk in plan.chunks]
