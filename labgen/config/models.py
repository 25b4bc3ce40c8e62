"""How models are reached: the teacher, and others that judge, respond or guard."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from msgspec import field

from labgen.config.section import Count, NonNegativeFloat, OpenSection, PositiveFloat, Section, SettingError
from labgen.config.values_in_words import kind_in_words

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


def _foreign_to_json(value: Any) -> Iterator[str]:
    """What of a value JSON does not have, and YAML does, in words: dates, infinite numbers, names that are no texts."""
    if isinstance(value, dict):
        yield from ("a name that is no text" for name in value if not isinstance(name, str))
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _foreign_to_json(each)
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        yield kind_in_words(value)


class BackendConfig(OpenSection):
    """What answers calls. Beside `kind` stand the settings of that kind, where it has any."""

    kind: str = HTTP
    """`http`, or a kind that another package brings (see docs/extending.md)."""

    settings: dict[str, Any]

    def __init__(self, kind: str = HTTP, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(kind=kind, settings=dict(settings or {}))

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """As `OpenSection`."""
        settings = dict(data)
        kind = settings.pop("kind", HTTP)
        if not isinstance(kind, str):
            raise TypeError("`kind` is no text")
        return cls(kind, settings)

    def plain(self) -> dict[str, Any]:
        """As `OpenSection`."""
        return {"kind": self.kind, **self.settings}


class EndpointConfig(Section):
    """One address that serves a model: a replica, where several are listed. What it leaves out is as for the model."""

    base_url: str
    """Address of an OpenAI-compatible API, ending in /v1 for most."""

    backend: BackendConfig | None = None
    """What answers there."""

    weight: PositiveFloat = 1.0
    """Share of the calls it takes, relative to the other endpoints."""

    model: str | None = None
    """Model name to send there, where it differs from the model's own."""

    api_key_env: str | None = None
    """Name of the environment variable that holds its key."""

    concurrency: Count | None = None
    """Calls in flight there at most."""

    api: Literal["chat", "completions"] | None = None
    """Which of the two APIs it is asked with."""

    prompt_format: str | None = None
    """Prompt format for its completions API."""

    bos: Literal["server", "text"] | None = None
    """Who writes the beginning-of-sequence token."""

    requests_per_minute: PositiveFloat | None = None
    """Hard limit of requests a minute there."""

    tokens_per_minute: PositiveFloat | None = None
    """Hard limit of tokens a minute there."""

    extra_headers: dict[str, str] | None = None
    """Headers sent there, instead of the model's."""

    extra_query: dict[str, str] | None = None
    """Query sent there, instead of the model's."""


class ModelConfig(Section):
    """How a model is reached: at one address, or at several that serve the same model."""

    base_url: str | None = None
    """Address of an OpenAI-compatible API, ending in /v1 for most. None: the rehearsal teacher."""

    backend: BackendConfig = field(default_factory=BackendConfig)
    """What answers."""

    endpoints: tuple[EndpointConfig, ...] = ()
    """Several addresses that serve this one model, instead of `base_url`."""

    api: Literal["chat", "completions"] = "chat"
    """`chat`, or `completions` with the prompt written in the model's own prompt format."""

    prompt_format: str | None = None
    """Prompt format: a shipped name or a Jinja file. None: by the model's name, with a notice."""

    bos: Literal["server", "text"] = "server"
    """Who writes the beginning-of-sequence token of a completions prompt; most servers do."""

    requests_per_minute: PositiveFloat | None = None
    """Hard limit of requests a minute per endpoint; None: only what the endpoint itself says."""

    tokens_per_minute: PositiveFloat | None = None
    """Hard limit of tokens a minute per endpoint, prompt and reply together."""

    extra_body: dict[str, Any] = field(default_factory=dict)
    """Parameters sent with every call, beyond labgen's own; part of a call's key."""

    extra_headers: dict[str, str] = field(default_factory=dict)
    """Headers sent with every request; `${NAME}` is taken from the environment."""

    extra_query: dict[str, str] = field(default_factory=dict)
    """Query of every request's address, such as Azure's `api-version`; as headers."""

    reasoning: Literal["keep", "off"] = "keep"
    """`keep` keeps a model's reasoning apart from its answer; `off` asks it for none."""

    def __post_init__(self) -> None:
        if self.base_url and self.endpoints:
            raise ValueError("give either `base_url` or `endpoints`, not both")
        for name, value in self.extra_body.items():
            for foreign in _foreign_to_json(value):
                words = f"holds {foreign}, which JSON does not have: put it in quotes"
                raise SettingError(words, "extra_body", str(name))


class TeacherConfig(ModelConfig):
    """The model that writes (and judges, unless `judge` names another), and how it is asked."""

    terms: str = ""
    """Terms under which its replies may be used; quoted in the card."""

    model: str = DEFAULT_MODEL
    """Model name as the endpoint knows it. LAB's own teacher by default."""

    api_key_env: str = "OPENAI_API_KEY"
    """Name of the environment variable that holds the key."""

    concurrency: Count = 64
    """Calls in flight at most per endpoint; what one inference server keeps busy with."""

    timeout_sec: PositiveFloat = 180.0
    """Longest wait for one reply."""

    max_attempts: Count = 6
    """Attempts per call before its candidate ends as `failed`."""

    first_backoff_sec: NonNegativeFloat = 0.5
    """Wait before a failed call's second attempt; it doubles with each further one."""

    outage_sec: PositiveFloat = 120.0
    """Time without any answer after which the run stops, all replies kept."""


class JudgeConfig(ModelConfig):
    """Another model that judges. Without an address of its own it is asked at the teacher's."""

    model: str
    """Model name; must differ from the teacher's."""

    api_key_env: str | None = None
    """Name of the variable that holds its key. None: the teacher's."""

    concurrency: Count | None = None
    """Calls in flight at most per endpoint. None: the teacher's."""


class ResponderConfig(ModelConfig):
    """Another model that gives further responses. Without an address of its own it is asked at the teacher's."""

    model: str
    """Model name; must differ from the teacher's and the judge's."""

    api_key_env: str | None = None
    """Name of the variable that holds its key. None: the teacher's."""

    concurrency: Count | None = None
    """Calls in flight at most per endpoint. None: the teacher's."""

    terms: str = ""
    """Terms under which its replies may be used; quoted in the card."""


class GuardConfig(ModelConfig):
    """A model made to find harm, asked about every pair that the judges let pass; in its own format."""

    kind: Literal["llama_guard_3", "granite_guardian_3"]
    """Which model's prompt and reply it has."""

    model: str
    """Model name; must differ from the teacher's and the judge's."""

    api_key_env: str | None = None
    """Name of the variable that holds its key. None: the teacher's."""

    concurrency: Count | None = None
    """Calls in flight at most per endpoint. None: the teacher's."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.base_url or self.endpoints or self.backend.kind != HTTP):
            raise ValueError("needs `base_url` or `endpoints`: a guard is another model at its own address")
