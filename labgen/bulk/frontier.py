"""The calls of a leaf that can be asked now: all that does not depend on a reply which the ledger lacks.

Online, a leaf's slots begin one after the other, as places become free and yields are seen. Here every slot that the
leaf is expected to need begins at once, beside the test of its judges, and goes as far as the ledger takes it; what it
lacks there is what the next round asks. A round may take a day, so a few draws too many are cheaper than one round
more: slots are begun until they are expected to suffice even with some bad luck. Which slots became part of the build
is decided as ever, in slot order, so none of this changes a row.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from labgen.config.filtering import CalibrationConfig
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.leaf_run import Past
from labgen.generate.slot_price import CallTotals, SlotPrice, average_price
from labgen.generate.slot_run import SlotRun
from labgen.generate.typical_slots import slot_prices, typical_slots
from labgen.generate.yields import LEAF_WEIGHT_SLOTS
from labgen.lazy.dataclasses import dataclass
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan, per_slot
from labgen.plan.seed_sampling import asked_for
from labgen.records import Call, Candidate, State
from labgen.teacher.ledger_only import LedgerOnly, NotPaid

BAD_LUCK = 0.7
"""Standard deviations by which a leaf's first slots may do worse than expected before there are too few."""
BAD_LUCK_LATER = 2.0
"""The same for slots that make good what was lost: they are few, and a round of their own costs as long as any."""

LEAST_YIELD = 0.05
"""Yield to reckon with at least: a leaf of which little can be used had better be looked at than drawn from at once."""

LONGEST_SEC = 60.0
"""Time for the questions of a leaf's test; only a judge of another package that waits for something takes any."""


@dataclass
class Expected:
    """What slots that were begun are expected to bring.

    Attributes:
        rows: on average (count); variance: of that.
        drawn: candidates that the slots which were drawn were asked for; alive: how many of them may pass, each with
            the chance that it has.
    """

    rows: float = 0.0
    variance: float = 0.0
    drawn: float = 0.0
    alive: float = 0.0

    def add(self, count: float, share: float) -> None:
        """Add candidates of which each passes with a chance of `share`."""
        self.rows += count * share
        self.variance += count * share * (1.0 - share)

    def suffices(self, missing: float, luck: float) -> bool:
        """Whether it is enough even with bad luck, in standard deviations."""
        return self.rows - luck * math.sqrt(self.variance) >= missing


@dataclass(frozen=True)
class Frontier:
    """How far the ledger takes the leaves of a build.

    Args:
        run: of the build; its client is not asked.
        ledger: where replies are.
        usual: share of a flow's candidates that pass, by the flow's name, 0 to 1.
    """

    run: RunContext
    ledger: Ledger
    usual: Mapping[str, float]

    async def calls(self, plan: LeafPlan, past: Past) -> list[Call]:
        """The calls that a leaf can ask now, each once.

        Args:
            past: what its first slots came to, up to the first that asks what the ledger lacks.
        """
        if past.progress.done:
            return []
        found = await self._test(plan) if past.progress.calibration is None else {}
        found |= await self._slots(plan, past)
        return list(found.values())

    async def _test(self, plan: LeafPlan) -> dict[bytes, Call]:
        """What the test of the leaf's judges asks next; of its second part nothing before it is known to be needed."""
        if not self.run.config.calibration.enabled:
            return {}
        client = LedgerOnly(self.ledger)
        with suppress(NotPaid):
            await JudgesTest(plan, replace(self.run, client=client)).take()
        # The first question that is not paid for has ended the test; the others are asked at the same time.
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=LONGEST_SEC)
        return dict(client.missing)

    async def _slots(self, plan: LeafPlan, past: Past) -> dict[bytes, Call]:
        client = LedgerOnly(self.ledger, failing=True)
        config = self.run.config.changed(calibration=CalibrationConfig(enabled=False))
        run = replace(self.run, client=client, config=config)
        duplicates = DuplicatesInLeaf(plan, config.thresholds)
        duplicates.go_on_from(past.progress.slots, past.seen)
        price, places = await self._price(plan, run)
        usual, expected, found = self.usual[plan.flow.name], Expected(), dict[bytes, Call]()
        slots_at_usual = math.ceil(2.0 * plan.wanted / (max(usual, LEAST_YIELD) * price.per_slot)) + 1
        for index in range(past.progress.slots, past.progress.slots + slots_at_usual):
            share = self._share(plan, past, expected, usual, run)
            if expected.suffices(past.progress.missing, BAD_LUCK_LATER if past.progress.slots else BAD_LUCK):
                break
            client.begin()
            slot = SlotRun(index, 0.0)
            result = await slot.run(plan, run, duplicates)
            found |= client.missing
            asked = asked_for(plan, index, seed=config.seed, per_call=config.generation.instructions_per_call)
            self._count(expected, result.candidates, asked, share, price, places)
        return found

    async def _price(self, plan: LeafPlan, run: RunContext) -> tuple[SlotPrice, dict[str, int]]:
        """What a candidate meets on its way, in order, and the place of each call in that."""
        chosen = typical_slots(plan, run, 0, 1, 1)
        price = average_price(await slot_prices(plan, run, chosen, len), chosen)
        return price, {each.step: place for place, each in reversed(list(enumerate(price.asked)))}

    def _share(self, plan: LeafPlan, past: Past, expected: Expected, usual: float, run: RunContext) -> float:
        """Share of the leaf's candidates that is expected to pass: by its own, and by the usual where these are few."""
        weight = LEAF_WEIGHT_SLOTS * per_slot(plan, run.config.generation.instructions_per_call)
        passed = past.progress.passed + expected.alive + weight * usual
        return max(LEAST_YIELD, min(1.0, passed / (past.progress.drawn + expected.drawn + weight)))

    def _count(
        self,
        expected: Expected,
        candidates: tuple[Candidate, ...],
        asked: int,
        share: float,
        price: SlotPrice,
        places: Mapping[str, int],
    ) -> None:
        """Add what a slot is expected to bring, by how far the ledger takes its candidates."""
        drawn = [candidate for candidate in candidates if candidate.instruction]
        if not drawn and any(_waits(candidate) for candidate in candidates):
            expected.add(asked, share)
            return
        expected.drawn += asked
        for candidate in candidates:
            if candidate.state is None:
                chance = 1.0
            elif step := _waits(candidate):
                chance = price.rest(places.get(step, len(price.asked) - 1), share, CallTotals())
            else:
                continue
            expected.alive += chance
            expected.add(1.0, chance)


def _waits(candidate: Candidate) -> str:
    """The step whose reply a candidate waits for; empty where it waits for none."""
    waits = candidate.state is State.FAILED and candidate.reason.startswith("exhausted_")
    return candidate.reason.removeprefix("exhausted_").partition(":")[0] if waits else ""
