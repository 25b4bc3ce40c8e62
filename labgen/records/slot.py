"""What is drawn from a leaf, before anything is asked."""

from __future__ import annotations

import enum

from labgen.lazy.dataclasses import dataclass

DOCUMENT_KINDS = ("summary", "extract", "key_facts", "notes", "rewrite")
"""Kinds of what is drawn from a passage that are texts of their own, not questions on it."""


class Grounding(enum.StrEnum):
    """What a candidate's answer has to be borne out by: a passage of its leaf's documents, a context that was drawn
    with it, or no text at all.
    """

    PASSAGE = "passage"
    CONTEXT = "context"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Slot:
    """The i-th draw from a leaf, fixed before any call is made.

    Attributes:
        leaf: the leaf's path.
        index: 0-based number of the draw.
        seed_examples: indices into the leaf's seed examples that the prompt shows, in that order.
        chunk: index into the leaf's chunks (knowledge), else None.
        sampling_seed: given to the teacher, 0 to 2**31 - 1.
        kind: what is drawn from the passage, a kind of question or of document (one of `config.KINDS`); empty for
            skills.
        beside: index of the chunk that is shown with the first one, where the kind of question needs two.
        attributes: what the draw is asked to vary, by name, and how.
    """

    leaf: str
    index: int
    seed_examples: tuple[int, ...]
    chunk: int | None
    sampling_seed: int
    kind: str = ""
    beside: int | None = None
    attributes: tuple[tuple[str, str], ...] = ()
