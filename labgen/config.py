"""`labgen.yaml`, typed. Defaults live here and nowhere else; secrets never do (they stay in the environment).

Every field says its meaning, its unit and why the default is what it is. Unknown keys are errors that name the
nearest known key, since a misspelt setting that is silently ignored costs money.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticKnownError

from labgen.records import DOCUMENT_KINDS

DEFAULT_MODEL = "mistralai/Mixtral-8x7B-Instruct-v0.1"
WORK_FOLDER = ".labgen"
"""Name of the work folder, beside labgen.yaml, else in the current folder."""

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]


OWN_PARAMETERS = frozenset(
    {
        *("model", "messages", "prompt", "stream", "stream_options", "n", "seed", "stop", "temperature"),
        *("max_tokens", "max_completion_tokens", "response_format", "json_schema"),
    }
)
"""What labgen sends itself, so that `extra_body` can't."""


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys."""

    # Each is built once, with the whole of `Config`, and not by itself before that.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        kinds: dict[Any, Literal["int_type", "float_type"]] = {int: "int_type", float: "float_type"}
        annotation = cls.model_fields[str(info.field_name)].annotation
        wanted = next((kinds[kind] for kind in (annotation, *get_args(annotation)) if kind in kinds), None)
        if isinstance(value, bool) and wanted:
            raise PydanticKnownError(wanted)  # `no` would be read as 0
        return value


HTTP = "http"
"""The kind of back end that is asked over an OpenAI-compatible API."""


class BackendConfig(BaseModel):
    """What answers calls. Beside `kind` stand the settings of that kind, where it has any."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    kind: str = Field(HTTP, description="`http`, or a kind that another package brings (see docs/extending.md).")

    @property
    def settings(self) -> dict[str, Any]:
        """What is set beside the kind."""
        return dict(self.model_extra or {})


class EndpointConfig(Section):
    """One address that serves a model: a replica, where several are listed. What it leaves out is as for the model."""

    base_url: str = Field(description="Address of an OpenAI-compatible API, ending in /v1 for most.")
    backend: BackendConfig | None = Field(None, description="What answers there.")
    weight: float = Field(1.0, gt=0, description="Share of the calls it takes, relative to the other endpoints.")
    model: str | None = Field(None, description="Model name to send there, where it differs from the model's own.")
    api_key_env: str | None = Field(None, description="Name of the environment variable that holds its key.")
    concurrency: Count | None = Field(None, description="Calls in flight there at most.")
    api: Literal["chat", "completions"] | None = Field(None, description="Which of the two APIs it is asked with.")
    prompt_format: str | None = Field(None, description="Prompt format for its completions API.")
    bos: Literal["server", "text"] | None = Field(None, description="Who writes the beginning-of-sequence token.")
    requests_per_minute: float | None = Field(None, gt=0, description="Hard limit of requests a minute there.")
    tokens_per_minute: float | None = Field(None, gt=0, description="Hard limit of tokens a minute there.")
    extra_headers: dict[str, str] | None = Field(None, description="Headers sent there, instead of the model's.")
    extra_query: dict[str, str] | None = Field(None, description="Query sent there, instead of the model's.")


