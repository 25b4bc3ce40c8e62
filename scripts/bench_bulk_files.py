"""A round of a million calls, written, answered and read back: `python scripts/bench_bulk_files.py [--calls 1000000]`.

Makes a taxonomy of leaves without documents with enough samples that its first round has so many calls, writes that
round, has a stand-in answer every line, and reads the replies. Prints for each stage the time, the time for a call, and
the most memory that a process of labgen took. `--calls` is reached as closely as whole leaves allow.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CALLS_A_LEAF = 2000
"""Draws of a leaf: some 5,600 rows at the yield that is reckoned with."""
TASKS = ("Write a note to a neighbour.", "Name things found in a harbour.", "Explain a rule of a board game.")


def leaf(number: int) -> str:
    """A leaf's YAML."""
    pairs = [
        {
            "question": f"{TASKS[k]} Keep to variant {number}.{k}.",
            "answer": f"Answer {k} of leaf {number}, in a sentence.",
        }
        for k in range(3)
    ]
    seeds = [{"question": pair["question"], "answer": pair["answer"]} for pair in pairs]
    return json.dumps(
        {"version": 3, "created_by": "bench", "task_description": TASKS[number % 3], "seed_examples": seeds}
    )


def reply(line: bytes, number: int) -> bytes:
    """A line of replies: a draw of four instructions."""
    custom_id = line[14:78].decode()
    text = "".join(
        f"<instruction>\nDescribe item {number} of kind {k} for somebody new.\n</instruction>\n" for k in range(4)
    )
    body = {
        "id": "r",
        "model": "bench",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 120},
    }
    return (
        json.dumps({"custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None}).encode()
        + b"\n"
    )


def stage(name: str, command: list[str], folder: Path, calls: int | None = None) -> dict[str, object]:
    """Run a command as a whole process, and print what it took."""
    begun = time.monotonic()
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    seconds = time.monotonic() - begun
    said = json.loads(done.stdout) if done.stdout.startswith("{") else {}
    count = calls or said.get("calls") or said.get("total", {}).get("lines") or 1
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{name:<24} {seconds:>8.1f} s {seconds / count * 1e3:>8.3f} ms a call, {used.ru_maxrss / 1024:.0f} MiB most "
        "in a process",
        flush=True,
    )
    return said


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--replay", action="store_true", help="also replay the replies, and write the next round")
    chosen = parser.parse_args()
    leaves = max(1, round(chosen.calls / CALLS_A_LEAF))
    labgen = [sys.executable, "-m", "labgen"]
    with tempfile.TemporaryDirectory(prefix="labgen-bulk-files-") as name:
        folder = Path(name)
        for number in range(leaves):
            path = folder / "taxonomy" / "foundational_skills" / f"part_{number // 100}" / f"leaf_{number}" / "qna.yaml"
            path.parent.mkdir(parents=True)
            path.write_text(leaf(number))
        # Four instructions a draw at a yield of 0.7.
        rows = int(CALLS_A_LEAF * 4 * 0.7)
        (folder / "labgen.yaml").write_text(
            json.dumps(
                {
                    "samples": rows,
                    "teacher": {"model": "bench", "backend": {"kind": "bulk"}},
                    "bulk": {"max_lines": 50_000, "max_bytes": 200_000_000, "probe_lines": 10**9},
                    "calibration": {"enabled": False},
                }
            )
        )
        said = stage("written", [*labgen, "bulk", "write", "round", "--json"], folder)
        files = [folder / file["path"] for file in said["files"]]  # type: ignore[attr-defined, index]
        calls = int(said["calls"])  # type: ignore[call-overload]
        sizes = [path.stat().st_size for path in files]
        largest = f"the largest of {max(sizes) / 1e6:.0f} MB"
        print(f"{calls:,} calls in {len(files)} files, {largest}, {sum(sizes) / 1e9:.2f} GB in all", flush=True)
        for path in files:
            with path.open("rb") as lines, path.with_suffix(".out").open("wb") as out:
                for number, line in enumerate(lines):
                    out.write(reply(line, number))
            path.unlink()
            path.with_suffix(".out").rename(path)
        stage("read back", [*labgen, "bulk", "read", "round", "--json"], folder)
        ledger = folder / ".labgen" / "ledger.sqlite"
        print(f"the ledger has {ledger.stat().st_size / 1e9:.2f} GB")
        shutil.rmtree(folder / "round")
        if chosen.replay:
            plan = [*labgen, "plan", "--json"]
            stage("replayed by `plan`", plan, folder, calls)
            stage("the next round written", [*labgen, "bulk", "write", "next", "--json"], folder, calls)


if __name__ == "__main__":
    main()
