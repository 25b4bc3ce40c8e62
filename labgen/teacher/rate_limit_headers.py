"""What an endpoint's HTTP headers ask of us: `Retry-After` and the `x-ratelimit-*` family."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

LONGEST_PAUSE_SEC = 120.0
"""Longest pause that a rate-limit header alone causes. Such headers may count a whole day."""

_EPOCH_SEC = 1_000_000_000.0
"""Numbers above are points in time, not spans."""

_SPAN = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?"
)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an endpoint asks us to wait: `Retry-After` as seconds or as a date, or the milliseconds form.

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
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def rate_limit_pause(headers: Mapping[str, str]) -> float | None:
    """Seconds to send nothing, where the headers say that requests or tokens are used up; None where they do not.

    Read are `x-ratelimit-remaining-requests` and `-tokens` (0 or less is used up) with `x-ratelimit-reset-requests` and
    `-tokens` as `1s`, `6m0s`, `20ms`, plain seconds or a Unix time; also the pair without a suffix.
    Returns: the longest of them, at most `LONGEST_PAUSE_SEC`.
    """
    pauses = []
    for what in ("-requests", "-tokens", ""):
        remaining = _number(headers.get(f"x-ratelimit-remaining{what}", ""))
        if remaining is None or remaining > 0:
            continue
        seconds = _span_sec(headers.get(f"x-ratelimit-reset{what}", ""))
        if seconds is not None:
            pauses.append(min(seconds, LONGEST_PAUSE_SEC))
    return max(pauses, default=None)


def _span_sec(value: str) -> float | None:
    value = value.strip().lower()
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds - time.time() if seconds > _EPOCH_SEC else seconds)
    found = _SPAN.fullmatch(value)
    if not value or not found:
        return None
    units = (86400.0, 3600.0, 60.0, 1.0, 0.001)
    return sum(float(part) * unit for part, unit in zip(found.groups(), units, strict=True) if part)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < float("inf") else None
