"""One line of a report by `labgen doctor`."""

from __future__ import annotations

from collections.abc import Callable

from labgen.lazy.dataclasses import dataclass

NOTHING = "Nothing to do."


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        subject: `machine`, `configuration`, or an endpoint's address.
        name: what was looked at.
        status: `ok`, `warn` (works, with less), `fail` (stands in the way), `skip` (could not be looked at).
        words: what was found; todo: what to do about it, always something.
    """

    subject: str
    name: str
    status: str
    words: str
    todo: str


Tell = Callable[[Finding], None]
"""Told of each finding as soon as it is known."""
