"""What answers calls: the protocol, and the kinds that there are. `backend: kind:` in labgen.yaml chooses one.

A kind of another package is named by the entry point group `labgen.backends`: a class or function that is called with
an `EndpointSpec` and gives a `Backend`. From Python a back end can be handed over as it is (`build_dataset(backend=)`).
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import Protocol

from labgen.config import HTTP
from labgen.errors import ConfigError
from labgen.records import Call, Reply
from labgen.teacher.addresses import EndpointSpec

GROUP = "labgen.backends"


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
    return [HTTP, *sorted({entry.name for entry in entry_points(group=GROUP)} - {HTTP})]


def check_kind(kind: str) -> None:
    """Raises: ConfigError: there is no such kind of back end."""
    known = known_kinds()
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known)}."
        raise ConfigError(f"backend.kind: there is no kind `{kind}`. {hint}")


def make_backend(spec: EndpointSpec) -> Backend:
    """The back end of a kind that another package brings.

    Raises: ConfigError: there is no such kind, it can't be loaded, or it refuses its settings.
    """
    check_kind(spec.kind)
    entry = next(entry for entry in entry_points(group=GROUP) if entry.name == spec.kind)
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value
    where = f"back end `{spec.kind}` of {package}"
    try:
        backend: Backend = entry.load()(spec)
    except Exception as error:
        # Anybody's package may raise anything.
        raise ConfigError(
            f"{where} can't be made ({type(error).__name__}: {str(error)[:200]}). See what it says of its settings "
            "under `backend:`, or choose another kind."
        ) from error
    for name in ("ask", "close"):
        if not callable(getattr(backend, name, None)):
            raise ConfigError(f"{where} has no `{name}`: it is no labgen.teacher.backends.Backend. Mend the package.")
    return backend