class ModelConfig(Section):
    """How a model is reached: at one address, or at several that serve the same model."""

    base_url: str | None = Field(
        None, description="Address of an OpenAI-compatible API, ending in /v1 for most. None: the rehearsal teacher."
    )
    backend: BackendConfig = Field(default_factory=BackendConfig, description="What answers.")
    endpoints: tuple[EndpointConfig, ...] = Field(
        (), description="Several addresses that serve this one model, instead of `base_url`."
    )
    api: Literal["chat", "completions"] = Field(
        "chat", description="`chat`, or `completions` with the prompt written in the model's own prompt format."
    )
    prompt_format: str | None = Field(
        None, description="Prompt format: a shipped name or a Jinja file. None: by the model's name, with a notice."
    )
    bos: Literal["server", "text"] = Field(
        "server", description="Who writes the beginning-of-sequence token of a completions prompt; most servers do."
    )
    requests_per_minute: float | None = Field(
        None,
        gt=0,
        description="Hard limit of requests a minute per endpoint; None: only what the endpoint itself says.",
    )
    tokens_per_minute: float | None = Field(
        None, gt=0, description="Hard limit of tokens a minute per endpoint, prompt and reply together."
    )
    extra_body: dict[str, Any] = Field(
        default_factory=dict, description="Parameters sent with every call, beyond labgen's own; part of a call's key."
    )
    extra_headers: dict[str, str] = Field(
        default_factory=dict, description="Headers sent with every request; `${NAME}` is taken from the environment."
    )
    extra_query: dict[str, str] = Field(
        default_factory=dict, description="Query of every request's address, such as Azure's `api-version`; as headers."
    )
    reasoning: Literal["keep", "off"] = Field(
        "keep", description="`keep` keeps a model's reasoning apart from its answer; `off` asks it for none."
    )

    @model_validator(mode="after")
    def _one_way(self) -> ModelConfig:
        if self.base_url and self.endpoints:
            raise ValueError("give either `base_url` or `endpoints`, not both")
        return self


class TeacherConfig(ModelConfig):
    """The model that writes (and judges, unless `judge` names another), and how it is asked."""

    terms: str = Field("", description="Terms under which its replies may be used; quoted in the card.")
    model: str = Field(DEFAULT_MODEL, description="Model name as the endpoint knows it. LAB's own teacher by default.")
    api_key_env: str = Field("OPENAI_API_KEY", description="Name of the environment variable that holds the key.")
    concurrency: Count = Field(
        64, description="Calls in flight at most per endpoint; what one inference server keeps busy with."
    )
    timeout_sec: float = Field(180.0, gt=0, description="Longest wait for one reply.")
    max_attempts: Count = Field(6, description="Attempts per call before its candidate ends as `failed`.")
    first_backoff_sec: float = Field(
        0.5, ge=0, description="Wait before a failed call's second attempt; it doubles with each further one."
    )
    outage_sec: float = Field(
        120.0, gt=0, description="Time without any answer after which the run stops, all replies kept."
    )


class JudgeConfig(ModelConfig):
    """Another model that judges. Without an address of its own it is asked at the teacher's."""

    model: str = Field(description="Model name; must differ from the teacher's.")
    api_key_env: str | None = Field(None, description="Name of the variable that holds its key. None: the teacher's.")
    concurrency: Count | None = Field(None, description="Calls in flight at most per endpoint. None: the teacher's.")


class ResponderConfig(ModelConfig):
    """Another model that gives further responses. Without an address of its own it is asked at the teacher's."""

    model: str = Field(description="Model name; must differ from the teacher's and the judge's.")
    api_key_env: str | None = Field(None, description="Name of the variable that holds its key. None: the teacher's.")
    concurrency: Count | None = Field(None, description="Calls in flight at most per endpoint. None: the teacher's.")
    terms: str = Field("", description="Terms under which its replies may be used; quoted in the card.")


class GuardConfig(ModelConfig):
    """A model made to find harm, asked about every pair that the judges let pass; in its own format."""

    kind: Literal["llama_guard_3", "granite_guardian_3"] = Field(description="Which model's prompt and reply it has.")
    model: str = Field(description="Model name; must differ from the teacher's and the judge's.")
    api_key_env: str | None = Field(None, description="Name of the variable that holds its key. None: the teacher's.")
    concurrency: Count | None = Field(None, description="Calls in flight at most per endpoint. None: the teacher's.")

    @model_validator(mode="after")
    def _reachable(self) -> GuardConfig:
        if not (self.base_url or self.endpoints or self.backend.kind != HTTP):
            raise ValueError("needs `base_url` or `endpoints`: a guard is another model at its own address")
        return self


Word = Annotated[str, Field(min_length=1, max_length=60)]
Values = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]


