"""Which paid calls the current taxonomy and configuration still use: the plan is replayed against the ledger.

A slot may have been paid for ahead of need, and counts as used: more samples, or another threshold, would need it. So
every leaf is replayed beyond its last row, to the last slot that the ledger knows anything of.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from labgen.config import Config
from labgen.formats.prompts import FLOW_STEPS
from labgen.generate.context import Kit
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import kit_for, load_filters, one_by_one, open_ledger, processes_for
from labgen.generate.workers import Workers
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import Call, Reply

EVERYTHING = 10**9
"""Rows wanted of a leaf, so that its replay never ends for having enough."""

SLOTS_UNKNOWN = 64
"""Slots in a row that the ledger knows nothing of, after which a leaf is replayed no further; at least twice as many as
calls may be in flight, since those may have been lost in a kill while later ones were kept."""


@dataclass(frozen=True, slots=True)
class Unused:
    """Paid calls that nothing uses any more. `keys` by leaf and model as the ledger names them."""

    keys: dict[tuple[str, str], list[bytes]]
    kept: int

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(map(len, self.keys.values()))


class _Door:
    """Answers from the ledger; what it does not hold fails, so that the next slot is looked at all the same."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.used: set[bytes] = set()
        self.by_step: Counter[tuple[str, str]] = Counter()

    def begin(self) -> None:
        """Forget what was asked so far."""
        self.used.clear()
        self.by_step.clear()

    def kept(self, call: Call) -> Reply | None:
        """The kept reply, None where there is none."""
        reply = self._ledger.get(call.key)
        if reply is not None and call.key not in self.used:
            self.used.add(call.key)
            self.by_step[call.leaf, call.step] += 1
        return reply

    async def ask(self, call: Call) -> Reply:
        """A failed reply: nothing is asked."""
        return Reply("", "", failure="exhausted", detail="not in the ledger")


@contextmanager
def replaying(config: Config, sources: Sources) -> Iterator[Workers[list[bytes]]]:
    """Workers that find what each leaf uses: to be had before the work folder is locked, and used when it is."""
    filters = load_filters(config)

    @contextmanager
    def opened() -> Iterator[Callable[[int], list[bytes]]]:
        with closing(open_ledger(config)) as ledger, one_by_one() as run:
            door = _Door(ledger)
            counted = ledger.query("SELECT leaf, step, count(*) FROM replies GROUP BY leaf, step")
            kept = {(leaf, step): count for leaf, step, count in counted}
            kit = kit_for(config, sources, door, filters)
            yield lambda place: run(_used_by(sources.plans[place], kit, door, kept))

    with Workers(opened, len(sources.plans), processes=processes_for(config, filters)) as workers:
        yield workers


def find_unused(config: Config, sources: Sources, workers: Workers[list[bytes]]) -> Unused:
    """The paid calls that a build of the whole taxonomy would not use.

    Calls of leaves that can't be used at present (left out, or not chosen) are never among them.

    Args:
        workers: those of `replaying`.
    """
    used = set(chain.from_iterable(keys for _, keys in workers.results()))
    spared = {*sources.left_out, *sources.unselected}
    keys: dict[tuple[str, str], list[bytes]] = {}
    kept = 0
    with closing(open_ledger(config)) as ledger:
        for key, leaf, model in ledger.query("SELECT key, leaf, model FROM replies ORDER BY leaf, model, key"):
            if key in used or leaf in spared:
                kept += 1
            else:
                keys.setdefault((leaf, model), []).append(key)
    return Unused(keys, kept)


async def _used_by(plan: LeafPlan, kit: Kit, door: _Door, kept: dict[tuple[str, str], int]) -> list[bytes]:
    """The paid calls that a leaf uses, or would with more samples."""
    door.begin()
    await _replay_slot(LeafRun(plan, kit))
    drawing = (plan.leaf.path, FLOW_STEPS[plan.leaf.flow][0])
    run, idle = LeafRun(replace(plan, wanted=EVERYTHING), replace(kit, config=_endless(kit.config))), 0
    most_idle = max(SLOTS_UNKNOWN, 2 * kit.config.teacher.concurrency)
    # It ends as soon as every draw that the ledger has of this leaf was seen.
    while idle < most_idle and door.by_step[drawing] < kept.get(drawing, 0):
        used = len(door.used)
        await _replay_slot(run)
        idle = idle + 1 if len(door.used) == used else 0
    return list(door.used)


def _endless(config: Config) -> Config:
    """The settings without an end, and without a test of the judges, which may end a leaf before its first slot."""
    return config.model_copy(
        update={
            "stop": config.stop.model_copy(update={"min_calls": EVERYTHING, "max_calls_spent": None}),
            "calibration": config.calibration.model_copy(update={"enabled": False}),
        }
    )


async def _replay_slot(run: LeafRun) -> None:
    events: asyncio.Queue[LeafRun | None] = asyncio.Queue()
    await run.issue(events)
    while await events.get() is not run:
        pass
    run.retire()
