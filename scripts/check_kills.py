"""Kills at random over all that labgen does with what was paid for: `python scripts/check_kills.py [--kills 200]`.

Commands are started again and again, and killed with SIGKILL at a moment drawn at random over the time that a whole one
takes; what ends by itself is held against what an undisturbed one made, and another is begun. The teachers count what
they answer. Prints one table, a line for each activity: kills, commands, jobs that came to their ends, how many of
these gave the same bytes, calls answered twice, how many may have been (those in flight at each kill), and other ends.
Ends with status 1 where something is not as it should be. Linux only, where commands can be forked.

    --kills N            over all activities, an equal share each (200)
    --only NAME          this activity alone; repeatable
    --seed N             of the moments (0)
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/publish"), str(ROOT / "tests/ledger")]

from batch_server import BatchServer, Faults  # noqa: E402
from fault_points import KILLED, Ending, Stage  # noqa: E402
from faulty_builds import CONCURRENCY, rehearse  # noqa: E402
from faulty_teacher import FaultyTeacher  # noqa: E402
from local_hub import TOKEN, running_hub  # noqa: E402
from small_dataset import write_small_dataset  # noqa: E402
from workbench import TIDES, digest, freeform, grounded, knowledge, write_leaf  # noqa: E402

from labgen.ledger.database import LEDGER_NAME, PAGE_BYTES  # noqa: E402
from labgen.ledger.replies import Ledger  # noqa: E402
from labgen.ledger.verify import verify  # noqa: E402

COLUMNS = ("activity", "kills", "commands", "jobs", "same bytes", "twice", "at most", "other ends", "seconds")
MOST_COMMANDS = 40
"""Commands for each kill that is wanted, after which the moments are taken to be wrong."""


@dataclass
class Line:
    """A line of the table. `other`: ends with another status than expected, tracebacks, or what was not as promised."""

    kills: int = 0
    commands: int = 0
    jobs: int = 0
    same: int = 0
    twice: int = 0
    most_twice: int = 0
    other: int = 0


class Runner:
    """Runs one activity's commands on a stage, and kills some of them."""

    def __init__(self, folder: Path, wanted: int, dice: random.Random) -> None:
        self.folder, self.wanted, self.dice = folder, wanted, dice
        self.line = Line()
        self.whole_sec = 1.0

    def undisturbed(self, stage: Stage, folder: Path, arguments: Sequence[str], *, expected: int = 0) -> None:
        """Run a command to its end, and learn how long that takes."""
        stage.warm_up(Path(shutil.copytree(folder, folder.with_name("warm"))), arguments)
        begun = time.monotonic()
        ended = stage.run(folder, arguments, kill_after_sec=600.0)
        self.whole_sec = time.monotonic() - begun
        if ended.status != expected:
            raise SystemExit(f"undisturbed {arguments}: status {ended.status}\n{ended.err[-2000:]}")

    def run(
        self, stage: Stage, folder: Path, arguments: Sequence[str], *, good: Sequence[int] = (0,), spared: bool = False
    ) -> bool:
        """Run a command, with a kill at a random moment as long as any is wanted; whether it came to its end."""
        killing = self.line.kills < self.wanted and not spared
        limit_sec = self.dice.uniform(0.0, 1.1 * self.whole_sec) if killing else 600.0
        ended = stage.run(folder, arguments, kill_after_sec=limit_sec)
        self.note(ended, good)
        return ended.status != KILLED

    def note(self, ended: Ending, good: Sequence[int]) -> None:
        """Count a command."""
        self.line.commands += 1
        if ended.status == KILLED:
            self.line.kills += 1
        elif ended.status not in good or "Traceback" in ended.err:
            self.line.other += 1
            print(f"status {ended.status}: {ended.err[-1500:]}", file=sys.stderr)
        if self.line.commands > MOST_COMMANDS * (self.wanted + 1):
            raise SystemExit("commands end before they can be killed")

    def jobs(self) -> Iterator[Path]:
        """Folders for jobs, until all kills are done."""
        for number in itertools.count():
            if self.line.kills >= self.wanted and number:
                return
            yield self.folder / f"job-{number}"

    def end(self, same: bool) -> None:
        """A job came to its end."""
        self.line.jobs += 1
        self.line.same += same


Activity = Callable[[Runner], None]