class GenerationConfig(Section):
    """What is drawn from a leaf at a time, and with which sampling parameters."""

    attributes: dict[Word, Values] = Field(
        {
            "subject": (
                *("everyday life", "family and home", "work", "school and study", "nature and science", "technology"),
                *("history and places", "arts, sport and play", "public life", "something unusual"),
            ),
            "form": ("a request", "a question", "a request with a condition", "a request told as a situation"),
            "audience": ("anyone", "a child", "a beginner", "a colleague", "an expert"),
            "length": ("short", "as the examples", "long and detailed"),
            "difficulty": ("as the examples", "a little harder", "much harder", "as hard as can be answered"),
        },
        description="What a draw from a skill is asked to vary, each with its values; of `difficulty` every round of "
        "the leaf's seed examples takes the next one. A name without values is left out.",
    )

    seeds_per_prompt: Count = Field(3, description="Seed examples shown in one prompt, where the leaf has as many.")
    instructions_per_call: Count = Field(4, description="Instructions or question/answer pairs asked for in one call.")
    temperature: float = Field(0.8, ge=0, le=2, description="For drawing instructions, contexts and pairs.")
    precise_temperature: float = Field(0.2, ge=0, le=2, description="For responses of the precise persona.")
    creative_temperature: float = Field(0.7, ge=0, le=2, description="For responses of the creative persona.")
    max_instruction_tokens: Count = Field(1024, description="Reply limit of a call that draws instructions.")
    max_pair_tokens: Count = Field(2048, description="Reply limit of a call that draws question/answer pairs.")
    max_document_tokens: Count = Field(1024, description="Reply limit of a call that draws a document.")
    max_context_tokens: Count = Field(1024, description="Reply limit of a call that draws a context.")
    max_response_tokens: Count = Field(2048, description="Reply limit of a response.")
    max_verdict_tokens: Count = Field(1024, description="Reply limit of a judge.")


QuestionKind = Literal["fact", "joined", "reasoning", "long", "across"]

KINDS: tuple[str, ...] = (*get_args(QuestionKind), *DOCUMENT_KINDS)
"""What is drawn from documents: see `KnowledgeConfig.kinds`."""


class KnowledgeConfig(Section):
    """What is asked of a leaf's documents."""

    kinds: dict[str, Share] = Field(
        {"fact": 0.4, "joined": 0.15, "reasoning": 0.2, "long": 0.15, "across": 0.1},
        description="Kind of question to its share of a leaf's draws, relative to the others': `fact` (one short "
        "fact), `joined` (several facts of a passage), `reasoning` (why, how, in what way things differ), `long` (a "
        "full explanation), `across` (two neighbouring passages together); and documents, texts of their own: "
        "`summary`, `extract` (a summary in the passage's own sentences), `key_facts` (each in several phrasings), "
        "`notes` (for study), `rewrite` (the passage told so that it answers a question that was accepted). One that "
        "is not named is not drawn.",
    )
    phrasings: Annotated[int, Field(ge=1, le=9)] = Field(3, description="Phrasings of each fact of `key_facts`.")
    unsupported_sentences: Literal["drop", "reject"] = Field(
        "drop",
        description="What becomes of a sentence of a document that its passage does not bear out: it is taken out "
        "(`drop`; where fewer than half remain, the document ends as `ungrounded`), or it ends the document "
        "(`reject`).",
    )
    attributes: dict[Word, Values] = Field(
        {
            "focus": (
                *("figures, dates and names", "reasons and causes", "differences and likenesses", "consequences"),
                *("how something is done or works", "definitions and terms", "rules, limits and exceptions"),
            ),
            "reader": (
                *("somebody who is new to the subject", "a student before an examination"),
                *("a practitioner who needs the exact detail", "a curious reader", "somebody who checks a claim"),
            ),
            "form": ("a plain question", "a question with its occasion", "a request"),
        },
        description="What a draw from a passage is asked to vary, each with its values, as `generation.attributes`.",
    )

    @model_validator(mode="after")
    def _some_kind(self) -> KnowledgeConfig:
        for name in self.kinds:
            if name not in KINDS:
                meant = difflib.get_close_matches(name, KINDS, n=1)
                hint = f"; did you mean `{meant[0]}`?" if meant else ""
                raise ValueError(f"`kinds` has `{name}`{hint} There are: {', '.join(KINDS)}")
        if not any(self.kinds.values()):
            raise ValueError("one of `kinds` must have a share above 0")
        return self


