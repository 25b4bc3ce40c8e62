"""All settings together, and those that stand in no group: checks, price, what is kept, batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field, PrivateAttr, model_validator

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
from labgen.config.section import Count, Section, Share

WORK_FOLDER = ".labgen"
"""Name of the work folder, beside labgen.yaml, else in the current folder."""


class CheckConfig(Section):
    """Which rules `labgen check` applies."""

    disable: tuple[str, ...] = Field((), description="Rule codes or prefixes that are switched off, such as LG2.")
    per_file: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Path pattern to codes switched off for the files it matches."
    )


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
