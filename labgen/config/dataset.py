"""What is written: training phases, and rows that are held out of them."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from labgen.config.drawing import QuestionKind
from labgen.config.section import Count, NonNegativeInt, PositiveFloat, Section, Share


class ExtraDataset(Section):
    """A dataset of someone else's that is mixed into phases. Its licence must be said: it ends up in the card."""

    name: Annotated[str, Meta(min_length=1)]
    """What the rows' `leaf` and the card call it."""

    path: Annotated[str, Meta(min_length=1)]
    """A file (.jsonl, .jsonl.gz, .json, .parquet, .csv), a dataset folder, or OWNER/NAME on the Hub."""

    config: str | None = None
    """Config of the dataset, where it has several."""

    split: str = "train"
    """Split of the dataset."""

    phases: Annotated[tuple[Literal[1, 2, 3], ...], Meta(min_length=1)] = (3,)
    """Phases that it goes into."""

    weight: PositiveFloat
    """Rows of it for each row of the phase's own."""

    licence: Annotated[str, Meta(min_length=1)]
    """Its licence, as an SPDX identifier."""


class MixConfig(Section):
    """The training phases: what goes where, and how much of it. No row is ever repeated within a phase."""

    phases: bool = True
    """Whether to write the phase configs beside the branches."""

    seed: NonNegativeInt = 0
    """Changes which rows are drawn and their order."""

    phase_2_kinds: tuple[QuestionKind, ...] = ("joined", "reasoning", "long", "across")
    """Kinds of question on documents that belong to phase 2, LAB's complicated knowledge with longer samples; all other
    knowledge belongs to phase 1."""

    replay_1_in_2: Share = 0.1
    """Share of phase 1's own rows that phase 2 replays."""

    replay_1_in_3: Share = 0.1
    """Share of phase 1's own rows that phase 3 replays."""

    replay_2_in_3: Share = 0.1
    """Share of phase 2's own rows that phase 3 replays."""

    balance_temperature: Annotated[float, Meta(ge=1)] = 1.0
    """Above 1, leaves with more rows than the mean are thinned towards it; 1 keeps all."""

    leaf_floor: NonNegativeInt = 0
    """Rows that every leaf must bring; one that has fewer is an error."""

    leaf_ceiling: Count | None = None
    """Rows that a leaf may bring at most."""

    branch_rows: dict[Literal["knowledge", "foundational_skills", "compositional_skills"], Count] = field(
        default_factory=dict
    )
    """Rows to draw from a branch in all; all that balance allows where not named."""

    documents: Share = 0.0
    """Share of the documents that belong to phase 1, and are replayed as it."""

    closed_book: Share = 1.0
    """Share of knowledge rows that come as the question alone."""

    open_book: Share = 0.25
    """Share of knowledge rows that (also) come with their passage."""

    distractors: Share = 0.25
    """Share that (also) come with passages of other places (RAFT)."""

    distractor_passages: Count = 3
    """Wrong passages shown with one question."""

    gold_share: Share = 0.8
    """Probability that the right passage is among them; RAFT's P."""

    extras: tuple[ExtraDataset, ...] = ()
    """Datasets of others to mix in."""

    max_tokens: Annotated[int, Meta(ge=64)] | None = None
    """Tokens that the trainer takes of a row. Passages are chosen so that the whole answer fits; a row that is longer
    by itself is in no phase. None: rows of any length."""

    reasoning: Literal["none", "think", "cerebrum"] = "none"
    """How exports will write a row's reasoning before its answer (`labgen export --reasoning`): `max_tokens` measures
    rows with it. The phases themselves keep the two apart."""

    tokenizer: str = "estimate"
    """What counts `max_tokens`: `estimate`, or the model in training: its folder or tokenizer.json, whose chat template
    is applied."""

    def __post_init__(self) -> None:
        if self.leaf_ceiling is not None and self.leaf_floor > self.leaf_ceiling:
            raise ValueError("`leaf_floor` is above `leaf_ceiling`")
        if not (self.closed_book or self.open_book or self.distractors):
            raise ValueError("one of `closed_book`, `open_book`, `distractors` must be above 0")
        if len({extra.name for extra in self.extras}) < len(self.extras):
            raise ValueError("two `extras` have the same name")


class HeldOutConfig(Section):
    """Rows that are kept out of training, to ask a trained model: see docs/evaluation.md. Off by default."""

    recall: NonNegativeInt = 0
    """Rows for each leaf with documents: other questions on passages that are trained on."""

    reading: NonNegativeInt = 0
    """Rows for each leaf with documents, on passages kept from training, which are shown."""

    skills: NonNegativeInt = 0
    """Rows for each leaf of a skill."""

    turns: Literal[1, 2] = 1
    """Questions of a held-out row of a skill: with 2, a follow-up question as well, as in MT-Bench."""

    reading_passages: Share = 0.0
    """Share of a leaf's passages that training doesn't draw from, one at least where it has two. It changes the
    training rows, whether rows on these passages are drawn or not."""

    def __post_init__(self) -> None:
        if self.reading and not self.reading_passages:
            raise ValueError("`reading` needs passages that training doesn't draw from: set `reading_passages`")

    @property
    def wanted(self) -> bool:
        """Whether any rows are held out."""
        return bool(self.recall or self.reading or self.skills)
