"""How soon commands begin and end: `python scripts/bench_start.py [--before PYTHON] [--times 11]`.

On the bundled taxonomy, built before: `generate` with nothing to do, `plan` and `show`, each as a process of its own;
then how long it is from a command's start until its first call reaches an endpoint, of `generate` in a new folder and
of a bare `openai` client. With `--before PYTHON` the labgen that this other Python has runs beside it. All go by turns.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench_engine import copy_bundled_taxonomy, environment, print_row, timed

WAIT_SEC = 30.0
BARE = """
import asyncio
from openai import AsyncOpenAI
client = AsyncOpenAI(base_url={url!r}, api_key="none", max_retries=0)
asyncio.run(client.chat.completions.create(model="mock", messages=[{{"role": "user", "content": "x"}}]))
"""
IMPORT = 'from openai import AsyncOpenAI; AsyncOpenAI(api_key="none")'


def whole(command: list[str], folder: Path) -> float:
    """Seconds that a command takes."""
    return timed(command, folder)[0]


def first_call(command: Callable[[str], list[str]], folder: Path) -> float:
    """Seconds from a command's start until its first POST; what it asks for before, no server here has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_SEC)
        arguments = command(f"http://127.0.0.1:{server.getsockname()[1]}/v1")
        begun = time.perf_counter()
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(arguments, cwd=folder, env=environment(), **quiet)
        try:
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(WAIT_SEC)
                    if connection.recv(2**16).startswith(b"POST"):
                        return time.perf_counter() - begun
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        finally:
            process.kill()
            process.wait()


def in_a_new_folder(command: Callable[[str], list[str]]) -> float:
    """`first_call` where nothing was built."""
    with tempfile.TemporaryDirectory() as folder:
        copy_bundled_taxonomy(Path(folder), samples=30)
        return first_call(command, Path(folder))


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="PYTHON", help="another Python, whose labgen runs beside this one's")
    parser.add_argument("--times", type=int, default=11, help="rounds (default: 11)")
    options = parser.parse_args()
    pythons = {"labgen": sys.executable} | ({"before": options.before} if options.before else {})
    rows: dict[tuple[str, str], Callable[[], float]] = {}
    with tempfile.TemporaryDirectory() as root:
        for who, python in pythons.items():
            folder = Path(root) / who
            folder.mkdir()
            copy_bundled_taxonomy(folder, samples=30)
            timed([python, "-m", "labgen", "generate"], folder)
            for verb in ("generate", "plan", "show"):
                rows[verb, who] = partial(whole, [python, "-m", "labgen", verb], folder)
            started = lambda url, python=python: [  # noqa: E731 (one expression)
                *(python, "-m", "labgen", "generate", "--base-url", url, "--model", "mock")
            ]
            rows["first call", who] = partial(in_a_new_folder, started)
        rows["import openai", "bare"] = partial(whole, [sys.executable, "-c", IMPORT], Path(root))
        rows["first call", "bare"] = partial(
            first_call, lambda url: [sys.executable, "-c", BARE.format(url=url)], Path(root)
        )
        found: dict[tuple[str, str], list[float]] = {row: [] for row in rows}
        for _ in range(options.times):
            for row, measure in rows.items():
                found[row].append(measure())
    print_row("what", "who", "median s", "fastest s")
    for (what, who), taken in sorted(found.items()):
        print_row(what, who, f"{statistics.median(taken):.2f}", f"{min(taken):.2f}")


if __name__ == "__main__":
    main()
