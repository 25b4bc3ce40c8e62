"""Which part of a build takes how much processor time: of one that runs in a single process."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from labgen.export.dataset import DatasetWriter
from labgen.export.kept_phases import KeptPhases
from labgen.filters.duplicates_across_leaves import DuplicatesAcrossLeaves
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.generate.spool import Spool
from labgen.ledger.replies import Ledger

ALL_ELSE = "prompts, reading of replies, filters"
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "replies from the ledger": ((Ledger, "get"),),
    "replies into the ledger": ((Ledger, "insert"),),
    "duplicates within leaves": ((DuplicatesInLeaf, "look_at"),),
    "duplicates across leaves": ((DuplicatesAcrossLeaves, "look_at"), (DuplicatesAcrossLeaves, "begin")),
    "candidates that wait": ((Spool, "append"), (Spool, "append_block"), (Spool, "take")),
    "rows": ((DatasetWriter, "add"), (DatasetWriter, "end_leaf")),
    "phases": ((KeptPhases, "write"),),
    "end of the dataset": ((DatasetWriter, "finish"),),
}
"""Part to the functions that it is made of. Where one calls another of them, each has its own time."""


@contextmanager
def timed_parts() -> Iterator[dict[str, float]]:
    """Gives what is filled at the end: part to the seconds that it has taken meanwhile."""
    taken = dict.fromkeys((*PARTS, ALL_ELSE), 0.0)
    inner = [0.0]

    def timed(part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def timing(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            inner.append(0.0)
            try:
                return work(*arguments, **named)
            finally:
                lasted = time.process_time() - began
                taken[part] += lasted - inner.pop()
                inner[-1] += lasted

        return timing

    plain = [(owner, name, getattr(owner, name)) for places in PARTS.values() for owner, name in places]
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, timed(part, getattr(owner, name)))
    began = time.process_time()
    try:
        yield taken
    finally:
        taken[ALL_ELSE] = time.process_time() - began - inner[0]
        for owner, name, work in plain:
            setattr(owner, name, work)
