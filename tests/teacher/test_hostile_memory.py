"""A build takes hardly more memory whatever its endpoint answers; scripts/check_hostile_memory.py has every kind."""

from __future__ import annotations

import sys

import pytest
from check_hostile_memory import KINDS, MOST_TIMES, good_build, hostile_build


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not say what a process took")
def test_a_build_takes_at_most_half_as_much_again_under_hostile_replies() -> None:
    """The largest replies that are taken, and the largest that are not."""
    good = good_build()
    assert good.status == 0, good.said
    for kind in ("a megabyte that is a reply", "100 MB in a gzip of 400 kB"):
        peak = hostile_build(KINDS[kind])
        assert peak.explained and peak.status == 1, peak.said
        assert peak.peak_mb <= MOST_TIMES * good.peak_mb, kind
