"""How much tests look at: a sample of each promise by default, all of it in CI, where `CI` is set."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("CI"))


def some(count: int) -> int:
    """How many of so many examples to try: all in CI, else a fourth, and five at least."""
    return count if THOROUGH else min(count, max(5, count // 4))
