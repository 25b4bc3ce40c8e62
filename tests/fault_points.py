"""Every place where a command meets the disk, by number, and one of them that fails or at which the process is killed.

Nothing of labgen is changed for it. A `Stage` is a process that has loaded labgen and forks itself for each command; in
the fork, what Python does with files, folders and databases goes through here first. What pyarrow writes and reads
counts by its calls, what SQLite does by its statements: what happens within one of these is theirs to keep whole
(`scripts/check_kills.py`, which kills at random, meets it there, too).
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import gc
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

Kind = Literal["fail", "stay failed", "kill", "no memory"]
"""What happens at a point: the operation fails, it and all others of its kind fail from then on (as on a disk that
stays full), the process is killed before it (in the middle of it, where it writes), or it finds no memory."""

OWN_STATUS = 99
"""Exit status of a command that ended with a traceback."""
KILLED = -int(signal.SIGKILL)
ROOT = Path(__file__).resolve().parent.parent

ERRORS = {
    "open": errno.EMFILE,
    "create": errno.ENOSPC,
    "read": errno.EIO,
    "write": errno.ENOSPC,
    "rename": errno.EACCES,
    "remove": errno.EACCES,
    "make": errno.ENOSPC,
    "list": errno.EMFILE,
    "sync": errno.EIO,
    "allocate": errno.ENOSPC,
}
"""How each operation fails; statements on a database fail as SQLite says it."""
FULL = ("create", "write", "make", "allocate", "statement")
"""What fails together where the disk stays full."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A place of a command: what is done, to which file, by which function of labgen, and the how-manieth time."""

    operation: str
    path: str
    where: str
    turn: int

    def __str__(self) -> str:
        return f"{self.operation} {self.path or '.'} in {self.where} ({self.turn})"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended: `status` is `KILLED`, `OWN_STATUS` after a traceback, or its own; `points` those it met."""

    status: int
    out: str
    err: str
    points: tuple[Point, ...]


class Stage:
    """A process in which commands are run, each in a fork of its own; a context manager."""

    def __init__(self, **environment: str) -> None:
        """Make a stage whose commands see these variables besides."""
        self._environment = environment
        self._jobs = 0

    def __enter__(self) -> Stage:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("LABGEN_", "OPENAI_"))}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=variables | {"PYTHONPATH": str(ROOT)} | self._environment,
        )  # fmt: skip
        return self

    def __exit__(self, *ended: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def warm_up(self, folder: Path, arguments: Sequence[str]) -> None:
        """Run a command in the stage's own process, so that no fork has to load again what such commands need."""
        self._asked({"folder": str(folder), "arguments": list(arguments)})

    def run(
        self,
        folder: Path,
        arguments: Sequence[str],
        *,
        at: Point | None = None,
        kind: Kind = "fail",
        kill_after_sec: float | None = None,
    ) -> Ending:
        """Run `labgen ARGUMENTS` in a folder; `at` is where the fault happens, None for none.

        Only what lies in the folder counts: it is work folder and place of temporary files.

        Args:
            kill_after_sec: kill it then, wherever it is; no points are looked for.
        """
        place = None if at is None else [at.operation, at.path, at.where, at.turn]
        job = {"folder": str(folder), "arguments": list(arguments), "at": place, "kind": kind}
        ended = self._asked(job | {"kill_after_sec": kill_after_sec})
        return Ending(ended["status"], ended["out"], ended["err"], tuple(Point(*each) for each in ended["points"]))

    def _asked(self, job: Mapping[str, Any]) -> Any:
        assert self._process.stdin and self._process.stdout
        self._jobs += 1
        self._process.stdin.write(json.dumps(dict(job) | {"number": self._jobs}) + "\n")
        self._process.stdin.flush()
        number = 0
        while number != self._jobs:  # a test that its time limit ended has left an answer behind
            number, answer = json.loads(self._process.stdout.readline())
        return answer


