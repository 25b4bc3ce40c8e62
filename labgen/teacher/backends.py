"""What answers calls: the protocol, and the kinds that there are. `backend: kind:` in labgen.yaml chooses one.

A kind of another package is named by the entry point group `labgen.backends`: a class or function that is called with
an `EndpointSpec` and gives a `Backend`. From Python a back end can be handed over as it is (`build_dataset(backend=)`).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from labgen.config.models import HTTP
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
from labgen.packages import PackageFault, entries_of, guarded, package_of, plain_count, plain_number, plain_text
from labgen.records import Call, Reply, Served
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.endpoint_words import whole

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BACKENDS_GROUP = "labgen.backends"
BULK = "bulk"
"""The kind of what is answered in files alone, and never while one waits (see `labgen.bulk`)."""
MOST_WAIT_SEC = 7 * 86_400.0
"""A back end that asks for a longer wait is taken to ask for this one."""
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
    """Every kind of back end, without importing any. Raises: ConfigError: a package's has the name of labgen's own."""
    entries = entries_of(BACKENDS_GROUP)
    for entry in entries:
        if entry.name in (HTTP, BULK):
            raise ConfigError(
                f"back end `{entry.name}` of {package_of(entry)}: labgen has a back end of that name. Uninstall the "
                "package, or have its entry point renamed."
            )
    return [HTTP, BULK, *sorted({entry.name for entry in entries})]


def check_kind(kind: str) -> None:
    """Raises: ConfigError: there is no such kind of back end, or it has a name that is taken."""
    known = known_kinds()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."
        raise ConfigError(f"backend.kind: there is no kind `{kind}`. {hint}", ("backend", "kind"))
    entries = entries_of(BACKENDS_GROUP, kind)
    if len(entries) > 1:
        raise ConfigError(
            f"{_where(entries)}: there can be one of a kind. Uninstall a package, or have its entry point renamed."
        )


def make_backend(spec: EndpointSpec) -> Backend:
    """The back end of a kind that another package brings, kept from doing harm.

    Raises: ConfigError: there is no such kind, or two; it can't be loaded, is no back end, or refuses its settings.
    """
    check_kind(spec.kind)
    if spec.kind == BULK:
        return InFilesAlone(spec)
    entries = entries_of(BACKENDS_GROUP, spec.kind)
    where = _where(entries)
    try:
        with guarded():
            backend: Backend = entries[0].load()(spec)
            lacking = [name for name in ("ask", "close") if not callable(getattr(backend, name, None))]
    except PackageFault as fault:
        raise ConfigError(
            f"{where} can't be made ({fault}). See what it says of its settings under `backend:`, or choose another "
            "kind."
        ) from fault
    if lacking:
        raise ConfigError(f"{where} has no `{lacking[0]}`: it is no labgen.teacher.backends.Backend. Mend the package.")
    return InstalledBackend(backend, where)


def _where(entries: Sequence[EntryPoint]) -> str:
    return f"back end `{entries[0].name}` of {' and of '.join(map(package_of, entries))}" if entries else ""


class InFilesAlone:
    """What stands for a model that is asked in files: whoever asks it otherwise is told how to."""

    def __init__(self, spec: EndpointSpec) -> None:
        self._model = spec.model

    async def ask(self, call: Call) -> Reply:
        """Raises: TeacherMisconfigured: always."""
        raise TeacherMisconfigured(
            f"`{self._model}` is answered in files alone (`backend: {{kind: {BULK}}}`), and the ledger lacks replies: "
            "`labgen bulk write DIR` writes what is to be answered, `labgen bulk read FILE...` brings the replies in."
        )

    async def close(self) -> None:
        """Nothing is held."""


class InstalledBackend:
    """A back end of another package. What it raises that is no `TeacherError` counts as an answer that can't be read.

    So a call is asked again, and given up in the end; a back end that answers nothing at all ends the run.
    """

    def __init__(self, inner: Backend, where: str) -> None:
        self._inner, self._where = inner, where

    async def ask(self, call: Call) -> Reply:
        """Its reply. Raises: TeacherError: its own, or because it crashed or gave something else."""
        try:
            with guarded(awaits=True):
                return _plain_reply(await self._inner.ask(call))
        except PackageFault as fault:
            raise _plain_error(fault, self._where) from fault

    async def close(self) -> None:
        """Let it give up what it holds; nothing depends on how that goes."""
        with suppress(PackageFault), guarded(awaits=True):
            await self._inner.close()


def _plain_error(fault: PackageFault, where: str) -> TeacherError:
    """An error as labgen's own of the same branch, with the package in its words; a BadReply for all others."""
    error = fault.__cause__
    kind = next((kind for kind in _TELLING if isinstance(error, kind)), BadReply)
    try:
        with guarded():
            wait_sec = plain_number(getattr(error, "retry_after_sec", None), "the wait")
    except PackageFault:
        wait_sec = 0.0
    wait_sec = min(max(0.0, wait_sec), MOST_WAIT_SEC)
    return kind(f"{where}: {fault}", retry_after_sec=wait_sec or None)


def _plain_reply(reply: Any) -> Reply:
    """The reply with Python's own texts and numbers. Raises: PackageFault: it is none."""
    if not isinstance(reply, Reply):
        raise PackageFault(f"it gave a {type(reply).__name__}, which is no labgen.records.Reply")
    if reply.failure:
        raise PackageFault("it gave a reply with a `failure`; a back end tells of one by what it raises")
    if not isinstance(reply.served, Served):
        raise PackageFault("its reply's served is no labgen.records.Served")
    counts: dict[str, Any] = {
        name: plain_count(getattr(reply, name), f"its reply's {name}")
        for name in ("prompt_tokens", "completion_tokens")
    }
    return Reply(**_texts(reply, "its reply's") | counts, served=Served(**_texts(reply.served, "its reply's served")))


def _texts(record: Any, whose: str) -> dict[str, Any]:
    """The texts of a record, without what the ledger can't hold."""
    names = [each.name for each in fields(record) if each.type == "str"]
    return {name: whole(plain_text(getattr(record, name), f"{whose} {name}")) for name in names}
