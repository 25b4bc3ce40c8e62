"""labgen beside a bare `openai` client doing the same calls: `python scripts/bench_engine.py [--quick]`.

With `--before PYTHON`, the labgen that this other Python has (say, of the commit before) runs beside it, row by row.
Every row of the table starts fresh mock teachers. labgen runs first, as a whole process, start-up included; then its
calls are read from its ledger and sent by a bare client behind a semaphore, also as a process of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

SCRIPTS = Path(__file__).resolve().parent
SEEDS = 5


def write_taxonomy(root: Path, leaves: int, *, samples: int, uneven: bool) -> None:
    """Leaves of all three flows, and a labgen.yaml with how many rows of each."""
    sys.path.insert(0, str(SCRIPTS))
    import random

    import yaml
    from mock_teacher import words

    dice, settings = random.Random(0), []
    for number in range(leaves):
        kind = ("foundational_skills", "compositional_skills", "knowledge")[number % 3]
        folder = root / "taxonomy" / kind / f"leaf_{number:04d}"
        folder.mkdir(parents=True)
        document = "\n\n".join(
            " ".join(f"The {words(dice, 9)} {dice.randint(1, 99)}." for _ in range(12)) for _ in range(8)
        )
        leaf = {"version": 3, "created_by": "bench"}
        if kind == "knowledge":
            (folder / "text.md").write_text(document)
            context = document.split("\n\n", 1)[0]
            pairs = [{"question": f"What of {words(dice, 5)}?", "answer": words(dice, 9)} for _ in range(3)]
            leaf |= {"domain": words(dice, 2), "document_outline": words(dice, 6)}
            leaf["seed_examples"] = [
                {"context": f"{context} {words(dice, 3)}.", "questions_and_answers": pairs} for _ in range(SEEDS)
            ]
            leaf["document"] = {"repo": ".", "commit": "0" * 40, "patterns": ["*.md"]}
        else:
            seeds = [{"question": f"Write of {words(dice, 8)}.", "answer": words(dice, 40)} for _ in range(SEEDS)]
            if kind == "compositional_skills":
                seeds = [{"context": words(dice, 60), **seed} for seed in seeds]
            leaf |= {"task_description": words(dice, 12), "seed_examples": seeds}
        (folder / "qna.yaml").write_text(yaml.safe_dump(leaf, sort_keys=False))
        share = 4.0 if uneven and number % 7 == 0 else 0.5 if uneven else 1.0
        settings.append({"match": f"{kind}/leaf_{number:04d}", "samples": max(1, round(samples * share))})
    # The mock judge always says yes, which is what calibration is there to stop.
    (root / "labgen.yaml").write_text(yaml.safe_dump({"leaves": settings, "calibration": {"enabled": False}}))


def copy_bundled_taxonomy(root: Path, *, samples: int) -> None:
    """The taxonomy that labgen comes with, and a labgen.yaml with how many rows of each leaf."""
    shutil.copytree(SCRIPTS.parent / "taxonomy", root / "taxonomy")
    (root / "labgen.yaml").write_text(f"samples: {samples}\ncalibration: {{enabled: false}}\n")


@contextmanager
def mock_teacher(*options: str):
    """A fresh mock teacher process; gives its base URL."""
    command = [sys.executable, str(SCRIPTS / "mock_teacher.py"), *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=10)


@contextmanager
def mock_teachers(count: int, *options: str):
    """So many of them; gives their base URLs."""
    with ExitStack() as stack:
        yield [stack.enter_context(mock_teacher(*options)) for _ in range(count)]


def stats(urls: list[str]) -> dict[str, float]:
    """What mock teachers measured, all together: sums of counts and places, means of shares."""
    found = []
    for url in urls:
        with urlopen(f"{url}/mock/stats") as response:
            found.append(json.load(response))
    shares = ("utilisation", "prefix_share", "ideal_sec")
    return {name: sum(each[name] for each in found) / (len(found) if name in shares else 1) for name in found[0]}


def timed(command: list[str], cwd: Path) -> tuple[float, float, int, str]:
    """Run a process; wall seconds, CPU seconds, peak memory in MB, standard output."""
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env=environment())
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.monotonic() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024, out


def environment() -> dict[str, str]:
    """The environment without what would configure labgen, or keep Python from using compiled modules."""
    unwanted = ("LABGEN_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}


WHO = {"labgen": sys.executable}
"""Name in the table to the Python whose labgen it is."""


def run_labgen(python: str, root: Path, urls: list[str], slots: int) -> tuple[float, float, int, dict]:
    """`labgen generate` as a user runs it; `slots` at each address."""
    import yaml

    settings = yaml.safe_load((root / "labgen.yaml").read_text())
    endpoints = [{"base_url": url} for url in urls]
    settings["teacher"] = {"model": "mock", "concurrency": slots, "endpoints": endpoints}
    (root / "labgen.yaml").write_text(yaml.safe_dump(settings))
    wall, cpu, memory, out = timed([python, "-m", "labgen", "generate", "--json"], root)
    return wall, cpu, memory, json.loads(out)


def run_bare(root: Path, urls: list[str], slots: int) -> tuple[float, float, int]:
    """The same calls, sent by a bare client."""
    command = [sys.executable, str(Path(__file__).resolve()), "--bare", str(root), str(slots), *urls]
    return timed(command, root)[:3]


def bare(root: str, slots: int, urls: list[str]) -> None:
    """A bare client: read the calls from labgen's ledger, send them all behind a semaphore, to each address in turn."""
    import sqlite3

    from openai import AsyncOpenAI

    from labgen.ledger.call_dictionaries import CallDictionaries

    database = sqlite3.connect(f"{root}/.labgen/ledger.sqlite")
    unpack = CallDictionaries(database).unpack
    calls = [json.loads(unpack(row[0])) for row in database.execute("SELECT call FROM replies ORDER BY rowid")]

    async def send_all() -> None:
        clients = [AsyncOpenAI(base_url=url, api_key="none", max_retries=0, timeout=600.0) for url in urls]
        places = asyncio.Semaphore(slots * len(urls))

        async def send(number: int, call: dict) -> None:
            client = clients[number % len(clients)]
            async with places:
                await client.chat.completions.create(
                    model=call["model"],
                    messages=[{"role": role, "content": content} for role, content in call["messages"]],
                    max_tokens=call["max_tokens"],
                    temperature=call["temperature"],
                    top_p=call["top_p"],
                    seed=call["seed"],
                )

        await asyncio.gather(*(send(number, call) for number, call in enumerate(calls)))

    asyncio.run(send_all())