class _Faults:
    """The fault of one process, and the points that it has met. `note` is told of each."""

    def __init__(self, folder: Path, at: Point | None, kind: Kind, note: Callable[[Point], None]) -> None:
        self._folder, self._at, self.kind, self._note = str(folder), at, kind, note
        self._met: Counter[tuple[str, str, str]] = Counter()
        self._failing: tuple[str, ...] = ()
        self._busy = False

    def meet(self, operation: str, path: object, half: Callable[[], object] = lambda: None) -> None:
        """Come to an operation: returns where it may go on. `half` does half of it."""
        name = self._own(path)
        if name is None or self._busy:
            return
        where = _caller()
        key = (operation, name, where)
        point = Point(*key, self._met[key])
        self._met[key] += 1
        self._busy = True  # what is done here is no point itself
        try:
            self._note(point)
            if operation in self._failing:
                self._fail(operation, path)
            if point == self._at:
                if self.kind == "stay failed":
                    self._failing = FULL if operation in FULL else (operation,)
                if self.kind == "kill":
                    half()
                    os.kill(os.getpid(), signal.SIGKILL)
                self._fail(operation, path)
        finally:
            self._busy = False

    def _fail(self, operation: str, path: object) -> NoReturn:
        if self.kind == "no memory":
            raise MemoryError
        if operation == "connect":
            raise sqlite3.OperationalError("unable to open database file")
        if operation == "statement":
            raise sqlite3.OperationalError("database or disk is full")
        code = ERRORS[operation]
        raise OSError(code, os.strerror(code), str(path))

    def _own(self, path: object) -> str | None:
        """A path's name within the folder, without what differs from run to run; None where it lies elsewhere."""
        if isinstance(path, int):
            try:
                path = str(Path(f"/proc/self/fd/{path}").readlink()).removesuffix(" (deleted)")
            except OSError:
                return None
        if not path or str(path).startswith(("pipe:", "socket:")):
            return None
        text = os.path.abspath(os.fsdecode(path))  # type: ignore[call-overload]  # noqa: PTH100 (follows no link)
        if text != self._folder and not text.startswith(self._folder + os.sep):
            return None
        # Hashes, process numbers, and the names that `tempfile` draws.
        plain = re.sub(r"(?<=[-/.])[0-9a-f]{8,}(?=$|[./])|(?<=\.)\d+(?=\.new)", "*", text[len(self._folder) + 1 :])
        plain = re.sub(r"(^|/)(\.[^/]+\.)[a-z0-9_]{8}$", r"\1\2*", plain)
        return re.sub(r"(^|/)(tmp|labgen-[a-z]+-)\w{8}", r"\1\2*", plain)


def _caller() -> str:
    """The innermost function of labgen that is at work."""
    frame: Any = sys._getframe(2)
    inside = str(ROOT / "labgen") + os.sep
    while frame is not None:
        if frame.f_code.co_filename.startswith(inside):
            return f"{frame.f_code.co_filename[len(inside) :]}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "outside"


