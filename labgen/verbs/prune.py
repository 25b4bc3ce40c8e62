"""Which paid calls the current taxonomy and configuration still use: the plan is replayed against the ledger.

A slot may have been paid for ahead of need, and counts as used: more samples, or another threshold, would need it. So
every leaf is replayed beyond its last row, to the last slot that the ledger knows anything of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import chain

from labgen.config.whole import Config
from labgen.generate.context import RunContext
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import one_by_one, open_ledger
from labgen.generate.workers import Workers
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.teacher.ledger_only import LedgerOnly
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.session import Session

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


@contextmanager
def replaying(session: Session) -> Iterator[Workers[list[bytes]]]:
    """Workers that find what each leaf uses: to be had before the work folder is locked, and used when it is."""
    plans = session.sources.plans

    @contextmanager
    def opened() -> Iterator[Callable[[int], list[bytes]]]:
        with closing(open_ledger(session.config)) as ledger, one_by_one() as at_once:
            client = LedgerOnly(ledger, failing=True)
            counted = ledger.query("SELECT leaf, step, count(*) FROM replies GROUP BY leaf, step")
            kept = {(leaf, step): count for leaf, step, count in counted}
            run = session.replay.context(client)
            yield lambda place: at_once(_used_by(plans[place], run, client, kept))

    with Workers(opened, len(plans), processes=session.replay.processes) as workers:
        yield workers


@outside_event_loop
def find_unused(session: Session, workers: Workers[list[bytes]]) -> Unused:
    """The paid calls that a build of the whole taxonomy would not use.

    Calls of leaves that can't be used at present (left out, or not chosen) are never among them.

    Args:
        workers: those of `replaying`.
    """
    used = set(chain.from_iterable(keys for _, keys in workers.results()))
    spared = {*session.sources.left_out, *session.sources.unselected}
    keys: dict[tuple[str, str], list[bytes]] = {}
    kept = 0
    with closing(open_ledger(session.config)) as ledger:
        for key, leaf, model in ledger.query("SELECT key, leaf, model FROM replies ORDER BY leaf, model, key"):
            if key in used or leaf in spared:
                kept += 1
            else:
                keys.setdefault((leaf, model), []).append(key)
    return Unused(keys, kept)


async def _used_by(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, kept: dict[tuple[str, str], int]
) -> list[bytes]:
    """The paid calls that a leaf uses, or would with more samples."""
    used: set[bytes] = set()
    draws = 0
    drawing = {prompt.name for prompt in plan.flow.steps[0].prompts_of(plan.flow)}
    drawn_ever = sum(kept.get((plan.leaf.path, name), 0) for name in drawing)

    async def take(leaf: LeafRun) -> bool:
        """Replay the next slot; whether it used what was not used before."""
        nonlocal draws
        client.begin()
        slot = leaf.issue(lambda: None)
        await asyncio.wait([slot.task])
        leaf.retire()
        fresh = {call.key: call for call, _ in client.paid if call.key not in used}
        draws += sum(call.leaf == plan.leaf.path and call.step in drawing for call in fresh.values())
        used.update(fresh)
        return bool(fresh)

    await take(LeafRun(plan, run))
    leaf, idle = LeafRun(replace(plan, wanted=EVERYTHING), replace(run, config=_endless(run.config))), 0
    most_idle = max(SLOTS_UNKNOWN, 2 * run.config.teacher.concurrency)
    # It ends as soon as every draw that the ledger has of this leaf was seen.
    while idle < most_idle and draws < drawn_ever:
        idle = 0 if await take(leaf) else idle + 1
    return list(used)


def _endless(config: Config) -> Config:
    """The settings without an end, and without a test of the judges, which may end a leaf before its first slot."""
    return config.changed(
        stop=config.stop.changed(min_calls=EVERYTHING, max_calls_spent=None),
        calibration=config.calibration.changed(enabled=False),
    )
