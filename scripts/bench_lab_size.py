"""labgen at the size of LAB's own run, stage by stage: `python scripts/bench_lab_size.py [--leaves N] [--rows N]`.

A taxonomy is made, and a ledger with a reply to everything that its build asks (see `lab_teacher.py`), at thousands of
replies a second, since nothing travels. Then each stage runs as a process of its own. Its memory is that of its largest
process, and that of all its processes together as the system shares it out among them, looked at twice a second. Where
`--folder` is one of an earlier run of the same size, the ledger there is taken as it is, and all stages after it are
measured again; what the edited leaf asks is in it, then.

`--sizes 24 90 240` builds taxonomies of so many leaves instead, `--rows` / `--leaves` rows each, and says what a call
costs: asked, of what leaves came to, from the ledger in all processes that a build takes, and from the ledger in one,
part by part.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LAB_LEAVES, LAB_ROWS = 5_000, 1_200_000
LOOK_SEC = 0.5
MIB = 2**20
LEDGER = ".labgen/ledger.sqlite"
SIZE = "size.json"
"""What size of build a folder's ledger is for; there once it is whole."""
MADE = ("dataset", "dataset-messages", "report.html")
GENERATE = ("generate", "--progress", "none", "--json")
COLUMNS = ("stage", "wall s", "CPU s", "largest process MiB", "all processes MiB", "what came of it")


@dataclass(frozen=True)
class Stage:
    """What a process took: seconds, MiB, and its standard output."""

    wall_sec: float
    cpu_sec: float
    peak_mib: float
    together_mib: float
    said: str
    status: int


