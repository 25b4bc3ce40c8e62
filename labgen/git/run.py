"""Running git where strangers chose the address: bounded in time and size, never asking, never running their code.

The user's own git configuration is trusted (redirections with `insteadOf`, credential helpers, proxies, ssh settings).
What a leaf or a repository says is not: transports are limited to those that the address as written, or the user's own
redirection of it, needs; there are no hooks, submodules, filters, prompts or housekeeping.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from labgen.errors import TaxonomyError
from labgen.text.printable import shown

_POLL_SEC = 0.2
_STDERR_BYTES = 20_000
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "fetch.recurseSubmodules": "false",
    "fetch.unpackLimit": "1",
    "fetch.writeCommitGraph": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "transfer.bundleURI": "false",
    "advice.detachedHead": "false",
}


class GitFailed(TaxonomyError):
    """A git command ended badly. The message is git's own, without credentials; `stderr` the whole of it."""

    def __init__(self, message: str, stderr: str = "") -> None:
        super().__init__(message)
        self.stderr = stderr


def run_git(
    arguments: Sequence[str],
    *,
    repository: Path,
    timeout_sec: float,
    transports: Sequence[str] = (),
    max_bytes: int | None = None,
    max_stdout_bytes: int = 1_000_000,
) -> str:
    """Run one git command in a bare repository of ours.

    Args:
        arguments: without `git`; what strangers wrote only after `--`.
        repository: the bare repository, or where it is to be made.
        timeout_sec: after this long git and all that it started are killed.
        transports: what git may speak to get at other repositories; none by default.
        max_bytes: the same happens when the repository grows larger than this.
        max_stdout_bytes: and when git says more than this.
    Returns: stdout; what is not UTF-8 in it as lone surrogates.
    Raises: GitFailed: git is missing, failed, took too long, fetched too much or said too much.
    """
    program = import_git().Git(str(repository.parent))
    environment = {**_environment(repository), "GIT_ALLOW_PROTOCOL": ":".join(transports) or "none"}
    if "ssh" in transports:
        environment |= _ssh_command(repository)
    settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    command = [program.GIT_PYTHON_GIT_EXECUTABLE, *settings, *arguments]
    # GitPython ends the process when this object goes.
    guard = program.execute(command, as_process=True, env=environment, shell=False, start_new_session=True)
    process = guard.proc
    out, err = _Drain(process.stdout, max_stdout_bytes), _Drain(process.stderr, _STDERR_BYTES)
    try:
        _wait(process, out, timeout_sec, repository, max_bytes)
    finally:
        _end(process)
        stdout, stderr = out.close(), err.close()
    _check_output(out)
    if process.returncode != 0:
        raise GitFailed(_reason(stderr) or f"git ended with status {process.returncode}", stderr)
    return stdout


def import_git() -> Any:
    """GitPython, imported late: it is slow to load, and fails where there is no git."""
    try:
        import git
    except ImportError:
        raise GitFailed("the program `git` is not installed, or not on the PATH. Install it.") from None
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


def _environment(repository: Path) -> dict[str, str]:
    return {
        **{name: "0" for name in os.environ if name.startswith("GIT_TRACE")},
        **repository_environment(repository),
        "GIT_TERMINAL_PROMPT": "0",
        "SSH_ASKPASS_REQUIRE": "never",
        "GCM_INTERACTIVE": "never",
    }


def _ssh_command(repository: Path) -> dict[str, str]:
    """ssh must not ask either. The user's own command is kept; where it is not ssh, it is left as it is."""
    given = os.environ.get("GIT_SSH_COMMAND")
    if given is None:
        try:
            given = run_git(["config", "--get", "core.sshCommand"], repository=repository, timeout_sec=30).strip()
        except GitFailed:
            given = os.environ.get("GIT_SSH", "ssh")
    words = given.split()
    if not words or Path(words[0]).name not in ("ssh", "ssh.exe"):
        return {}
    return {"GIT_SSH_COMMAND": f"{given} -o BatchMode=yes -o ConnectTimeout=30"}


def _wait(process: Any, out: _Drain, timeout_sec: float, repository: Path, max_bytes: int | None) -> None:
    deadline = time.monotonic() + timeout_sec
    pause = 0.005
    while process.poll() is None:
        if time.monotonic() > deadline:
            raise GitFailed(f"git took longer than {timeout_sec:g} s (documents.timeout_sec)")
        _check_output(out)
        if max_bytes is not None and pause >= _POLL_SEC:
            _check_size(repository, max_bytes)
        time.sleep(pause)
        pause = min(_POLL_SEC, pause * 1.5)
    if max_bytes is not None:
        _check_size(repository, max_bytes)


def _check_output(out: _Drain) -> None:
    if out.overflown:
        raise GitFailed("the repository holds more files than labgen looks at")


def _check_size(repository: Path, max_bytes: int) -> None:
    size = 0
    for folder, _, names in os.walk(repository):
        for name in names:
            try:
                size += (Path(folder) / name).stat().st_size
            except OSError:  # git renames its temporary files as we look
                continue
    if size > max_bytes:
        raise GitFailed(f"the repository is larger than {max_bytes} bytes (documents.max_clone_bytes)")


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

    def __init__(self, pipe: IO[bytes], limit: int) -> None:
        self._pipe, self._limit, self._kept = pipe, limit, bytearray()
        self.overflown = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while block := self._pipe.read1(65536):  # type: ignore[attr-defined]
            room = self._limit - len(self._kept)
            self._kept += block[:room]
            self.overflown = self.overflown or room < len(block)

    def close(self) -> str:
        self._thread.join(timeout=2)
        # Something that git left running may hold the pipe open; then so do we.
        if not self._thread.is_alive():
            self._pipe.close()
        return self._kept.decode("utf-8", "surrogateescape")


def _reason(stderr: str) -> str:
    """The lines of git's complaint that say why, in one."""
    lines = [re.sub(r"^(fatal|error|remote): *", "", line.strip()) for line in stderr.splitlines()]
    said = [line for line in lines if line and not line.startswith(("hint:", "warning:", "From ", "*"))]
    return shown("; ".join(dict.fromkeys(said[:3])), 400)
