"""Work that is shared out among processes comes out whole, whatever becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from labgen.errors import UsageError
from labgen.generate.workers import MOST_PROCESSES, Workers, spare_processes

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")


@contextmanager
def squares() -> Iterator[Callable[[int], tuple[int, int]]]:
    """An item's square, and who worked it out."""
    yield lambda item: (item * item, os.getpid())


@contextmanager
def mortal(parent: int) -> Iterator[Callable[[int], Any]]:
    """The same by workers that die on the way: of a signal, of an error, or of a result that can't travel."""

    def do(item: int) -> Any:
        if os.getpid() != parent:
            if item == 3:
                os.kill(os.getpid(), signal.SIGKILL)
            if item == 6:
                raise UsageError("no more")
            if item == 8:
                return lambda: item
        return item * item

    yield do


@contextmanager
def refused() -> Iterator[Callable[[int], int]]:
    """Work that can't be done."""

    def do(item: int) -> int:
        if item == 2:
            raise UsageError("two is too many")
        return item

    yield do


@linux
@pytest.mark.parametrize("processes", [0, 1, 3, 50])
def test_every_item_is_done_once_by_the_workers_there_are(processes: int) -> None:
    """Without any, by the parent; never more workers than items."""
    with Workers(squares, 20, processes=processes) as workers:
        found = dict(workers.results())
    assert {item: square for item, (square, _) in found.items()} == {item: item * item for item in range(20)}
    doers = {who for _, who in found.values()}
    assert len(doers) <= max(1, min(processes, 20))
    assert (os.getpid() in doers) == (processes == 0)


@linux
def test_what_a_worker_leaves_undone_the_parent_does() -> None:
    """Killed, ended by an error, or unable to hand over what it made: nothing is lost, nothing comes twice."""
    with Workers(partial(mortal, os.getpid()), 12, processes=4) as workers:
        found = list(workers.results())
    assert sorted(found) == [(item, item * item) for item in range(12)]


@linux
@pytest.mark.parametrize("granted", [0, 2])
def test_where_no_process_can_be_had_the_others_or_the_parent_do_it(
    monkeypatch: pytest.MonkeyPatch, granted: int
) -> None:
    """A limit on processes, or no memory for them: slower, nothing else."""
    forks, fork = [], os.fork

    def limited() -> int:
        if len(forks) >= granted:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        forks.append(1)
        return fork()

    monkeypatch.setattr(os, "fork", limited)
    with Workers(squares, 9, processes=4) as workers:
        doers = {who for _, (_, who) in workers.results()}
    assert len(forks) == granted and (os.getpid() in doers) == (granted == 0)


@linux
@pytest.mark.parametrize("processes", [0, 2])
def test_an_error_is_raised_where_it_can_be_told(processes: int) -> None:
    """As if there were no workers."""
    with Workers(refused, 5, processes=processes) as workers:
        assert workers.begin() == bool(processes)
        with pytest.raises(UsageError, match="two is too many"):
            list(workers.results())


@linux
def test_nothing_waits_for_a_slow_item() -> None:
    """Of the last ones each worker is given one at a time. Meanwhile the parent has its own work; what is done first
    comes first.
    """

    @contextmanager
    def slow() -> Iterator[Callable[[int], int]]:
        yield lambda item: time.sleep(0.5 * (item == 0)) or item

    turns = []
    with Workers(slow, 6, processes=2) as workers:
        found = [item for item, _ in workers.results(lambda: turns.append(1) or len(turns) < 3)]
    assert sorted(found) == list(range(6)) and found[-1] == 0
    assert len(turns) >= 3


@linux
def test_workers_know_nothing_of_what_is_opened_later(tmp_path: Path) -> None:
    """A lock that the parent takes is the parent's alone: killed, it leaves none behind."""

    @contextmanager
    def files() -> Iterator[Callable[[int], list[str]]]:
        yield lambda item: [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]

    with Workers(files, 2, processes=2) as workers, (tmp_path / "run.lock").open("w"):
        held = [name for _, names in workers.results() for name in names]
    assert held and not any("run.lock" in name for name in held)


@linux
@pytest.mark.parametrize("begun", [True, False])
def test_workers_end_with_their_parent(begun: bool) -> None:
    """Killed without a warning, before or after the word to begin."""
    script = (
        "import os, sys, time\n"
        "from contextlib import contextmanager\n"
        "from labgen.generate.workers import Workers\n"
        "@contextmanager\n"
        "def work():\n"
        "    yield lambda item: time.sleep(0.05)\n"
        "with Workers(work, 10_000, processes=2) as workers:\n"
        "    print(*(process.pid for process in workers._running.values()), flush=True)\n"
        f"    for done in workers.results() if {begun} else ():\n"
        "        pass\n"
        "    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(word) for word in process.stdout.readline().split()]
    assert len(pids) == 2 and all(alive(pid) for pid in pids)
    process.kill()
    process.wait()
    process.stdout.close()
    until = time.monotonic() + 20.0
    while any(alive(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in pids)


@linux
def test_a_daemon_has_no_workers() -> None:
    """A process of somebody's pool may not fork: it does the work itself."""
    script = (
        "from multiprocessing import get_context\n"
        "from labgen.generate.workers import spare_processes\n"
        "with get_context('fork').Pool(1) as pool:\n"
        "    print(pool.apply(spare_processes))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0\n"


def alive(pid: int) -> bool:
    """Whether a process runs (one that ended and was not asked after does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_there_are_no_more_workers_than_cores_and_none_on_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where another thread might hold a lock, or forking is not cheap."""
    monkeypatch.setattr("labgen.generate.workers.threading.active_count", lambda: 1)
    monkeypatch.setattr("labgen.generate.workers.sys.platform", "linux")
    for cores, workers in ((1, 0), (2, 2), (64, MOST_PROCESSES)):
        monkeypatch.setattr("labgen.generate.workers.os.sched_getaffinity", lambda _, n=cores: range(n), raising=False)
        assert spare_processes() == workers
    monkeypatch.setattr("labgen.generate.workers.threading.active_count", lambda: 2)
    assert spare_processes() == 0
    monkeypatch.setattr("labgen.generate.workers.threading.active_count", lambda: 1)
    monkeypatch.setattr("labgen.generate.workers.sys.platform", "darwin")
    assert spare_processes() == 0
