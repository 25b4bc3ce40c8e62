"""The price of one leaf: what is paid of it, what of it is known exactly, and what the rest takes on average."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field, replace

from labgen.config.filtering import CalibrationConfig
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.follow_up import FOLLOW_UP
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.judges_test_questions import test_questions
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.paid_slot import take_paid
from labgen.generate.question_price import prompt_size
from labgen.generate.resume import Replayed, replay_slots
from labgen.generate.slot_price import CallTotals, SlotPrice, average_price
from labgen.generate.slot_run import SlotResult
from labgen.generate.typical_slots import slot_prices, typical_slots
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan, fewest_slots
from labgen.plan.seed_sampling import kind_of
from labgen.records import Call
from labgen.teacher.ledger_only import LedgerOnly, NotPaid
from labgen.text.token_count import TokenCounter

PRICED_SLOTS = 4
"""Slots of a leaf whose prompts are counted, or one of each kind; the others are taken to be like these on average."""

BULK_SURPLUS_SLOTS = 0.5
"""Slots that asking in bulk takes more for each leaf that is drawn from, on average: they are begun many at a time."""


@dataclass
class LeafEstimate:
    """What one leaf would take.

    Attributes:
        slots: draws expected in all (count); paid: calls already in the ledger that the build would use (count).
        first_calls: of the calls to pay, those known exactly (count).
        to_pay: calls still to pay by step, and their tokens.
        per_row: the same of an accepted row, whoever pays it, by the kind of what is drawn from documents.
        erred: of judges whose test is paid, by name, whether they made a mistake in it.
        further_rounds: what else the tests of judges take, by name, where they make a mistake in the first round.
        surplus: what asking in bulk takes beyond that, since slots are begun without seeing what the last ones brought.
        chain: calls that follow one upon the other in a slot (count): each has a bulk round to itself.
        cost: of what is to pay, in the currency of the prices; None without prices.
        seconds: its share of the time; None where nothing is to pay or nothing was measured.
    """

    plan: LeafPlan
    slots: int = 0
    paid: int = 0
    fewest_slots: int = 0
    first_calls: int = 0
    expected_rows: float = 0.0
    to_pay: CallTotals = field(default_factory=CallTotals)
    per_row: dict[str, CallTotals] = field(default_factory=dict)
    erred: dict[str, bool] = field(default_factory=dict)
    further_rounds: dict[str, CallTotals] = field(default_factory=dict)
    surplus: CallTotals = field(default_factory=CallTotals)
    chain: int = 0
    cost: float | None = None
    seconds: float | None = None

    @property
    def passages_drawn(self) -> int:
        """Passages of its documents that draws would work from, even if all that is drawn is accepted (count)."""
        return min(self.fewest_slots if self.calls else self.slots, len(self.plan.chunks))

    @property
    def calls(self) -> float:
        """Calls still to pay."""
        return float(sum(self.to_pay.calls.values()))

    @property
    def prompt_tokens(self) -> float:
        """Tokens of their prompts."""
        return self.to_pay.prompt_tokens

    @property
    def completion_tokens(self) -> float:
        """Tokens of their replies."""
        return self.to_pay.completion_tokens


def paid_leaf(plan: LeafPlan, progress: LeafProgress, paid: int, per_call: int) -> LeafEstimate:
    """The price of a leaf that is done, with so many calls: nothing is left to pay, and what it took is known."""
    leaf = LeafEstimate(plan, fewest_slots=fewest_slots(plan, per_call))
    leaf.slots, leaf.expected_rows, leaf.paid = progress.slots, progress.accepted, paid
    if progress.calibration:
        leaf.erred = {result.judge: result.erred for result in progress.calibration.results}
    return leaf


def expected_slots(rows: float, per_slot: float, yield_share: float) -> float:
    """Slots that it takes on average to get so many rows (count); the last one brings half a slot more than is missing.

    Where every candidate passes (`yield_share` 1), exactly as many as are needed.
    """
    needed = rows / (per_slot * yield_share)
    return math.ceil(needed) if yield_share == 1.0 else needed + 0.5


def _longest_chain(price: SlotPrice) -> int:
    """Calls of a slot that follow one upon the other (count). A second turn goes through the same judges again."""
    steps = [one.step for one in price.asked]
    turn = steps.index(FOLLOW_UP.name) if FOLLOW_UP.name in steps else len(steps)
    return len(price.draw.calls) + len(set(steps[:turn])) + len(set(steps[turn:]))


@dataclass
class LeafPricing:
    """The price of one leaf.

    Attributes:
        client: that of `run`.
        yield_share: accepted rows per candidate, 0 to 1.
        kinds: price of a slot by the kind of what is drawn in it, as last reckoned.
    """

    plan: LeafPlan
    run: RunContext
    client: LedgerOnly
    count_tokens: TokenCounter
    yield_share: float
    kinds: dict[str, SlotPrice] = field(default_factory=dict)

    async def estimate(self, replayed: Replayed) -> LeafEstimate:
        """The price of the leaf. `replayed`: what the ledger makes of it, as far as that goes."""
        per_call = self.run.config.generation.instructions_per_call
        leaf = LeafEstimate(self.plan, fewest_slots=fewest_slots(self.plan, per_call))
        run = self.run
        paid = await self._price_test(leaf)

        def count_paid(_: SlotResult | None = None) -> None:
            paid.update(call.key for call, _ in self.client.paid)

        if self.run is run:
            past = replayed.past
            paid.update(replayed.used)
            self.client.begin()
        else:  # as if the judges had passed their test
            past = await replay_slots(LeafRun(self.plan, self.run), self.client, count_paid)
            count_paid()
        await self._price_rest(leaf, past, count_paid)
        leaf.paid = len(paid)
        return leaf

    async def go_on(self, leaf: LeafEstimate, past: Past) -> None:
        """Add what a leaf takes from where `past` leaves off."""
        paid = set[bytes]()
        self.client.begin()
        await self._price_rest(leaf, past, lambda: paid.update(call.key for call, _ in self.client.paid))
        leaf.paid += len(paid)

    async def _price_rest(self, leaf: LeafEstimate, past: Past, count_paid: Callable[[], None]) -> None:
        leaf.slots, leaf.expected_rows = past.progress.slots, past.progress.accepted
        if not past.progress.done:
            await self._price_slots(leaf, past, count_paid)

    async def _price_test(self, leaf: LeafEstimate) -> set[bytes]:
        """Add what the test of the leaf's judges still costs; the leaf is then priced as if they had passed.

        Returns: keys of what of it is paid.
        """
        if not self.run.config.calibration.enabled:
            return set()
        self.client.begin()
        with suppress(NotPaid):
            results = (await JudgesTest(self.plan, self.run).take()).results
            leaf.erred = {result.judge: result.erred for result in results}
        # The other judges' first questions are asked at the same time; let them come to the client.
        await asyncio.sleep(0)
        missing = list(self.client.missing.values())
        if missing:
            price = await self._slot_price(0, 1)
            for call in missing:
                self._add(leaf.to_pay, call, price)
            leaf.first_calls += len(missing)
            keys, kept = {call.key for call in missing}, {call.key for call, _ in self.client.paid}
            for judge, first, then in await test_questions(self.plan, self.run):
                # Of a judge whose first round is paid it is known whether there is a second one.
                if any(call.key in keys for call, _ in first):
                    for call, times in first:
                        self._add(leaf.to_pay, call, price, times - (call.key in keys or call.key in kept))
                    leaf.further_rounds[judge.name] = CallTotals()
                    for call, times in then:
                        self._add(leaf.further_rounds[judge.name], call, price, times)
            without_test = self.run.config.changed(calibration=CalibrationConfig(enabled=False))
            self.run = replace(self.run, config=without_test)
        return {call.key for call, _ in self.client.paid}

    async def _price_slots(self, leaf: LeafEstimate, past: Past, count_paid: Callable[[], None]) -> None:
        """Add what is left of the leaf from its first slot on that is not paid in full."""
        plan = self.plan
        duplicates = DuplicatesInLeaf(plan, self.run.config.thresholds)
        duplicates.go_on_from(past.progress.slots, past.seen)
        most_per_call = self.run.config.generation.instructions_per_call
        price = await self._slot_price(leaf.slots, math.ceil(plan.wanted / most_per_call))
        leaf.chain = max(map(_longest_chain, self.kinds.values()))
        leaf.per_row = {kind: each.per_row(self.yield_share) for kind, each in self.kinds.items() if kind}
        places = {each.step: place for place, each in reversed(list(enumerate(price.asked)))}
        while leaf.expected_rows < plan.wanted:
            slot = await take_paid(plan, self.run, self.client, leaf.slots, duplicates)
            count_paid()  # also of a draw that is not paid in full
            if slot is None:
                break
            for call in self.client.missing.values():
                self._add(leaf.to_pay, call, price)
            leaf.first_calls += len(self.client.missing)
            leaf.expected_rows += slot.passed
            for step in slot.waiting:
                place = places.get(step, len(price.asked) - 1)
                leaf.expected_rows += price.rest(place, self.yield_share, leaf.to_pay)
            leaf.slots += 1
        if leaf.expected_rows < plan.wanted:
            missing = plan.wanted - leaf.expected_rows
            slots = expected_slots(missing, price.per_slot, self.yield_share)
            leaf.to_pay.add_all(price.whole(self.yield_share), slots)
            leaf.surplus.add_all(price.whole(self.yield_share), BULK_SURPLUS_SLOTS)
            leaf.slots += math.ceil(slots)
            leaf.first_calls += math.ceil(missing / price.per_slot)  # so many are drawn whatever becomes of them
            leaf.expected_rows = plan.wanted

    async def _slot_price(self, first: int, slots: int) -> SlotPrice:
        chosen = typical_slots(self.plan, self.run, first, slots, PRICED_SLOTS)
        prices = await slot_prices(self.plan, self.run, chosen, self.count_tokens)
        self.kinds = {kind_of(self.plan, index, seed=self.run.config.seed): each for index, each in prices.items()}
        return average_price(prices, chosen)

    def _add(self, totals: CallTotals, call: Call, price: SlotPrice, times: float = 1.0) -> None:
        """Add so many calls like one that is known exactly, but for its reply."""
        totals.add(call.step, times, prompt_size(call, self.count_tokens), price.reply_tokens(call.step))