class StopConfig(Section):
    """When to give up on a leaf that does not yield."""

    max_calls_per_row: float = Field(
        20.0, gt=0, description="Calls per accepted row above which the leaf stops. A healthy leaf needs 2 to 5."
    )
    min_calls: Count = Field(60, description="Calls that a leaf may always spend before the rule applies.")
    max_calls_spent: Count | None = Field(None, description="Calls that any one leaf may spend; None: no such limit.")
    hopeless_after: Count = Field(
        8,
        description="A leaf of whose first so many draws none can be used stops; a run ends in which this is so of the "
        "first draws, or of so many verdicts, over all kinds of leaf.",
    )
    evenly: bool = Field(
        True,
        description="Whether a run that its budget ends leaves unfinished leaves filled alike, to within a row: what "
        "it has paid for beyond that is `surplus` until a later run.",
    )


class ThresholdsConfig(Section):
    """Filters measure, these decide. Moving one asks no paid call again."""

    duplicate_rouge_l: Share = Field(0.7, description="Near-duplicate above this ROUGE-L F-measure (self-instruct's).")
    duplicate_rouge_l_cap: Share = Field(
        0.95, description="A leaf's own seeds may raise its threshold to this at most."
    )
    min_pair_score: Literal[1, 2, 3] = Field(2, description="Lowest score kept on LAB's 3-point scale.")
    min_self_consistency: Share = Field(
        0.5,
        description="Share of an answer's plans that come to its result, where `reasoning_samples` asks for several.",
    )
    min_supported_share: Share = Field(1.0, description="Share of an answer's claims that need verbatim evidence.")
    max_unsupported_figures: int = Field(0, ge=0, description="Figures and names without a source, for knowledge.")
    max_secrets: int = Field(0, ge=0, description="Passwords, keys and tokens in an instruction or a response.")
    max_personal_data: int = Field(
        0, ge=0, description="E-mail addresses, telephone, card and account numbers in an instruction or a response."
    )
    min_instruction_chars: Count = Field(8, description="Shorter instructions are malformed.")
    max_instruction_chars: Count = Field(4000, description="Longer instructions are malformed.")
    min_response_chars: Count = Field(1, description="Shorter responses are malformed.")
    max_response_chars: Count = Field(16000, description="Longer responses are malformed.")


class FiltersConfig(Section):
    """Which filters look at candidates, and in which order; `labgen plan --filters` shows what comes of it."""

    disable: tuple[str, ...] = Field((), description="Names of filters that are switched off, shipped or installed.")
    order: tuple[str, ...] = Field(
        (), description="Names of filters that look first within their step, in this order; the others follow."
    )
    settings: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Filter of another package to its own settings, which its class or function is called with.",
    )


class CalibrationConfig(Section):
    """The test of a leaf's judges that comes before its slots: see `labgen calibrate`."""

    enabled: bool = Field(True, description="Whether judges are tested; without it, nothing is known of them.")
    true_pairs: Count = Field(2, description="The leaf's own pairs in the first round; a second round has twice more.")
    defects: Annotated[int, Field(ge=2)] = Field(
        4, description="Pairs made wrong in the first round; with the true ones a handful of calls."
    )
    floor: Share = Field(
        0.5,
        description="Least share of true pairs passed less share of defects passed; below it the leaf stops. A judge "
        "that always says yes, always no or at random has about 0, a perfect one 1.",
    )


