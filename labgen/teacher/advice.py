"""What settings suit an endpoint, by what it states and what was measured; each with its reason."""

from __future__ import annotations

import math

from labgen.teacher.measured import Measured
from labgen.teacher.pressure import QUEUED
from labgen.teacher.probing import Needs, Probe

LEAST_CHUNK_TOKENS = 200
"""A shorter passage holds too little to ask about."""
LEAST_REPLY_TOKENS = 384
"""A shorter reply holds no question with its answer, or a verdict with its evidence."""
SLOWEST_GAIN = 1.3
"""Calls at once that bring less than so many times the tokens of one alone wait for one another."""
FEWER_AT_ONCE = 2
SILENCE_MARGIN = 2.0
"""Longest silence that is reckoned with, as a multiple of what was measured."""


def advise(probe: Probe, measured: Measured) -> None:
    """Tell what `concurrency`, `timeout_sec` and `documents.chunk_tokens` suit the endpoint."""
    _concurrency(probe, measured)
    _timeout(probe, measured)
    if measured.context_tokens is not None:
        _chunk(probe, measured.context_tokens)


def tell_context(probe: Probe, context_tokens: int, source: str) -> None:
    """Tell the context, and whether the configuration's longest call fits."""
    words, needed = f"{context_tokens} tokens ({source})", probe.needs.tokens
    if context_tokens >= needed:
        probe.find("context", "ok", words)
        return
    todo = f"Serve it with more, or shorten calls: {_shorter(probe.needs, context_tokens)}."
    probe.find("context", "warn", f"{words}; this configuration's longest call takes about {needed}", todo)


def _concurrency(probe: Probe, measured: Measured) -> None:
    configured, slots = probe.spec.concurrency, measured.slots
    if slots and configured < slots:
        words = f"{configured} calls at a time leave {slots - configured} of its {slots} slots idle"
        probe.find("concurrency", "warn", words, f"Set teacher.concurrency to {slots + QUEUED}.")
    elif slots:
        words = f"{min(configured, slots + QUEUED)} calls at a time for its {slots} slots"
        probe.find("concurrency", "ok", words, "Nothing to do: builds follow the slots.")
    elif measured.at_once > 1 and measured.one_tokens_per_sec and measured.reply_tokens_per_sec:
        gain = measured.reply_tokens_per_sec / measured.one_tokens_per_sec
        words = f"{measured.at_once} calls at once bring {gain:.1f} times the tokens/s of one; {configured} are allowed"
        if gain < SLOWEST_GAIN and configured > FEWER_AT_ONCE:
            todo = f"Set teacher.concurrency to {FEWER_AT_ONCE}: more would only wait there."
            probe.find("concurrency", "warn", words, todo)
        else:
            probe.find("concurrency", "ok", words)


def _timeout(probe: Probe, measured: Measured) -> None:
    """The longest silence is while prompts are read: as many as are worked on at a time."""
    if not measured.prompt_tokens_per_sec:
        return
    prompt_tokens = probe.needs.chunk_tokens + probe.needs.around_tokens
    at_once = min(probe.spec.concurrency, measured.slots or 1)
    silence_sec = at_once * prompt_tokens / measured.prompt_tokens_per_sec
    wanted_sec = 10 * math.ceil(SILENCE_MARGIN * silence_sec / 10)
    of = f"{at_once} prompts" if at_once > 1 else "a prompt"
    words = f"{of} of {prompt_tokens:,} tokens take about {silence_sec:,.0f} s to read"
    if wanted_sec > probe.spec.timeout_sec:
        words += f", and silence of {probe.spec.timeout_sec:g} s is given up"
        probe.find("timeout_sec", "warn", words, f"Set teacher.timeout_sec to {wanted_sec}.")
    else:
        probe.find("timeout_sec", "ok", f"{words}; {probe.spec.timeout_sec:g} s of silence are waited for")


def _chunk(probe: Probe, context_tokens: int) -> None:
    needs = probe.needs
    if context_tokens >= needs.tokens:
        words = f"{needs.chunk_tokens} suit the context: with prompt and reply some {needs.tokens:,} tokens"
        probe.find("chunk_tokens", "ok", words)
        return
    words = f"{needs.chunk_tokens} are too many for a context of {context_tokens} with prompt and reply"
    todo = _shorter(needs, context_tokens)
    probe.find("chunk_tokens", "warn", words, f"{todo[0].upper()}{todo[1:]}.")


def _shorter(needs: Needs, context_tokens: int) -> str:
    """What to set so that a call fits."""
    room = context_tokens - needs.around_tokens - needs.reply_tokens
    if room >= LEAST_CHUNK_TOKENS:
        return f"set documents.chunk_tokens to {_round(min(room, needs.chunk_tokens))}"
    reply = max(LEAST_REPLY_TOKENS, context_tokens // 4)
    room = context_tokens - needs.around_tokens - reply
    if room >= LEAST_CHUNK_TOKENS:
        return (
            f"set documents.chunk_tokens to {_round(min(room, needs.chunk_tokens))} and the limits in `generation:` "
            f"(max_pair_tokens, max_response_tokens) to {_round(reply)}"
        )
    least = needs.around_tokens + LEAST_REPLY_TOKENS + LEAST_CHUNK_TOKENS
    return f"no documents.chunk_tokens fits; a context of {100 * math.ceil(least / 100)} tokens is the least"


def _round(tokens: int) -> int:
    return tokens // 50 * 50
