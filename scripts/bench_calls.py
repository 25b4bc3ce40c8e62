"""Calls and tokens per accepted row, beside the same rows with each verdict asked for separately.

    python scripts/bench_calls.py [--rows 400] [--yield 0.8]

The teacher is scripted; what is lost is lost where it costs most, at the last judge. Calls of the judges' test are
counted. Tokens are four characters each. Asked separately, each instruction and each pair takes a call of its own for
every verdict (on task, answerable, safe; groundedness, relevance, quality, safety), and each such call has the prompt
that the common one has, as all of it has to be shown.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from planted_teacher import PER_SLOT, Planted, run_slots

from labgen.config.whole import Config
from labgen.records import State

LIMITS = {"knowledge": 2.5, "freeform": 4.0}
VERDICTS = {"judge_instructions": 3 * PER_SLOT, "judge_pair": 2, "judge_grounded": 4}
"""Verdicts in one call of a judge, each of which would be a call of its own."""


def measure(flow: str, *, rows: int, yield_share: float, folder: Path) -> dict[str, float]:
    """Calls and tokens per accepted row, as labgen asks and asked separately, and the yield."""
    planted = Planted(flow, {"exchanged_answer": 1.0 - yield_share}, slots=2 * rows)
    config = Config()
    candidates, run = run_slots(planted, config, folder / flow, None, wanted=rows)
    accepted = sum(candidate.state is State.ACCEPTED for candidate in candidates)
    good = accepted + sum(candidate.state is State.SURPLUS for candidate in candidates)
    assert accepted == rows, f"{flow}: {accepted} of {rows} rows ({run.progress.stopped})"
    # What was asked ahead depends on timing; the build's own calls are what counts.
    share = run.progress.calls / sum(planted.steps.values())
    separate = {step: count * VERDICTS.get(step, 1) for step, count in planted.steps.items()}
    tokens = {step: planted.tokens[step] / planted.steps[step] for step in planted.steps}
    return {
        "calls": run.progress.calls / rows,
        "tokens": share * sum(planted.tokens.values()) / rows,
        "separate_calls": share * sum(separate.values()) / rows,
        "separate_tokens": share * sum(separate[step] * tokens[step] for step in separate) / rows,
        "yield": good / len(candidates),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--yield", type=float, default=0.8, dest="yield_share")
    options = parser.parse_args()
    head = f"{'':12}{'yield':>8}{'calls/row':>11}{'at most':>9}{'tokens/row':>12}"
    print(head + f"{'separately: calls/row':>24}{'tokens/row':>12}")
    with tempfile.TemporaryDirectory() as folder:
        for flow in ("knowledge", "grounded", "freeform"):
            found = measure(flow, rows=options.rows, yield_share=options.yield_share, folder=Path(folder))
            limit = f"{LIMITS[flow]:.1f}" if flow in LIMITS else "-"
            print(
                f"{flow:12}{found['yield']:>8.0%}{found['calls']:>11.2f}{limit:>9}{found['tokens']:>12.0f}"
                f"{found['separate_calls']:>24.2f}{found['separate_tokens']:>12.0f}"
            )


if __name__ == "__main__":
    main()
