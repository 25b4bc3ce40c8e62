"""How models are reached: the teacher, and others that judge, respond or guard."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from labgen.config.section import Count, Section

DEFAULT_MODEL = "mistralai/Mixtral-8x7B-Instruct-v0.1"


OWN_PARAMETERS = frozenset(
    {
        *("model", "messages", "prompt", "stream", "stream_options", "n", "seed", "stop", "temperature"),
        *("max_tokens", "max_completion_tokens", "response_format", "json_schema"),
    }
)
"""What labgen sends itself, so that `extra_body` can't."""


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
