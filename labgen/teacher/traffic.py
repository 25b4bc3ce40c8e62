"""What a run asks for, counted, and what becomes of each attempt. Timing decides some of it: none enters a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import field
from typing import NamedTuple

from labgen.lazy.dataclasses import dataclass
from labgen.records import Call, Reply


class Origin(NamedTuple):
    """Where a reply comes from: what was asked, the address, and the model's name there; empty where not known."""

    asked: str
    address: str
    model: str

    @classmethod
    def of(cls, call: Call, reply: Reply) -> Origin:
        """That of a reply."""
        return cls(call.model, reply.served.address, reply.served.model)


@dataclass
class Traffic:
    """What a run asked for so far. Counts, unless they end in `_sec`.

    Attributes:
        resent: requests sent once more at once, since the connection kept open for them turned out to be closed. They
            are no attempts of a call; were one of them read before its connection broke, it is paid for twice.
        stopped: why nothing more can be asked in this run, in words; empty while it can.
        kept_from: where the replies come from that were taken from the ledger; answered_from: those of this run.
    """

    sent: int = 0
    retries: int = 0
    resent: int = 0
    answered: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    busy_sec: float = 0.0
    peak_in_flight: int = 0
    first_sent_sec: float = 0.0
    last_answer_sec: float = 0.0
    problems: Counter[str] = field(default_factory=Counter)
    stopped: str = ""
    kept_from: Counter[Origin] = field(default_factory=Counter)
    answered_from: Counter[Origin] = field(default_factory=Counter)

    def add(self, later: Traffic) -> None:
        """Count what was asked after this, in the same run, as well."""
        for name in ("sent", "retries", "resent", "answered", "failed", "prompt_tokens", "completion_tokens"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        self.busy_sec += later.busy_sec
        self.peak_in_flight = max(self.peak_in_flight, later.peak_in_flight)
        self.first_sent_sec = self.first_sent_sec or later.first_sent_sec
        self.last_answer_sec = max(self.last_answer_sec, later.last_answer_sec)
        self.stopped = later.stopped or self.stopped
        for name in ("problems", "kept_from", "answered_from"):
            getattr(self, name).update(getattr(later, name))

    @property
    def from_ledger(self) -> int:
        """Replies that were taken from the ledger."""
        return self.kept_from.total()

    @property
    def utilisation(self) -> float:
        """Calls in flight on average, from the first call sent to the last reply, as a share of the peak (0 to 1)."""
        span_sec = self.last_answer_sec - self.first_sent_sec
        return min(1.0, self.busy_sec / (span_sec * self.peak_in_flight)) if span_sec > 0 else 0.0


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """What became of one attempt at a call.

    Attributes:
        kind: `ok`, `ledger`, `too_long`, `refused`, `exhausted` (no attempt is left), or the name of a TeacherError.
        endpoint: where it was sent; empty for the ledger.
        latency_sec: from sending to the outcome.
        reply: where there was one.
    """

    call: Call
    kind: str
    endpoint: str = ""
    latency_sec: float = 0.0
    reply: Reply | None = None
    request_id: str = ""


Watch = Callable[[CallOutcome], None]
"""Told of each outcome, as it happens."""
