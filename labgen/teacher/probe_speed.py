"""How an endpoint works: how fast it reads and writes, alone and with several calls, whether it knows a prompt again,
and whether its model reasons before it answers."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from datetime import date

from labgen.formats.reasoning import mark_of, split_reasoning
from labgen.records import Message
from labgen.teacher.measured import Measured
from labgen.teacher.probing import Probe, Timed

LINES = 30
"""Lines of the long prompt, of some 20 tokens each."""
LINE_TOKENS = 20
REPLY_TOKENS = 200
"""Reply limit of the call that is timed: enough for a model that reasons to show it."""
AT_ONCE, MOST_AT_ONCE = 4, 8
"""Calls at once, where the endpoint does not say how many it works on, and at most (count)."""
SHORT_TOKENS = 48
"""Reply limit of each of these."""
FEWEST_TOKENS = 8
"""A shorter reply says nothing of how fast it is written."""
QUICK_SEC = 0.15
"""A prompt that is read in less time can't be seen to be known."""


async def measure(probe: Probe, measured: Measured) -> Measured:
    """Time a long prompt, the same once more, and several short ones at once: four to ten calls."""
    prompt = _long_prompt(measured.context_tokens)
    first = await probe.time(prompt, limit_tokens=_limit(measured.context_tokens))
    if first is None:
        probe.find("speed", "skip", "a longer call was not answered", "Run `labgen doctor` again to measure it.")
        return replace(measured, date=date.today().isoformat())
    _tell_reasoning(probe, first)
    await _prefix_cache(probe, prompt, first)
    reading = first.prompt_tokens / first.first_sec if first.first_sec and first.prompt_tokens else None
    one = _writing(first)
    slots = min(measured.slots or AT_ONCE, probe.spec.concurrency, MOST_AT_ONCE)
    together = await _together(probe, slots) if slots > 1 else one
    measured = replace(
        measured,
        date=date.today().isoformat(),
        prompt_tokens_per_sec=_rounded(reading),
        reply_tokens_per_sec=_rounded(together or one),
        at_once=slots if together else 1,
        one_tokens_per_sec=_rounded(one),
    )
    _tell_speed(probe, measured)
    return measured


def _long_prompt(context_tokens: int | None) -> tuple[Message, ...]:
    """A prompt that no server has seen before, from its first word on, and that fits."""
    lines = LINES if context_tokens is None else max(2, min(LINES, context_tokens // 2 // LINE_TOKENS))
    # What is drawn here is sent and forgotten: no dataset depends on it.
    start = random.randrange(10_000, 99_999)  # noqa: S311
    parts = [f"Stock list {start}."]
    parts += [f"Line {n}: the shop in town {start + n} has {3 * n + 5} crates of apples." for n in range(1, lines + 1)]
    parts.append("How many crates do the shops on lines 1 and 2 have together? Explain how you get there.")
    return (Message("user", "\n".join(parts)),)


def _limit(context_tokens: int | None) -> int:
    return REPLY_TOKENS if context_tokens is None else max(FEWEST_TOKENS, min(REPLY_TOKENS, context_tokens // 3))


def _writing(timed: Timed) -> float | None:
    """Tokens a second, once the prompt was read."""
    span_sec = timed.total_sec - (timed.first_sec or 0.0)
    tokens = timed.reply_tokens - (timed.first_sec is not None)
    return tokens / span_sec if tokens >= FEWEST_TOKENS and span_sec > 0 else None


def _tell_reasoning(probe: Probe, timed: Timed) -> None:
    body = timed.body
    text = "".join(body.text)
    answer, inside = split_reasoning(text)
    if not body.reasoning and not inside:
        probe.find("reasoning", "ok", "none seen: the model answers at once")
        return
    where = "in a field of its own" if body.reasoning else f"in the text, marked with `{mark_of(text)}`"
    if probe.spec.parameters.get("reasoning"):
        words = f"{where}, although `reasoning: off` asks for none"
        probe.find("reasoning", "warn", words, "Leave reasoning to the server's own settings, or choose another model.")
    elif answer.strip():
        probe.find("reasoning", "ok", f"{where}: taken off the answer and kept beside it")
    else:
        words = f"{where}, and {timed.reply_tokens} tokens were not enough to come to an answer"
        todo = "Set `teacher.reasoning: off`, or raise the limits in `generation:` (max_..._tokens)."
        probe.find("reasoning", "warn", words, todo)


async def _prefix_cache(probe: Probe, prompt: tuple[Message, ...], first: Timed) -> None:
    """Ask the same once more: is what was read before read again?"""
    again = await probe.time(prompt, limit_tokens=FEWEST_TOKENS)
    if again is None:
        probe.find("prefix cache", "skip", "the same call was not answered twice")
        return
    todo = "Nothing to do; with one (vLLM: --enable-prefix-caching) prompts that begin alike cost less."
    if again.cached_tokens is not None and again.prompt_tokens:
        words = f"{again.cached_tokens} of {again.prompt_tokens} tokens of the same prompt were known, as it says"
        known = again.cached_tokens > again.prompt_tokens // 2
        probe.find("prefix cache", "ok", words, *(() if known else (todo,)))
    elif first.first_sec is None or again.first_sec is None:
        probe.find("prefix cache", "skip", "it does not say, and without streaming it can't be seen")
    elif first.first_sec < QUICK_SEC:
        probe.find("prefix cache", "skip", "it does not say, and reads prompts too quickly for it to be seen")
    else:
        words = f"the same prompt took {again.first_sec:.2f} s instead of {first.first_sec:.2f} s"
        known = again.first_sec < first.first_sec / 2
        probe.find("prefix cache", "ok", words, *(() if known else (todo,)))


async def _together(probe: Probe, count: int) -> float | None:
    """Tokens a second of several calls at once, their short prompts included; None where some were not answered."""

    async def one(number: int) -> Timed | None:
        words = f"Count upwards from {100 * number + 1} in words, with commas, and go on until you are stopped."
        return await probe.time((Message("user", words),), limit_tokens=SHORT_TOKENS)

    begun_sec = time.monotonic()
    replies = await asyncio.gather(*(one(number) for number in range(1, count + 1)))
    tokens = [reply.reply_tokens for reply in replies if reply]
    span_sec = time.monotonic() - begun_sec
    enough = len(tokens) == count and sum(tokens) >= FEWEST_TOKENS * count
    return sum(tokens) / span_sec if enough and span_sec > 0 else None


def _tell_speed(probe: Probe, measured: Measured) -> None:
    parts = []
    if measured.prompt_tokens_per_sec:
        parts.append(f"reads {measured.prompt_tokens_per_sec:,.0f} prompt tokens/s")
    if measured.one_tokens_per_sec:
        parts.append(f"writes {measured.one_tokens_per_sec:,.0f} tokens/s for one call")
    if measured.at_once > 1 and measured.reply_tokens_per_sec:
        parts.append(f"{measured.reply_tokens_per_sec:,.0f} tokens/s for {measured.at_once} at once, together")
    if not parts:
        probe.find("speed", "skip", "replies were too short to tell", "Nothing to do: `labgen plan` gives no time.")
        return
    probe.find("speed", "ok", ", ".join(parts), "`labgen plan` says how long a build takes at that.")


def _rounded(rate: float | None) -> float | None:
    return float(f"{rate:.3g}") if rate else None
