"""What a plan expects of each flow in calls, for the time left of a run: from its first leaf, and nobody is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from labgen.generate.context import RunContext
from labgen.generate.judges_test_questions import test_questions
from labgen.generate.slot_price import average_price
from labgen.generate.typical_slots import slot_prices, typical_slots
from labgen.plan.leaf_plan import LeafPlan

SLOTS = 2


async def expected_calls(
    plans: Sequence[LeafPlan], run: RunContext, yields: Mapping[str, float]
) -> dict[str, tuple[float, float]]:
    """Flow to the calls that an accepted row takes, and to those of a leaf's judges' test.

    Args:
        yields: flow to its expected yield, more than 0.
    Raises: ConfigError: a package's filter or flow fails at typical candidates.
    """
    found: dict[str, tuple[float, float]] = {}
    for plan in plans:
        flow = plan.flow.name
        if flow in found:
            continue
        chosen = typical_slots(plan, run, 0, 1, SLOTS)
        price = average_price(await slot_prices(plan, run, chosen, len), chosen)
        test = 0.0
        if run.config.calibration.enabled:
            test = sum(sum(times for _, times in first) for _, first, _ in await test_questions(plan, run))
        found[flow] = sum(price.per_row(yields[flow]).calls.values()), test
    return found
