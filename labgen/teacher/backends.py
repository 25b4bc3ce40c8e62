"""What answers calls: the protocol, and the kinds that there are. `backend: kind:` in labgen.yaml chooses one.

A kind of another package is named by the entry point group `labgen.backends`: a class or function that is called with
an `EndpointSpec` and gives a `Backend`. From Python a back end can be handed over as it is (`build_dataset(backend=)`).
"""

from __future__ import annotations

import asyncio
import difflib
import math
from contextlib import suppress
from dataclasses import fields, replace
from importlib.metadata import entry_points
from typing import Any, Protocol

from labgen.config import HTTP
from labgen.errors import (
    PERMANENT,
    RETRYABLE,
    BadReply,
    ConfigError,
    NoConnection,
    TeacherDown,
    TeacherError,
    TeacherMisconfigured,
)
from labgen.packages import crash, installed_names, package_of
from labgen.records import Call, Reply, Served
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.openai_client import whole

GROUP = "labgen.backends"
_TELLING = (NoConnection, *RETRYABLE, *PERMANENT, TeacherMisconfigured, TeacherDown)
"""What a back end may raise to say what is to happen next; of a class and its base, the class comes first."""


class Backend(Protocol):
    """Something that answers calls, several at a time."""

    async def ask(self, call: Call) -> Reply:
        """Answer one call, once.

        Raises: TeacherError: as the tree in `labgen.errors` says; what is asked again is decided by its class.
        """

    async def close(self) -> None:
        """Give up what is held. Nothing is asked afterwards."""


def known_kinds() -> list[str]:
    """Every kind of back end, without importing any."""
    return [HTTP, *(name for name in installed_names(GROUP) if name != HTTP)]


def check_kind(kind: str) -> None:
    """Raises: ConfigError: there is no such kind of back end."""
    known = known_kinds()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."
        raise ConfigError(f"backend.kind: there is no kind `{kind}`. {hint}")


def make_backend(spec: EndpointSpec) -> Backend:
    """The back end of a kind that another package brings, kept from doing harm.

    Raises: ConfigError: there is no such kind, or two; it can't be loaded, is no back end, or refuses its settings.
    """
    check_kind(spec.kind)
    entries = sorted(entry_points(group=GROUP, name=spec.kind), key=lambda entry: entry.value)
    where = f"back end `{spec.kind}` of {' and of '.join(map(package_of, entries))}"
    if len(entries) > 1:
        raise ConfigError(f"{where}: there can be one of a kind. Uninstall a package, or have its entry point renamed.")
    try:
        backend: Backend = entries[0].load()(spec)
    except (Exception, SystemExit) as error:
        # Anybody's package may raise anything.
        raise ConfigError(
            f"{where} can't be made ({crash(error)}). See what it says of its settings "
            "under `backend:`, or choose another kind."
        ) from error
    for name in ("ask", "close"):
        if not callable(getattr(backend, name, None)):
            raise ConfigError(f"{where} has no `{name}`: it is no labgen.teacher.backends.Backend. Mend the package.")
    return InstalledBackend(backend, where)


class InstalledBackend:
    """A back end of another package. What it raises that is no `TeacherError` counts as an answer that can't be read.

    So a call is asked again, and given up in the end; a back end that answers nothing at all ends the run.
    """

    def __init__(self, inner: Backend, where: str) -> None:
        self._inner, self._where = inner, where

    async def ask(self, call: Call) -> Reply:
        """Its reply. Raises: TeacherError: its own, or because it crashed or gave something else."""
        try:
            return _plain_reply(await self._inner.ask(call))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody withdrew this call: something that the package waits for was cancelled.
            raise BadReply(f"{self._where}: {crash(error)}") from error
        except (Exception, SystemExit) as error:
            # Anybody's package may raise anything.
            raise _plain_error(error, self._where) from error

    async def close(self) -> None:
        """Let it give up what it holds; nothing depends on how that goes."""
        with suppress(Exception):
            await self._inner.close()


def _plain_error(error: BaseException, where: str) -> TeacherError:
    """An error as labgen's own of the same branch, with the package in its words; a BadReply for all others."""
    kind = next((kind for kind in _TELLING if isinstance(error, kind)), BadReply)
    wait_sec = getattr(error, "retry_after_sec", None)
    if not isinstance(wait_sec, int | float) or not math.isfinite(wait_sec):
        wait_sec = None
    return kind(f"{where}: {crash(error)}", retry_after_sec=wait_sec)


def _plain_reply(reply: Reply) -> Reply:
    """The reply with Python's own texts and numbers. Raises: TypeError, ValueError: it is none."""
    if not isinstance(reply, Reply):
        raise TypeError(f"it gave a {type(reply).__name__}, which is no labgen.records.Reply")
    plain: dict[str, Any] = {}
    for name in (each.name for each in fields(Reply) if each.type == "str"):
        if not isinstance(getattr(reply, name), str):
            raise TypeError(f"its reply's {name} is no text")
        plain[name] = whole(getattr(reply, name))
    served = reply.served
    if not isinstance(served, Served) or not all(
        isinstance(getattr(served, each.name), str) for each in fields(Served)
    ):
        raise TypeError("its reply's served is no labgen.records.Served")
    if reply.failure:
        raise ValueError("it gave a reply with a `failure`; a back end tells of one by what it raises")
    for name in ("prompt_tokens", "completion_tokens"):
        plain[name] = int(getattr(reply, name))
        if plain[name] < 0:
            raise ValueError(f"its reply's {name} are fewer than none")
    return replace(reply, **plain)
