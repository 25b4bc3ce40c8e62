"""Finding out what an endpoint can do, by asking it: some twenty short calls, each finding told as it is made."""

from __future__ import annotations

import difflib
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress

from labgen.errors import TeacherError
from labgen.lazy import re
from labgen.lazy.dataclasses import dataclass
from labgen.records import REHEARSAL_MODEL
from labgen.teacher.addresses import EndpointSpec
from labgen.teacher.advice import advise, tell_context
from labgen.teacher.finding import Tell
from labgen.teacher.measured import Measured
from labgen.teacher.openai_client import Answer, OpenAIClient, sendable
from labgen.teacher.probe_forms import probe_forms
from labgen.teacher.probe_speed import measure
from labgen.teacher.probing import FirstPiece, Needs, Probe, body_of, said
from labgen.teacher.reply_body import Body
from labgen.teacher.served import BEHIND, MOST_LISTED, served_by, some
from labgen.teacher.stated import Stated, ask_details, read_list

ABSURD_TOKENS = 100_000_000
"""A reply limit that no model has: most servers refuse it before they generate anything, and name their limit."""
_LENGTH = re.compile(r"(?:context|length|window|at most|maximum|limit)[^0-9]{0,60}?(\d[\d,]{2,})", re.I)


@dataclass(frozen=True, slots=True)
class Probed:
    """What is remembered of an endpoint: what it lacks (see `labgen.teacher.quirks`), and how fast it is."""

    lacking: frozenset[str]
    measured: Measured


async def probe_endpoint(spec: EndpointSpec, *, needs: Needs, tell: Tell, conversing: bool = True) -> Probed | None:
    """Ask an endpoint some twenty short calls.

    Args:
        needs: what the configuration's longest call takes there.
        tell: told of each finding at once.
        conversing: whether the model does what it is told; a guard only judges, and is asked less.
    Returns: None where it can't be asked.
    """
    client = OpenAIClient(
        spec.base_url,
        spec.key,
        name=spec.name,
        timeout_sec=spec.timeout_sec,
        connections=1,
        extra_headers=spec.extra_headers,
        extra_query=spec.extra_query,
    )
    probe = Probe(client, spec, needs, tell)
    if not sendable(spec.key):
        words = "it holds characters that no key has, such as a line break or a typographic dash"
        probe.find("key", "fail", words, f"Copy it anew into {spec.key_env}.")
        return None
    try:
        return await _ask_all(probe, conversing)
    finally:
        await client.close()


async def _ask_all(probe: Probe, conversing: bool) -> Probed | None:
    probe.client.prepare()
    begun_sec = time.monotonic()
    listed = await probe.models()
    if listed.status == 0:
        todo = "Start the server, or correct its address (--base-url, or labgen.yaml)."
        probe.find("reachable", "fail", f"no: {listed.words}", todo)
        return None
    probe.find("reachable", "ok", f"answers in {(time.monotonic() - begun_sec) * 1000:.0f} ms")
    stated = read_list(listed, probe.spec.send_model)
    if not await _answers(probe, stated):
        return None
    with suppress(TeacherError):  # it answers calls, and that is what matters
        stated = await ask_details(probe.client, listed, probe.spec.send_model)
    if stated.slots:
        probe.find("slots", "ok", f"works on {stated.slots} calls at a time, as it says of itself")
    context_tokens = await _context(probe, stated)
    measured = Measured(slots=stated.slots, context_tokens=context_tokens)
    if conversing:
        await probe_forms(probe)
        measured = await measure(probe, measured)
    probe.find("latency", "ok", f"{statistics.median(probe.latencies_sec):.2f} s for a short reply (median)")
    if conversing:
        advise(probe, measured)
    return Probed(frozenset(probe.lacking), measured)


