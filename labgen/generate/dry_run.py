"""A slot of every flow, gone through without asking: what can't be asked, or can't be taken, is known beforehand.

The replies are those that steps and judges say are typical, with a leaf's own seed examples in them, as for a price
(see `labgen.generate.typical_slots`). A prompt that uses a name which its step does not have, or a package's code that
fails at every one of the seed examples, would otherwise be found out by paid calls.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from labgen.config.whole import Config
from labgen.errors import ConfigError
from labgen.formats.prompts import PromptSet
from labgen.generate.context import RunContext
from labgen.generate.judges_test_questions import test_questions
from labgen.generate.typical_slots import slot_prices, typical_slots
from labgen.plan.flow import Flow, flow_of
from labgen.plan.leaf_plan import LeafPlan, as_set, plan_leaves
from labgen.records import Call, Chunk, Leaf, Reply, Source
from labgen.teacher.ledger_only import NotPaid

LONGEST_SEC = 60.0
"""Time for all flows together, of which a tenth of a second is usual."""


class NobodyAsked:
    """The client of a run in which nothing is to be asked."""

    def kept(self, call: Call) -> Reply | None:
        """Nothing is kept."""
        return None

    async def ask(self, call: Call) -> Reply:
        """Raises: NotPaid: always."""
        raise NotPaid(call)


async def dry_run(plans: Iterable[LeafPlan], run: RunContext) -> None:
    """Go through slots of the first leaf of every flow, one of each kind, and through the test of its judges.

    Raises: ConfigError: a prompt can't be filled in; a filter, judge or step of another package fails at all of it.
    """
    first = {plan.flow.name: plan for plan in reversed(list(plans))}
    try:
        async with asyncio.timeout(LONGEST_SEC):
            for plan in first.values():
                await _go_through(plan, run)
    except TimeoutError:
        raise ConfigError(
            f"the flow `{plan.flow.name}` does not come to its end with seed examples of {plan.leaf.path} within "
            f"{LONGEST_SEC:g} s, without a call: a filter or step of another package waits. Mend the package, or "
            "switch it off under `filters: disable:`."
        ) from None


async def _go_through(plan: LeafPlan, run: RunContext) -> None:
    await slot_prices(plan, run, typical_slots(plan, run, 0, 1, 1), len)
    if run.config.calibration.enabled:
        await test_questions(plan, run)
    for prompt in plan.flow.prompts:
        run.prompts.restate(prompt.name, "")


def plans_without_documents(
    leaves: Iterable[Leaf], config: Config, prompts: PromptSet, flows: Sequence[Flow]
) -> tuple[LeafPlan, ...]:
    """A plan of the first leaf of every flow, with a seed example's context in the place of a document's passage."""
    first: dict[str, Leaf] = {}
    for leaf in (as_set(leaf, config) for leaf in leaves):
        first.setdefault(flow_of(leaf, flows).name, leaf)
    passages = {leaf.path: _passage(leaf) for leaf in first.values() if leaf.document is not None}
    some = config.changed(samples=max(1, config.samples), leaves=())
    return plan_leaves(list(first.values()), passages, some, prompts, flows)


def _passage(leaf: Leaf) -> tuple[Chunk, ...]:
    text = leaf.seed_examples[0].context or leaf.task_description
    return (Chunk(0, text, Source("", "", "", 0, len(text))),)