def print_row(*cells: object) -> None:
    """One line of the table."""
    print("".join(f"{cell:>12.2f}" if isinstance(cell, float) else f"{cell!s:>12}" for cell in cells), flush=True)


def forget(root: Path) -> None:
    """Take away what an earlier run has left."""
    for folder in (".labgen", "dataset"):
        shutil.rmtree(root / folder, ignore_errors=True)


def bench_speed(
    slots: int,
    samples: int,
    *,
    leaves: int = 24,
    uneven: bool = False,
    bundled: bool = False,
    faults: float = 0.0,
    endpoints: int = 1,
    slower: float = 1.0,
) -> None:
    """Efficiency: the ideal time of the calls over the wall time of the whole process.

    Args:
        slots: places of each endpoint; slower: so many times as long takes every reply.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        if bundled:
            copy_bundled_taxonomy(root, samples=samples)
        else:
            write_taxonomy(root, leaves, samples=samples, uneven=uneven)
        options = ["--slots", str(slots), "--prefix-cache", "--faults", str(faults), "--mean-sec", str(0.48 * slower)]
        places = f"{endpoints}x{slots}" if endpoints > 1 else slots
        kind = f"{places}{' uneven' if uneven else ''}{' bundled' if bundled else ''}{' faults' if faults else ''}"
        for who, python in WHO.items():
            forget(root)
            with mock_teachers(endpoints, *options) as urls:
                wall, cpu, memory, result = run_labgen(python, root, urls, slots)
                measured = stats(urls)
            calls = result["calls"]
            print_row(
                who, kind, calls["answered"], measured["ideal_sec"], wall, measured["ideal_sec"] / wall,
                measured["utilisation"], 1000 * cpu / calls["answered"], calls["answered"] / wall, memory,
                measured["prefix_share"], calls["ahead"],
            )  # fmt: skip
        if faults:
            return
        with mock_teachers(endpoints, *options) as urls:
            wall, cpu, memory = run_bare(root, urls, slots)
            measured = stats(urls)
        print_row(
            "bare", kind, measured["answered"], measured["ideal_sec"], wall, measured["ideal_sec"] / wall,
            measured["utilisation"], 1000 * cpu / measured["answered"], measured["answered"] / wall, memory,
            measured["prefix_share"], "-",
        )  # fmt: skip


def bench_cpu(samples: int, leaves: int, slots: int = 64) -> None:
    """Calls a second, CPU per call and memory against a teacher that takes no time; then from the ledger alone."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_taxonomy(root, leaves, samples=samples, uneven=False)

        def row(who: str, kind: str, calls: int, wall: float, cpu: float, memory: int) -> None:
            print_row(
                who, f"{slots} {kind}", calls, "-", wall, "-", "-", 1000 * cpu / calls, calls / wall, memory, "-", "-"
            )

        for who, python in WHO.items():
            forget(root)
            with mock_teachers(1, "--mean-sec", "0") as urls:
                wall, cpu, memory, result = run_labgen(python, root, urls, slots)
                answered = result["calls"]["answered"]
                row(who, "at once", answered, wall, cpu, memory)
                wall, cpu, memory, result = run_labgen(python, root, urls, slots)
                row(who, "replay", result["calls"]["from_ledger"], wall, cpu, memory)
        with mock_teachers(1, "--mean-sec", "0") as urls:
            wall, cpu, memory = run_bare(root, urls, slots)
            row("bare", "at once", answered, wall, cpu, memory)


