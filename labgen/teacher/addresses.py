"""What the configuration says of where models are: which endpoints serve which model, and as what."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import field
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from labgen.config.models import (
    HTTP,
    BackendConfig,
    EndpointConfig,
    GuardConfig,
    JudgeConfig,
    ModelConfig,
    ResponderConfig,
    TeacherConfig,
)
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.formats.chat import ChatFormat
from labgen.lazy.dataclasses import dataclass
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.parameters import CallParameters, call_parameters, expanded


@dataclass(frozen=True)
class EndpointSpec:
    """One endpoint of one logical model, with everything that the configuration says of it.

    Attributes:
        model: the logical model; send_model: the name that is sent there.
        kind: of back end; settings: what `backend:` says beside the kind.
        base_url: its address; empty for back ends that have none.
        key_env: name of the environment variable with the key; the key itself is never kept here.
        weight: share of the calls it takes, relative to the model's other endpoints.
        concurrency: calls in flight at most; timeout_sec: longest wait for a reply.
        chat_format: None for the chat API; for completions, how the prompt is written.
        bos: whether a completions prompt spells out the beginning-of-sequence token.
        merges_system: whether system text goes into the first user turn from the start.
        extra_headers, extra_query: sent with every request there, as they are configured (see `parameters.expanded`).
        parameters: what every call to the model carries.
        note: what a user should know of the choice of format; empty for nothing.
    """

    model: str
    send_model: str
    kind: str
    base_url: str
    key_env: str
    weight: float
    concurrency: int
    timeout_sec: float
    chat_format: ChatFormat | None = None
    bos: bool = False
    merges_system: bool = False
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    extra_query: Mapping[str, str] = field(default_factory=dict)
    parameters: CallParameters = field(default_factory=CallParameters)
    note: str = ""

    @property
    def name(self) -> str:
        """What messages call it: its address, which holds no secret (see `_checked`), or its kind and model."""
        return self.base_url or f"{self.kind}:{self.send_model}"

    @property
    def key(self) -> str:
        """The key, from the environment; empty for none."""
        return os.environ.get(self.key_env, "").strip()


def model_names(config: Config, *, asked_otherwise: bool = False) -> tuple[str, str]:
    """Logical names of teacher and judge; the rehearsal's where no endpoint is configured.

    Args:
        asked_otherwise: whether the models are asked through a back end that a caller brings.
    Raises: ConfigError: a judge that can't be told from the teacher, or that has an address while the teacher has none.
    """
    judge = config.judge
    if not (addresses(config.teacher) or asked_otherwise):
        if judge and _own_addresses(judge):
            raise ConfigError(
                "judge has an endpoint and teacher has none. Give teacher.base_url, or leave out the judge's address "
                "to rehearse with both.",
                ("judge",),
            )
        return REHEARSAL_MODEL, REHEARSAL_MODEL
    if judge is None:
        return config.teacher.model, config.teacher.model
    if judge.model == config.teacher.model:
        raise ConfigError(
            f"judge.model is the teacher's own, `{judge.model}`. Leave `judge` out: the teacher judges then. Further "
            "addresses of the same model belong under teacher.endpoints.",
            ("judge", "model"),
        )
    return config.teacher.model, judge.model


def responder_name(config: Config, *, asked_otherwise: bool = False) -> str:
    """Logical name of the model that gives further responses; empty for none, the rehearsal's as for the teacher.

    Args:
        asked_otherwise: as `model_names`.
    Raises: ConfigError: it can't be told from another model, or has an address while the teacher has none.
    """
    responder = config.preferences.responder if config.preferences else None
    if responder is None:
        return ""
    place = ("preferences", "responder")
    names = model_names(config, asked_otherwise=asked_otherwise)
    if not (addresses(config.teacher) or asked_otherwise):
        if _own_addresses(responder):
            raise ConfigError(
                "preferences.responder has an endpoint and teacher has none. Give teacher.base_url, or leave out the "
                "responder's address to rehearse with both.",
                place,
            )
        return REHEARSAL_MODEL
    if responder.model in (*names, *((config.guard.model,) if config.guard else ())):
        raise ConfigError(
            f"preferences.responder.model `{responder.model}` is the teacher's, the judge's or the guard's. Name "
            "another model, or leave `responder` out: the teacher then gives all responses.",
            (*place, "model"),
        )
    return responder.model


def addresses(teacher: TeacherConfig) -> tuple[EndpointConfig, ...]:
    """The teacher's configured endpoints, else the address in `OPENAI_BASE_URL`. A key alone configures nothing."""
    return _own_addresses(teacher) or _at(os.environ.get("OPENAI_BASE_URL"))


