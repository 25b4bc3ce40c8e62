"""What is drawn from leaves: from which documents, how, how many times, and when a leaf is given up."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, get_args

from msgspec import Meta, field

from labgen.config.models import ResponderConfig
from labgen.config.section import (
    Count,
    NonNegativeInt,
    PerPassage,
    PositiveFloat,
    Section,
    Share,
    Temperature,
    Values,
    Word,
)
from labgen.records import DOCUMENT_KINDS


class GenerationConfig(Section):
    """What is drawn from a leaf at a time, and with which sampling parameters."""

    attributes: dict[Word, Values] = field(
        default_factory=lambda: {
            "subject": (
                *("everyday life", "family and home", "work", "school and study", "nature and science", "technology"),
                *("history and places", "arts, sport and play", "public life", "something unusual"),
            ),
            "form": ("a request", "a question", "a request with a condition", "a request told as a situation"),
            "audience": ("anyone", "a child", "a beginner", "a colleague", "an expert"),
            "length": ("short", "as the examples", "long and detailed"),
            "difficulty": ("as the examples", "a little harder", "much harder", "as hard as can be answered"),
        }
    )
    """What a draw from a skill is asked to vary, each with its values; of `difficulty` every round of the leaf's seed
    examples takes the next one. A name without values is left out."""

    seeds_per_prompt: Count = 3
    """Seed examples shown in one prompt, where the leaf has as many."""

    instructions_per_call: Count = 4
    """Instructions or question/answer pairs asked for in one call."""

    temperature: Temperature = 0.8
    """For drawing instructions, contexts and pairs."""

    precise_temperature: Temperature = 0.2
    """For responses of the precise persona."""

    creative_temperature: Temperature = 0.7
    """For responses of the creative persona."""

    max_instruction_tokens: Count = 1024
    """Reply limit of a call that draws instructions."""

    max_pair_tokens: Count = 2048
    """Reply limit of a call that draws question/answer pairs."""

    max_document_tokens: Count = 1024
    """Reply limit of a call that draws a document."""

    max_context_tokens: Count = 1024
    """Reply limit of a call that draws a context."""

    max_response_tokens: Count = 2048
    """Reply limit of a response."""

    max_verdict_tokens: Count = 1024
    """Reply limit of a judge."""


QuestionKind = Literal["fact", "joined", "reasoning", "long", "across"]

KINDS: tuple[str, ...] = (*get_args(QuestionKind), *DOCUMENT_KINDS)
"""What is drawn from documents: see `KnowledgeConfig.kinds`."""


class KnowledgeConfig(Section):
    """What is asked of a leaf's documents."""

    kinds: dict[str, Share] = field(
        default_factory=lambda: {"fact": 0.4, "joined": 0.15, "reasoning": 0.2, "long": 0.15, "across": 0.1}
    )
    """Kind of question to its share of a leaf's draws, relative to the others': `fact` (one short fact), `joined`
    (several facts of a passage), `reasoning` (why, how, in what way things differ), `long` (a full explanation),
    `across` (two neighbouring passages together); and documents, texts of their own: `summary`, `extract` (a summary in
    the passage's own sentences), `key_facts` (each in several phrasings), `notes` (for study), `rewrite` (the passage
    told so that it answers a question that was accepted). One that is not named is not drawn."""

    phrasings: Annotated[int, Meta(ge=1, le=9)] = 3
    """Phrasings of each fact of `key_facts`."""

    unsupported_sentences: Literal["drop", "reject"] = "drop"
    """What becomes of a sentence of a document that its passage does not bear out: it is taken out (`drop`; where fewer
    than half remain, the document ends as `ungrounded`), or it ends the document (`reject`)."""

    attributes: dict[Word, Values] = field(
        default_factory=lambda: {
            "focus": (
                *("figures, dates and names", "reasons and causes", "differences and likenesses", "consequences"),
                *("how something is done or works", "definitions and terms", "rules, limits and exceptions"),
            ),
            "reader": (
                *("somebody who is new to the subject", "a student before an examination"),
                *("a practitioner who needs the exact detail", "a curious reader", "somebody who checks a claim"),
            ),
            "form": ("a plain question", "a question with its occasion", "a request"),
        }
    )
    """What a draw from a passage is asked to vary, each with its values, as `generation.attributes`."""

    def __post_init__(self) -> None:
        for name in self.kinds:
            if name not in KINDS:
                meant = difflib.get_close_matches(name, KINDS, n=1)
                hint = f"; did you mean `{meant[0]}`?" if meant else ""
                raise ValueError(f"`kinds` has `{name}`{hint} There are: {', '.join(KINDS)}")
        if not any(self.kinds.values()):
            raise ValueError("one of `kinds` must have a share above 0")