def run(command: list[str], cwd: Path, **environment: str) -> Stage:
    """Run a process to its end. Raises: SystemExit: its status was neither 0 nor 1."""
    unwanted = ("LABGEN_", "OPENAI_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env=kept | environment)
    highest, over = [0.0], threading.Event()
    looking = threading.Thread(target=_look, args=(process.pid, highest, over), daemon=True)
    looking.start()
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    wall_sec = time.monotonic() - began
    over.set()
    looking.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    cpu_sec, peak_mib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return Stage(wall_sec, cpu_sec, peak_mib, highest[0], said, process.returncode)


def _look(pid: int, highest: list[float], over: threading.Event) -> None:
    """Keep the most memory that a process and its descendants ever had, each page of several counted once."""
    while not over.wait(LOOK_SEC):
        highest[0] = max(highest[0], sum(_share_mib(each) for each in _with_descendants(pid)))


def _with_descendants(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from _with_descendants(int(child))


def _share_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def labgen(*arguments: str) -> list[str]:
    """The command line of this Python's labgen."""
    return [sys.executable, "-m", "labgen", *arguments]


def itself(*arguments: object) -> list[str]:
    """This script, as another process."""
    return [sys.executable, str(Path(__file__).resolve()), *map(str, arguments)]


def fill(folder: Path, rows: int) -> None:
    """Make the ledger; prints how many replies it holds then."""
    from lab_ledger import config_in, fill_ledger
    from lab_teacher import LabTeacher

    print(f"{fill_ledger(config_in(folder), LabTeacher(rows)):,} replies")


def build(folder: Path, rows: int) -> None:
    """What `labgen generate` does, and what the ledger lacks is answered at once; prints as that does with --json."""
    from lab_ledger import config_in
    from lab_teacher import LabTeacher

    from labgen.verbs.generate import build_dataset

    built = build_dataset(config_in(folder), backend=LabTeacher(rows))
    calls = {"answered": built.traffic.answered, "from_ledger": built.traffic.from_ledger}
    print(json.dumps({"funnel": built.funnel.to_json(), "calls": calls}))


def parts(folder: Path, rows: int) -> None:
    """A build from the ledger in a single process; prints the seconds that each of its parts took."""
    from lab_ledger import config_in
    from lab_parts import timed_parts
    from lab_teacher import LabTeacher

    from labgen.verbs.generate import build_dataset
    from labgen.verbs.session import Hooks

    one_process = Hooks(watch=lambda outcome: None)
    with timed_parts() as taken:
        build_dataset(config_in(folder), backend=LabTeacher(rows), hooks=one_process)
    print(json.dumps(taken))


STAGES = {"fill": fill, "build": build, "parts": parts}


def hub() -> None:
    """The tests' stand-in for the Hub; prints its address, and serves until its standard input ends."""
    sys.path.insert(0, str(ROOT / "tests"))
    from local_hub import running_hub

    with running_hub() as server:
        print(server.url, flush=True)
        sys.stdin.read()


@contextmanager
def local_hub() -> Iterator[dict[str, str]]:
    """A stand-in for the Hub in a process of its own; gives the environment in which it is taken for the real one."""
    sys.path.insert(0, str(ROOT / "tests"))
    from local_hub import TOKEN

    with subprocess.Popen(itself("--hub"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            yield {"HF_ENDPOINT": url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
        finally:
            process.stdin.close()


def stages(folder: Path, leaves: int, rows: int, hub_at: dict[str, str]) -> Iterator[tuple[str, Stage, str]]:
    """Every stage's name, what it took, and what came of it."""

    def build_said(said: str) -> str:
        built = json.loads(said)
        total, calls = built["funnel"]["total"], built["calls"]
        rows = f"{total['states']['accepted']:,} rows of {total['candidates']:,} candidates"
        return f"{rows}; {calls['answered']:,} calls asked, {calls['from_ledger']:,} from the ledger"

    if not (folder / SIZE).exists():
        done = run(itself("--fill", folder, rows), folder)
        (folder / SIZE).write_text(size_of(leaves, rows))
        yield "(making the ledger)", done, done.said.strip()
    done = run(itself("--build", folder, rows), folder)
    yield "build", done, build_said(done.said)
    # The command does not know of a build by a back end that Python brought, but of what its leaves came to.
    done = run(labgen(*GENERATE), folder)
    yield "build again, of what its leaves came to", done, build_said(done.said)
    done = run(labgen(*GENERATE), folder)
    yield "build again, nothing changed", done, build_said(done.said)
    shutil.copytree(folder / "dataset", folder / "before", copy_function=os.link)
    edit_leaf(folder)
    done = run(itself("--build", folder, rows), folder)
    yield f"build, one leaf of {leaves:,} edited", done, build_said(done.said)
    for name, command in {
        "plan": ("plan",),
        "check": ("check",),
        "report": ("report",),
        "compare": ("compare", "before", "dataset"),
        "export": ("export",),
        "push --dry-run": ("push", "me/lab", "--dry-run"),
        "push": ("push", "me/lab"),
        "push again": ("push", "me/lab"),
    }.items():
        done = run(labgen(*command), folder, **hub_at)
        lines = done.said.strip().splitlines() or [""]
        yield f"`labgen {name}`", done, f"ended with {done.status}: {lines[-1]}" if done.status else lines[-1]


def size_of(leaves: int, rows: int) -> str:
    """The content of `SIZE`."""
    return json.dumps({"leaves": leaves, "rows": rows})


def edit_leaf(folder: Path) -> None:
    """Change a seed example of one leaf in the middle."""
    found = sorted((folder / "taxonomy").glob("foundational_skills/*/*/qna.yaml"))
    path = found[len(found) // 2]
    path.write_text(path.read_text().replace("question: Write of", "question: Tell of", 1))


def print_row(*cells: object) -> None:
    """One line of the table."""
    told = (f"{cell:,.1f}" if isinstance(cell, float) else str(cell) for cell in cells)
    print(f"| {' | '.join(told)} |", flush=True)


def size_mib(path: Path) -> float:
    """What a file or folder takes, each file once however many names it has."""
    found = (each.lstat() for each in (path, *path.rglob("*")) if each.is_file())
    return sum({file.st_ino: file.st_blocks * 512 for file in found}.values()) / MIB


def bench(folder: Path, leaves: int, rows: int) -> None:
    """The table of all stages."""
    from lab_teacher import write_settings, write_taxonomy

    if any(folder.iterdir()):
        if not (folder / SIZE).exists() or (folder / SIZE).read_text() != size_of(leaves, rows):
            sys.exit(f"{folder} is neither empty nor of a run with --leaves {leaves} --rows {rows} that got so far.")
        forget_all_but_replies(folder)
    print(f"{leaves:,} leaves, {rows:,} rows wanted, {len(os.sched_getaffinity(0))} cores\n")
    write_taxonomy(folder, leaves)
    write_settings(folder, rows // leaves)
    print_row(*COLUMNS)
    print_row("---", *["---:"] * 4, "---")
    with local_hub() as hub_at:
        for name, done, came in stages(folder, leaves, rows, hub_at):
            print_row(name, done.wall_sec, done.cpu_sec, done.peak_mib, done.together_mib, came.replace("|", "/"))
    print("\n| on disk | MiB |\n| --- | ---: |")
    for name in ("taxonomy", ".labgen", LEDGER, *MADE):
        print_row(f"`{name}`", size_mib(folder / name))


def forget_all_but_replies(folder: Path) -> None:
    """Leave of a build nothing but its ledger."""
    for path in (*(folder / ".labgen").iterdir(), folder / "before", *(folder / name for name in MADE)):
        if path.is_dir():
            shutil.rmtree(path)
        elif not path.name.startswith("ledger.sqlite"):
            path.unlink(missing_ok=True)


def bench_sizes(folder: Path, sizes: list[int], rows_per_leaf: int) -> None:
    """What a call costs at several sizes: a column for each."""
    from lab_teacher import write_settings, write_taxonomy

    columns = []
    for leaves in sizes:
        root, rows = folder / f"{leaves}-leaves", leaves * rows_per_leaf
        write_taxonomy(root, leaves)
        write_settings(root, rows_per_leaf)
        asked = run(itself("--build", root, rows), root)
        kept = run(labgen(*GENERATE), root)
        forget_all_but_replies(root)
        replayed = run(itself("--build", root, rows), root)
        forget_all_but_replies(root)
        single = run(itself("--parts", root, rows), root)
        calls = sum(json.loads(asked.said)["calls"].values())
        each = 1000 / calls
        told = {"calls": calls, "asked, ms": asked.cpu_sec * each, "asked, MiB": asked.peak_mib}
        told |= {"of outcomes, ms": kept.cpu_sec * each, "of outcomes, MiB": kept.peak_mib}
        told |= {"from the ledger, ms": replayed.cpu_sec * each}
        told |= {"from the ledger, all processes, MiB": replayed.together_mib}
        told |= {"in one process, ms": single.cpu_sec * each}
        columns.append(told | {f"of that {part}": sec * each for part, sec in json.loads(single.said).items()})
    print_row("", *(f"{leaves:,} leaves" for leaves in sizes))
    print_row("---", *["---:"] * len(sizes))
    for name in columns[0]:
        form = ",.0f" if name == "calls" or name.endswith("MiB") else ",.3f"
        print_row(name, *(format(column[name], form) for column in columns))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--leaves", type=int, default=LAB_LEAVES)
    parser.add_argument("--rows", type=int, default=LAB_ROWS, help="accepted rows, of all leaves together")
    parser.add_argument(
        "--folder", type=Path, help="left as it is at the end: an empty one, or of an earlier run of this size"
    )
    parser.add_argument("--sizes", type=int, nargs="+", metavar="LEAVES", help="cost of a call at each size")
    for stage in STAGES:
        parser.add_argument(f"--{stage}", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--hub", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.hub:
        return hub()
    for stage, work in STAGES.items():
        if given := getattr(options, stage):
            return work(Path(given[0]), int(given[1]))
    with tempfile.TemporaryDirectory(prefix="labgen-bench-") as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if options.sizes:
            bench_sizes(folder, options.sizes, options.rows // options.leaves)
        else:
            bench(folder, options.leaves, options.rows)
    return None


if __name__ == "__main__":
    main()
