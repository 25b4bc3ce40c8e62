"""The first round to an endpoint that has not answered yet: a few calls, the very ones that a run's trial asks.

One wrong parameter fails every line of a batch, and a teacher of which nothing can be used fails every draw: both are
found out by these, at the price of a round of a few lines.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from labgen.generate.context import RunContext
from labgen.generate.trial import Hopeless, Trial
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan
from labgen.records import Call, Reply
from labgen.teacher.ledger_only import LedgerOnly


@dataclass(frozen=True, slots=True)
class TrialSoFar:
    """What the trial of a run comes to by the ledger alone.

    Attributes:
        hopeless: why there is no hope; None where there is some, or it is not known.
        calls: what it would ask next, in order; none where there is hope.
    """

    hopeless: Hopeless | None
    calls: tuple[Call, ...]


class _Nobody(LedgerOnly):
    """The client of a trial in which nobody is asked."""

    finished = False

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger, failing=True)
        self.changed = asyncio.Event()

    async def ask_first(self, call: Call) -> Reply:
        """As `ask`."""
        return await self.ask(call)

    def count_once(self, keys: Iterable[bytes]) -> None:
        """Nothing is counted."""


async def probe(plans: Sequence[LeafPlan], run: RunContext, ledger: Ledger) -> TrialSoFar:
    """Take the trial of a run as far as the ledger allows. `run`: of the build; its client is not asked."""
    client = _Nobody(ledger)
    trial = Trial(plans, replace(run, client=client), client)
    hopeless = await trial.hopeless()
    return TrialSoFar(hopeless, () if trial.hope or hopeless else tuple(client.missing.values()))
