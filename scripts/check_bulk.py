"""Kills a bulk run at random moments: `python scripts/check_bulk.py [--kills 50] [--samples 6] [--seed 0]`.

A batch server on loopback answers with the rehearsal teacher and counts what it answers. `labgen bulk run` is started
again and again, and killed with SIGKILL at a moment drawn at random over the time that a whole run takes, between and
inside upload, wait, fetch and read; the last one is left to its end. Then the dataset is held against that of a build
that asks call by call: the same bytes, and no call answered twice that could be read. Ends with status 1 where not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AFTER_ITS_START = 0.9
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from batch_server import BatchServer, Faults  # noqa: E402


def command(*options: str) -> list[str]:
    """A command of labgen on the bundled taxonomy."""
    return [
        sys.executable,
        "-m",
        "labgen",
        *options,
        "--taxonomy",
        str(ROOT / "taxonomy"),
        "--model",
        "labgen-rehearsal",
    ]


def digest(folder: Path) -> str:
    """One hash of all files of a dataset."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(
        b"".join(str(path.relative_to(folder)).encode() + path.read_bytes() for path in files)
    ).hexdigest()


def main() -> None:
    """Print how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--samples", default="6")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    dice = random.Random(chosen.seed)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LABGEN_", "OPENAI_"))}
    kills = Moments()
    with tempfile.TemporaryDirectory(prefix="labgen-bulk-") as name, BatchServer(Faults(in_progress_sec=0.2)) as server:
        folder = Path(name)
        (folder / "labgen.yaml").write_text(json.dumps({"bulk": {"poll_sec": 0.05}}))
        asked = ("--samples", chosen.samples, "--base-url", server.base_url)
        how = {"cwd": folder, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
        subprocess.run(command("generate", *asked, "--work", "online", "--output", "one-by-one"), check=True, **how)
        begun = time.monotonic()
        whole = command("bulk", "run", *asked, "--work", "whole", "--output", "in-one-go")
        subprocess.run(whole, check=True, **how)
        takes_sec = time.monotonic() - begun
        server.answered.clear()
        server.spoiled.clear()
        runs = 0
        while kills.total < chosen.kills:
            runs += 1
            run = subprocess.Popen(
                command("bulk", "run", *asked, "--work", f"work-{kills.builds}", "--output", f"out-{kills.builds}"),
                **how,
            )
            # Its start takes about as long as all else: the moment is drawn from what comes after.
            assert run.stderr is not None
            first = run.stderr.readline() if dice.random() < AFTER_ITS_START else ""
            try:
                _, err = run.communicate(timeout=dice.uniform(0.0, 0.3) * takes_sec)
            except subprocess.TimeoutExpired:
                run.kill()
                _, err = run.communicate()
                kills.note(first + err)
                continue
            kills.end(
                run.returncode, err, digest(folder / f"out-{kills.builds}") == digest(folder / "one-by-one"), server
            )
        last = command("bulk", "run", *asked, "--work", f"work-{kills.builds}", "--output", f"out-{kills.builds}")
        done = subprocess.run(last, check=False, **how)
        kills.end(
            done.returncode,
            done.stderr,
            digest(folder / f"out-{kills.builds}") == digest(folder / "one-by-one"),
            server,
        )
    print(
        f"a whole run takes {takes_sec:.1f} s; {kills.total} kills in {runs} runs, {kills.builds} builds to their ends"
    )
    for moment, count in sorted(kills.moments.items()):
        print(f"  killed after: {moment:<30} {count:>4}")
    print(f"the same bytes: {kills.same} of {kills.builds}; calls paid twice: {kills.twice}; other ends: {kills.bad}")
    sys.exit(kills.same != kills.builds or kills.twice or kills.bad)


class Moments:
    """What was killed when, and what became of the builds."""

    def __init__(self) -> None:
        self.moments: dict[str, int] = {}
        self.total = self.builds = self.same = self.twice = self.bad = 0

    def note(self, err: str) -> None:
        """A run was killed; `err`: what it had said."""
        lines = [line for line in err.splitlines() if line.strip()]
        last = lines[-1] if lines else "start"
        words = next((word for word in ("handed over", "in progress", "completed", "Round") if word in last), last[:30])
        self.moments[words] = self.moments.get(words, 0) + 1
        self.total += 1

    def end(self, status: int, err: str, same: bool, server: BatchServer) -> None:
        """A build came to its end."""
        self.builds += 1
        self.same += same
        self.twice += len(server.paid_twice())
        server.answered.clear()
        server.spoiled.clear()
        if status:
            self.bad += 1
            print(err[-800:], file=sys.stderr)


if __name__ == "__main__":
    main()