def _install(faults: _Faults) -> None:
    """Have all that Python does with files in this process come by `faults` first."""
    meet = faults.meet

    class Raw(io.FileIO):
        def write(self, data: Any) -> int:
            half = memoryview(data).cast("B")
            meet("write", self.name, lambda: io.FileIO.write(self, half[: len(half) // 2]))
            return super().write(data)

        def readinto(self, buffer: Any) -> int:
            meet("read", self.name)
            return super().readinto(buffer)

        def readall(self) -> bytes:
            meet("read", self.name)
            return super().readall()

        def read(self, size: int | None = -1) -> bytes:
            meet("read", self.name)
            return super().read(-1 if size is None else size)

    real_open = io.open

    def faulty_open(
        file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None, newline: Any = None,
        closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if faults._own(file) is None:
            return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int):
            meet("open" if "r" in mode else "create", file)
        raw = Raw(file, mode.replace("t", "").replace("b", ""), closefd, opener)
        if buffering == 0:
            return raw
        wrapper = io.BufferedRandom if "+" in mode else io.BufferedReader if "r" in mode else io.BufferedWriter
        buffer = wrapper(raw)
        if "b" in mode:
            return buffer
        return io.TextIOWrapper(buffer, io.text_encoding(encoding), errors, newline, buffering == 1)

    builtins.open = io.open = faulty_open  # type: ignore[assignment]
    low_open = os.open

    def faulty_low_open(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if named.get("dir_fd") is None:
            meet("create" if flags & os.O_CREAT else "open", path)
        return low_open(path, flags, *rest, **named)

    os.open = faulty_low_open
    for operation, names in {
        "rename": ("rename", "replace", "link"),
        "remove": ("unlink", "remove", "rmdir", "truncate"),
        "make": ("mkdir", "symlink"),
        "list": ("scandir", "listdir"),
        "sync": ("fsync",),
        "allocate": ("posix_fallocate",),
    }.items():
        for name in names:
            if hasattr(os, name):
                setattr(os, name, _first(meet, operation, getattr(os, name)))
    _install_databases(faults)
    _install_arrow(meet)


def _first(meet: Callable[..., None], operation: str, real: Any) -> Any:
    def call(path: Any = ".", *rest: Any, **named: Any) -> Any:
        folder = named.get("dir_fd")
        beside = "" if folder is None else f"{Path(f'/proc/self/fd/{folder}').readlink()}/"
        meet(operation, f"{beside}{os.fsdecode(path)}" if beside else path)
        return real(path, *rest, **named)

    return call


def _install_databases(faults: _Faults) -> None:
    connect = sqlite3.connect
    killing = faults.kind == "kill"
    meet = faults.meet

    class Connection(sqlite3.Connection):
        path = ""

        def execute(self, *values: Any) -> Any:
            meet("statement", self.path)
            return super().execute(*values)

        def executemany(self, *values: Any) -> Any:
            meet("statement", self.path)
            return super().executemany(*values)

        def executescript(self, *values: Any) -> Any:
            meet("statement", self.path)
            return super().executescript(*values)

        def close(self) -> None:
            if killing:  # SQLite tells nobody of what goes wrong when it closes
                meet("close", self.path)
            super().close()

    def faulty_connect(database: Any, *rest: Any, **named: Any) -> Any:
        path = re.sub(r"^file://|\?.*$", "", os.fsdecode(database))
        if path != ":memory:":
            meet("connect", path)
        opened: Any = connect(database, *rest, **({"factory": Connection} | named))
        opened.path = "" if path == ":memory:" else path
        return opened

    sqlite3.connect = faulty_connect  # type: ignore[assignment]


def _install_arrow(meet: Callable[..., None]) -> None:
    import pyarrow.parquet as parquet

    class Writer(parquet.ParquetWriter):  # type: ignore[misc]
        def __init__(self, where: Any, *rest: Any, **named: Any) -> None:
            meet("create", where)
            self.path_written = where
            super().__init__(where, *rest, **named)

        def write_table(self, *values: Any, **named: Any) -> None:
            meet("write", self.path_written)
            super().write_table(*values, **named)

        def close(self) -> None:
            if self.is_open:
                meet("write", self.path_written)
            super().close()

    class File(parquet.ParquetFile):  # type: ignore[misc]
        def __init__(self, source: Any, *rest: Any, **named: Any) -> None:
            self.path_read = source
            if isinstance(source, str | Path):
                meet("open", source)
            super().__init__(source, *rest, **named)

        def read_row_group(self, *values: Any, **named: Any) -> Any:
            if isinstance(self.path_read, str | Path):
                meet("read", self.path_read)
            return super().read_row_group(*values, **named)

    parquet.ParquetWriter, parquet.ParquetFile = Writer, File


def _serve() -> None:
    """The stage's own process: load labgen, and run a command for each line that comes."""
    for module in ("generate", "ledger", "export", "status", "plan"):
        __import__(f"labgen.cli.{module}")
    for module in ("verbs.building", "verbs.prune", "verbs.export", "ledger.export_import", "teacher.rehearsal.server"):
        __import__(f"labgen.{module}")
    import aiohttp.web  # noqa: F401
    import filelock  # noqa: F401
    import openai  # noqa: F401
    import pyarrow.parquet  # noqa: F401

    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        job = json.loads(line)
        gc.freeze()  # a fork that looked for garbage would copy all of this
        answer = _play_in_fork(job) if "at" in job else _play_here(job)
        print(json.dumps([job["number"], answer]), file=answers, flush=True)


def _play_here(job: Mapping[str, Any]) -> bool:
    with (
        contextlib.chdir(job["folder"]),
        tempfile.TemporaryFile("w") as said,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        return _command(job["arguments"]) == 0


def _play_in_fork(job: Mapping[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        kept = Path(folder)
        process = os.fork()
        if process == 0:
            _play(job, kept)
        status = os.waitstatus_to_exitcode(_end_of(process, job["kill_after_sec"]))
        texts = {name: _text(kept / name) for name in ("points", "out", "err")}
        points = [json.loads(each) for each in texts.pop("points").splitlines()]
    return {"status": status, "points": points, **texts}


def _end_of(process: int, kill_after_sec: float | None) -> int:
    """What `waitpid` says of a process once it has ended, or was killed."""
    if kill_after_sec is not None:
        end = time.monotonic() + kill_after_sec
        while time.monotonic() < end:
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.001)
        os.kill(process, signal.SIGKILL)
    return os.waitpid(process, 0)[1]


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def _play(job: Mapping[str, Any], kept: Path) -> NoReturn:
    """Run a command in this process, and end it."""
    status = OWN_STATUS
    try:
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(kept / name, os.O_WRONLY | os.O_CREAT), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = open(0)  # noqa: SIM115
        points = os.open(kept / "points", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        folder = Path(job["folder"]).resolve()
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
        os.environ["HOME"] = str(kept)
        os.chdir(folder)
        write = os.write

        def note(point: Point) -> None:
            write(points, (json.dumps([point.operation, point.path, point.where, point.turn]) + "\n").encode())

        if job["kill_after_sec"] is None:
            _install(_Faults(folder, None if job["at"] is None else Point(*job["at"]), job["kind"], note))
        status = _command(job["arguments"])
    except BaseException:
        traceback.print_exc()
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _command(arguments: list[str]) -> int:
    from labgen.cli import main

    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0


def changing(points: Sequence[Point]) -> list[Point]:
    """Points of which each changes something on the disk, and the last of all.

    A process that is killed before it reads, or before it waits for the disk, leaves the same files as one killed
    before its next change.
    """
    return [point for point in points if point.operation not in ("open", "read", "list", "sync") or point is points[-1]]


def each_of(points: Sequence[Point], *, turns: int = 1) -> Iterator[Point]:
    """Points of one run, each place with its first `turns` times, the one in their middle, and the last one."""
    last = {(point.operation, point.path, point.where): point.turn for point in points}
    for point in points:
        end = last[point.operation, point.path, point.where]
        if point.turn < turns or point.turn in (end // 2, end):
            yield point


if __name__ == "__main__":
    _serve()
