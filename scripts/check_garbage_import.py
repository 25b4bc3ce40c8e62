"""Imports a large file of garbage of each kind, and says how it ended: status, CPU seconds, peak memory, first words.

    python scripts/check_garbage_import.py --megabytes 1000

Ends with 1 where an import takes more than a minute of CPU time, more than 400 MB, or ends without a message.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from labgen.ledger.export_import import FORMAT, FORMAT_VERSION
from labgen.records import Call, Message

MOST_CPU_SEC, MOST_PEAK_MB = 60.0, 400
HEADER = json.dumps({"format": FORMAT, "version": FORMAT_VERSION}).encode() + b"\n"


def _paid_line() -> bytes:
    call = Call("m", (Message("user", "Hello"),), 9, 0.0, 0)
    texts = {
        "model": "m",
        "leaf": "a",
        "step": "s",
        "reply": "said",
        "finish_reason": "stop",
        "failure": "",
        "detail": "",
    }
    counts = {"prompt_tokens": 1, "completion_tokens": 1}
    return json.dumps(texts | counts | {"call": call.canonical, "key": call.key.hex()}).encode() + b"\n"


def _kinds() -> dict[str, Callable[[int], bytes]]:
    """By name, what makes a piece of a million bytes out of its number."""
    paid, dice = _paid_line(), random.Random(0)
    return {
        "short lines": lambda number: b"?\n" * 500_000,
        "one line without end": lambda number: bytes(1_000_000),
        "brackets without end": lambda number: b"[" * 1_000_000,
        "objects without end": lambda number: b"[]," * 333_333,
        "JSON that is no call": lambda number: b'{"a": 1}\n' * 111_111,
        "lines with a paid one now and then": lambda number: b"?\n" * 499_000 + paid,
        "noise": lambda number: dice.randbytes(1_000_000),
    }


def main() -> int:
    """Make the files one by one, import each, and print a line for each; the status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--megabytes", type=int, default=1000, help="Size of each file, unpacked. Default: %(default)s."
    )
    megabytes = parser.parse_args().megabytes
    bad = 0
    print(f"{'':<36}{'status':>7}{'CPU s':>8}{'peak MB':>9}  said")
    for name, piece in _kinds().items():
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "garbage.gz"
            with gzip.open(source, "wb", compresslevel=1) as file:
                file.write(HEADER)
                for number in range(megabytes):
                    file.write(piece(number))
            status, cpu_sec, peak_mb, said = _imported(source, Path(folder) / "work")
        good = cpu_sec <= MOST_CPU_SEC and peak_mb <= MOST_PEAK_MB and bool(said) and status in (0, 1)
        bad += not good
        print(
            f"{name:<36}{status:>7}{cpu_sec:>8.1f}{peak_mb:>9.0f}  {said[:150]}{'' if good else '  <- too much'}",
            flush=True,
        )
    return 1 if bad else 0


def _imported(source: Path, work: Path) -> tuple[int, float, float, str]:
    """Status, CPU seconds, peak memory in MB, and the last line that was said."""
    command = [sys.executable, "-m", "labgen", "ledger", "import", str(source), "--work", str(work)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        _, ended, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(ended)
        said.seek(0)
        lines = [line for line in said.read().splitlines() if "everything after" in line] or [""]
        said.seek(0)
        words = lines[0] or said.read().strip().rpartition("\n")[2]
    return process.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / _PER_MB, words


_PER_MB = 2**20 if sys.platform == "darwin" else 2**10

if __name__ == "__main__":
    sys.exit(main())
