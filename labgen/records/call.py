"""What a model is asked."""

from __future__ import annotations

import hashlib
import json
from dataclasses import field
from functools import cached_property
from typing import Any

from msgspec.json import Encoder

from labgen.lazy.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with the teacher. `role` is `system`, `user` or `assistant`."""

    role: str
    content: str


_encoded = Encoder(enc_hook=str.__str__).encode  # also of texts of a kind of their own
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def _quoted(text: str) -> str:
    """A text as JSON has it: what `json.dumps(text, ensure_ascii=False)` writes, in a sixth of its time."""
    return _encoded(text).decode()


class Schema(dict[str, Any]):
    """A JSON Schema that thousands of calls share: written out once, so not to be changed once it is made."""

    @cached_property
    def canonical(self) -> str:
        """It as canonical JSON."""
        return _canonical(self)


@dataclass(frozen=True)
class Call:
    """What is asked of the teacher, before any prompt format or workaround for an endpoint.

    `key` hashes exactly `model`, `messages`, the sampling parameters, `schema`, `extra_body` and `reasoning`. `leaf`
    and `step` are labels for statistics, and `priority` (smaller first) orders waiting calls; none of the three is part
    of the key.

    Attributes:
        extra_body: further parameters as the configuration gives them; None for none.
        reasoning: `off` where the model is asked for none; empty to leave it to the model.
    """

    model: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float
    seed: int
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    schema: Schema | None = None
    extra_body: Schema | None = None
    reasoning: str = ""
    leaf: str = field(default="", compare=False)
    step: str = field(default="", compare=False)
    priority: tuple[int, ...] = field(default=(), compare=False)

    @cached_property
    def key(self) -> bytes:
        """The ledger's key: 32 bytes, the same on every machine and for every endpoint."""
        return hashlib.sha256(self.canonical.encode()).digest()

    @cached_property
    def canonical(self) -> str:
        """The call as canonical JSON: what `key` hashes and what the ledger keeps for people to read."""
        # What json.dumps(..., ensure_ascii=False, separators=(",", ":"), sort_keys=True) writes, at half the price.
        messages = ",".join(f"[{_quoted(message.role)},{_quoted(message.content)}]" for message in self.messages)
        schema = f'"schema":{self.schema.canonical},' if self.schema is not None else ""
        stop = f'"stop":{_canonical(list(self.stop))},' if self.stop else ""
        extra = f'"extra_body":{self.extra_body.canonical},' if self.extra_body is not None else ""
        reasoning = f'"reasoning":{_quoted(self.reasoning)},' if self.reasoning else ""
        return (
            f'{{{extra}"max_tokens":{self.max_tokens},"messages":[{messages}],"model":{_quoted(self.model)},{reasoning}{schema}'
            f'"seed":{self.seed},{stop}"temperature":{self.temperature!r},"top_p":{self.top_p!r}}}'
        )

    @classmethod
    def of_canonical(cls, text: str, *, leaf: str = "", step: str = "") -> Call:
        """The call that `canonical` was written of. Raises: ValueError, KeyError, TypeError: it is none's."""
        data = json.loads(text)
        made = cls(
            model=data["model"],
            messages=tuple(Message(role, content) for role, content in data["messages"]),
            max_tokens=data["max_tokens"],
            temperature=data["temperature"],
            seed=data["seed"],
            top_p=data["top_p"],
            stop=tuple(data.get("stop", ())),
            schema=Schema(data["schema"]) if "schema" in data else None,
            extra_body=Schema(data["extra_body"]) if "extra_body" in data else None,
            reasoning=data.get("reasoning", ""),
            leaf=leaf,
            step=step,
        )
        made.__dict__["canonical"] = text  # the same, at no price
        return made
