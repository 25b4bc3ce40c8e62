"""What an endpoint lacks: found out from its own answer, once, said once, and remembered for the runs to come."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from labgen.errors import LedgerError
from labgen.teacher.schema_fields import BOUNDED, OWN

OPTIONAL_PARAMETERS = (
    *("response_format", "seed", "stop", "top_p", "temperature", "stream_options", "stream"),
    *("reasoning_effort", "chat_template_kwargs"),
)
"""Parameters that are left out for an endpoint that refuses them."""

RENAMED = ("max_tokens",)
"""Sent as `max_completion_tokens` to an endpoint that asks for that."""

SCHEMA_PARTS = (OWN, BOUNDED)
"""Parts of how a schema is sent that are left out for an endpoint that refuses them."""

SYSTEM = "system"
"""The system role: where it is refused, system text goes into the first user turn."""


class Notes(Protocol):
    """A small memory beside the replies, such as the ledger's."""

    def note(self, name: str) -> str | None:
        """What was remembered under a name, None for nothing."""

    def set_note(self, name: str, value: str) -> None:
        """Remember a value under a name."""


class Quirks:
    """What one endpoint is known to lack for one model.

    Args:
        name, model: the endpoint's address (without any key) and the model name sent there.
        notice: told in words of each workaround, once.
        notes: where it is remembered; None forgets it with the run.
        merges_system: known beforehand to have no system role.
    """

    def __init__(
        self,
        name: str,
        model: str,
        *,
        notice: Callable[[str], None] = lambda words: None,
        notes: Notes | None = None,
        merges_system: bool = False,
    ) -> None:
        self._name = name
        self._notice = notice
        self._notes = notes
        self._note_name, self._answered_name = note_names(name, model)
        self._known_before = {SYSTEM} if merges_system else set()
        self.lacking: set[str] = set(self._known_before)
        remembered = _read(notes.note(self._note_name)) if notes else set()
        if remembered:
            self.lacking |= remembered
            notice(
                f"{name}: earlier runs found that it refuses {_listed(remembered)}; worked around. "
                "`labgen doctor` asks it anew."
            )

    @property
    def answered_before(self) -> bool:
        """Whether the endpoint has answered in an earlier run."""
        return bool(self._notes and self._notes.note(self._answered_name))

    def note_answered(self) -> None:
        """Remember that the endpoint has answered."""
        if self._notes and not self.answered_before:
            self._write(self._notes, self._answered_name, "yes")

    def lacks(self, what: str) -> bool:
        """Whether a parameter (or `system`) is to be left out."""
        return what in self.lacking

    def add(self, what: str) -> None:
        """Note that the endpoint refused a parameter (or `system`)."""
        if what in self.lacking:
            return
        self.lacking.add(what)
        if what == SYSTEM:
            self._notice(f"{self._name} refuses a system role: system text goes into the first user turn.")
        elif what in RENAMED:
            self._notice(f"{self._name} refuses `max_tokens`: it is sent as `max_completion_tokens`.")
        elif what == BOUNDED:
            self._notice(f"{self._name} refuses schemas with `maxLength` and `maxItems`: they are sent without.")
        else:
            self._notice(f"{self._name} refuses `{what}`: it is left out.")
        self.remember()

    def forget(self) -> None:
        """Forget all that was found out by asking."""
        self.lacking = set(self._known_before)
        self.remember()

    def remember(self) -> None:
        """Write down what is known, for the runs to come."""
        if self._notes:
            self._write(self._notes, self._note_name, json.dumps(sorted(self.lacking - self._known_before)))

    def _write(self, notes: Notes, name: str, value: str) -> None:
        with suppress(LedgerError):  # it is found out anew; that replies can't be kept is told where they are kept
            notes.set_note(name, value)


def note_names(name: str, model: str) -> tuple[str, str]:
    """Under which names it is remembered what an endpoint lacks, and that it has answered."""
    return f"lacks {model} {name}", f"answered {model} {name}"


def noted(name: str, model: str, notes: Notes) -> dict[str, str]:
    """What is remembered of an endpoint, by these names."""
    found = {each: notes.note(each) for each in note_names(name, model)}
    return {each: value for each, value in found.items() if value is not None}


def _read(value: str | None) -> set[str]:
    try:
        found = json.loads(value or "[]")
    except ValueError:
        return set()
    return (
        {name for name in found if name in (*OPTIONAL_PARAMETERS, *RENAMED, *SCHEMA_PARTS, SYSTEM)}
        if isinstance(found, list)
        else set()
    )


def _listed(names: set[str]) -> str:
    return ", ".join("a system role" if name == SYSTEM else f"`{name}`" for name in sorted(names))
