"""What `labgen doctor` measured of an endpoint, remembered beside the replies for `labgen plan`; no row knows it."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from labgen.lazy.dataclasses import dataclass
from labgen.teacher.quirks import Notes


@dataclass(frozen=True, slots=True)
class Measured:
    """What one endpoint was seen to do for one model. None is what could not be measured.

    Attributes:
        date: day of the measurement, as `2026-11-27`.
        slots: calls that it says it works on at a time; context_tokens: of one call, prompt and reply together.
        prompt_tokens_per_sec: tokens of a long prompt read in a second.
        reply_tokens_per_sec: tokens written in a second, `at_once` calls together.
        one_tokens_per_sec: the same for a call that has the endpoint for itself.
    """

    date: str = ""
    slots: int | None = None
    context_tokens: int | None = None
    prompt_tokens_per_sec: float | None = None
    reply_tokens_per_sec: float | None = None
    at_once: int = 1
    one_tokens_per_sec: float | None = None

    @property
    def idle(self) -> bool:
        """Whether the calls at once hardly slowed each other, so that more of them may well bring more."""
        one, together = self.one_tokens_per_sec, self.reply_tokens_per_sec
        return bool(one and together and self.slots is None and together > 0.7 * self.at_once * one)

    def seconds(self, prompt_tokens: float, reply_tokens: float) -> float | None:
        """How long so many tokens take, all in all; None where that is not known."""
        if not (self.prompt_tokens_per_sec and self.reply_tokens_per_sec):
            return None
        # Prompts are read side by side only where calls at once hardly slow each other.
        reading = self.prompt_tokens_per_sec * (self.at_once if self.idle else 1)
        return prompt_tokens / reading + reply_tokens / self.reply_tokens_per_sec


def remember(notes: Notes, address: str, model: str, measured: Measured) -> None:
    """Keep a measurement in place of the one before it."""
    notes.set_note(_name(address, model), json.dumps(asdict(measured)))


def recall(notes: Notes, address: str, model: str) -> Measured | None:
    """The last measurement of a model at an address; None where there is none."""
    try:
        found = json.loads(notes.note(_name(address, model)) or "null")
        return Measured(**{each.name: _checked(each.name, found[each.name]) for each in fields(Measured)})
    except (ValueError, LookupError, TypeError):
        return None


def _checked(name: str, value: Any) -> Any:
    if name == "date":
        return str(value)[:10]
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
        raise ValueError(name)
    return value


def _name(address: str, model: str) -> str:
    return f"measured {model} {address}"