class ContaminationConfig(Section):
    """When a text is taken to hold an item of an indexed benchmark (see `labgen contaminate`)."""

    share: Share = Field(
        0.1, description="Least share of an item's n-grams in a text, or of the text's in the item, that is a hit."
    )
    near_share: Share = Field(
        0.2, description="Least share of an item's 8-grams that is a hit too: finds items with some words changed."
    )
    ngram_tokens: Annotated[int, Field(ge=5, le=50)] = Field(
        13, description="Words in an n-gram of benchmarks added from now on; GPT-3's 13 by default."
    )


class DocumentsConfig(Section):
    """How documents are fetched and cut."""

    chunk_tokens: Annotated[int, Field(ge=64)] = Field(
        800, description="Largest chunk, in tokens as `tokenizer` counts."
    )
    min_chunk_tokens: int = Field(24, ge=0, description="Smaller chunks (a lone heading) are not drawn from.")
    allow_local_repos: bool = Field(False, description="Whether leaves may name file:// addresses and local paths.")
    max_file_bytes: Count = Field(
        20_000_000, description="Larger files are refused, and those that convert to more text than that."
    )
    max_total_bytes: Count = Field(200_000_000, description="Largest sum of the files of one leaf, and of their text.")
    max_clone_bytes: Count = Field(2_000_000_000, description="Largest clone on disk.")
    timeout_sec: float = Field(300.0, gt=0, description="Longest wait for one git command or one conversion.")


