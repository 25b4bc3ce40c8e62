"""Rounds and surplus of a build in bulk: `python scripts/bench_bulk_rounds.py [--taxonomy FOLDER] [--samples N]`.

Builds a taxonomy call by call and in rounds, both with the rehearsal teacher, which `labgen doctor` has looked at
before, so that there is no round to try it out. Prints the calls of each round and their share, how many calls more
that takes, what both cost at the prices of `--prompt-per-million` and `--completion-per-million`, half of them in bulk,
and whether the bytes are the same. Ends with status 1 where they are not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from engine_servers import Machine, environment

ROOT = Path(__file__).resolve().parent.parent
SHARE = 0.98


def digest(folder: Path) -> str:
    """One hash of all files of a dataset."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


def labgen(folder: Path, *arguments: str) -> Any:
    """Run a command; gives what it says as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "labgen", *arguments, "--json"],
        cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False,
    )  # fmt: skip
    return json.loads(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--taxonomy", type=Path, default=ROOT / "taxonomy")
    parser.add_argument("--samples", default="30")
    parser.add_argument("--prompt-per-million", type=float, default=0.5)
    parser.add_argument("--completion-per-million", type=float, default=1.5)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="labgen-rounds-") as name:
        folder = Path(name)
        (folder / "labgen.yaml").write_text("teacher: {model: labgen-rehearsal}\nbulk: {poll_sec: 0.2}\n")
        with Machine(folder, slots=1, context=4096, threads=1).rehearsal() as server:
            address = ("--base-url", f"{server.address}/v1")
            what = ("--taxonomy", str(chosen.taxonomy.resolve()), "--samples", chosen.samples, *address)
            begun_sec = time.monotonic()
            online = labgen(folder, "generate", *what, "--work", "online", "--output", "one-by-one")["calls"]
            online_sec = time.monotonic() - begun_sec
            labgen(folder, "doctor", *address, "--work", "bulk")
            begun_sec = time.monotonic()
            said = labgen(folder, "bulk", "run", *what, "--work", "bulk", "--output", "in-rounds")["bulk"]
            bulk_sec = time.monotonic() - begun_sec
        same = digest(folder / "one-by-one") == digest(folder / "in-rounds")
    rounds = [each["calls"] for each in said["rounds"]]
    total, so_far, reached = sum(rounds), 0, 0
    print("| round | calls | in all |\n|---:|---:|---:|")
    for number, calls in enumerate(rounds, start=1):
        so_far += calls
        reached = reached or (number if so_far >= SHARE * total else 0)
        print(f"| {number} | {calls:,} | {so_far / total:.1%} |")
    tokens = [sum(each[kind] for each in said["rounds"]) for kind in ("prompt_tokens", "completion_tokens")]
    prices = (chosen.prompt_per_million / 1e6, chosen.completion_per_million / 1e6)
    bulk_cost = 0.5 * sum(count * price for count, price in zip(tokens, prices, strict=True))
    online_cost = online["prompt_tokens"] * prices[0] + online["completion_tokens"] * prices[1]
    needed = online["answered"] - online["ahead"]
    print(f"{SHARE:.0%} of the calls in {reached} rounds, all in {len(rounds)}")
    print(f"one by one: {online['answered']:,} calls ({needed:,} needed), {online_cost:.2f}, {online_sec:.0f} s")
    print(f"in rounds: {total:,} calls ({total / needed - 1:+.1%} of those needed), {bulk_cost:.2f}, {bulk_sec:.0f} s")
    print("the same bytes" if same else "OTHER BYTES")
    sys.exit(not same)


if __name__ == "__main__":
    main()
