"""Measure mixing and writing: a dataset of synthetic rows, its phases, and its export, each size in its own process.

    python scripts/bench_mix.py [--folder DIR] [ROWS ...]        (default: 100000 1000000)

Prints, per size, the time in seconds of writing with phases and of exporting, and the peak of memory; then the ratio
of the largest peak to the smallest. The rows are nonsense of realistic lengths; a million need about 15 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from labgen.config.dataset import MixConfig
from labgen.export.dataset import write_dataset
from labgen.export.folder import read_manifest
from labgen.export.funnel import Funnel
from labgen.export.rows import BuildInfo, LeafInfo
from labgen.export.training import export_training
from labgen.formats.training.rows import row_format
from labgen.records import Candidate, Evidence, Source, State, Verdict

LEAF_ROWS = 2000
SHARES = (("knowledge", 0.5), ("foundational_skills", 0.2), ("compositional_skills", 0.3))
WORDS = ["".join(random.Random(number).choices("abcdefghilmnoprstuv", k=2 + number % 9)) for number in range(4000)]


def prose(chance: random.Random, words: int) -> str:
    """So many random words."""
    return " ".join(chance.choices(WORDS, k=words))


def candidates(leaf: str) -> Iterator[Candidate]:
    """A leaf's accepted candidates, made as they are read."""
    chance = random.Random(leaf)
    knowledge = leaf.startswith("knowledge")
    verdicts = tuple(
        Verdict(name, "1", 1.0, "yes", (Evidence("some words of the passage", 10, 35),))
        for name in ("groundedness", "relevance", "safety", "pair_quality")
    )
    passage = ""
    for slot in range(LEAF_ROWS):
        if slot % 8 == 0:
            passage = prose(chance, 300)
        yield Candidate(
            leaf,
            slot,
            0,
            instruction=prose(chance, 15),
            response=prose(chance, chance.randint(5, 120)),
            context=passage if knowledge else None,
            source=Source("https://example.org/docs", "0" * 40, "page.md", slot, slot + 2000) if knowledge else None,
            seed_examples=(0, 1, 2),
            verdicts=verdicts,
            state=State.ACCEPTED,
            calls=(slot.to_bytes(32, "big"),),
        )


def measure(rows: int, folder: Path) -> dict[str, float]:
    """Write a dataset of so many rows with its phases, and export a phase, in this process."""
    leaves, funnel = [], Funnel()
    for branch, share in SHARES:
        for number in range(max(1, int(rows * share / LEAF_ROWS))):
            leaf = LeafInfo(f"{branch}/leaf_{number:05}", branch, "freeform", "fp", "pv", LEAF_ROWS)
            leaves.append(leaf)
            tally = funnel.open(leaf.path, LEAF_ROWS)
            for _ in range(LEAF_ROWS):
                tally.add(State.ACCEPTED, "")
    start = time.monotonic()
    write_dataset(
        folder, leaves=leaves, read=candidates, about=BuildInfo("bench", rehearsal=True), funnel=funnel, mix=MixConfig()
    )
    written = time.monotonic()
    configs = read_manifest(folder)["configs"]
    export_training(folder, folder.with_name("exported"), row_format("messages"), kind="jsonl")
    return {
        "rows": sum(leaf.wanted for leaf in leaves),
        "rows_in_phases": sum(configs[name]["rows"] for name in configs if name.startswith("phase_")),
        "write_sec": round(written - start, 1),
        "export_sec": round(time.monotonic() - written, 1),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        "disk_mb": round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6, 1),
    }


def main() -> None:
    """Each size in a fresh process, since a process's peak never falls."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", type=int, default=[100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.rows[0], arguments.folder)))
        return
    peaks = []
    for rows in arguments.rows:
        folder = Path(tempfile.mkdtemp(dir=arguments.folder))
        command = [sys.executable, __file__, str(rows), "--here", "--folder", str(folder / "dataset")]
        try:
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        finally:
            shutil.rmtree(folder)
        print(json.dumps(result), flush=True)
        peaks.append(result["peak_mb"])
    print(f"peak of the largest over the smallest: {max(peaks) / min(peaks):.2f}")


if __name__ == "__main__":
    main()
