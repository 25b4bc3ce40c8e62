"""All settings together, and those that stand in no group: checks, price, what is kept, batches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, Self

from msgspec import Meta, field

from labgen.config.dataset import HeldOutConfig, MixConfig
from labgen.config.drawing import (
    DocumentsConfig,
    GenerationConfig,
    KnowledgeConfig,
    LeafOverride,
    PreferencesConfig,
    StopConfig,
)
from labgen.config.filtering import CalibrationConfig, ContaminationConfig, FiltersConfig, ThresholdsConfig
from labgen.config.models import GuardConfig, JudgeConfig, TeacherConfig
from labgen.config.section import Count, NonNegativeFloat, NonNegativeInt, PerPassage, PositiveFloat, Section, Share

WORK_FOLDER = ".labgen"
"""Name of the work folder, beside labgen.yaml, else in the current folder."""


class CheckConfig(Section):
    """Which rules `labgen check` applies."""

    disable: tuple[str, ...] = ()
    """Rule codes or prefixes that are switched off, such as LG2."""

    per_file: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Path pattern to codes switched off for the files it matches."""


class PriceConfig(Section):
    """What the teacher costs."""

    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z")] = "USD"
    """The currency of the prices, as an ISO 4217 code such as `EUR`."""

    prompt_per_million: NonNegativeFloat
    """Price of a million prompt tokens."""

    completion_per_million: NonNegativeFloat
    """Price of a million completion tokens."""

    batch_discount: Share = 0.5
    """Share of the price that a batch API saves; `labgen plan` shows both prices."""

    def cost(self, prompt_tokens: float, completion_tokens: float) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.prompt_per_million + completion_tokens * self.completion_per_million) / 1e6


class OutcomesConfig(Section):
    """What is kept of what leaves came to, so that the next build need not make it again. It changes no row."""

    max_bytes: NonNegativeInt = 2_000_000_000
    """Size of what is kept, in bytes at most; what was of use longest ago goes first. 0: nothing."""


class BulkConfig(Section):
    """How calls are asked in files of many: see `labgen bulk`."""

    provider: Literal["openai", "azure", "groq", "together", "litellm", "files", "other"] | None = None
    """Whose batch API it is, where the address does not say so; decides limits and shapes."""

    max_lines: Count | None = None
    """Calls in a file at most; None: the provider's limit."""

    max_bytes: Annotated[int, Meta(ge=1000)] | None = None
    """Size of a file at most; None: the provider's limit."""

    window: str | None = None
    """Time in which a batch is to be answered; None: the provider's `24h`."""

    poll_sec: PositiveFloat | None = None
    """Time between two looks at a batch; None: from 1 s on ever longer, up to a minute."""

    engine: dict[str, Any] = field(default_factory=dict)
    """Settings of Ray's `vLLMEngineProcessorConfig`, such as `model_source`, for `labgen bulk run --on ray` with a
    model that has no address."""

    probe_lines: Count = 20
    """Calls of the first round, for an endpoint that has not answered yet: one wrong parameter would otherwise fail
    every line of a large one."""


class _File(Protocol):
    """A settings file that knows where each setting stands in it."""

    def where(self, *place: str | int) -> str: ...


class Config(Section, dict=True):
    """The whole of `labgen.yaml`."""

    taxonomy: Path = Path("taxonomy")
    """Root of the taxonomy."""

    output: Path = Path("dataset")
    """Folder that the dataset is written to."""

    work: Path | None = None
    """Work folder (ledger, clones). Default: .labgen beside labgen.yaml."""

    samples: NonNegativeInt = 30
    """Accepted rows wanted per leaf, at least; of a leaf with documents see `samples_per_passage`."""

    samples_per_passage: PerPassage | None = None
    """Accepted rows wanted for each passage of a leaf's documents, where that comes to more than `samples`. None: as
    many rows as it takes for every passage to be drawn from."""

    seed: NonNegativeInt = 0
    """Changes every draw. Same seed, same dataset."""

    tokenizer: str = "estimate"
    """`estimate` (about 4 characters a token) or a tokenizer.json file."""

    prompts: Path | None = None
    """Folder whose files replace shipped prompts of the same name."""

    teacher: TeacherConfig = field(default_factory=TeacherConfig)

    judge: JudgeConfig | None = None
    """Another model that judges; None: the teacher judges."""

    generation: GenerationConfig = field(default_factory=GenerationConfig)

    knowledge: KnowledgeConfig = field(default_factory=KnowledgeConfig)

    preferences: PreferencesConfig | None = None
    """Pairs of responses, single judged responses, checkable answers; None: none of these."""

    stop: StopConfig = field(default_factory=StopConfig)

    thresholds: ThresholdsConfig = field(default_factory=ThresholdsConfig)

    filters: FiltersConfig = field(default_factory=FiltersConfig)

    guard: GuardConfig | None = None
    """A guard model; None: the judges alone decide on safety."""

    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)

    contamination: ContaminationConfig = field(default_factory=ContaminationConfig)

    documents: DocumentsConfig = field(default_factory=DocumentsConfig)

    check: CheckConfig = field(default_factory=CheckConfig)

    mix: MixConfig = field(default_factory=MixConfig)

    held_out: HeldOutConfig = field(default_factory=HeldOutConfig)

    price: PriceConfig | None = None
    """Prices, for `plan` and for a budget in money."""

    bulk: BulkConfig = field(default_factory=BulkConfig)

    outcomes: OutcomesConfig = field(default_factory=OutcomesConfig)

    expected_yield: Annotated[float, Meta(gt=0, le=1)] = 0.7
    """Accepted rows per candidate that `plan` reckons with until a build has shown its own."""

    leaves: tuple[LeafOverride, ...] = ()
    """Overrides by leaf pattern."""

    options: dict[str, Any] = field(default_factory=dict)
    """Defaults of command-line options that are no settings of their own: an option's variable without `LABGEN_`, in
    small letters, to its value. The Python API takes no notice of it."""

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            given = value if isinstance(value, list | tuple) else (value,)
            if name != "options" and any(isinstance(each, dict) for each in given):
                raise TypeError(f"`{name}` takes sections: `load_config(overrides=...)` makes settings of plain data")
        if self.preferences is None and any(entry.responses is not None for entry in self.leaves):
            raise ValueError("`responses` in `leaves` needs a section `preferences:` (it may be empty: `{}`)")

    def where(self, place: Sequence[str | int]) -> str:
        """File and line of a setting; '' where it stands in no file, such as one that an option gives."""
        file, given = self.__dict__.get("origin", (None, ()))
        if file is None or any(tuple(name.split(".")) == tuple(place)[: 1 + name.count(".")] for name in given):
            return ""
        return str(file.where(*place))

    def note_origin(self, file: _File | None, given: Collection[str]) -> None:
        """Note where the settings stand, for messages: in a file, but those whose names are `given`. It is no setting:
        what is made by `changed` knows it, copies and pickles don't.
        """
        self.__dict__["origin"] = file, tuple(given)

    def changed(self, **values: Any) -> Self:
        """As that of every section."""
        made = super().changed(**values)
        made.__dict__.update(self.__dict__)
        return made

    @property
    def work_folder(self) -> Path:
        """The folder of the ledger, the clones and the indexes."""
        return self.work if self.work is not None else Path(WORK_FOLDER)
