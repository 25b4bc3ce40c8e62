"""From configuration to open endpoints: which back ends serve which model, ready to be asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from labgen.config.models import HTTP, EndpointConfig, ModelConfig
from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.lazy.dataclasses import dataclass
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.addresses import (
    EndpointSpec,
    all_specs,
    check_settings,
    endpoint_specs,
    guard_specs,
    model_names,
    responder_name,
    specs_of,
)
from labgen.teacher.backends import Backend, check_kind, make_backend
from labgen.teacher.endpoints import Endpoint, Replicas
from labgen.teacher.http_process import WORTH_A_PROCESS, ElsewhereBackend, HttpProcess
from labgen.teacher.parameters import call_parameters
from labgen.teacher.pressure import QUEUED, Pressure
from labgen.teacher.quirks import Notes, Quirks
from labgen.teacher.trouble import Trouble

if TYPE_CHECKING:
    from labgen.teacher.http import HttpBackend
    from labgen.teacher.stated import Stated

Backends = Backend | Mapping[str, Backend]
"""A back end that a caller brings: one for all models, or one for each by its logical name."""


@dataclass(frozen=True)
class Models:
    """The logical models of a run and what serves them.

    Attributes:
        teacher, judge: logical names, which are part of every call's key.
        serving: logical name to its replicas.
    """

    teacher: str
    judge: str
    serving: dict[str, Replicas]

    @property
    def rehearsal(self) -> bool:
        """Whether rows are marked as rehearsal."""
        return REHEARSAL_MODEL in (self.teacher, self.judge)


def check_endpoints(config: Config, backend: Backends | None = None) -> tuple[str, str]:
    """Say what is wrong with the models and their endpoints, also where none of them may have to be asked.

    Returns: the logical names of teacher and judge. Raises: ConfigError.
    """
    check_kind(HTTP)
    responder = config.preferences.responder if config.preferences else None
    models: tuple[ModelConfig | None, ...] = (config.teacher, config.judge, config.guard, responder)
    for whose, model in zip(("teacher", "judge", "guard", "preferences.responder"), models, strict=True):
        places: tuple[ModelConfig | EndpointConfig, ...] = (model, *model.endpoints) if model else ()
        for number, each in enumerate(places):
            try:
                if each.backend is not None:
                    check_kind(each.backend.kind)
                    check_settings(each.backend)
            except ConfigError as error:
                raise error.within(whose, *(("endpoints", number - 1) if number else ())) from None
    names = model_names(config, asked_otherwise=backend is not None)
    call_parameters(config)
    if backend is None and not endpoint_specs(config):
        _rehearsal_spec(config, "http://localhost")
    _unserved(config, backend)
    return names


def _rehearsal_spec(config: Config, base_url: str) -> EndpointSpec:
    """The rehearsal teacher as an endpoint, asked in the way that the teacher is to be asked."""
    settings = config.teacher.changed(model=REHEARSAL_MODEL)
    (spec,) = specs_of(config, "teacher", settings, [EndpointConfig(base_url=base_url)])
    return replace(spec, key_env="")


def specs_by_model(config: Config, rehearsal_url: str = "") -> dict[str, EndpointSpec]:
    """The first endpoint of each model that a build may ask, by its logical name.

    Args:
        rehearsal_url: where the rehearsal teacher is, which stands for teacher and judge where none is configured.
    Raises: ConfigError: what is wrong with one.
    """
    specs = all_specs(config)
    if not endpoint_specs(config):
        specs = (_rehearsal_spec(config, rehearsal_url or "http://localhost/v1"), *specs)
    return {spec.model: spec for spec in reversed(specs)}


@contextmanager
def connect(
    config: Config,
    *,
    tasks: Mapping[str, str],
    notice: Callable[[str], None],
    notes: Notes | None = None,
    backend: Backends | None = None,
    http: HttpProcess | None = None,
) -> Iterator[Models]:
    """Make the endpoints of a run ready; start the rehearsal teacher where none is configured.

    Args:
        tasks: what the rehearsal teacher is to know of the prompts, see `labgen.flows.prompts.rehearsed_tasks`.
        notice: told of what a user should know (the rehearsal, workarounds for an endpoint).
        notes: where it is remembered from run to run what an endpoint lacks; None forgets it.
        backend: asked instead of what the configuration says.
        http: the process in which HTTP endpoints are asked; None for this one.
    Raises: ConfigError: see `endpoint_specs`.
    """
    teacher, judge = model_names(config, asked_otherwise=backend is not None)
    specs = _unserved(config, backend)
    if backend is not None or endpoint_specs(config):
        names = (teacher, judge, *filter(None, [responder_name(config, asked_otherwise=backend is not None)]))
        with _elsewhere(http) as elsewhere:
            served = open_endpoints(specs, notice, notes, elsewhere) | _brought(config, backend, names)
            yield Models(teacher, judge, served)
        return
    from labgen.teacher.rehearsal.server import RehearsalServer

    with RehearsalServer(tasks=tasks) as server:
        notice(
            f"No endpoint is configured: the built-in rehearsal teacher answers at {server.base_url}. Its rows show "
            "that leaves pass every stage; they teach a model nothing. For real rows, give --base-url and --model."
        )
        rehearsal = _rehearsal_spec(config, server.base_url)
        with _elsewhere(http) as elsewhere:
            yield Models(teacher, judge, open_endpoints((rehearsal, *specs), notice, None, elsewhere))


def worth_a_process(config: Config) -> bool:
    """Whether so many HTTP calls may be in flight that there is a process for them."""
    specs = all_specs(config)
    if not endpoint_specs(config):
        specs = (_rehearsal_spec(config, "http://localhost"), *specs)
    return sum(spec.concurrency for spec in specs if spec.kind == HTTP) >= WORTH_A_PROCESS


@contextmanager
def _elsewhere(http: HttpProcess | None) -> Iterator[HttpProcess | None]:
    """The process in which endpoints are asked; None for this one."""
    if http is None or not http.running:
        yield None
        return
    with http.at_work():
        yield http


def _unserved(config: Config, backend: Backends | None) -> tuple[EndpointSpec, ...]:
    """The endpoints that are asked as the configuration says, those that a caller's back end stands for left out."""
    if backend is None:
        return all_specs(config)
    if not isinstance(backend, Mapping):
        return ()
    specs = guard_specs(config) if config.guard and config.guard.model not in backend else ()
    names = (*model_names(config, asked_otherwise=True), responder_name(config, asked_otherwise=True))
    lacking = [name for name in names if name and name not in backend]
    if lacking:
        raise ConfigError(
            f"backend: nothing answers for `{lacking[0]}`. Give a back end for each model, by name, or one for all."
        )
    return specs


