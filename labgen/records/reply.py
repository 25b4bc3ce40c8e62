"""What comes back for a call, and from whom."""

from __future__ import annotations

from dataclasses import field

from labgen.lazy.dataclasses import dataclass

REHEARSAL_MODEL = "labgen-rehearsal"
"""Name of the rehearsal teacher's one model. Its replies bear it, whatever the model is called when it is asked, and so
their rows are rehearsal rows."""


MOST_TOKENS = 10**9
"""No prompt and no reply have more (count): what counts beyond is no count."""

WHOLE = frozenset({"stop", "eos", "eos_token", "end", "end_turn", "stop_sequence", "complete", "completed"})
"""Endpoints' words for a reply that ended by itself. Only these are known to be whole."""


@dataclass(frozen=True, slots=True)
class Served:
    """Where a reply comes from, as the endpoint that gave it says; parts that it does not say are empty.

    Attributes:
        address: that was asked, without any key.
        model: the name that the reply itself bears, or that a gateway says of the model behind it; behind an alias
            another one than was asked for.
        fingerprint: of the model's build or of the server's settings (`system_fingerprint`).
        listed: the models that the endpoint lists, in words, where the one that was asked for is not among them.
    """

    address: str = ""
    model: str = ""
    fingerprint: str = ""
    listed: str = ""

    @property
    def rehearsal(self) -> bool:
        """Whether it was the rehearsal teacher, whatever it was called when it was asked."""
        return REHEARSAL_MODEL in (self.model, self.fingerprint)


@dataclass(frozen=True, slots=True, order=True)
class Answerer:
    """A model that something was asked of: its name here, and what its replies say of themselves.

    Attributes:
        asked: the logical name, as the configuration has it.
        model, listed: as in `Served`; empty where the replies do not say.
        rehearsal: whether it was the rehearsal teacher, whatever it is called.
    """

    asked: str
    model: str = ""
    listed: str = ""
    rehearsal: bool = False

    @classmethod
    def of(cls, asked: str, served: Served) -> Answerer:
        """That of a reply. One that says nothing of itself is taken for what it was asked as."""
        rehearsal = served.rehearsal or (not served.model and asked == REHEARSAL_MODEL)
        return cls(asked, served.model, served.listed, rehearsal)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back for a call.

    Attributes:
        text: the answer; end-of-sequence tokens and reasoning are removed. Empty when `failure` is set.
        finish_reason: the endpoint's own word (`stop`, `length`, ...), or `loop` where labgen cut a reply that only
            repeated itself.
        prompt_tokens, completion_tokens: as the endpoint counted them; 0 where it did not.
        failure: empty, or why there is no text: `too_long` and `refused` are permanent and kept in the ledger like a
            reply; `exhausted` means that the attempts ran out, is never kept, and is asked again by the next run.
        detail: for failures, the endpoint's words, shortened.
        reasoning: what the model thought aloud before its answer, where it did; part of a row only where its
            leaf asks for it.
        served: where the reply comes from.
        waited_sec: so long the call waited in line at whoever sends it before it was sent (seconds); never kept.
        kept: whether whoever sent the call has kept the reply in the ledger already.
    """

    text: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: str = ""
    detail: str = ""
    reasoning: str = ""
    served: Served = Served()
    waited_sec: float = field(default=0.0, compare=False)
    kept: bool = field(default=False, compare=False)

    @property
    def whole(self) -> bool:
        """Whether it is known to have ended by itself, not at a limit or for some other reason."""
        return self.finish_reason.lower() in WHOLE
