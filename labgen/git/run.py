"""Running git: the one way for strangers' repositories and for the taxonomy's own. Bounded in time and output.

The user's own git configuration is trusted (redirections with `insteadOf`, credential helpers, proxies, ssh settings).
What a leaf or a repository says is not: there are no hooks, submodules, prompts or housekeeping, paths are no patterns,
and a clone of a stranger's repository speaks only the transports that it is given.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Literal

from labgen.errors import LabgenError
from labgen.text.printable import shown

MAX_STDOUT_BYTES = 1_000_000
"""Of one command whose answer is short, as most are."""

_SIZE_EVERY_SEC = 0.2
_LEFT_RUNNING_SEC = 2.0
_STDERR_BYTES = 20_000
_HOOKS_PATH = "core.hooksPath"
_SETTINGS = {
    _HOOKS_PATH: os.devnull,
    # A stranger's commit can hold files that make a folder look like a repository, with settings that run programs.
    "safe.bareRepository": "explicit",
    "core.fsmonitor": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "transfer.bundleURI": "false",
    "advice.detachedHead": "false",
}
_ENVIRONMENT = {
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS_REQUIRE": "never",
    "GCM_INTERACTIVE": "never",
}
# Set by git for the hooks that it runs. labgen may run in one; which repository it means is said by a folder instead.
_OF_A_HOOK = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
)

Why = Literal["missing", "unable", "status", "time", "output", "size"]


class GitFailed(LabgenError):
    """A git command ended badly. The message has no credentials; callers say what to do about it.

    Attributes:
        why: there is no git, or it can't be started; it ended with a status other than 0; it took too long, said too
            much, or made its repository too large.
        stderr: all that git said of a bad status, credentials too.
    """

    def __init__(self, why: Why, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.why = why
        self.stderr = stderr


def run_git(
    arguments: Sequence[str],
    folder: Path,
    *,
    timeout_sec: float,
    bare: bool = False,
    given: bytes = b"",
    transports: Sequence[str] | None = (),
    max_stdout_bytes: int = MAX_STDOUT_BYTES,
    max_bytes: int | None = None,
    show_hooks: bool = False,
) -> bytes:
    """Run one git command.

    Args:
        arguments: without `git`; what strangers wrote only after `--` or `--end-of-options`.
        folder: whose repository git finds by itself.
        timeout_sec: after this long git and all that it started are killed.
        bare: `folder` is a bare repository of ours, and git looks for no other.
        given: what git reads from stdin.
        transports: what git may speak to get at other repositories: none by default; None for all that the user's
            own configuration allows.
        max_stdout_bytes: git is killed as well when it says more than this.
        max_bytes: and when `folder` grows larger than this.
        show_hooks: leave the place of hooks as the user has set it, for a command that runs none and asks for it.
    Returns: stdout.
    Raises: GitFailed.
    """
    environment = _environment(folder, bare, transports)
    settings = {name: value for name, value in _SETTINGS.items() if not (show_hooks and name == _HOOKS_PATH)}
    words = [
        "--no-pager",
        "--literal-pathspecs",
        *(word for item in settings.items() for word in ("-c", "=".join(item))),
    ]
    # git goes to the folder, since GitPython expands `$` and `~` in the name, and stays where it is if that fails.
    guard = _start(["-C", str(folder), *words, *arguments], environment, given, folder)
    # GitPython ends the process when this object goes.
    process = guard.proc
    wake = threading.Event()
    out, err = _Drain(process.stdout, max_stdout_bytes, wake), _Drain(process.stderr, _STDERR_BYTES)
    try:
        threading.Thread(target=_wake_at_end, args=(process, wake), daemon=True).start()
        _wait(wake, out, timeout_sec, folder, max_bytes)
    finally:
        _end(process)
        stdout, stderr = out.close(), err.close().decode("utf-8", "surrogateescape")
    out.check()
    if process.returncode != 0:
        raise GitFailed("status", _reason(stderr) or f"git ended with status {process.returncode}", stderr)
    return stdout


def import_git() -> Any:
    """GitPython, imported late: it is slow to load, and fails where there is no git.

    Raises: GitFailed: there is none.
    """
    try:
        import git
    except ImportError:
        raise _no_git() from None
    return git


def repository_environment(repository: Path) -> dict[str, str]:
    """Variables that tie git to one repository, whatever a hook that labgen runs in has set for another one."""
    folder = str(repository.absolute())
    return {
        "GIT_DIR": folder,
        "GIT_COMMON_DIR": folder,
        "GIT_OBJECT_DIRECTORY": f"{folder}/objects",
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_NAMESPACE": "",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
    }


def _environment(folder: Path, bare: bool, transports: Sequence[str] | None) -> dict[str, str]:
    environment = {**{name: "0" for name in os.environ if name.startswith("GIT_TRACE")}, **_ENVIRONMENT}
    if bare:
        environment |= repository_environment(folder)
    if transports is not None:
        environment["GIT_ALLOW_PROTOCOL"] = ":".join(transports) or "none"
        if "ssh" in transports:
            environment |= _ssh_command(folder, bare)
    return environment


def _ssh_command(folder: Path, bare: bool) -> dict[str, str]:
    """ssh must not ask either. The user's own command is kept; where it is not ssh, it is left as it is."""
    given = os.environ.get("GIT_SSH_COMMAND")
    if given is None:
        try:
            found = run_git(["config", "--get", "core.sshCommand"], folder, bare=bare, timeout_sec=30)
            given = os.fsdecode(found).strip()
        except GitFailed:
            given = os.environ.get("GIT_SSH", "ssh")
    words = given.split()
    if not words or Path(words[0]).name not in ("ssh", "ssh.exe"):
        return {}
    return {"GIT_SSH_COMMAND": f"{given} -o BatchMode=yes -o ConnectTimeout=30"}


