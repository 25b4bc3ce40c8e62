"""Spans of time in words."""

from __future__ import annotations

_UNITS = (("s", 1.0, 90.0), ("min", 60.0, 90.0), ("h", 3600.0, 48.0))
"""Each unit, its seconds, and the number below which it suits."""


def duration(seconds: float) -> str:
    """A rough span of time in the unit that suits it, such as `45 s`, `12 min`, `3 h`, `4 days`."""
    for unit, size, below in _UNITS:
        if seconds < below * size:
            return f"{max(1, round(seconds / size))} {unit}"
    return f"{round(seconds / 86400)} days"
