"""Leaves that are drawn from just now: what they come to is kept once they are done, for the next build to find."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from labgen.generate.context import RunContext
from labgen.generate.leaf_outcomes import LeafOutcomes, Noting
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import REPLAYED, Taking
from labgen.generate.slot_run import SlotResult
from labgen.ledger.replies import Ledger
from labgen.outcomes.store import OutcomeStore
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Call, Reply
from labgen.teacher.client import Asking
from labgen.teacher.ledger_only import LedgerOnly
from labgen.teacher.traffic import Origin


class LiveLeaves:
    """Leaves that are drawn from just now: what they come to is kept as soon as they are done.

    Args:
        run: what leaves are drawn with.
    """

    def __init__(self, store: OutcomeStore, run: RunContext, ledger: Ledger) -> None:
        self._store, self._ledger = store, ledger
        self._outcomes = LeafOutcomes(store, run, ledger)
        self._open: dict[LeafRun, tuple[Noting, Taking, dict[bytes, Origin]]] = {}

    def begin(self, plan: LeafPlan) -> LeafRun:
        """A leaf that nothing was drawn from yet."""
        noting = self._outcomes.noting()
        told = _Told(noting.run.client)
        leaf = LeafRun(plan, replace(noting.run, client=told))
        self._open[leaf] = noting, Taking(LedgerOnly(self._ledger)), told.origins
        return leaf

    def take(self, leaf: LeafRun, slots: Sequence[SlotResult]) -> None:
        """Take what was retired of a leaf, in slot order; one that is done is kept. Others' leaves are left aside."""
        if leaf not in self._open:
            return
        noting, taking, told = self._open[leaf]
        for slot in slots:
            taking.take(slot)
        if not leaf.progress.done:
            return
        del self._open[leaf]
        calibration = leaf.progress.calibration
        used = [*leaf.spent, *(calibration.calls if calibration else ())]
        if (rows := self._ledger.rows(used)) is None:
            return
        found = taking.replayed(leaf.progress)
        kept = replace(found, kept_from=Counter(told[key] for key in used), used=())
        rest = taking.kept_slots(leaf, noting.run, {row[0]: told[row[0]] for row in rows.values()})
        self._outcomes.made(leaf.plan, kept, noting, rows, REPLAYED, slots=rest).tell(self._store)


class _Told:
    """A client that notes where the replies come from that it gives."""

    def __init__(self, client: Asking) -> None:
        self._client = client
        self.origins: dict[bytes, Origin] = {}

    def kept(self, call: Call) -> Reply | None:
        """As the client."""
        reply = self._client.kept(call)
        return reply and self._noted(call, reply)

    async def ask(self, call: Call) -> Reply:
        """As the client."""
        return self._noted(call, await self._client.ask(call))

    def _noted(self, call: Call, reply: Reply) -> Reply:
        self.origins[call.key] = Origin.of(call, reply)
        return reply
