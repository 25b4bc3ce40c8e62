"""The price before the spend: what a build would draw and what of it is still to pay. No call is made.

Slots whose calls are in the ledger are replayed, so an unchanged build costs exactly nothing. From the first missing
call on, a leaf's first calls are known exactly (slots fix them), and what depends on replies is estimated from the
yield seen in the dataset that is there, or else from the stated one.
"""

from __future__ import annotations

import asyncio
import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labgen.config import KINDS, CalibrationConfig, Config
from labgen.export.extras import check_extras
from labgen.export.provenance import build_info, leaf_info
from labgen.filters.duplicates_in_leaf import DuplicatesInLeaf
from labgen.flows.follow_up import FOLLOW_UP
from labgen.formats.dataset_reader import is_hub_id
from labgen.generate.context import RunContext
from labgen.generate.judges_test import JudgesTest
from labgen.generate.leaf_outcomes import LeafOutcome, LeafOutcomes
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.leaf_run import LeafRun, Past
from labgen.generate.price import (
    CallTotals,
    SlotPrice,
    average_price,
    slot_prices,
    take_paid,
    test_questions,
    typical_slots,
)
from labgen.generate.question_price import prompt_size
from labgen.generate.resume import REPLAYED, Replayed, one_by_one, open_ledger, replay_slots
from labgen.generate.slot_run import SlotResult
from labgen.generate.workers import Workers
from labgen.plan.leaf_plan import LeafPlan, fewest_slots
from labgen.plan.seed_sampling import kind_of
from labgen.records import Call
from labgen.teacher.ledger_only import LedgerOnly, NotPaid
from labgen.text.token_count import TokenCounter, load_token_counter
from labgen.verbs.build_time import BuildTime, Work, build_times
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.kept_build import KeptBuild
from labgen.verbs.row_length import LengthEstimate, estimate_lengths
from labgen.verbs.session import Session

LEAST_YIELD = 0.05
"""Yield to reckon with at least."""

PRICED_SLOTS = 4
"""Slots of a leaf whose prompts are counted, or one of each kind; the others are taken to be like these on average."""

BULK_SURPLUS_SLOTS = 0.5
"""Slots that asking in bulk takes more for each leaf that is drawn from, on average: they are begun many at a time."""

MAKING_GOOD_ROUNDS = 2
"""Rounds after the longest chain of calls in which what was lost on the way is made good, for most leaves."""

ERRING = (1, 2)
"""So many judges of so many are taken to make a mistake in the first round of their test, so that there are others.

So many do whose verdicts are wrong one time in ten: six questions without a mistake have a chance of 53 %. Tests that
are paid already count beside these (Laplace's rule of succession), so that a judge that errs often is soon priced so.
"""


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


@dataclass(frozen=True, slots=True)
class BulkEstimate:
    """What a build in bulk rounds would take (see `labgen bulk`).

    Attributes:
        rounds: about how many; 0 where nothing is left to pay.
        calls: in all; surplus: of these, so many more than one by one.
        cost: at the batch price, None without prices.
    """

    rounds: int
    calls: float
    surplus: float
    prompt_tokens: float
    completion_tokens: float
    cost: float | None


@dataclass(frozen=True)
class Estimate:
    """What a build would take, leaf by leaf. `yields` are accepted rows per candidate, by flow, 0 to 1.

    `time` is None where no endpoint was measured, `bulk` before it is reckoned, `lengths` without `mix.max_tokens`.
    """

    leaves: tuple[LeafEstimate, ...]
    yields: Mapping[str, float]
    cost: float | None
    currency: str = ""
    time: BuildTime | None = None
    bulk: BulkEstimate | None = None
    lengths: LengthEstimate | None = None

    @property
    def per_row(self) -> dict[str, CallTotals]:
        """What an accepted row costs in calls and tokens, by kind of what is drawn; the mean over leaves."""
        found: dict[str, CallTotals] = {}
        for kind in KINDS:
            same = [leaf.per_row[kind] for leaf in self.leaves if kind in leaf.per_row]
            for each in same:
                found.setdefault(kind, CallTotals()).add_all(each, 1.0 / len(same))
        return found

    def __repr__(self) -> str:
        cost = "" if self.cost is None else f", cost {self.cost:,.2f}"
        return f"Estimate({len(self.leaves)} leaves, {self.total('calls'):,.0f} calls to pay{cost})"

    def _repr_html_(self) -> str:
        from labgen.html_table import html_table

        names = ("calls", "prompt_tokens", "completion_tokens")
        rows = [
            (leaf.plan.leaf.path, leaf.plan.wanted, leaf.paid, *(round(getattr(leaf, name)) for name in names))
            for leaf in self.leaves
        ]
        header = ("leaf", "rows", "calls paid", "calls to pay", "prompt tokens", "completion tokens")
        return html_table(repr(self), header, rows)

    def total(self, name: str) -> float:
        """Sum of an attribute over the leaves."""
        return float(sum(getattr(leaf, name) for leaf in self.leaves))


