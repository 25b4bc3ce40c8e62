"""What becomes of candidates: filters, thresholds, the test of judges, benchmarks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, field

from labgen.config.section import Count, NonNegativeInt, Section, Share


class ThresholdsConfig(Section):
    """Filters measure, these decide. Moving one asks no paid call again."""

    duplicate_rouge_l: Share = 0.7
    """Near-duplicate above this ROUGE-L F-measure (self-instruct's)."""

    duplicate_rouge_l_cap: Share = 0.95
    """A leaf's own seeds may raise its threshold to this at most."""

    min_pair_score: Literal[1, 2, 3] = 2
    """Lowest score kept on LAB's 3-point scale."""

    min_self_consistency: Share = 0.5
    """Share of an answer's plans that come to its result, where `reasoning_samples` asks for several."""

    min_supported_share: Share = 1.0
    """Share of an answer's claims that need verbatim evidence."""

    max_unsupported_figures: NonNegativeInt = 0
    """Figures and names without a source, for knowledge."""

    max_secrets: NonNegativeInt = 0
    """Passwords, keys and tokens in an instruction or a response."""

    max_personal_data: NonNegativeInt = 0
    """E-mail addresses, telephone, card and account numbers in an instruction or a response."""

    min_instruction_chars: Count = 8
    """Shorter instructions are malformed."""

    max_instruction_chars: Count = 4000
    """Longer instructions are malformed."""

    min_response_chars: Count = 1
    """Shorter responses are malformed."""

    max_response_chars: Count = 16000
    """Longer responses are malformed."""


class FiltersConfig(Section):
    """Which filters look at candidates, and in which order; `labgen plan --filters` shows what comes of it."""

    disable: tuple[str, ...] = ()
    """Names of filters that are switched off, shipped or installed."""

    order: tuple[str, ...] = ()
    """Names of filters that look first within their step, in this order; the others follow."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Filter of another package to its own settings, which its class or function is called with."""


class CalibrationConfig(Section):
    """The test of a leaf's judges that comes before its slots: see `labgen calibrate`."""

    enabled: bool = True
    """Whether judges are tested; without it, nothing is known of them."""

    true_pairs: Count = 2
    """The leaf's own pairs in the first round; a second round has twice more."""

    defects: Annotated[int, Meta(ge=2)] = 4
    """Pairs made wrong in the first round; with the true ones a handful of calls."""

    floor: Share = 0.5
    """Least share of true pairs passed less share of defects passed; below it the leaf stops. A judge that always says
    yes, always no or at random has about 0, a perfect one 1."""


class ContaminationConfig(Section):
    """When a text is taken to hold an item of an indexed benchmark (see `labgen contaminate`)."""

    share: Share = 0.1
    """Least share of an item's n-grams in a text, or of the text's in the item, that is a hit."""

    near_share: Share = 0.2
    """Least share of an item's 8-grams that is a hit too: finds items with some words changed."""

    ngram_tokens: Annotated[int, Meta(ge=5, le=50)] = 13
    """Words in an n-gram of benchmarks added from now on; GPT-3's 13 by default."""