def _start(arguments: list[str], environment: dict[str, str], given: bytes, folder: Path) -> Any:
    """GitPython's handle of a running git: a session of its own, English, with what it is given in an unnamed file."""
    git = import_git()
    command = [git.Git.GIT_PYTHON_GIT_EXECUTABLE, *arguments]
    # GitPython can set variables but not take them away.
    leaked = [name for name in _OF_A_HOOK if name in os.environ and name not in environment]
    if leaked:
        command = ["env", *(word for name in leaked for word in ("-u", name)), *command]
    try:
        with tempfile.TemporaryFile() if given else contextlib.nullcontext() as stdin:
            if stdin:
                stdin.write(given)
                stdin.seek(0)
            return git.Git().execute(
                command, istream=stdin, as_process=True, env=environment, shell=False, start_new_session=True
            )
    except git.exc.GitCommandNotFound:
        raise _no_git() from None
    except (OSError, ValueError) as error:
        raise GitFailed("unable", f"git can't be run in {folder} ({error})") from None


def _wake_at_end(process: Any, wake: threading.Event) -> None:
    process.wait()
    wake.set()


def _wait(wake: threading.Event, out: _Drain, timeout_sec: float, folder: Path, max_bytes: int | None) -> None:
    """Sleep until git has ended. Only a repository that grows has to be looked at meanwhile."""
    deadline = time.monotonic() + timeout_sec
    ended = False
    while not ended:
        left_sec = deadline - time.monotonic()
        if left_sec <= 0:
            raise GitFailed("time", f"git took longer than {timeout_sec:g} s")
        ended = wake.wait(left_sec if max_bytes is None else min(left_sec, _SIZE_EVERY_SEC))
        out.check()
        if max_bytes is not None:
            _check_size(folder, max_bytes)


def _check_size(repository: Path, max_bytes: int) -> None:
    size = 0
    for folder, _, names in os.walk(repository):
        for name in names:
            try:
                size += (Path(folder) / name).stat().st_size
            except OSError:  # git renames its temporary files as we look
                continue
    if size > max_bytes:
        raise GitFailed("size", f"the repository is larger than {max_bytes} bytes")


def _end(process: Any) -> None:
    """Kill git and what it started (ssh, remote helpers, index-pack), unless it has ended by itself.

    Then it may have left something running on purpose, such as the daemon of a credential helper.
    """
    if process.poll() is not None:
        return
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Drain:
    """Reads a pipe to its end in the background and keeps its first bytes, so that git never waits for us."""

    def __init__(self, pipe: IO[bytes], limit: int, wake: threading.Event | None = None) -> None:
        """Read from now on. `wake` is set when there is more than `limit` bytes."""
        self._limit, self._wake, self._kept = limit, wake, bytearray()
        self._overflown = False
        # Something that git left running may hold the pipe open for long. Closing an end that a thread reads from would
        # wait for that too, so the thread has an end of its own.
        self._handle = os.dup(pipe.fileno())
        pipe.close()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while block := os.read(self._handle, 65536):
            room = self._limit - len(self._kept)
            self._kept += block[:room]
            if room < len(block):
                self._overflown = True
                if self._wake:
                    self._wake.set()
        os.close(self._handle)

    def check(self) -> None:
        """Raises: GitFailed: there was more than the limit."""
        if self._overflown:
            raise GitFailed("output", f"git said more than {self._limit} bytes")

    def close(self) -> bytes:
        """What was kept, after the end of the process."""
        self._thread.join(timeout=_LEFT_RUNNING_SEC)
        return bytes(self._kept)


def _no_git() -> GitFailed:
    return GitFailed("missing", "the program `git` is not installed, or not on the PATH. Install it.")


def _reason(stderr: str) -> str:
    """The lines of git's complaint that say why, in one."""
    lines = [re.sub(r"^(fatal|error|remote): *", "", line.strip()) for line in stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith(("hint:", "warning:", "From ", "*"))]
    return shown("; ".join(dict.fromkeys(said[:3])), 400)