@outside_event_loop
def estimate_build(session: Session, *, expected_yield: float | None = None) -> Estimate:
    """Estimate what `labgen generate` would ask for.

    Args:
        expected_yield: accepted rows per candidate where no dataset has shown them; None: as the settings say.
    """
    config, plans = session.config, session.sources.plans
    session.check_flows()
    usual = config.expected_yield if expected_yield is None else expected_yield
    taken = {plan.flow.name for plan in plans}
    yields = {flow.name: usual for flow in session.flows if flow.name in taken} | observed_yields(config, plans)
    count_tokens = load_token_counter(config.tokenizer)

    @contextmanager
    def opened() -> Iterator[Callable[[int], dict[str, Any]]]:
        with (
            closing(open_ledger(config)) as ledger,
            session.replay.store(read_only=True) as store,
            one_by_one() as at_once,
        ):
            client = LedgerOnly(ledger)
            run = session.replay.context(client)
            outcomes = LeafOutcomes(store, run, ledger)

            def numbers(place: int) -> dict[str, Any]:
                plan = plans[place]
                kept: LeafOutcome[Replayed] | None = outcomes.find(plan, REPLAYED)
                if kept:
                    leaf = _paid_leaf(plan, kept, config.generation.instructions_per_call)
                else:
                    leaf = at_once(_Pricing(plan, run, client, count_tokens, yields[plan.flow.name]).estimate())
                return {name: value for name, value in vars(leaf).items() if name != "plan"}

            yield numbers

    with Workers(opened, len(plans), processes=session.replay.processes) as workers:
        found = dict(workers.results())
    leaves = tuple(LeafEstimate(plan, **found[place]) for place, plan in enumerate(plans))
    if not any(leaf.calls for leaf in leaves):
        _price_thinned(session, leaves, count_tokens, yields)
    # After the workers: the library that reads these starts threads. What is on the Hub is not fetched for a plan.
    check_extras(extra for extra in config.mix.extras if not is_hub_id(extra.path))
    _add_further_rounds(leaves)
    estimate = Estimate(leaves, yields, None)
    tokens = estimate.total("prompt_tokens"), estimate.total("completion_tokens")
    cost = config.price.cost(*tokens) if config.price else None
    time = _add_times(session, estimate) if session.backend is None else None
    lengths = estimate_lengths(config.mix, [leaf.plan for leaf in leaves])
    currency = config.price.currency if config.price else ""
    for leaf in leaves if config.price else ():
        leaf.cost = config.price.cost(leaf.prompt_tokens, leaf.completion_tokens) if config.price else None
    return replace(estimate, cost=cost, currency=currency, time=time, lengths=lengths, bulk=_in_bulk(config, estimate))


def _price_thinned(
    session: Session, leaves: Sequence[LeafEstimate], count_tokens: TokenCounter, yields: Mapping[str, float]
) -> None:
    """Where all leaves are paid by themselves, add what some take further for rows too close to other leaves'.

    Where the dataset in its place is that of the build, it says so; else all rows are held against each other as the
    build does. Where other packages take part, only the build looks.
    """
    if not session.replay.possible or not session.filters.find_duplicates or len(leaves) == 1:
        return
    about = build_info(session.config, session.sources, session.filters, session.teacher, session.judge)
    if stands := KeptBuild(session, about, [leaf_info(leaf.plan) for leaf in leaves]).look():
        _note_further(leaves, stands.leaves)
        return
    from labgen.verbs.look_across import look_across  # most plans do without

    with (
        session.replay.workers() as workers,
        session.replay.store(read_only=True) as store,
        tempfile.TemporaryDirectory(prefix="labgen-") as folder,
    ):
        begun, collector = look_across(session, workers, store, Path(folder), keep=False)
    _note_further(leaves, collector.progress)
    with closing(open_ledger(session.config)) as ledger, one_by_one() as at_once:
        client = LedgerOnly(ledger)
        run = session.replay.context(client)
        for leaf in leaves:
            if past := begun.pasts.get(leaf.plan.leaf.path):
                pricing = _Pricing(leaf.plan, run, client, count_tokens, yields[leaf.plan.flow.name])
                at_once(pricing.go_on(leaf, past))


