"""The price before the spend: what a build would draw and what of it is still to pay. No call is made.

Slots whose calls are in the ledger are replayed, so an unchanged build costs exactly nothing. From the first missing
call on, a leaf's first calls are known exactly (slots fix them), and what depends on replies is estimated from the
yield seen in the dataset that is there, or else from the stated one.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from labgen.config import CalibrationConfig, Config
from labgen.formats.prompts import FLOW_STEPS
from labgen.generate.context import Kit
from labgen.generate.leaf_run import LeafRun
from labgen.generate.resume import (
    LedgerOnly,
    NotPaid,
    kit_for,
    load_filters,
    one_by_one,
    open_ledger,
    processes_for,
    replay_slots,
)
from labgen.generate.workers import Workers
from labgen.ledger.replies import Ledger
from labgen.plan.leaf_plan import LeafPlan
from labgen.plan.sources import Sources
from labgen.records import Call, Candidate, Message
from labgen.text.token_count import TokenCounter, load_token_counter

FIRST_STEP = {flow: steps[0] for flow, steps in FLOW_STEPS.items()}

COMPLETION_TOKENS = {
    "knowledge_pairs": 75,
    "freeform_instructions": 60,
    "grounded_context": 250,
    "grounded_instructions": 30,
    "judge_instructions": 45,
    "respond": 250,
    "judge_pair": 60,
    "judge_grounded": 150,
}
"""Tokens of one reply per step, per candidate for steps that draw or judge several at once: typical, not measured."""

PER_CANDIDATE = ("knowledge_pairs", "freeform_instructions", "grounded_instructions", "judge_instructions")


@dataclass
class LeafEstimate:
    """What one leaf would take. Counts; `to_pay` maps a step to calls, estimated ones as fractions.

    Attributes:
        slots: draws expected in all; paid: calls already in the ledger that the build would use.
        first_calls: of `to_pay`, those known exactly.
    """

    plan: LeafPlan
    slots: int = 0
    paid: int = 0
    first_calls: int = 0
    to_pay: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    expected_rows: float = 0.0

    @property
    def calls(self) -> float:
        """Calls still to pay."""
        return float(sum(self.to_pay.values()))


@dataclass(frozen=True)
class Estimate:
    """What a build would take, leaf by leaf. `yields` are accepted rows per candidate, by flow, 0 to 1."""

    leaves: tuple[LeafEstimate, ...]
    yields: Mapping[str, float]
    cost: float | None

    def total(self, name: str) -> float:
        """Sum of an attribute over the leaves."""
        return float(sum(getattr(leaf, name) for leaf in self.leaves))


def estimate_build(config: Config, sources: Sources) -> Estimate:
    """Estimate what `labgen generate` would ask for with these settings."""
    yields = observed_yields(config, sources.plans)
    yields = {flow: yields.get(flow, config.expected_yield) for flow in FLOW_STEPS}
    filters = load_filters(config)
    count_tokens = load_token_counter(config.tokenizer)

    @contextmanager
    def opened() -> Iterator[Callable[[int], dict[str, Any]]]:
        def numbers(place: int) -> dict[str, Any]:
            leaf = run(_estimate(sources.plans[place], kit, ledger, count_tokens, yields))
            return {name: value for name, value in vars(leaf).items() if name != "plan"}

        with closing(open_ledger(config)) as ledger, one_by_one() as run:
            kit = kit_for(config, sources, LedgerOnly(ledger), filters)
            yield numbers

    with Workers(opened, len(sources.plans), processes=processes_for(config, filters)) as workers:
        found = dict(workers.results())
    leaves = tuple(LeafEstimate(plan, **found[place]) for place, plan in enumerate(sources.plans))
    estimate = Estimate(leaves, yields, None)
    price = config.price
    if price is None:
        return estimate
    prompt, completion = estimate.total("prompt_tokens"), estimate.total("completion_tokens")
    return Estimate(
        leaves, yields, (prompt * price.prompt_per_million + completion * price.completion_per_million) / 1e6
    )


def observed_yields(config: Config, plans: Sequence[LeafPlan]) -> dict[str, float]:
    """Accepted rows per candidate by flow, from the dataset that stands at the output folder; empty without one."""
    flows = {plan.leaf.path: plan.leaf.flow for plan in plans}
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
    return {flow: max(0.05, accepted[flow] / count) for flow, count in candidates.items() if flow and count}


async def _estimate(
    plan: LeafPlan, kit: Kit, ledger: Ledger, count_tokens: TokenCounter, yields: Mapping[str, float]
) -> LeafEstimate:
    def tokens_of(messages: tuple[Message, ...]) -> int:
        return sum(count_tokens(message.content) for message in messages)

    leaf, config = LeafEstimate(plan), kit.config
    test, door = LedgerOnly(ledger), LedgerOnly(ledger)
    kit = replace(kit, door=door)
    if not await _test_is_paid(plan, replace(kit, door=test), test, leaf, tokens_of):
        without_test = config.model_copy(update={"calibration": CalibrationConfig(enabled=False)})
        kit = replace(kit, config=without_test)
    paid = {call.key for call, _ in test.paid}

    def count_paid(candidates: Sequence[Candidate] = ()) -> None:
        paid.update(call.key for call, _ in door.paid)
        door.paid.clear()

    run = LeafRun(plan, kit)
    await replay_slots(run, door, count_paid)
    count_paid()
    missing = list(door.missing.values())
    leaf.slots, leaf.expected_rows, leaf.paid = run.retired, run.accepted, len(paid)
    if missing:
        _project(leaf, config, run.accepted, missing, tokens_of, yields[plan.leaf.flow])
    return leaf


async def _test_is_paid(plan: LeafPlan, kit: Kit, door: LedgerOnly, leaf: LeafEstimate, tokens_of: Any) -> bool:
    """Whether the ledger answers the whole test of the leaf's judges; where it does not, what is missing is added.

    A second round is not foreseen: it comes only where a judge makes a mistake.
    """
    if not kit.config.calibration.enabled:
        return True
    with suppress(NotPaid):
        await LeafRun(plan, kit).calibrate()
    # The other judges' first questions are asked at the same time; let them come to the door.
    await asyncio.sleep(0)
    for call in door.missing.values():
        leaf.first_calls += 1
        leaf.to_pay[call.step] += 1
        leaf.prompt_tokens += tokens_of(call.messages)
        leaf.completion_tokens += COMPLETION_TOKENS[call.step] * (1 + 3 * (call.step in PER_CANDIDATE))
    return not door.missing


def _project(
    leaf: LeafEstimate,
    config: Config,
    accepted: int,
    missing: list[Call],
    tokens_of: Any,
    yield_share: float,
) -> None:
    """Add what the slots from the first missing call on are expected to take."""
    flow, per_call = leaf.plan.leaf.flow, config.generation.instructions_per_call
    slots = max(1, math.ceil((leaf.plan.wanted - accepted) / (per_call * yield_share)))
    prompt_tokens = tokens_of(missing[0].messages)
    begun = missing[0].step != FIRST_STEP[flow]
    leaf.slots += slots
    leaf.first_calls += slots - begun
    to_pay: dict[str, float] = defaultdict(float)
    to_pay[FIRST_STEP[flow]] += slots - begun
    # Candidates that reach a judge: on the whole, half of what is lost is lost before, for nothing.
    reaching = per_call * (1.0 + yield_share) / 2.0
    for step in FLOW_STEPS[flow][1:]:
        if step in ("grounded_instructions", "judge_instructions"):
            to_pay[step] += slots
        elif step != "restate":
            to_pay[step] += slots * reaching
    for step, calls in to_pay.items():
        leaf.to_pay[step] += calls
        # Every step's prompt shows about what the first one shows: the task, the seeds, one passage.
        leaf.prompt_tokens += calls * prompt_tokens
        leaf.completion_tokens += calls * COMPLETION_TOKENS[step] * (per_call if step in PER_CANDIDATE else 1)
    leaf.expected_rows = leaf.plan.wanted
