"""How long a build would take: from how fast its endpoints answered builds, else from what `labgen doctor` measured."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import date

from labgen.config.whole import Config
from labgen.errors import LedgerError
from labgen.generate.resume import open_ledger
from labgen.lazy.dataclasses import dataclass
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.measured import Measured, recall
from labgen.teacher.quirks import Notes
from labgen.teacher.traffic import Traffic

TELLING_CALLS = 100
"""A run that had fewer calls answered says nothing of how fast a build is."""
TELLING_SEC = 10.0


@dataclass(frozen=True, slots=True)
class BuildPace:
    """How fast the endpoints of a configuration answered a build: all that it asked, pauses included.

    Attributes:
        date: its day, as `2026-11-27`; calls: answered in `seconds` (count); at_once: in flight at most (count).
    """

    date: str
    calls: int
    completion_tokens: int
    seconds: float
    at_once: int


@dataclass(frozen=True, slots=True)
class BuildTime:
    """How long a build would take.

    Attributes:
        tokens_per_sec: written by all of a model's endpoints together, `at_once` calls at a time.
        measured_on: day of the oldest measurement, as `2026-11-27`; measured_by: `doctor` or `generate`.
        at_most: whether more calls at a time than were tried may well be faster.
    """

    seconds: float
    tokens_per_sec: float
    at_once: int
    measured_on: str
    at_most: bool
    measured_by: str = "doctor"


@dataclass(frozen=True, slots=True)
class Work:
    """What is to pay: calls (count) and their tokens."""

    calls: float
    prompt_tokens: float
    reply_tokens: float


def build_times(config: Config, works: Sequence[Work]) -> list[BuildTime | None]:
    """The time of each of some pieces of work; None where nothing is to pay, or nothing was measured.

    Of a teacher and another judge the slower one is reckoned with.
    """
    specs = endpoint_specs(config)
    nothing: list[BuildTime | None] = [None] * len(works)
    if not specs:
        return nothing
    by_model: dict[str, list[Measured]] = {}
    try:
        with closing(open_ledger(config)) as ledger:
            pace = recall_pace(ledger, config)
            for spec in specs:
                if measured := recall(ledger, spec.name, spec.send_model):
                    by_model.setdefault(spec.model, []).append(measured)
    except LedgerError:
        return nothing  # from before anything was remembered
    found = [each for same in by_model.values() for each in same if each.seconds(1.0, 1.0) is not None]
    if pace and all(each.date <= pace.date for each in found):
        return [_at_pace(pace, work) for work in works]
    return [_as_measured(by_model, work) for work in works] if len(found) == len(specs) else nothing


def remember_pace(notes: Notes, config: Config, traffic: Traffic) -> None:
    """Keep how fast a run went, where it was long enough to tell, in place of the one before it."""
    seconds = traffic.last_answer_sec - traffic.first_sent_sec
    if traffic.answered < TELLING_CALLS or seconds < TELLING_SEC or not endpoint_specs(config):
        return
    pace = BuildPace(
        date.today().isoformat(), traffic.answered, traffic.completion_tokens, seconds, traffic.peak_in_flight
    )
    notes.set_note(_name(config), json.dumps(asdict(pace)))


def recall_pace(notes: Notes, config: Config) -> BuildPace | None:
    """The last pace of a configuration's endpoints; None where there is none."""
    try:
        found = json.loads(notes.note(_name(config)) or "null")
        pace = BuildPace(
            str(found["date"])[:10],
            int(found["calls"]),
            int(found["completion_tokens"]),
            float(found["seconds"]),
            int(found["at_once"]),
        )
    except (ValueError, LookupError, TypeError):
        return None
    return pace if pace.calls > 0 and pace.seconds > 0 else None


def _name(config: Config) -> str:
    endpoints = sorted(f"{spec.send_model} {spec.name}" for spec in endpoint_specs(config))
    return "build pace " + " ".join(endpoints)


def _at_pace(pace: BuildPace, work: Work) -> BuildTime | None:
    if not work.calls:
        return None
    tokens_per_sec = pace.completion_tokens / pace.seconds
    return BuildTime(work.calls * pace.seconds / pace.calls, tokens_per_sec, pace.at_once, pace.date, False, "generate")


def _as_measured(by_model: dict[str, list[Measured]], work: Work) -> BuildTime | None:
    if not work.prompt_tokens + work.reply_tokens:
        return None
    times = (_of_replicas(found, work.prompt_tokens, work.reply_tokens) for found in by_model.values())
    return max(times, key=lambda each: each.seconds)


def _of_replicas(found: list[Measured], prompt_tokens: float, reply_tokens: float) -> BuildTime:
    """The time of endpoints that share the work by how fast they are."""
    share = sum(1.0 / (each.seconds(prompt_tokens, reply_tokens) or float("inf")) for each in found)
    return BuildTime(
        1.0 / share,
        sum(each.reply_tokens_per_sec or 0.0 for each in found),
        sum(each.at_once for each in found),
        min(each.date for each in found),
        any(each.idle for each in found),
    )
