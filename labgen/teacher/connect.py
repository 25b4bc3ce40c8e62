"""From configuration to an open door: which endpoints serve which model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from labgen.config import Config, EndpointConfig, GuardConfig, JudgeConfig, TeacherConfig
from labgen.errors import ConfigError
from labgen.formats.chat import ChatFormat
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.quirks import Notes, Quirks

REHEARSAL_MODEL = "labgen-rehearsal"
"""Name of the rehearsal teacher's one model; rows of this model are rehearsal rows, wherever it was served from."""


@dataclass(frozen=True)
class Models:
    """The logical models of a run and what serves them.

    Attributes:
        teacher, judge: logical names, which are part of every call's key.
        serving: logical name to its replicas.
        rehearsal: whether rows are marked as rehearsal.
    """

    teacher: str
    judge: str
    serving: dict[str, Replicas]
    rehearsal: bool


@dataclass(frozen=True)
class Place:
    """One address of one logical model, with everything that the configuration says of it.

    Attributes:
        model: the logical model; send_model: the name that is sent there.
        key_env: name of the environment variable with the key; the key itself is never kept here.
        chat_format: None for the chat API; for completions, how the prompt is written.
        merges_system: whether system text goes into the first user turn from the start.
        note: what a user should know of the choice of format; empty for nothing.
    """

    model: str
    send_model: str
    base_url: str
    key_env: str
    weight: float
    concurrency: int
    timeout_sec: float
    chat_format: ChatFormat | None
    bos: bool
    merges_system: bool
    requests_per_minute: float | None
    tokens_per_minute: float | None
    note: str = ""

    @property
    def name(self) -> str:
        """What messages call it: its address, which holds no secret (see `_checked`)."""
        return self.base_url

    @property
    def key(self) -> str:
        """The key, from the environment; empty for none."""
        return os.environ.get(self.key_env, "").strip()


def model_names(config: Config) -> tuple[str, str]:
    """Logical names of teacher and judge; the rehearsal's where no endpoint is configured.

    Raises: ConfigError: a judge that can't be told from the teacher, or that has an address while the teacher has none.
    """
    judge = config.judge
    if not addresses(config.teacher):
        if judge and (judge.base_url or judge.endpoints):
            raise ConfigError(
                "judge has an endpoint and teacher has none. Give teacher.base_url, or leave out the judge's address "
                "to rehearse with both."
            )
        return REHEARSAL_MODEL, REHEARSAL_MODEL
    if judge is None:
        return config.teacher.model, config.teacher.model
    if judge.model == config.teacher.model:
        raise ConfigError(
            f"judge.model is the teacher's own, `{judge.model}`. Leave `judge` out: the teacher judges then. Further "
            "addresses of the same model belong under teacher.endpoints."
        )
    return config.teacher.model, judge.model


def addresses(teacher: TeacherConfig) -> tuple[EndpointConfig, ...]:
    """The teacher's configured addresses, else that of `OPENAI_BASE_URL`. A key alone configures nothing."""
    if teacher.endpoints:
        return teacher.endpoints
    address = teacher.base_url or os.environ.get("OPENAI_BASE_URL")
    return (EndpointConfig.model_validate({"base_url": address}),) if address else ()


def places(config: Config) -> tuple[Place, ...]:
    """Every address of the teacher and of the judge; none where the rehearsal teacher is to answer.

    Raises: ConfigError: not an address, an unknown prompt format, or one address twice for one model.
    """
    teacher, judge = model_names(config)
    if teacher == judge == REHEARSAL_MODEL and not addresses(config.teacher):
        return ()
    found = [_place(config, config.teacher, each) for each in addresses(config.teacher)]
    if config.judge is not None:
        found += [_place(config, config.judge, each) for each in _judge_addresses(config, config.judge)]
    seen: set[tuple[str, str, str]] = set()
    for place in found:
        which = (place.model, place.base_url, place.send_model)
        if which in seen:
            raise ConfigError(f"endpoints: {place.name} is listed twice for `{place.model}`. Give it a weight instead.")
        seen.add(which)
    return tuple(found)


def guard_places(config: Config) -> tuple[Place, ...]:
    """The addresses of the guard model; none where none is configured.

    Raises: ConfigError: not an address, or a name that is the teacher's or the judge's.
    """
    guard = config.guard
    if guard is None:
        return ()
    if guard.model in model_names(config):
        raise ConfigError(f"guard.model `{guard.model}` is the teacher's or the judge's. A guard is another model.")
    own = guard.model_copy(update={"prompt_format": guard.prompt_format or guard.kind})
    each = guard.endpoints or (EndpointConfig.model_validate({"base_url": guard.base_url}),)
    return tuple(_place(config, own, endpoint) for endpoint in each)


def check_places(config: Config) -> None:
    """Say what is wrong with the addresses, also where none of them may have to be asked. Raises: ConfigError."""
    places(config)
    guard_places(config)


