"""How long a build would take, from what `labgen doctor` measured of the endpoints that it asks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from labgen.config import Config
from labgen.errors import LedgerError
from labgen.generate.resume import open_ledger
from labgen.teacher.addresses import endpoint_specs
from labgen.teacher.measured import Measured, recall


@dataclass(frozen=True, slots=True)
class BuildTime:
    """How long a build would take.

    Attributes:
        tokens_per_sec: written by all of a model's endpoints together, `at_once` calls at a time.
        measured_on: day of the oldest measurement, as `2026-11-27`.
        at_most: whether more calls at a time than were tried may well be faster.
    """

    seconds: float
    tokens_per_sec: float
    at_once: int
    measured_on: str
    at_most: bool


def build_time(config: Config, prompt_tokens: float, reply_tokens: float) -> BuildTime | None:
    """The time that so many tokens take; None where nothing is to pay, or an endpoint was not measured.

    Of a teacher and another judge the slower one is reckoned with.
    """
    specs = endpoint_specs(config)
    if not specs or not prompt_tokens + reply_tokens:
        return None
    by_model: dict[str, list[Measured]] = {}
    try:
        with closing(open_ledger(config)) as ledger:
            for spec in specs:
                measured = recall(ledger, spec.name, spec.send_model)
                if measured is None or measured.seconds(prompt_tokens, reply_tokens) is None:
                    return None
                by_model.setdefault(spec.model, []).append(measured)
    except LedgerError:
        return None  # from before anything was remembered
    return max(
        (_of_replicas(found, prompt_tokens, reply_tokens) for found in by_model.values()), key=lambda each: each.seconds
    )


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
