"""The price of a build in rounds stands beside that of one call by call."""

from pathlib import Path

import pytest
from workbench import Labgen


def test_both_prices(labgen: Labgen, taxonomy: Path) -> None:
    """Calls, the surplus, rounds, and the money less the discount; nothing once all is paid."""
    prices = "{prompt_per_million: 0.5, completion_per_million: 1.5, batch_discount: 0.4}"
    (labgen.folder / "labgen.yaml").write_text(f"price: {prices}\nsamples: 6\n")
    plan = labgen("plan", "--json").json
    bulk = plan["bulk"]
    assert bulk["calls"] == pytest.approx(plan["calls_to_pay"] + bulk["surplus"], abs=0.2)
    assert 0 < bulk["surplus"] < 0.25 * bulk["calls"]
    assert bulk["prompt_tokens"] > plan["prompt_tokens"]
    assert bulk["cost"] == pytest.approx(
        0.6 * (0.5 * bulk["prompt_tokens"] + 1.5 * bulk["completion_tokens"]) / 1e6, abs=1e-4
    )
    assert "In bulk (`labgen bulk run`): about" in labgen("plan").out
    run = labgen("bulk", "run", "--json")
    assert run.status == 0, run.err
    assert len(run.json["bulk"]["rounds"]) <= bulk["rounds"] + 1
    paid = labgen("plan", "--json").json["bulk"]
    assert (paid["rounds"], paid["calls"], paid["cost"]) == (0, 0, 0)
    assert "In bulk" not in labgen("plan").out
