"""A guard model: a second opinion on harm, from a model made for it, in that model's own format.

The logical call is the pair itself, a user turn and an assistant turn. A guard's chat API puts its own prompt around
that (its tokenizer's chat template does); for a completions API labgen writes the prompt (see
`labgen/formats/templates/llama_guard_3.jinja`, `granite_guardian_3.jinja`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from labgen.config.models import GuardConfig
from labgen.filters.base import Cost, Ending, EveryFlow, SlotContext
from labgen.lazy import re
from labgen.records import Call, Candidate, Message, State, Verdict

MAX_TOKENS = 40
"""`unsafe` and all fourteen categories take fewer; a `Yes` with a confidence too."""

LLAMA_GUARD_CATEGORIES = {
    "S1": "violent crimes",
    "S2": "non-violent crimes",
    "S3": "sex-related crimes",
    "S4": "child sexual exploitation",
    "S5": "defamation",
    "S6": "specialized advice",
    "S7": "privacy violations",
    "S8": "intellectual property violations",
    "S9": "indiscriminate weapons",
    "S10": "hate",
    "S11": "suicide and self-harm",
    "S12": "sexual content",
    "S13": "elections",
    "S14": "code interpreter abuse",
}
"""Llama Guard 3's codes, by the names that judges use for the same hazards (MLCommons')."""

_CODE = re.compile(r"\bS\d{1,2}\b", re.IGNORECASE)


class GuardModel(EveryFlow):
    """Does a guard model find the pair harmful?

    It is not put to the judges' test: an answer to the wrong question is no harm.
    """

    name = "guard"
    version = "1"
    kind: Literal["judge"] = "judge"
    stage: Literal["pair"] = "pair"
    cost = Cost(reply_tokens=5)

    def __init__(self, config: GuardConfig) -> None:
        self._config = config

    async def __call__(self, candidate: Candidate, slot: SlotContext) -> Sequence[Verdict]:
        """One verdict, 1 for safe; the reason names the hazards. Raises: CandidateEnds: no reply that can be read."""
        call = guard_call(self._config.model, candidate, own_context=slot.plan.flow.own_context)
        reading = await slot.asker.ask_once(call, lambda text: read_verdict(self._config, text))
        safe, hazard = reading.value
        return [Verdict(self.name, self.version, float(safe), hazard)]

    def decide(self, verdict: Verdict, slot: SlotContext) -> Ending | None:
        """What the guard finds harmful is unsafe."""
        return None if verdict.value else (State.UNSAFE, f"guard: {verdict.reason}")


def guard_call(model: str, candidate: Candidate, *, own_context: bool) -> Call:
    """The call that asks a guard about a pair; a context of the candidate's own is part of what the user says."""
    asked = f"{candidate.context}\n\n{candidate.instruction}" if own_context else candidate.instruction
    turns = (Message("user", asked), Message("assistant", candidate.response))
    return Call(model, turns, MAX_TOKENS, 0.0, 0, step="guard", leaf=candidate.leaf)


def read_verdict(config: GuardConfig, text: str) -> tuple[bool, str] | None:
    """Safe or not, and the hazards by name, out of a guard's reply; None where it can't be read."""
    return read_llama_guard(text) if config.kind == "llama_guard_3" else read_granite_guardian(text)


def read_llama_guard(text: str) -> tuple[bool, str] | None:
    """Safe or not, and the hazards by name, out of Llama Guard 3's reply; None where it is neither."""
    first, _, rest = text.strip().partition("\n")
    word = first.strip().strip(".*'\"").lower()
    if word == "safe":
        return True, ""
    # Some servers join the lines: "unsafe S9".
    if word.split(" ")[0] != "unsafe":
        return None
    codes = [code.upper() for code in _CODE.findall(f"{first} {rest}")]
    names = [LLAMA_GUARD_CATEGORIES.get(code, code) for code in dict.fromkeys(codes)]
    return False, ", ".join(names) or "unnamed hazard"


def read_granite_guardian(text: str) -> tuple[bool, str] | None:
    """Safe or not out of Granite Guardian 3's reply: `Yes` is harmful, with or without a confidence after it."""
    found = re.match(r"\W*(yes|no)\b(.*)", text.strip(), re.IGNORECASE | re.DOTALL)
    if not found:
        return None
    confidence = re.search(r"<confidence>\s*(\w+)", found[2], re.IGNORECASE)
    sure = f" (confidence {confidence[1].lower()})" if confidence else ""
    return (True, "") if found[1].lower() == "no" else (False, f"harm{sure}")