def endpoint_specs(config: Config) -> tuple[EndpointSpec, ...]:
    """Every endpoint of the teacher, the judge and the model of further responses; none where the rehearsal teacher is
    to answer.

    Raises: ConfigError: not an address, an unknown prompt format, or one address twice for one model.
    """
    model_names(config)
    responder = config.preferences.responder if responder_name(config) and config.preferences else None
    if not addresses(config.teacher):
        return ()
    found = specs_of(config, "teacher", config.teacher, addresses(config.teacher))
    if config.judge is not None:
        found += specs_of(config, "judge", config.judge, _or_teachers_addresses(config, config.judge))
    if responder is not None:
        found += specs_of(config, "preferences.responder", responder, _or_teachers_addresses(config, responder))
    seen: set[tuple[str, str, str]] = set()
    for spec in found:
        which = (spec.model, spec.name, spec.send_model)
        if which in seen:
            words = f"{spec.name} is listed twice for `{spec.model}`. Give it a weight instead."
            raise ConfigError(f"teacher.endpoints: {words}", ("teacher", "endpoints"))
        seen.add(which)
    return tuple(found)


def guard_specs(config: Config) -> tuple[EndpointSpec, ...]:
    """The endpoints of the guard model; none where none is configured.

    Raises: ConfigError: not an address, or a name that is the teacher's or the judge's.
    """
    guard = config.guard
    if guard is None:
        return ()
    if guard.model in (config.teacher.model, *model_names(config), *((config.judge.model,) if config.judge else ())):
        words = f"guard.model `{guard.model}` is the teacher's or the judge's. A guard is another model."
        raise ConfigError(words, ("guard", "model"))
    own = guard.changed(prompt_format=guard.prompt_format or guard.kind)
    return tuple(specs_of(config, "guard", own, _own_addresses(guard)))


def specs_of(config: Config, whose: str, model: Any, endpoints: Iterable[EndpointConfig]) -> list[EndpointSpec]:
    """Endpoints of a model; `whose`: its section. Raises: ConfigError: as `make_spec`, the setting named in full."""
    found = []
    for number, endpoint in enumerate(endpoints):
        try:
            found.append(make_spec(config, model, endpoint))
        except ConfigError as error:
            raise error.within(whose, *(("endpoints", number) if model.endpoints else ())) from None
    return found