def _note_further(leaves: Sequence[LeafEstimate], came_to: Mapping[str, LeafProgress]) -> None:
    """Note what leaves have drawn beyond what filled them by themselves, all of it paid."""
    for leaf in leaves:
        progress = came_to[leaf.plan.leaf.path]
        if progress.slots > leaf.slots:
            leaf.slots, leaf.paid = progress.slots, progress.calls


def _paid_leaf(plan: LeafPlan, kept: LeafOutcome[Replayed], per_call: int) -> LeafEstimate:
    """The price of a leaf that is done: nothing is left to pay, and what it took is known."""
    progress = kept.value.progress
    leaf = LeafEstimate(plan, fewest_slots=fewest_slots(plan, per_call))
    leaf.slots, leaf.expected_rows, leaf.paid = progress.slots, progress.accepted, kept.replies
    if progress.calibration:
        leaf.erred = {result.judge: result.erred for result in progress.calibration.results}
    return leaf


def _add_times(session: Session, estimate: Estimate) -> BuildTime | None:
    """Add the time to every leaf; gives that of all, None where nothing was measured."""
    names = ("calls", "prompt_tokens", "completion_tokens")
    works = [Work(*(getattr(leaf, name) for name in names)) for leaf in estimate.leaves]
    *times, total = build_times(session.config, [*works, Work(*(estimate.total(name) for name in names))])
    for leaf, time in zip(estimate.leaves, times, strict=True):
        leaf.seconds = time.seconds if time else None
    return total


def _in_bulk(config: Config, estimate: Estimate) -> BulkEstimate:
    """The same build in rounds: the longest chain of calls, the probe before it, and slots that make losses good."""
    totals, surplus = CallTotals(), CallTotals()
    for leaf in estimate.leaves:
        totals.add_all(leaf.to_pay)
        surplus.add_all(leaf.surplus)
    totals.add_all(surplus)
    chain = max((leaf.chain for leaf in estimate.leaves), default=0)
    tokens = totals.prompt_tokens, totals.completion_tokens
    cost = config.price.cost(*tokens) * (1.0 - config.price.batch_discount) if config.price else None
    calls = float(sum(totals.calls.values()))
    more = float(sum(surplus.calls.values()))
    return BulkEstimate(1 + chain + MAKING_GOOD_ROUNDS if calls else 0, calls, more, *tokens, cost)


def _add_further_rounds(leaves: Iterable[LeafEstimate]) -> None:
    """Add what tests of judges take after their first rounds, as often as those judges have erred elsewhere."""
    leaves = list(leaves)
    tested = Counter(judge for leaf in leaves for judge in leaf.erred)
    erred = Counter(judge for leaf in leaves for judge, erred in leaf.erred.items() if erred)
    for leaf in leaves:
        for judge, totals in leaf.further_rounds.items():
            leaf.to_pay.add_all(totals, (ERRING[0] + erred[judge]) / (ERRING[1] + tested[judge]))


def observed_yields(config: Config, plans: Sequence[LeafPlan]) -> dict[str, float]:
    """Accepted rows per candidate by flow, from the dataset that stands at the output folder; empty without one."""
    flows = {plan.leaf.path: plan.flow.name for plan in plans}
    try:
        data: dict[str, Any] = json.loads((config.output / "funnel.json").read_text(encoding="utf-8"))["leaves"]
    except (OSError, ValueError, LookupError):
        return {}
    accepted: Counter[str] = Counter()
    candidates: Counter[str] = Counter()
    for leaf, tally in data.items():
        flow = flows.get(leaf, "")
        # What was surplus would have been accepted, had more been wanted.
        states = tally["states"]
        accepted[flow] += states.get("accepted", 0) + states.get("surplus", 0)
        candidates[flow] += tally["candidates"]
    return {flow: max(LEAST_YIELD, accepted[flow] / count) for flow, count in candidates.items() if flow and count}


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
class _Pricing:
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

    async def estimate(self) -> LeafEstimate:
        per_call = self.run.config.generation.instructions_per_call
        leaf = LeafEstimate(self.plan, fewest_slots=fewest_slots(self.plan, per_call))
        paid = await self._price_test(leaf)

        def count_paid(_: SlotResult | None = None) -> None:
            paid.update(call.key for call, _ in self.client.paid)

        past = await replay_slots(LeafRun(self.plan, self.run), self.client, count_paid)
        count_paid()
        await self._price_rest(leaf, past, count_paid)
        leaf.paid = len(paid)
        return leaf

    async def go_on(self, leaf: LeafEstimate, past: Past) -> None:
        """Add what a leaf takes further that had come to this."""
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
            without_test = self.run.config.model_copy(update={"calibration": CalibrationConfig(enabled=False)})
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
            if slot is None:
                break
            count_paid()
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