def main() -> None:
    """Print the table."""
    if "--bare" in sys.argv:
        root, slots, *urls = sys.argv[2:]
        return bare(root, int(slots), urls)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="PYTHON", help="another Python, whose labgen runs beside this one's")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument(
        "--only",
        choices=("speed", "cpu", "faults", "large", "cluster", "64", "256", "1024", "bundled"),
        help="one part of the table",
    )
    arguments = parser.parse_args()
    if arguments.before:
        WHO["before"] = arguments.before
    scale = 0.1 if arguments.quick else 1.0
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print_row(
        "who", "slots", "calls", "ideal s", "wall s", "efficiency", "utilised", "ms CPU/call", "calls/s", "peak MB",
        "prefix", "ahead",
    )  # fmt: skip
    if arguments.only in (None, "speed", "64"):
        bench_speed(64, round(88 * scale))
    if arguments.only in (None, "speed"):
        bench_speed(64, round(88 * scale), uneven=True)
        bench_speed(8, round(11 * scale) or 1)
    if arguments.only in (None, "speed", "256"):
        bench_speed(256, round(360 * scale))
    if arguments.only in (None, "speed", "1024"):
        # Places that take four times as long: at 0.4 s a reply so many would ask for 2,400 calls a second.
        bench_speed(256, round(360 * scale), endpoints=4, slower=4.0)
    if arguments.only in (None, "speed", "bundled"):
        bench_speed(8, round(30 * scale), bundled=True)
    if arguments.only in (None, "faults"):
        bench_speed(64, round(88 * scale), faults=0.05)
    if arguments.only in (None, "cpu"):
        bench_cpu(round(60 * scale), 24)
    if arguments.only == "cluster":
        for slots in (64, 256):  # some 30 s each
            bench_cpu(round(480 * scale), 24, slots)
    if arguments.only == "large":
        bench_cpu(round(1925 * scale), 24)
    return None


if __name__ == "__main__":
    main()