def is_loopback(address: str) -> bool:
    """Whether an address is this machine's own, which no proxy can reach."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def all_specs(config: Config) -> tuple[EndpointSpec, ...]:
    """Every endpoint of every model that a build may ask; none where the rehearsal teacher alone is to answer.

    Raises: ConfigError: what is wrong with one, also where it may not have to be asked.
    """
    return (*endpoint_specs(config), *guard_specs(config))


def make_spec(
    config: Config, model: TeacherConfig | JudgeConfig | ResponderConfig | GuardConfig, endpoint: EndpointConfig
) -> EndpointSpec:
    """An endpoint of a model: its own settings come first, then the model's, then (for a judge) the teacher's.

    Raises: ConfigError: not an address, or an unknown prompt format.
    """
    layers = (endpoint, model, config.teacher)
    backend = endpoint.backend or model.backend
    send_model = endpoint.model or model.model
    api = endpoint.api or model.api
    format_name = endpoint.prompt_format or model.prompt_format
    format, note = _format(format_name, model.model, needed=api == "completions")
    check_settings(backend)
    return EndpointSpec(
        model=model.model,
        send_model=send_model,
        kind=backend.kind,
        base_url=_checked(endpoint.base_url.rstrip("/")) if endpoint.base_url or backend.kind == HTTP else "",
        key_env=next(layer.api_key_env for layer in layers if layer.api_key_env is not None),
        weight=endpoint.weight,
        concurrency=next(layer.concurrency for layer in layers if layer.concurrency is not None),
        timeout_sec=config.teacher.timeout_sec,
        chat_format=format if api == "completions" else None,
        bos=(endpoint.bos or model.bos) == "text",
        merges_system=bool(format and format.merges_system),
        requests_per_minute=endpoint.requests_per_minute or model.requests_per_minute,
        tokens_per_minute=endpoint.tokens_per_minute or model.tokens_per_minute,
        settings=backend.settings,
        **_beside_the_key(config, model, endpoint),
        parameters=call_parameters(config).get(model.model, {}),
        note=note if api == "completions" else "",
    )


def check_settings(backend: BackendConfig) -> None:
    """Raises: ConfigError: settings stand beside a kind of back end that has none."""
    if backend.kind == HTTP and backend.settings:
        name = next(iter(backend.settings))
        raise ConfigError(f"backend: kind `{HTTP}` has no setting `{name}`. Leave it out.", ("backend", name))


def _beside_the_key(config: Config, model: ModelConfig, endpoint: EndpointConfig) -> dict[str, Mapping[str, str]]:
    """What goes to an address with its key. A judge without an address of its own is asked as the teacher is there.

    Raises: ConfigError: a secret is written out, or a variable is not set.
    """
    at_teachers = isinstance(model, JudgeConfig | ResponderConfig) and not _own_addresses(model)
    found = {}
    for name in ("extra_headers", "extra_query"):
        own = getattr(endpoint, name)
        values = (
            own if own is not None else getattr(model, name) or (getattr(config.teacher, name) if at_teachers else {})
        )
        expanded(values, name)
        found[name] = values
    return found


def _own_addresses(model: ModelConfig) -> tuple[EndpointConfig, ...]:
    if model.endpoints:
        return model.endpoints
    if model.base_url or model.backend.kind != HTTP:
        return (EndpointConfig(base_url=model.base_url or ""),)
    return ()


def _at(address: str | None) -> tuple[EndpointConfig, ...]:
    return (EndpointConfig(base_url=address),) if address else ()


def _or_teachers_addresses(config: Config, model: JudgeConfig | ResponderConfig) -> tuple[EndpointConfig, ...]:
    # The same servers under another model name: what an address is called there is the teacher's affair.
    shared = tuple(each.changed(model=None) for each in addresses(config.teacher))
    return _own_addresses(model) or shared


def _names_a_server(parts: SplitResult) -> bool:
    """Whether an address has a host that a name server can be asked for, and a port that there is, if any."""
    try:
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return False
    return bool(host) and port != 0 and not any(char.isspace() for char in host)


def _checked(address: str) -> str:
    """The address. Raises: ConfigError: it is none, or holds what may be secret, which is not shown."""
    shown = address.rpartition("@")[2].partition("?")[0]
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if not address.startswith(("http://", "https://")) or not _names_a_server(parts):
        words = (
            f"base_url `{shown}` is no http or https address of a host (and a port up to 65535). "
            "An example: http://localhost:8000/v1"
        )
        raise ConfigError(words, ("base_url",))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"base_url `{shown}` has a user name, a password or a query (`?...`) in it, where keys would end up in "
            "messages. Leave them out: a key goes into the environment, see `api_key_env`.",
            ("base_url",),
        )
    return address


def _format(name: str | None, model: str, *, needed: bool) -> tuple[ChatFormat | None, str]:
    from labgen.formats.known import FOR_TEACHERS, find_format, format_for_model

    if name is not None:
        try:
            return find_format(name), ""
        except ConfigError as error:
            raise ConfigError(f"prompt_format: {error}", ("prompt_format",)) from None
    if found := format_for_model(model):
        return found
    if needed:
        raise ConfigError(
            f"api: completions needs a prompt format, and none is known for `{model}`. Set `prompt_format:` to one of "
            f"{', '.join(FOR_TEACHERS)} (a base model's), or to a Jinja chat template; or ask it with `api: chat`.",
            ("api",),
        )
    return None, ""