class StopConfig(Section):
    """When to give up on a leaf that does not yield."""

    max_calls_per_row: PositiveFloat = 20.0
    """Calls per accepted row above which the leaf stops. A healthy leaf needs 2 to 5."""

    min_calls: Count = 60
    """Calls that a leaf may always spend before the rule applies."""

    max_calls_spent: Count | None = None
    """Calls that any one leaf may spend; None: no such limit."""

    hopeless_after: Count = 8
    """A leaf of whose first so many draws none can be used stops; a run ends in which this is so of the first draws, or
    of so many verdicts, over all kinds of leaf."""

    evenly: bool = True
    """Whether a run that its budget ends leaves unfinished leaves filled alike, to within a row: what it has paid for
    beyond that is `surplus` until a later run."""


class DocumentsConfig(Section):
    """How documents are fetched and cut."""

    chunk_tokens: Annotated[int, Meta(ge=64)] = 800
    """Largest chunk, in tokens as `tokenizer` counts."""

    min_chunk_tokens: NonNegativeInt = 24
    """Smaller chunks (a lone heading) are not drawn from."""

    allow_local_repos: bool = False
    """Whether leaves may name file:// addresses and local paths."""

    max_file_bytes: Count = 20_000_000
    """Larger files are refused, and those that convert to more text than that."""

    max_total_bytes: Count = 200_000_000
    """Largest sum of the files of one leaf, and of their text."""

    max_clone_bytes: Count = 2_000_000_000
    """Largest clone on disk."""

    timeout_sec: PositiveFloat = 300.0
    """Longest wait for one git command or one conversion."""


Responses = Annotated[int, Meta(ge=1, le=8)]


class PreferencesConfig(Section):
    """Rows that say which of two responses is better, or whether one is good; see docs/dataset.md."""

    repair: bool = False
    """Whether an instruction whose response failed is answered once more, the teacher told what was wrong; where that
    passes, the row is saved and both responses are a pair. Costs calls."""

    responses: Responses = 1
    """Responses to each instruction whose first one passed; the judge compares the first with each further one, in both
    orders. Each beyond the first costs a response, a verdict and two comparisons."""

    responder: ResponderConfig | None = None
    """Another model, which gives the first, third and so on of the further responses. None: the teacher gives all, more
    freely and in the other voice."""

    feedback: bool = True
    """Whether to write single good and bad responses (KTO). Costs no call."""

    checkable: bool = True
    """Whether to write rows whose answer a rule can check, with its checker (GRPO). Costs no call."""


class LeafOverride(Section):
    """Settings for the leaves that a pattern matches; later entries win."""

    match: str
    """Pattern on the leaf's path, such as `knowledge/science/**`."""

    samples: NonNegativeInt | None = None
    """Accepted rows wanted; 0 skips the leaf."""

    samples_per_passage: PerPassage | None = None
    """See samples_per_passage."""

    attributes: dict[Word, Values] = field(default_factory=dict)
    """What draws are asked to vary: names here replace those for all leaves."""

    persona: Literal["precise", "creative"] | None = None
    """Voice of the responses."""

    seeds_per_prompt: Count | None = None
    """See generation.seeds_per_prompt."""

    responses: Responses | None = None
    """See preferences.responses."""

    reasoning: Literal["plan", "own", "none"] | None = None
    """What is kept of how a skill's answers came about: `plan`, which the teacher is asked for before it answers;
    `own`, what a reasoning teacher thinks anyway; `none`. Wins over the leaf's own `reasoning`."""

    turns: Literal[1, 2] | None = None
    """Questions of a conversation, each with its answer. With 2, a follow-up question is drawn for each accepted row,
    on the same passage or context, and judged as the first one; a row whose second turn fails keeps its first. Costs a
    call and the verdicts on it for each. None: 1."""

    reasoning_samples: Annotated[int, Meta(ge=1, le=64)] | None = None
    """Plans made of each accepted answer that states a number or a choice, for `reasoning: plan`; each beyond the first
    is a call. See thresholds.min_self_consistency."""
