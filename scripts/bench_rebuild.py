"""What a rebuild costs: `python scripts/bench_rebuild.py [--before PYTHON] [--taxonomy FOLDER] [--calls N]`.

Every row is `labgen generate` as a user runs it, as a whole process, start-up included, with every reply paid before:
nothing changed but the dataset taken away, nothing at all, one leaf edited, one threshold moved. With `--before
PYTHON`, the labgen that this other Python has (say, of the commit before) does the same beside it, in turns; the last
column is the share of its time that this one takes. Replies come from the built-in rehearsal teacher; with `--calls N`,
from a mock teacher, about so many of them.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import yaml
from bench_engine import mock_teacher, timed, write_taxonomy

ROWS_PER_LEAF, CALLS_PER_LEAF = 1925, 4177
"""Of one leaf of the large build; 24 leaves make 100,256 calls."""

THRESHOLDS = {
    "duplicate_rouge_l": 0.65,
    "min_pair_score": 3,
    "min_supported_share": 0.9,
    "max_unsupported_figures": 1,
    "max_response_chars": 12000,
}
"""Each a row, moved by itself from its default."""


class Side:
    """One labgen with a folder of its own.

    Args:
        python: the Python whose labgen it is; keeps: whether that one keeps what was built.
    """

    def __init__(self, name: str, python: str, folder: Path, *, keeps: bool) -> None:
        self.name, self.python, self.folder, self.keeps = name, python, folder, keeps
        self.settings: dict = {}

    def write_settings(self, **changes: object) -> None:
        data = {**self.settings, **changes}
        (self.folder / "labgen.yaml").write_text(yaml.safe_dump(data))

    def run(self, *arguments: str, settings: dict | None = None) -> tuple[float, float, int]:
        """Wall seconds, processor seconds and peak MB of a command."""
        self.write_settings(**(settings or {}))
        command = [self.python, "-m", "labgen", *arguments]
        return timed(command, self.folder)[:3]

    def pay(self, *arguments: str, settings: dict | None = None) -> None:
        """Have every reply of a build in the ledger, and nothing else of it kept."""
        nothing_kept = {"outcomes": {"max_bytes": 0}} if self.keeps else {}
        self.run("generate", "--output", "paid", *arguments, settings={**(settings or {}), **nothing_kept})
        shutil.rmtree(self.folder / "paid", ignore_errors=True)

    def digest(self) -> str:
        """Of the dataset's rows. In a process of its own: what one takes counts as the peak of all that it starts."""
        command = [sys.executable, str(Path(__file__).resolve()), "--digest", str(self.folder / "dataset")]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def digest_of(dataset: Path) -> str:
    """Of the rows, config by config, however the files hold them; what else is there may differ by version."""
    found = hashlib.sha256()
    for path in sorted(dataset.rglob("*.parquet")):
        found.update(path.name.rpartition("-")[0].encode())
        for batch in pq.ParquetFile(path).iter_batches():
            found.update("".join(map(repr, batch.to_pylist())).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def edit_leaf(folder: Path, number: int) -> None:
    """Change one leaf's first question, in a way that every run of this script changes it."""
    files = sorted((folder / "taxonomy").rglob("qna.yaml"))
    file = files[len(files) // 2]
    data = yaml.safe_load(file.read_text())
    seed = data["seed_examples"][0]
    pair = seed["questions_and_answers"][0] if "questions_and_answers" in seed else seed
    pair["question"] = f"{pair['question']} (edition {number})"
    file.write_text(yaml.safe_dump(data, sort_keys=False, allow_unicode=True))


def compare(
    row: str, sides: list[Side], *arguments: str, settings: dict | None = None, times: int = 1, anew: bool = False
) -> None:
    """Run a command on every side in turns, and print what it took: the middle of several times.

    Args:
        anew: take the dataset away before each run, so that it has to be written.
    """
    measured: dict[str, list[tuple[float, float, int]]] = {side.name: [] for side in sides}
    for _ in range(times):
        for side in sides:
            if anew:
                shutil.rmtree(side.folder / "dataset", ignore_errors=True)
            measured[side.name].append(side.run(*arguments, settings=settings))
    walls = {name: statistics.median(each[0] for each in found) for name, found in measured.items()}
    for side in sides:
        found = measured[side.name]
        cpu, memory = statistics.median(each[1] for each in found), max(each[2] for each in found)
        share = f"{walls[side.name] / walls['before']:.2f}" if "before" in walls else ""
        print(f"| {row} | {side.name} | {walls[side.name]:.2f} | {cpu:.2f} | {memory} | {share} |", flush=True)
    if arguments[0] == "generate" and len({side.digest() for side in sides}) > 1:
        print(f"| {row} | THE ROWS DIFFER | | | | |")


def build(sides: list[Side], options: argparse.Namespace) -> None:
    """Pay for everything once, and let every side build it."""
    for side in sides:
        if options.calls:
            leaves = max(1, round(options.calls / CALLS_PER_LEAF))
            write_taxonomy(side.folder, leaves, samples=ROWS_PER_LEAF, uneven=False)
            side.settings = yaml.safe_load((side.folder / "labgen.yaml").read_text())
            with mock_teacher("--mean-sec", "0") as url:
                side.run("generate", "--base-url", url, "--model", "mock", "--concurrency", "64")
            side.settings |= {"teacher": {"base_url": "http://127.0.0.1:9/v1", "model": "mock"}}
        else:
            side.settings = {"samples": options.samples}
            if options.taxonomy:
                shutil.copytree(options.taxonomy, side.folder / "taxonomy")
            else:
                write_taxonomy(side.folder, 426, samples=options.samples, uneven=False)
                side.settings = yaml.safe_load((side.folder / "labgen.yaml").read_text())
            side.run("generate")


def main() -> None:
    if "--digest" in sys.argv:
        print(digest_of(Path(sys.argv[-1])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="PYTHON", help="another Python, whose labgen runs beside this one's")
    parser.add_argument("--before-keeps", action="store_true", help="that one keeps what was built, too")
    parser.add_argument("--taxonomy", type=Path, help="build this one instead of 426 leaves made for it")
    parser.add_argument("--samples", type=int, default=10, help="rows of a leaf")
    parser.add_argument("--calls", type=int, help="about so many calls, answered by a mock teacher")
    parser.add_argument("--times", type=int, default=3, help="runs of each row")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sides = [Side("now", sys.executable, Path(scratch) / "now", keeps=True)]
        if options.before:
            sides.insert(0, Side("before", options.before, Path(scratch) / "before", keeps=options.before_keeps))
        for side in sides:
            side.folder.mkdir()
        build(sides, options)
        print("| what changed | labgen | wall s | processor s | peak MB | share of before |")
        print("|---|---|---:|---:|---:|---:|")
        compare("nothing, dataset gone (generate)", sides, "generate", times=options.times, anew=True)
        compare("nothing (generate)", sides, "generate", times=options.times)
        compare("nothing (plan)", sides, "plan", times=options.times)
        if options.calls:
            return
        for number in range(options.times):
            for side in sides:
                edit_leaf(side.folder, number)
                side.pay()
            compare(f"one leaf, edition {number}", sides, "generate")
        for name, value in THRESHOLDS.items():
            moved = {"thresholds": {name: value}}
            for side in sides:
                side.pay(settings=moved)
            compare(f"{name}: {value}", sides, "generate", settings=moved)


if __name__ == "__main__":
    main()