def _brought(config: Config, backend: Backends | None, names: Iterable[str]) -> dict[str, Replicas]:
    if backend is None:
        return {}
    guard = [config.guard.model] if config.guard else []
    by_model = backend if isinstance(backend, Mapping) else dict.fromkeys([*names, *guard], backend)
    made: dict[int, Replicas] = {}
    for each in by_model.values():
        # One back end for several models is one place with one pressure.
        made.setdefault(
            id(each), Replicas([Endpoint(type(each).__name__, each, _pressure(config.teacher.concurrency))])
        )
    return {model: made[id(each)] for model, each in by_model.items()}


def open_endpoints(
    specs: Iterable[EndpointSpec],
    notice: Callable[[str], None],
    notes: Notes | None,
    http: HttpProcess | None = None,
) -> dict[str, Replicas]:
    """Open endpoints, by logical model. What concerns several of them is told once."""
    told: set[str] = set()
    by_model: dict[str, list[Endpoint]] = {}
    for spec in specs:
        if spec.note and spec.note not in told:
            told.add(spec.note)
            notice(spec.note)
        by_model.setdefault(spec.model, []).append(_endpoint(spec, notice, notes, told, http))
    return {model: Replicas(endpoints) for model, endpoints in by_model.items()}


def _endpoint(
    spec: EndpointSpec,
    notice: Callable[[str], None],
    notes: Notes | None,
    told: set[str],
    http: HttpProcess | None,
) -> Endpoint:
    pressure, trouble = _pressure(spec.concurrency, spec), Trouble()
    if spec.kind != HTTP:
        return Endpoint(spec.name, make_backend(spec), pressure, spec.weight)
    quirks = Quirks(spec.name, spec.send_model, notice=notice, notes=notes, merges_system=spec.merges_system)

    def here() -> HttpBackend:
        from labgen.teacher.http import HttpBackend

        return HttpBackend.of(spec, quirks, pause=pressure.pause, notice=notice, resent=trouble.note_resent)

    backend: HttpBackend | ElsewhereBackend
    if http is None:
        backend = here()
    else:
        backend = http.open(spec, here, pause=pressure.pause, notice=notice, resent=trouble.note_resent, notes=notes)
        pressure.hand_over_to(backend)

    async def look() -> Stated | None:
        stated = await backend.stated()
        if stated and stated.slots and (most := stated.slots + QUEUED) < spec.concurrency:
            words = f"{spec.name} has {stated.slots} slots, as it says: at most {most} calls are sent at a time."
            if words not in told:
                told.add(words)
                notice(words)
        return stated

    return Endpoint(spec.name, backend, pressure, spec.weight, known=quirks.answered_before, look=look, trouble=trouble)


def _pressure(concurrency: int, spec: EndpointSpec | None = None) -> Pressure:
    return Pressure(
        concurrency,
        now=time.monotonic,
        requests_per_minute=spec.requests_per_minute if spec else None,
        tokens_per_minute=spec.tokens_per_minute if spec else None,
    )
