"""What gets through the filters: defects planted at known rates, with a judge that is right and one that errs.

    python scripts/bench_filters.py [--slots 500] [--errors 0.1] [--rate 0.04]

Prints, by flow and kind of defect, the share that reaches the dataset, and the share of good rows that is lost. No
network; the teacher is scripted (see planted_teacher.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from planted_teacher import DEFECTS, Planted, benchmark_index, run_slots

from labgen.config.section import read_section
from labgen.config.whole import Config
from labgen.records import State

FLOWS = ("knowledge", "grounded", "freeform")


def measure(flow: str, *, slots: int, rate: float, errors: float, folder: Path) -> dict[str, tuple[int, int]]:
    """Kind of defect (`good` for none) to how many were planted and how many were accepted."""
    kinds = [kind for kind in DEFECTS if not (flow == "freeform" and kind == "ungrounded_answer")]
    planted = Planted(flow, dict.fromkeys(kinds, rate), judge_errors=errors, slots=slots)
    # The judge's errors are what is measured here; a test of it might end the leaf.
    config = read_section(Config, {"calibration": {"enabled": False}, "stop": {"min_calls": 10**9}})
    candidates, _ = run_slots(planted, config, folder / f"{flow}-{errors}", benchmark_index(folder / "contamination"))
    asked, through = Counter[str](), Counter[str]()
    for candidate in candidates:
        kind = planted.kinds[candidate.slot, candidate.position] or "good"
        asked[kind] += 1
        through[kind] += candidate.state is State.ACCEPTED
    return {kind: (asked[kind], through[kind]) for kind in ("good", *kinds)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=500)
    parser.add_argument("--rate", type=float, default=0.04, help="share of the candidates for each kind of defect")
    parser.add_argument("--errors", type=float, default=0.1, help="share of wrong verdicts of the judge that errs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for errors in (0.0, options.errors):
            print(f"\nA judge that errs in {errors:.0%} of its verdicts; {options.slots} draws of 4 per flow")
            print(f"{'':20}" + "".join(f"{flow:>24}" for flow in FLOWS))
            found = {
                flow: measure(flow, slots=options.slots, rate=options.rate, errors=errors, folder=Path(folder))
                for flow in FLOWS
            }
            for kind in DEFECTS:
                print(f"{kind:20}" + "".join(f"{_share(found[flow].get(kind)):>24}" for flow in FLOWS))
            lost = {flow: (found[flow]["good"][0], found[flow]["good"][0] - found[flow]["good"][1]) for flow in FLOWS}
            print(f"{'good rows lost':20}" + "".join(f"{_share(lost[flow]):>24}" for flow in FLOWS))


def _share(counts: tuple[int, int] | None) -> str:
    if counts is None or not counts[0]:
        return "-"
    return f"{counts[1]} of {counts[0]} ({counts[1] / counts[0]:.1%})"


if __name__ == "__main__":
    main()