@contextmanager
def connect(
    config: Config, *, now: Callable[[], float], notice: Callable[[str], None], notes: Notes | None = None
) -> Iterator[Models]:
    """Make the endpoints of a run ready; start the rehearsal teacher where none is configured.

    Args:
        now: clock in seconds for pressures.
        notice: told of what a user should know (the rehearsal, workarounds for an endpoint).
        notes: where it is remembered from run to run what an endpoint lacks; None forgets it.
    Raises: ConfigError: see `places`.
    """
    teacher, judge = model_names(config)
    known, guard = places(config), guard_places(config)
    if known:
        yield Models(teacher, judge, serve((*known, *guard), now, notice, notes), REHEARSAL_MODEL in (teacher, judge))
        return
    from labgen.teacher.rehearsal.server import RehearsalServer

    with RehearsalServer() as server:
        notice(
            f"No endpoint is configured: the built-in rehearsal teacher answers at {server.base_url}. Its rows show "
            "that leaves pass every stage; they teach a model nothing. For real rows, give --base-url and --model."
        )
        settings = config.teacher.model_copy(update={"model": REHEARSAL_MODEL})
        place = _place(config, settings, EndpointConfig.model_validate({"base_url": server.base_url}))
        served = (replace(place, key_env=""), *guard)
        yield Models(teacher, judge, serve(served, now, notice, None), True)


def serve(
    known: tuple[Place, ...], now: Callable[[], float], notice: Callable[[str], None], notes: Notes | None
) -> dict[str, Replicas]:
    """Endpoints for places, by logical model. Each note on a prompt format is told once."""
    told: set[str] = set()
    by_model: dict[str, list[Endpoint]] = {}
    for place in known:
        if place.note and place.note not in told:
            told.add(place.note)
            notice(place.note)
        by_model.setdefault(place.model, []).append(_endpoint(place, now, notice, notes))
    return {model: Replicas(endpoints) for model, endpoints in by_model.items()}


def _endpoint(place: Place, now: Callable[[], float], notice: Callable[[str], None], notes: Notes | None) -> Endpoint:
    from labgen.teacher.http import HttpBackend
    from labgen.teacher.pressure import Pressure

    pressure = Pressure(
        place.concurrency,
        now=now,
        requests_per_minute=place.requests_per_minute,
        tokens_per_minute=place.tokens_per_minute,
    )
    backend = HttpBackend(
        place.base_url,
        place.key,
        timeout_sec=place.timeout_sec,
        connections=place.concurrency,
        chat_format=place.chat_format,
        bos=place.bos,
        send_model=place.send_model,
        name=place.name,
        quirks=Quirks(place.name, place.send_model, notice=notice, notes=notes, merges_system=place.merges_system),
        pause=pressure.pause,
    )
    return Endpoint(place.name, backend, pressure, place.weight)


def _judge_addresses(config: Config, judge: JudgeConfig) -> tuple[EndpointConfig, ...]:
    if judge.endpoints:
        return judge.endpoints
    if judge.base_url:
        return (EndpointConfig.model_validate({"base_url": judge.base_url}),)
    # The same servers under another model name: what an address is called there is the teacher's affair.
    return tuple(each.model_copy(update={"model": None}) for each in addresses(config.teacher))


def _place(config: Config, model: TeacherConfig | JudgeConfig | GuardConfig, endpoint: EndpointConfig) -> Place:
    address = _checked(endpoint.base_url.rstrip("/"))
    # The endpoint's own words come first, then the model's, then (for a judge) the teacher's.
    layers = (endpoint, model, config.teacher)
    send_model = endpoint.model or model.model
    api = endpoint.api or model.api
    format_name = endpoint.prompt_format or model.prompt_format
    format, note = _format(format_name, model.model, needed=api == "completions")
    return Place(
        model=model.model,
        send_model=send_model,
        base_url=address,
        key_env=next(layer.api_key_env for layer in layers if layer.api_key_env is not None),
        weight=endpoint.weight,
        concurrency=next(layer.concurrency for layer in layers if layer.concurrency is not None),
        timeout_sec=config.teacher.timeout_sec,
        chat_format=format if api == "completions" else None,
        bos=(endpoint.bos or model.bos) == "text",
        merges_system=bool(format and format.merges_system),
        requests_per_minute=endpoint.requests_per_minute or model.requests_per_minute,
        tokens_per_minute=endpoint.tokens_per_minute or model.tokens_per_minute,
        note=note if api == "completions" else "",
    )


def _checked(address: str) -> str:
    """The address. Raises: ConfigError: it is none, or holds what may be secret, which is not shown."""
    shown = address.rpartition("@")[2].partition("?")[0]
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if not address.startswith(("http://", "https://")) or not parts.netloc:
        raise ConfigError(f"base_url `{shown}` is no http or https address. An example: http://localhost:8000/v1")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError(
            f"base_url `{shown}` has a user name, a password or a query (`?...`) in it, where keys would end up in "
            "messages. Leave them out: a key goes into the environment, see `api_key_env`."
        )
    return address


def _format(name: str | None, model: str, *, needed: bool) -> tuple[ChatFormat | None, str]:
    from labgen.formats.known import SHIPPED, find_format, format_for_model

    if name is not None:
        return find_format(name), ""
    if found := format_for_model(model):
        return found
    if needed:
        raise ConfigError(
            f"api: completions needs a prompt format, and none is known for `{model}`. Set `prompt_format:` to one of "
            f"{', '.join(SHIPPED)}, or to a Jinja chat template; or ask it with `api: chat`."
        )
    return None, ""