def write_taxonomy(folder: Path) -> None:
    """Three leaves, one of each flow."""
    leaf = write_leaf(folder / "taxonomy", "knowledge/science/tides", **knowledge())
    (leaf.parent / "tides.md").write_text(TIDES)
    write_leaf(folder / "taxonomy", "foundational_skills/requests", **freeform())
    write_leaf(folder / "taxonomy", "compositional_skills/notes/tasks", **grounded())
    settings = {"teacher": {"concurrency": CONCURRENCY, "first_backoff_sec": 0.01}, "bulk": {"poll_sec": 0.05}}
    (folder / "labgen.yaml").write_text(json.dumps(settings | {"samples": 4}))


def asking(base_url: str, *verb: str) -> list[str]:
    """A command that asks a teacher."""
    return [*verb, "--base-url", base_url, "--model", "labgen-rehearsal"]


def build(runner: Runner, *, at_once: int = 1) -> None:
    """`labgen generate`, in one process or in several that share work folder and output: all but one are refused."""
    start = runner.folder / "start"
    write_taxonomy(start)
    with FaultyTeacher(rehearse, delay_sec=0.01) as teacher, several(at_once) as stages:
        arguments = asking(teacher.base_url, "generate")
        whole = Path(shutil.copytree(start, runner.folder / "whole"))
        for stage in stages:
            runner.undisturbed(stage, Path(shutil.copytree(start, whole, dirs_exist_ok=True)), arguments)
            shutil.rmtree(runner.folder / "warm")
        expected = digest(whole / "dataset")
        for job in runner.jobs():
            shutil.copytree(start, job)
            teacher.answered.clear()
            done = threading.Event()

            def go_on(stage: Stage, job: Path = job, done: threading.Event = done) -> None:
                # Status 1 besides: another run has the work folder, which is said.
                while not done.is_set():
                    if runner.run(stage, job, arguments, good=(0,) if at_once == 1 else (0, 1)):
                        if (job / "dataset").exists():
                            done.set()
                        time.sleep(0.05)

            threads = [threading.Thread(target=go_on, args=(stage,)) for stage in stages]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            runner.end(digest(job / "dataset") == expected)
            runner.line.twice += teacher.answered_twice
            shutil.rmtree(job)
        runner.line.most_twice = runner.line.kills * CONCURRENCY


def two_builds(runner: Runner) -> None:
    """Two builds in one work folder."""
    build(runner, at_once=2)


@contextmanager
def several(count: int) -> Iterator[list[Stage]]:
    """Stages for commands that run at once."""
    stages = [Stage() for _ in range(count)]
    for stage in stages:
        stage.__enter__()
    try:
        yield stages
    finally:
        for stage in stages:
            stage.__exit__()


def bulk_rounds(runner: Runner) -> None:
    """`labgen bulk run` with a batch API: nothing is answered twice, since the batches are found again."""
    start = runner.folder / "start"
    write_taxonomy(start)
    with BatchServer(Faults(in_progress_sec=0.1)) as server, Stage() as stage:
        arguments = asking(server.base_url, "bulk", "run")
        whole = Path(shutil.copytree(start, runner.folder / "whole"))
        runner.undisturbed(stage, whole, arguments)
        expected = digest(whole / "dataset")
        for job in runner.jobs():
            shutil.copytree(start, job)
            server.answered.clear()
            server.spoiled.clear()
            while not runner.run(stage, job, arguments):
                pass
            runner.end(digest(job / "dataset") == expected)
            runner.line.twice += len(server.paid_twice())


def export(runner: Runner) -> None:
    """`labgen export` over an earlier export: what lies there is the earlier one or the whole new one at any moment."""
    start = runner.folder / "start"
    write_taxonomy(start)
    arguments = ["export", "dataset", "--format", "alpaca", "--to", "exported"]
    with Stage() as stage:
        assert stage.run(start, ["generate"], kill_after_sec=600.0).status == 0
        assert stage.run(start, [*arguments, "--files", "jsonl"], kill_after_sec=600.0).status == 0
        earlier = digest(start / "exported")
        whole = Path(shutil.copytree(start, runner.folder / "whole"))
        runner.undisturbed(stage, whole, arguments)
        expected = digest(whole / "exported")
        for job in runner.jobs():
            shutil.copytree(start, job)
            while not runner.run(stage, job, arguments):
                here = digest(job / "exported") if (job / "exported").exists() else {}
                # Between its two renames there is none; the next run puts back what lies beside.
                runner.line.other += here not in ({}, earlier, expected)
            left = [path for path in job.iterdir() if path.name.startswith(".exported")]
            runner.end(digest(job / "exported") == expected and not left)