async def _answers(probe: Probe, stated: Stated) -> bool:
    """Key, model and API: without them nothing else can be asked."""
    answer = await probe.ask()
    if answer.status == 400 and "max_completion_tokens" in answer.words:
        probe.limit_name = "max_completion_tokens"
        probe.lacking.add("max_tokens")
        answer = await probe.ask()
    if answer.status in (401, 403):
        words = (
            said(answer, probe.client.safe) if probe.spec.key else f"it wants one, and {probe.spec.key_env} is not set"
        )
        probe.find("key", "fail", words, f"Set {probe.spec.key_env} to a key of this endpoint.")
        return False
    probe.find("key", "ok", "accepted" if probe.spec.key else f"none needed ({probe.spec.key_env} is not set)")
    asked = probe.spec.send_model
    if body_of(answer):
        _name(probe, answer, stated.models)
    elif stated.models and asked not in stated.models:
        near = difflib.get_close_matches(asked, stated.models, n=3, cutoff=0.3) or stated.models[:3]
        probe.find("model", "fail", f"no `{asked}`", f"Choose with --model; it has {', '.join(near)}.")
        return False
    api, path = ("completions", "/completions") if probe.spec.chat_format else ("chat", "/chat/completions")
    if body_of(answer):
        probe.find(api, "ok", "answered")
        return True
    todo = "Most addresses end in /v1; or try the other `api:`." if answer.status in (404, 405) else "See its message."
    if answer.status == 429 or answer.status >= 500:
        todo = "Wait and try again; the endpoint's own log or status page says more."
    probe.find(api, "fail", f"POST {path}: {said(answer, probe.client.safe)}", todo)
    return False


def _name(probe: Probe, answer: Answer, models: Sequence[str]) -> None:
    """Which model answers, by what its reply and headers say, and which others there are."""
    asked, safe = probe.spec.send_model, probe.client.safe
    body = body_of(answer) or Body()
    served = served_by(
        address=probe.spec.name,
        asked=asked,
        model=safe(body.model),
        fingerprint=safe(body.fingerprint),
        id=body.id,
        headers={name: safe(answer.headers[name]) for name in BEHIND if name in answer.headers},
    )
    if served.rehearsal and asked != REHEARSAL_MODEL:
        words = f"{asked} is labgen's rehearsal teacher there: its rows teach a model nothing"
        probe.find("model", "warn", words, "Name another with --model for real rows.")
        return
    model = served.model
    others = [safe(name) for name in models if name not in (asked, model)]
    also = f"; it also lists {some(others)}" if others else ""
    if model in ("", asked) and (not models or asked in models):
        probe.find("model", "ok", f"{asked}{also}")
        return
    words = f"asked for {asked}, its replies say {model}" if model not in ("", asked) else f"{asked} is not in its list"
    choice = f" ({', '.join(others[:MOST_LISTED])})" if others else ""
    todo = f"Rows and card give both names. If that is not the model you mean, choose with --model{choice}."
    # A dated version of what was asked for is what was asked for.
    probe.find("model", "ok" if model.startswith(f"{asked}-") else "warn", f"{words}{also}", todo)


async def _context(probe: Probe, stated: Stated) -> int | None:
    """The longest prompt and reply together, as the endpoint says it one way or another."""
    if stated.context_tokens is not None:
        tell_context(probe, stated.context_tokens, "as it says of itself")
        return stated.context_tokens
    # Where such a limit is accepted, the first words of the reply are as many as are wanted.
    answer = await probe.ask(limit_tokens=ABSURD_TOKENS, stream=True, enough=FirstPiece())
    named = _LENGTH.findall(answer.words) if answer.status in (400, 422) else []
    lengths = [int(number.replace(",", "")) for number in named]
    length = next((number for number in lengths if number < ABSURD_TOKENS), None)
    if length is None:
        todo = f"Look it up: this configuration's longest call takes about {probe.needs.tokens} tokens."
        probe.find("context", "warn", "the endpoint does not say", todo)
    else:
        tell_context(probe, length, "from its refusal of a longer reply")
    return length