class PriceConfig(Section):
    """What the teacher costs."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        "USD", description="The currency of the prices, as an ISO 4217 code such as `EUR`."
    )
    prompt_per_million: float = Field(ge=0, description="Price of a million prompt tokens.")
    completion_per_million: float = Field(ge=0, description="Price of a million completion tokens.")
    batch_discount: Share = Field(
        0.5, description="Share of the price that a batch API saves; `labgen plan` shows both prices."
    )

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt_per_million + completion_tokens * self.completion_per_million) / 1e6


class OutcomesConfig(Section):
    """What is kept of what leaves came to, so that the next build need not make it again. It changes no row."""

    max_bytes: Annotated[int, Field(ge=0)] = Field(
        2_000_000_000,
        description="Size of what is kept, in bytes at most; what was of use longest ago goes first. 0: nothing.",
    )


class BulkConfig(Section):
    """How calls are asked in files of many: see `labgen bulk`."""

    provider: Literal["openai", "azure", "groq", "together", "litellm", "files", "other"] | None = Field(
        None, description="Whose batch API it is, where the address does not say so; decides limits and shapes."
    )
    max_lines: Count | None = Field(None, description="Calls in a file at most; None: the provider's limit.")
    max_bytes: Annotated[int, Field(ge=1000)] | None = Field(
        None, description="Size of a file at most; None: the provider's limit."
    )
    window: str | None = Field(None, description="Time in which a batch is to be answered; None: the provider's `24h`.")
    poll_sec: float | None = Field(
        None, gt=0, description="Time between two looks at a batch; None: from 1 s on ever longer, up to a minute."
    )
    engine: dict[str, Any] = Field(
        default_factory=dict,
        description="Settings of Ray's `vLLMEngineProcessorConfig`, such as `model_source`, for `labgen bulk run --on "
        "ray` with a model that has no address.",
    )
    probe_lines: Count = Field(
        20,
        description="Calls of the first round, for an endpoint that has not answered yet: one wrong parameter "
        "would otherwise fail every line of a large one.",
    )


Responses = Annotated[int, Field(ge=1, le=8)]


class PreferencesConfig(Section):
    """Rows that say which of two responses is better, or whether one is good; see docs/dataset.md."""

    repair: bool = Field(
        False,
        description="Whether an instruction whose response failed is answered once more, the teacher told what was "
        "wrong; where that passes, the row is saved and both responses are a pair. Costs calls.",
    )
    responses: Responses = Field(
        1,
        description="Responses to each instruction whose first one passed; the judge compares the first with each "
        "further one, in both orders. Each beyond the first costs a response, a verdict and two comparisons.",
    )
    responder: ResponderConfig | None = Field(
        None,
        description="Another model, which gives the first, third and so on of the further responses. None: the teacher "
        "gives all, more freely and in the other voice.",
    )
    feedback: bool = Field(True, description="Whether to write single good and bad responses (KTO). Costs no call.")
    checkable: bool = Field(
        True, description="Whether to write rows whose answer a rule can check, with its checker (GRPO). Costs no call."
    )


class LeafOverride(Section):
    """Settings for the leaves that a pattern matches; later entries win."""

    match: str = Field(description="Pattern on the leaf's path, such as `knowledge/science/**`.")
    samples: Annotated[int, Field(ge=0)] | None = Field(None, description="Accepted rows wanted; 0 skips the leaf.")
    samples_per_passage: Annotated[float, Field(ge=0)] | None = Field(None, description="See samples_per_passage.")
    attributes: dict[Word, Values] = Field(
        default_factory=dict, description="What draws are asked to vary: names here replace those for all leaves."
    )
    persona: Literal["precise", "creative"] | None = Field(None, description="Voice of the responses.")
    seeds_per_prompt: Count | None = Field(None, description="See generation.seeds_per_prompt.")
    responses: Responses | None = Field(None, description="See preferences.responses.")
    reasoning: Literal["plan", "own", "none"] | None = Field(
        None,
        description="What is kept of how a skill's answers came about: `plan`, which the teacher is asked for before "
        "it answers; `own`, what a reasoning teacher thinks anyway; `none`. Wins over the leaf's own `reasoning`.",
    )
    turns: Literal[1, 2] | None = Field(
        None,
        description="Questions of a conversation, each with its answer. With 2, a follow-up question is drawn for each "
        "accepted row, on the same passage or context, and judged as the first one; a row whose second turn fails "
        "keeps its first. Costs a call and the verdicts on it for each. None: 1.",
    )
    reasoning_samples: Annotated[int, Field(ge=1, le=64)] | None = Field(
        None,
        description="Plans made of each accepted answer that states a number or a choice, for `reasoning: plan`; each "
        "beyond the first is a call. See thresholds.min_self_consistency.",
    )


class CheckConfig(Section):
    """Which rules `labgen check` applies."""

    disable: tuple[str, ...] = Field((), description="Rule codes or prefixes that are switched off, such as LG2.")
    per_file: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Path pattern to codes switched off for the files it matches."
    )


class ExtraDataset(Section):
    """A dataset of someone else's that is mixed into phases. Its licence must be said: it ends up in the card."""

    name: str = Field(min_length=1, description="What the rows' `leaf` and the card call it.")
    path: str = Field(
        min_length=1,
        description="A file (.jsonl, .jsonl.gz, .json, .parquet, .csv), a dataset folder, or OWNER/NAME on the Hub.",
    )
    config: str | None = Field(None, description="Config of the dataset, where it has several.")
    split: str = Field("train", description="Split of the dataset.")
    phases: tuple[Literal[1, 2, 3], ...] = Field((3,), min_length=1, description="Phases that it goes into.")
    weight: float = Field(gt=0, description="Rows of it for each row of the phase's own.")
    licence: str = Field(min_length=1, description="Its licence, as an SPDX identifier.")


