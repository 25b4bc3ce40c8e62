"""Commands of labgen in processes of their own, without their start: forked from one that has loaded what they need.

A start takes a second of processor time and is the same each time; what tests of kills, signals and interrupts need is
a process, not its start. `tests/cli` looks at that of `python -m labgen`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 1 << 20
"""Of a message to the process that forks: arguments and environment."""
LEAF = """version: 3
created_by: tester
task_description: Answer requests.
seed_examples:
- {question: Name a river., answer: The Rhine is a river.}
- {question: Name a tree., answer: An oak is a tree.}
- {question: Name a bird., answer: A wren is a bird.}
- {question: Name a town., answer: Ulm is a town.}
- {question: Name a stone., answer: Slate is a stone.}
"""


class ForkedCommand:
    """A command at work or ended, with what `subprocess.Popen` has for one: texts, both streams in pipes."""

    def __init__(self, folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `labgen ARGUMENTS` in a folder."""
        self.returncode: int | None = None
        (out, to_out), (err, to_err) = os.pipe(), os.pipe()
        job = {"folder": str(folder), "arguments": list(arguments), "environment": dict(environment)}
        self.pid: int = _asked(job, to_out, to_err)
        os.close(to_out)
        os.close(to_err)
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8")

    def poll(self) -> int | None:
        """The exit status, negative after a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = _asked({"reap": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end, at most so many seconds."""
        if self.poll() is None:
            process = os.pidfd_open(self.pid)
            try:
                if not select.select([process], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("labgen", timeout or 0.0)
            finally:
                os.close(process)
        status = self.poll()
        assert status is not None
        return status

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their ends, and wait."""
        texts = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            texts[number] = stream.read()

        readers = [threading.Thread(target=read, args=each) for each in enumerate((self.stdout, self.stderr))]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        self.stdout.close()
        self.stderr.close()
        return texts[0], texts[1]

    def send_signal(self, number: int) -> None:
        """Send it a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


_ONE_AT_A_TIME = threading.Lock()


def _asked(job: Mapping[str, Any], *files: int) -> Any:
    """What the process that forks says to a message; it gets copies of the files."""
    with _ONE_AT_A_TIME:
        line = _line()
        socket.send_fds(line, [json.dumps(job).encode()], files)
        answer = line.recv(MOST_BYTES)
        assert answer, "the process that commands are forked from has ended"
        return json.loads(answer)


@cache
def _line() -> socket.socket:
    """The line to the process that forks, which is started with the first command and ends with this process."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with there:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), str(there.fileno())],
            pass_fds=[there.fileno()],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    def close() -> None:
        here.close()
        process.wait()

    atexit.register(close)
    return here


def _load() -> None:
    """Import what commands need, by a build."""
    for module in ("bulk", "generate", "teacher"):
        __import__(f"labgen.cli.{module}")
    for module in ("verbs.bulk_run", "verbs.building", "teacher.rehearsal.server"):
        __import__(f"labgen.{module}")
    import aiohttp.web
    import openai  # noqa: F401

    from labgen.cli import main

    assert aiohttp.web
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        tempfile.TemporaryFile("w") as said,
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
    ):
        leaf = Path("taxonomy/foundational_skills/requests/qna.yaml")
        leaf.parent.mkdir(parents=True)
        leaf.write_text(LEAF)
        with contextlib.suppress(SystemExit):
            main(["generate", "--samples", "1"])


def _serve(line: socket.socket) -> list[str] | None:
    """Fork for each command that is asked for: in a fork its arguments; None when nobody asks any more."""
    while True:
        message, files, _, _ = socket.recv_fds(line, MOST_BYTES, 2)
        if not message:
            return None
        job = json.loads(message)
        if "reap" in job:
            process, status = os.waitpid(job["reap"], os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if process else None
        else:
            gc.freeze()  # a fork that looked for garbage would copy all of this
            answer = os.fork()
            if answer == 0:
                return _begin(job, files)
            for file in files:
                os.close(file)
        line.send(json.dumps(answer).encode())


def _begin(job: Mapping[str, Any], files: Sequence[int]) -> list[str]:
    """Put this process where a command is to run; returns its arguments."""
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(job["environment"])
    tempfile.tempdir = None
    os.chdir(job["folder"])
    return list(job["arguments"])


def _main() -> None:
    with socket.socket(fileno=int(sys.argv[1])) as line:
        _load()
        arguments = _serve(line)
    if arguments is not None:
        from labgen.cli import main

        sys.argv = ["labgen", *arguments]
        main(arguments)


if __name__ == "__main__":
    _main()
