"""How a model is served on a machine: slots, context and threads, chosen so that a default build fits and goes fast."""

from __future__ import annotations

from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.local.gguf_header import GgufModel
from labgen.teacher.local.machine import Machine

WANTED_TOKENS = 8192
"""Context of one slot: the longest call of a build with default settings takes some 5,000 tokens."""
LEAST_TOKENS = 2048
"""Shorter contexts leave no room for a document's passage and a reply; rather have fewer slots."""
SLOTS_PER_THREAD = 2
"""Slots for each thread: replies written side by side share each reading of the weights."""
FEWEST_SLOTS, MOST_SLOTS = 4, 16
MEMORY_SHARE = 0.8
"""Share of the free memory that model and contexts may take together."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Slots (count), the context of each (tokens, prompt and reply together), and threads (count)."""

    slots: int
    context_tokens: int
    threads: int


def choose_serving(
    model: GgufModel,
    machine: Machine,
    *,
    slots: int | None = None,
    context_tokens: int | None = None,
    threads: int | None = None,
) -> Serving:
    """How to serve a model; what is given is taken as it is.

    One processor is left to labgen and the system, where there are several: the threads wait for one another, so one
    that has to share its processor would hold up all. Where memory is short there are fewer slots, then less context.
    Raises: UsageError: the model and the smallest context do not fit into memory.
    """
    threads = threads or max(1, machine.processors - 1)
    wanted_slots = slots or min(MOST_SLOTS, max(FEWEST_SLOTS, SLOTS_PER_THREAD * threads))
    wanted_tokens = context_tokens or min(WANTED_TOKENS, model.trained_tokens or WANTED_TOKENS)
    room = _room_tokens(model, machine)
    if room is None or wanted_slots * wanted_tokens <= room:
        return Serving(wanted_slots, wanted_tokens, threads)
    if slots is None:
        wanted_slots = max(1, min(wanted_slots, room // wanted_tokens))
    if context_tokens is None:
        wanted_tokens = min(wanted_tokens, max(room // wanted_slots, 0))
    if wanted_tokens < min(LEAST_TOKENS, model.trained_tokens or LEAST_TOKENS) and context_tokens is None:
        raise UsageError(_too_large(model, machine, wanted_slots))
    return Serving(wanted_slots, wanted_tokens, threads)


def _room_tokens(model: GgufModel, machine: Machine) -> int | None:
    """Tokens of context that fit into memory beside the model, all slots together; None where that can't be told."""
    if not (machine.memory_bytes and model.context_bytes):
        return None
    return max(0, int(machine.memory_bytes * MEMORY_SHARE) - model.file_bytes) // model.context_bytes


def _too_large(model: GgufModel, machine: Machine, slots: int) -> str:
    needed = model.file_bytes + slots * LEAST_TOKENS * model.context_bytes
    where = "one slot" if slots == 1 else f"{slots} slots"
    return (
        f"{model.name}: with {LEAST_TOKENS} tokens of context for {where} it takes about {needed / 1e9:.1f} GB, and "
        f"{machine.memory_bytes * MEMORY_SHARE / 1e9:.1f} GB of memory are to be had. Choose a smaller model or "
        "quantization, or say --slots and --context-tokens yourself."
    )
