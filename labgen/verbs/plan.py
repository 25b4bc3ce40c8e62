"""The price before the spend: what a build would draw and what of it is still to pay. No call is made.

Slots whose calls are in the ledger are replayed, so an unchanged build costs exactly nothing. From the first missing
call on, a leaf's first calls are known exactly (slots fix them), and what depends on replies is estimated from the
yield seen in the dataset that is there, or else from the stated one.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from labgen.config.drawing import KINDS
from labgen.config.whole import Config
from labgen.export.extras import check_extras
from labgen.export.provenance import build_info, leaf_info
from labgen.formats.dataset_reader import is_hub_id
from labgen.generate.context import RunContext
from labgen.generate.leaf_outcomes import LeafOutcome, LeafOutcomes, MadeOutcome, Near
from labgen.generate.leaf_price import LeafEstimate, LeafPricing, paid_leaf
from labgen.generate.leaf_progress import LeafProgress
from labgen.generate.resume import REPLAYED, Replayed, made_of, one_by_one, open_ledger, replay_leaf
from labgen.generate.slot_price import CallTotals
from labgen.generate.workers import Workers
from labgen.lazy.dataclasses import dataclass
from labgen.plan.leaf_plan import LeafPlan
from labgen.teacher.ledger_only import LedgerOnly
from labgen.text.token_count import TokenCounter, load_token_counter
from labgen.verbs.build_time import BuildTime, Work, build_times
from labgen.verbs.event_loop import outside_event_loop
from labgen.verbs.kept_build import KeptBuild
from labgen.verbs.row_length import LengthEstimate, estimate_lengths
from labgen.verbs.session import Session

LEAST_YIELD = 0.05
"""Yield to reckon with at least."""

MAKING_GOOD_ROUNDS = 2
"""Rounds after the longest chain of calls in which what was lost on the way is made good, for most leaves."""

ERRING = (1, 2)
"""So many judges of so many are taken to make a mistake in the first round of their test, so that there are others.

So many do whose verdicts are wrong one time in ten: six questions without a mistake have a chance of 53 %. Tests that
are paid already count beside these (Laplace's rule of succession), so that a judge that errs often is soon priced so.
"""


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
        from labgen.text.html_table import html_table

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

    leaves = _price_leaves(session, count_tokens, yields)
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


def _price_leaves(
    session: Session, count_tokens: TokenCounter, yields: Mapping[str, float]
) -> tuple[LeafEstimate, ...]:
    """Each leaf's price by itself. What is made of the ledger for it is kept, for the build and the next plan."""
    config, plans = session.config, session.sources.plans

    @contextmanager
    def opened() -> Iterator[Callable[[int], tuple[dict[str, Any], LeafOutcome[Any]]]]:
        with (
            closing(open_ledger(config)) as ledger,
            session.replay.store(read_only=True) as store,
            one_by_one() as at_once,
        ):
            client = LedgerOnly(ledger)
            run = session.replay.context(client)
            outcomes = LeafOutcomes(store, run, ledger)

            def price(place: int) -> tuple[dict[str, Any], LeafOutcome[Any]]:
                plan, here = plans[place], list[Replayed]()

                def replay(plan: LeafPlan, run: RunContext, near: Near[Replayed] | None) -> MadeOutcome[Replayed]:
                    here.append(at_once(replay_leaf(plan, run, client, near=near)))
                    return made_of(here[0])

                outcome = outcomes.of(plan, replay, REPLAYED)
                progress = outcome.value.progress
                if progress.done:
                    paid = len(here[0].used) if here else outcome.replies
                    leaf = paid_leaf(plan, progress, paid, config.generation.instructions_per_call)
                else:
                    pricing = LeafPricing(plan, run, client, count_tokens, yields[plan.flow.name])
                    leaf = at_once(pricing.estimate(here[0]))
                numbers = {name: value for name, value in vars(leaf).items() if name != "plan"}
                return numbers, outcome if outcome.basis else LeafOutcome(None, outcome.number)

            yield price

    found, told = dict[int, dict[str, Any]](), list[LeafOutcome[Any]]()
    with Workers(opened, len(plans), processes=session.replay.processes) as workers, ExitStack() as stack:
        store = cache(lambda: stack.enter_context(session.replay.store()))
        for place, (numbers, outcome) in workers.results():
            found[place] = numbers
            if outcome.basis:
                outcome.tell(store())
            else:
                told.append(outcome)
        for outcome in told if store.cache_info().currsize else ():
            outcome.tell(store())
    return tuple(LeafEstimate(plan, **found[place]) for place, plan in enumerate(plans))


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
        begun, collector = look_across(session, workers, store, Path(folder), keep_compared=False)
    _note_further(leaves, collector.progress)
    with closing(open_ledger(session.config)) as ledger, one_by_one() as at_once:
        client = LedgerOnly(ledger)
        run = session.replay.context(client)
        for leaf in leaves:
            if past := begun.pasts.get(leaf.plan.leaf.path):
                # Its own share of rows that were left, where it is known: such a leaf repeats what others say.
                drawn, usual = past.progress.drawn, yields[leaf.plan.flow.name]
                share = max(LEAST_YIELD, past.progress.accepted / drawn) if drawn else usual
                pricing = LeafPricing(leaf.plan, run, client, count_tokens, share)
                at_once(pricing.go_on(leaf, past))


def _note_further(leaves: Sequence[LeafEstimate], came_to: Mapping[str, LeafProgress]) -> None:
    """Note what leaves have drawn beyond what filled them by themselves, all of it paid."""
    for leaf in leaves:
        progress = came_to[leaf.plan.leaf.path]
        if progress.slots > leaf.slots:
            leaf.slots, leaf.paid = progress.slots, progress.calls


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
