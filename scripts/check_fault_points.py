"""Every open, write, rename, sync, read and statement of a build fails once: `python scripts/check_fault_points.py`.

A build of two leaves is run once to see where it meets the disk, then again for each of these places, with a fault
there, and once more without. What must be true of each is in `tests/faulty_builds.py`: no traceback; status 0 only with
the whole dataset; else a message with the reason and what to do, and the dataset that was there before; the next run
ends with the bytes of a build that nothing disturbed; nothing is left behind; no more calls are answered twice than may
be in flight. Prints what is wrong, and a table by kind. Ends with status 1 where something is. Linux only.

    --build NAME   first (from nothing) or again (over an earlier build's dataset); without: both
    --kind KIND    fail, "stay failed" (a disk that stays full), kill, or "no memory"; repeatable; without: all
    --every N      only every Nth place, from --first on; --turns N: each place's first N times and its last (1)
    --show         print all places
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fault_points import Kind, Stage
from faulty_builds import BuildsWithFaults, rehearse
from faulty_teacher import FaultyTeacher


def main() -> int:
    """Disturb builds; exit status 1 if one is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", action="append", choices=get_args(Kind))
    parser.add_argument("--build", choices=("first", "again"))
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--show", action="store_true")
    chosen = parser.parse_args()
    counts: Counter[tuple[str, str, str]] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="labgen-faults-") as name, FaultyTeacher(rehearse) as teacher:
        known: set[tuple[str, str, str]] = set()
        for again in (False, True):
            folder = Path(name) / str(again)
            folder.mkdir()
            with Stage() as stage:
                builds = BuildsWithFaults(folder, stage, teacher, again=again)
                points = builds.points(turns=chosen.turns)
                points = [each for each in points if (each.operation, each.path, each.where) not in known]
                known |= {(each.operation, each.path, each.where) for each in points}
                if chosen.build == ("first" if again else "again"):
                    continue
                for kind in chosen.kind or get_args(Kind):
                    for point in points[chosen.first :: chosen.every]:
                        verdict = builds.disturb(point, kind)
                        counts["again" if again else "first", kind, verdict.state] += 1
                        wrong += bool(verdict.wrong)
                        if verdict.wrong or chosen.show:
                            print(f"{kind}: {verdict}", flush=True)
    print(f"{'build':<8}{'kind':<14}{'dataset afterwards':<34}{'builds':>8}")
    for (build, kind, state), count in sorted(counts.items()):
        print(f"{build:<8}{kind:<14}{state:<34}{count:>8}")
    print(f"{counts.total()} builds with a fault; {wrong} not as they should be")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