class MixConfig(Section):
    """The training phases: what goes where, and how much of it. No row is ever repeated within a phase."""

    phases: bool = Field(True, description="Whether to write the phase configs beside the branches.")
    seed: int = Field(0, ge=0, description="Changes which rows are drawn and their order.")
    phase_2_kinds: tuple[QuestionKind, ...] = Field(
        ("joined", "reasoning", "long", "across"),
        description="Kinds of question on documents that belong to phase 2, LAB's complicated knowledge with longer "
        "samples; all other knowledge belongs to phase 1.",
    )
    replay_1_in_2: Share = Field(0.1, description="Share of phase 1's own rows that phase 2 replays.")
    replay_1_in_3: Share = Field(0.1, description="Share of phase 1's own rows that phase 3 replays.")
    replay_2_in_3: Share = Field(0.1, description="Share of phase 2's own rows that phase 3 replays.")
    balance_temperature: float = Field(
        1.0, ge=1, description="Above 1, leaves with more rows than the mean are thinned towards it; 1 keeps all."
    )
    leaf_floor: int = Field(0, ge=0, description="Rows that every leaf must bring; one that has fewer is an error.")
    leaf_ceiling: Count | None = Field(None, description="Rows that a leaf may bring at most.")
    branch_rows: dict[Literal["knowledge", "foundational_skills", "compositional_skills"], Count] = Field(
        default_factory=dict, description="Rows to draw from a branch in all; all that balance allows where not named."
    )
    documents: Share = Field(0.0, description="Share of the documents that belong to phase 1, and are replayed as it.")
    closed_book: Share = Field(1.0, description="Share of knowledge rows that come as the question alone.")
    open_book: Share = Field(0.25, description="Share of knowledge rows that (also) come with their passage.")
    distractors: Share = Field(0.25, description="Share that (also) come with passages of other places (RAFT).")
    distractor_passages: Count = Field(3, description="Wrong passages shown with one question.")
    gold_share: Share = Field(0.8, description="Probability that the right passage is among them; RAFT's P.")
    extras: tuple[ExtraDataset, ...] = Field((), description="Datasets of others to mix in.")
    max_tokens: Annotated[int, Field(ge=64)] | None = Field(
        None,
        description="Tokens that the trainer takes of a row. Passages are chosen so that the whole answer fits; a row "
        "that is longer by itself is in no phase. None: rows of any length.",
    )
    reasoning: Literal["none", "think", "cerebrum"] = Field(
        "none",
        description="How exports will write a row's reasoning before its answer (`labgen export --reasoning`): "
        "`max_tokens` measures rows with it. The phases themselves keep the two apart.",
    )
    tokenizer: str = Field(
        "estimate",
        description="What counts `max_tokens`: `estimate`, or the model in training: its folder or tokenizer.json, "
        "whose chat template is applied.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> MixConfig:
        if self.leaf_ceiling is not None and self.leaf_floor > self.leaf_ceiling:
            raise ValueError("`leaf_floor` is above `leaf_ceiling`")
        if not (self.closed_book or self.open_book or self.distractors):
            raise ValueError("one of `closed_book`, `open_book`, `distractors` must be above 0")
        if len({extra.name for extra in self.extras}) < len(self.extras):
            raise ValueError("two `extras` have the same name")
        return self


class HeldOutConfig(Section):
    """Rows that are kept out of training, to ask a trained model: see docs/evaluation.md. Off by default."""

    recall: int = Field(
        0, ge=0, description="Rows for each leaf with documents: other questions on passages that are trained on."
    )
    reading: int = Field(
        0, ge=0, description="Rows for each leaf with documents, on passages kept from training, which are shown."
    )
    skills: int = Field(0, ge=0, description="Rows for each leaf of a skill.")
    turns: Literal[1, 2] = Field(
        1,
        description="Questions of a held-out row of a skill: with 2, a follow-up question as well, as in MT-Bench.",
    )
    reading_passages: Share = Field(
        0.0,
        description="Share of a leaf's passages that training doesn't draw from, one at least where it has two. It "
        "changes the training rows, whether rows on these passages are drawn or not.",
    )

    @model_validator(mode="after")
    def _passages_to_read(self) -> HeldOutConfig:
        if self.reading and not self.reading_passages:
            raise ValueError("`reading` needs passages that training doesn't draw from: set `reading_passages`")
        return self

    @property
    def wanted(self) -> bool:
        """Whether any rows are held out."""
        return bool(self.recall or self.reading or self.skills)


class _File(Protocol):
    """A settings file that knows where each setting stands in it."""

    def where(self, *place: str | int) -> str: ...


class Config(Section):
    """The whole of `labgen.yaml`."""

    _file: _File | None = PrivateAttr(None)
    _given: tuple[str, ...] = PrivateAttr(())

    taxonomy: Path = Field(Path("taxonomy"), description="Root of the taxonomy.")
    output: Path = Field(Path("dataset"), description="Folder that the dataset is written to.")
    work: Path | None = Field(None, description="Work folder (ledger, clones). Default: .labgen beside labgen.yaml.")
    samples: Annotated[int, Field(ge=0)] = Field(
        30, description="Accepted rows wanted per leaf, at least; of a leaf with documents see `samples_per_passage`."
    )
    samples_per_passage: Annotated[float, Field(ge=0)] | None = Field(
        None,
        description="Accepted rows wanted for each passage of a leaf's documents, where that comes to more than "
        "`samples`. None: as many rows as it takes for every passage to be drawn from.",
    )
    seed: int = Field(0, ge=0, description="Changes every draw. Same seed, same dataset.")
    tokenizer: str = Field("estimate", description="`estimate` (about 4 characters a token) or a tokenizer.json file.")
    prompts: Path | None = Field(None, description="Folder whose files replace shipped prompts of the same name.")
    teacher: TeacherConfig = Field(default_factory=TeacherConfig)
    judge: JudgeConfig | None = Field(None, description="Another model that judges; None: the teacher judges.")
    generation: GenerationConfig = Field(default_factory=GenerationConfig)
    knowledge: KnowledgeConfig = Field(default_factory=KnowledgeConfig)
    preferences: PreferencesConfig | None = Field(
        None, description="Pairs of responses, single judged responses, checkable answers; None: none of these."
    )
    stop: StopConfig = Field(default_factory=StopConfig)
    thresholds: ThresholdsConfig = Field(default_factory=ThresholdsConfig)
    filters: FiltersConfig = Field(default_factory=FiltersConfig)
    guard: GuardConfig | None = Field(None, description="A guard model; None: the judges alone decide on safety.")
    calibration: CalibrationConfig = Field(default_factory=CalibrationConfig)
    contamination: ContaminationConfig = Field(default_factory=ContaminationConfig)
    documents: DocumentsConfig = Field(default_factory=DocumentsConfig)
    check: CheckConfig = Field(default_factory=CheckConfig)
    mix: MixConfig = Field(default_factory=MixConfig)
    held_out: HeldOutConfig = Field(default_factory=HeldOutConfig)
    price: PriceConfig | None = Field(None, description="Prices, for `plan` and for a budget in money.")
    bulk: BulkConfig = Field(default_factory=BulkConfig)
    outcomes: OutcomesConfig = Field(default_factory=OutcomesConfig)
    expected_yield: Annotated[float, Field(gt=0, le=1)] = Field(
        0.7, description="Accepted rows per candidate that `plan` reckons with until a build has shown its own."
    )
    leaves: tuple[LeafOverride, ...] = Field((), description="Overrides by leaf pattern.")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="Defaults of command-line options that are no settings of their own: an option's variable without "
        "`LABGEN_`, in small letters, to its value. The Python API takes no notice of it.",
    )

    @model_validator(mode="after")
    def _responses_are_preferences(self) -> Config:
        if self.preferences is None and any(entry.responses is not None for entry in self.leaves):
            raise ValueError("`responses` in `leaves` needs a section `preferences:` (it may be empty: `{}`)")
        return self

    def where(self, place: Sequence[str | int]) -> str:
        """File and line of a setting; '' where it stands in no file, such as one that an option gives."""
        given = (tuple(name.split(".")) for name in self._given)
        if self._file is None or any(name == tuple(place)[: len(name)] for name in given):
            return ""
        return self._file.where(*place)

    @property
    def work_folder(self) -> Path:
        """The folder of the ledger, the clones and the indexes."""
        return self.work if self.work is not None else Path(WORK_FOLDER)
