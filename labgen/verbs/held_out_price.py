"""The price of rows that are held out, which are drawn once the training rows stand. No call is made.

Slots whose draws are in the ledger count as paid, with what passed of them; all else is estimated like training rows,
at the same yield. How many will be too close to training rows, nobody knows before these are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

from labgen.export.configs import ASKED
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.generate.context import RunContext
from labgen.generate.leaf_price import PRICED_SLOTS, expected_slots
from labgen.generate.paid_slot import take_paid
from labgen.generate.resume import one_by_one, open_ledger
from labgen.generate.slot_price import CallTotals, average_price
from labgen.generate.typical_slots import slot_prices, typical_slots
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan, fewest_slots
from labgen.teacher.ledger_only import LedgerOnly
from labgen.text.token_count import TokenCounter, load_token_counter
from labgen.verbs.held_out import held_out_plan
from labgen.verbs.session import Session


@dataclass(frozen=True, slots=True)
class HeldOutPrice:
    """What one kind of held-out rows takes: rows wanted (count), and calls still to pay, with their tokens."""

    rows: int
    to_pay: CallTotals

    @property
    def calls(self) -> float:
        """Calls still to pay (a fraction)."""
        return float(sum(self.to_pay.calls.values()))


def price_held_out(session: Session, yields: Mapping[str, float]) -> dict[str, HeldOutPrice]:
    """The price of each kind that `held_out` asks for, which is one or more.

    Args:
        yields: accepted rows per candidate by flow, those of the training rows included.
    """
    count_tokens = load_token_counter(session.config.tokenizer)
    found: dict[str, HeldOutPrice] = {}
    with closing(open_ledger(session.config)) as ledger, one_by_one() as at_once:
        client = LedgerOnly(ledger)
        run = session.replay.context(client)
        for name in ASKED:
            rows, totals = 0, CallTotals()
            for plan in session.sources.plans:
                if own := held_out_plan(session, name, plan):
                    share = yields.get(own.flow.name, yields[plan.flow.name])
                    rows += own.wanted
                    totals.add_all(at_once(_still_to_pay(own, run, client, count_tokens, share)))
            if rows:
                found[name] = HeldOutPrice(rows, totals)
    return found


async def _still_to_pay(
    plan: LeafPlan, run: RunContext, client: LedgerOnly, count_tokens: TokenCounter, yield_share: float
) -> CallTotals:
    duplicates = DuplicatesInLeaf(plan, run.config.thresholds)
    passed, index = 0, 0
    while passed < plan.wanted and (slot := await take_paid(plan, run, client, index, duplicates)) is not None:
        passed += slot.passed
        index += 1
    totals = CallTotals()
    if passed >= plan.wanted:
        return totals
    per_call = run.config.generation.instructions_per_call
    chosen = typical_slots(plan, run, index, fewest_slots(plan, per_call), PRICED_SLOTS)
    price = average_price(await slot_prices(plan, run, chosen, count_tokens), chosen)
    totals.add_all(price.whole(yield_share), expected_slots(plan.wanted - passed, price.per_slot, yield_share))
    return totals
