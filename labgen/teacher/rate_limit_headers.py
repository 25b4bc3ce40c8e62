"""What an endpoint's HTTP headers ask of us: `Retry-After` and the `x-ratelimit-*` family."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from labgen.lazy import re

LONGEST_PAUSE_SEC = 120.0
"""Longest pause that a rate-limit header alone causes. Such headers may count a whole day."""

_PAIRS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
)
"""Headers that say what is left, and when there is more."""

_EPOCH_SEC = 1_000_000_000.0
"""Numbers above are points in time, not spans."""
_EPOCH_MS = 1_000_000_000_000.0
"""Numbers above are points in time in milliseconds."""
_SAID = re.compile(
    r"(?:try again|retry|wait)[^0-9.,;]{0,30}((?:\d+(?:\.\d+)?\s?[a-z]*\s?(?:and\s)?){1,4})", re.IGNORECASE
)
_PART = re.compile(r"(?<!\d)(\d{1,18}(?:\.\d{1,18})?)\s?(ms|milli|s|m|h|d)", re.IGNORECASE)
_UNITS_SEC = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an endpoint asks us to wait: `Retry-After` as seconds or as a date, or the milliseconds form.

    A date counts from the endpoint's own `Date`, where it says one: this machine's clock may be wrong, or be set.
    Returns: 0 or more; None where there is no such header, or none that can be read.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000.0)
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    return _span_sec(value, _now_sec(headers))


def wait_said(words: str) -> float | None:
    """Seconds that an endpoint's own words ask us to wait, as in "try again in 7m12.5s"; None where they don't."""
    found = _SAID.search(words)
    parts = [(float(number), unit.lower()) for number, unit in _PART.findall(found[1])] if found else []
    return sum(number * _UNITS_SEC[unit] for number, unit in parts) if parts else None


def rate_limit_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds to send nothing, where the headers say that requests or tokens are used up; None where they do not.

    Read are `x-ratelimit-remaining-requests` and `-tokens` (0 or less is used up) with `x-ratelimit-reset-requests` and
    `-tokens` as `1s`, `6m0s`, `20ms`, plain seconds, a Unix time in seconds or milliseconds, or a date; also the pair
    without a suffix, and Anthropic's `anthropic-ratelimit-requests-reset` and its like.
    Returns: the longest of them, at most `LONGEST_PAUSE_SEC`.
    """
    pauses = []
    for left, reset in _PAIRS:
        remaining = _number(headers.get(left, ""))
        if remaining is None or remaining > 0:
            continue
        seconds = _span_sec(headers.get(reset, ""), _now_sec(headers))
        if seconds is not None:
            pauses.append(min(seconds, LONGEST_PAUSE_SEC))
    return max(pauses, default=None)


def _now_sec(headers: Mapping[str, str]) -> float:
    """The time of a reply in seconds since 1970, by the clock of whoever sent it; else by this machine's."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return time.time()


def _span_sec(value: str, now_sec: float) -> float | None:
    """Seconds from now that a header means: a span, or a point in time as a number or a date."""
    value = value.strip()
    seconds = _number(value)
    if seconds is not None:
        seconds = seconds / 1000.0 if seconds >= _EPOCH_MS else seconds
        return max(0.0, seconds - now_sec if seconds >= _EPOCH_SEC else seconds)
    found = _SPAN.fullmatch(value.lower())
    if value and found:
        units = (86400.0, 3600.0, 60.0, 1.0, 0.001)
        return sum(float(part) * unit for part, unit in zip(found.groups(), units, strict=True) if part)
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            date = read(value)
            # A date without a zone is UTC, as HTTP's are.
            date = date if date.tzinfo else date.replace(tzinfo=UTC)
            return max(0.0, date.timestamp() - now_sec)
        except (ValueError, OverflowError):
            continue
    return None


def _number(value: str) -> float | None:
    if not value:
        return None  # most headers are not there
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