def push(runner: Runner) -> None:
    """`labgen push` to a Hub on loopback: one release in the end, whole, with its tag."""
    start = runner.folder / "start"
    start.mkdir()
    write_small_dataset(start / "dataset", rows=40)
    with running_hub() as hub:
        hub.server.handle_error = lambda *connection: None  # of clients that were killed
        variables = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
        with Stage(**variables) as stage:
            names = (f"owner/release-{number}" for number in itertools.count())

            def released(name: str) -> object:
                repo = hub.repos[name]
                return {path: blob.data for path, blob in repo.head.files.items()}, len(repo.commits), sorted(repo.tags)

            name = next(names)
            runner.undisturbed(stage, start, ["push", name])  # which warms up first, so this is all there already
            first = next(names)
            begun = time.monotonic()
            assert stage.run(start, ["push", first], kill_after_sec=600.0).status == 0
            runner.whole_sec = time.monotonic() - begun
            expected = released(first)
            for _ in runner.jobs():
                name = next(names)
                while not runner.run(stage, start, ["push", name]):
                    pass
                runner.end(released(name) == expected)


def ledger_care(runner: Runner) -> None:
    """Repair, import, prune and export of a ledger, each killed and then done again as it says."""
    start = runner.folder / "start"
    write_taxonomy(start)
    with Stage() as stage:
        assert stage.run(start, ["generate"], kill_after_sec=600.0).status == 0
        assert stage.run(start, ["ledger", "export", "paid.gz"], kill_after_sec=600.0).status == 0
        replies = keys_of(start)
        damaged = Path(shutil.copytree(start, runner.folder / "damaged"))
        with (damaged / ".labgen" / LEDGER_NAME).open("r+b") as file:
            file.seek(10 * PAGE_BYTES)
            file.write(b"\xa5" * PAGE_BYTES)
        assert verify(damaged / ".labgen").damaged or not verify(damaged / ".labgen").well
        repaired = Path(shutil.copytree(damaged, runner.folder / "whole"))
        runner.undisturbed(stage, repaired, ["ledger", "verify", "--repair"], expected=1)
        saved = keys_of(repaired)
        # Calls whose words lay on the damaged page stay without them, and are told.
        wordless = verify(repaired / ".labgen").calls_lost
        tasks = (
            (damaged, ["ledger", "verify", "--repair"], saved),
            (start, ["ledger", "import", "paid.gz", "--work", "other"], replies),
            (start, ["ledger", "prune", "--yes"], replies),
            (start, ["ledger", "export", "paid.gz"], replies),
        )
        for task, job in zip(itertools.cycle(tasks), runner.jobs(), strict=False):
            folder, arguments, expected = task
            shutil.copytree(folder, job)
            good = (0, 1) if folder is damaged else (0,)
            # Two kills each, so that every kind of care has its share.
            for tries in itertools.count():
                if runner.run(stage, job, arguments, good=good, spared=tries >= 2):
                    break
            work = "other" if "other" in arguments else ".labgen"
            health = verify(job / work)
            whole = health.calls_lost == wordless if folder is damaged else health.well
            same = keys_of(job, work) == expected and whole
            runner.end(same and (job / "paid.gz").read_bytes() == (start / "paid.gz").read_bytes())
            shutil.rmtree(job)


def keys_of(folder: Path, work: str = ".labgen") -> dict[bytes, bytes]:
    """All that a ledger holds, by key."""
    with closing(Ledger(folder / work, read_only=True)) as ledger:
        return dict(ledger.query("SELECT key, reply FROM replies"))


ACTIVITIES: dict[str, Activity] = {
    "build": build,
    "two builds": two_builds,
    "bulk rounds": bulk_rounds,
    "export": export,
    "push": push,
    "ledger care": ledger_care,
}


def main() -> int:
    """Kill; exit status 1 if something is lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", action="append", choices=list(ACTIVITIES))
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    names = chosen.only or list(ACTIVITIES)
    print_row(*COLUMNS)
    failures = 0
    for place, name in enumerate(names):
        wanted = chosen.kills * (place + 1) // len(names) - chosen.kills * place // len(names)
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="labgen-kills-") as folder:
            runner = Runner(Path(folder), wanted, random.Random(f"{chosen.seed} {name}"))
            ACTIVITIES[name](runner)
        line = runner.line
        failures += line.same != line.jobs or line.twice > line.most_twice or bool(line.other)
        print_row(
            name, line.kills, line.commands, line.jobs, line.same, line.twice, line.most_twice, line.other,
            round(time.monotonic() - begun, 1),
        )  # fmt: skip
    return 1 if failures else 0


def print_row(*cells: object) -> None:
    """One line of the table."""
    print(f"{cells[0]:<14}" + "".join(f"{cell!s:>12}" for cell in cells[1:]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
