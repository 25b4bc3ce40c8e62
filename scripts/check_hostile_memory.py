"""Builds against servers that answer without measure, and compares peak memory with that of a build that goes well.

    python scripts/check_hostile_memory.py

Ends with 1 where a build takes more than 1.5 times as much, ends by a signal, or shows a traceback. The peak is that of
the largest of a build's processes, as the system counts it.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests")]

from faulty_server import FaultyServer, make_taxonomy  # noqa: E402
from hostile_server import HostileServer, Pieces, answer, without_end  # noqa: E402

MOST_TIMES = 1.5
PER_MB = 2**20 if sys.platform == "darwin" else 2**10
SETTINGS = "teacher: {first_backoff_sec: 0.01, outage_sec: 3.0, concurrency: 16, timeout_sec: 20}\n"
STREAM = answer(kind="text/event-stream")
WORDS = b"many words " * 6_000


def _event(text: str) -> bytes:
    return b"data: " + json.dumps({"choices": [{"delta": {"content": text}}]}).encode() + b"\n\n"


def _bomb() -> Iterator[bytes]:
    yield answer(_PACKED, headers="Content-Encoding: gzip\r\n")


_PACKED = gzip.compress(b'{"choices": [{"message": {"content": "' + b"a" * 100_000_000, compresslevel=1)
_LONG = json.dumps({"choices": [{"message": {"content": "long " * 200_000}, "finish_reason": "stop"}]}).encode()

KINDS: dict[str, Pieces] = {
    "a text without end": without_end(answer(b'{"choices": [{"message": {"content": "'), WORDS),
    "brackets without end": without_end(answer(), b"[" * 65_536),
    "objects without end": without_end(answer(b'{"choices": ['), b"[]," * 20_000),
    "an event without end": without_end(STREAM + b"data: ", WORDS),
    "events without end": without_end(STREAM, _event("".join(map(str, range(10_000))))),
    "small events without end": without_end(STREAM, _event("a ") * 1_000),
    "a megabyte that is a reply": lambda: iter([answer(_LONG)]),
    "100 MB in a gzip of 400 kB": _bomb,
    "headers without end": without_end(b"HTTP/1.1 200 OK\r\n", b"X-Many: 1\r\n" * 5_000),
    "a refusal without end": without_end(answer(status="500 Oops", kind="text/plain"), WORDS),
}


@dataclass(frozen=True)
class Peak:
    """What a build took: status, peak memory in MB, and its last words."""

    status: int
    peak_mb: float
    said: str

    @property
    def explained(self) -> bool:
        """Whether it ended by itself, with words for a person."""
        return self.status in (0, 1, 2) and "Traceback" not in self.said


def good_build() -> Peak:
    """A build that goes well."""
    with FaultyServer() as server:
        return _build(server.base_url)


def hostile_build(pieces: Pieces) -> Peak:
    """A build whose every answer is of one kind."""
    with HostileServer(pieces) as server:
        return _build(server.base_url)


# A process counts as its own what its parent took when it began it: this one, which is small, begins the build.
_WATCH = """
import os, sys
process = os.posix_spawn(sys.executable, [sys.executable, "-m", "labgen", *sys.argv[2:]], os.environ)
_, ended, used = os.wait4(process, 0)
with open(sys.argv[1], "w") as file:
    print(os.waitstatus_to_exitcode(ended), used.ru_maxrss, file=file)
"""


def _build(base_url: str) -> Peak:
    with tempfile.TemporaryDirectory() as folder:
        make_taxonomy(Path(folder, "taxonomy"))
        Path(folder, "labgen.yaml").write_text(SETTINGS)
        command = [sys.executable, "-c", _WATCH, "used", "generate", "--samples", "10", "--base-url", base_url]
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("LABGEN_", "OPENAI_"))}
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=variables, check=True)
        status, used = map(int, Path(folder, "used").read_text().split())
        return Peak(status, used / PER_MB, done.stdout + done.stderr)


def main() -> int:
    """Run them all and print a line for each; the status."""
    good = good_build()
    print(f"{'a build that goes well':<32}{good.status:>3}{good.peak_mb:>8.0f} MB")
    bad = 0
    for name, pieces in KINDS.items():
        peak = hostile_build(pieces)
        times = peak.peak_mb / good.peak_mb
        fine = peak.explained and times <= MOST_TIMES
        bad += not fine
        last = next((line for line in peak.said.splitlines() if line.startswith("labgen:")), "")
        print(f"{name:<32}{peak.status:>3}{peak.peak_mb:>8.0f} MB{times:>6.2f}  {last[:150]}{'' if fine else '  <-'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
