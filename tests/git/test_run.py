"""The one way to run git, on real repositories: what it keeps out, and where it stops."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from plain_git import git_home

from labgen.errors import UsageError
from labgen.git.history import History, author_name
from labgen.git.run import GitFailed, run_git

ROOT = Path(__file__).resolve().parents[2]
__all__ = ["git_home"]


@pytest.fixture(autouse=True)
def home(git_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's checkout is the working folder: a runner that strays from the folder it is given must not find one."""
    monkeypatch.chdir(tmp_path)
    return git_home


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_repository(folder: Path, *files: str) -> Path:
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    for name in files:
        (folder / name).write_text(name)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "begin")
    return folder


def make_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository", "a.md", "b.md")


def failure(*arguments: str, folder: Path, **more: object) -> GitFailed:
    with pytest.raises(GitFailed) as caught:
        run_git(arguments, folder, **{"timeout_sec": 60.0, **more})  # type: ignore[arg-type]
    return caught.value


def through_alias(command: str) -> tuple[str, ...]:
    """A git command that runs a shell's: how a test gets git to do what git itself never would."""
    return ("-c", f"alias.test=!{command}", "test")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_the_time_limit_ends_git_and_what_it_started(repository: Path, tmp_path: Path) -> None:
    """A helper that git waits for is gone as well; it held a pipe open, and now nobody does."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    script = make_script(tmp_path / "run", f"exec 3> {pipe}; echo begun >&3; sleep 300 & wait")
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert failure(*through_alias(str(script)), folder=repository, timeout_sec=3.0).why == "time"
        said = b""
        while select.select([reader], [], [], 60)[0] and (block := os.read(reader, 100)):
            said += block
        assert said == b"begun\n"
        assert select.select([reader], [], [], 0)[0], "something still holds the pipe"
    finally:
        os.close(reader)


def test_what_git_leaves_running_is_not_waited_for(repository: Path, tmp_path: Path) -> None:
    """ssh's shared connections and credential helpers stay, holding what git's errors went to."""
    note = tmp_path / "process"
    script = make_script(tmp_path / "run", f"sleep 300 > /dev/null & echo $! > {note}; echo done")
    try:
        assert run_git(through_alias(str(script)), repository, timeout_sec=250.0) == b"done\n"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(note.read_text()), signal.SIGKILL)


def test_git_that_never_stops_talking_is_stopped(repository: Path) -> None:
    """Long before the time is over; so is one that says only somewhat too much."""
    assert failure(*through_alias("yes"), folder=repository).why == "output"
    error = failure(*through_alias("echo 12345"), folder=repository, max_stdout_bytes=5)
    assert error.why == "output"
    assert "5 bytes" in str(error)
    assert run_git(through_alias("echo 12345"), repository, timeout_sec=60, max_stdout_bytes=6) == b"12345\n"


def test_errors_without_end_do_not_hold_git_up(repository: Path) -> None:
    """Their beginning is kept, and git goes on to its end."""
    error = failure(*through_alias("f() { yes no | head -c 3000000 >&2; exit 3; }; f"), folder=repository)
    assert error.why == "status"
    assert 0 < len(error.stderr) <= 20_000


@pytest.mark.parametrize("given", [b"", b"\0\xff\n" * 1_000_000])
def test_git_reads_what_it_is_given(repository: Path, given: bytes) -> None:
    """Any bytes, more than a pipe holds, or none at all."""
    hashed = hashlib.sha1(b"blob %d\0" % len(given) + given).hexdigest()
    assert run_git(["hash-object", "--stdin"], repository, timeout_sec=60, given=given).decode().strip() == hashed


def test_bytes_come_back_as_they_are(repository: Path) -> None:
    """Also those that are no text."""
    data = bytes(range(256)) * 1000
    blob = run_git(["hash-object", "-w", "--stdin"], repository, timeout_sec=60, given=data).decode().strip()
    assert run_git(["cat-file", "blob", blob], repository, timeout_sec=60) == data


def test_no_hook_and_no_monitor_runs(repository: Path, tmp_path: Path, home: Path) -> None:
    """Neither the repository's own hooks nor the user's, nor the program that watches files for `git status`."""
    marker = tmp_path / "marker"
    names = ("pre-commit", "post-commit", "reference-transaction", "post-checkout", "post-index-change", "watch")
    for name in names:
        make_script(repository / ".git" / "hooks" / name, f"touch {marker}")
        make_script(tmp_path / "hooks" / name, f"touch {marker}")
    git(repository, "config", "core.fsmonitor", str(repository / ".git" / "hooks" / "watch"))
    commands = (["commit", "--allow-empty", "-m", "x"], ["checkout", "-q", "-b", "other"], ["status"])
    for place in ("", f"[core]\n\thooksPath = {tmp_path / 'hooks'}\n"):
        with (home / ".gitconfig").open("a") as file:
            file.write(place)
        for command in commands:
            run_git(command, repository, timeout_sec=60)
        run_git(["checkout", "-q", "main"], repository, timeout_sec=60)
        run_git(["branch", "-D", "other"], repository, timeout_sec=60)
    assert not marker.exists()
    git(repository, "commit", "--allow-empty", "-m", "y")
    assert marker.exists(), "git alone runs them"


def test_where_hooks_lie_can_be_asked(repository: Path) -> None:
    """`labgen init` puts one there."""
    hooks = History(repository).own_hooks()
    assert hooks is not None
    assert hooks.resolve() == (repository / ".git" / "hooks").resolve()


@pytest.mark.parametrize("bare", [False, True])
def test_variables_of_a_hook_do_not_reach_git(
    bare: bool, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """labgen may run in a hook of another repository, whose index git names there; its own variables stay."""
    other = make_repository(tmp_path / "other", "other.md")
    leaking = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(other / ".git" / "index"),
        "GIT_PREFIX": "docs/",
        "GIT_COMMON_DIR": str(other / ".git"),
        "GIT_OBJECT_DIRECTORY": str(other / ".git" / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(other / ".git" / "objects"),
        "GIT_NAMESPACE": "other",
    }
    for name, value in leaking.items():
        monkeypatch.setenv(name, value)
    folder = repository / ".git" if bare else repository
    assert run_git(["ls-files"], folder, timeout_sec=60, bare=bare).split() == [b"a.md", b"b.md"]
    said = run_git(through_alias("env"), folder, timeout_sec=60, bare=bare).decode()
    assert str(other) not in said
    assert leaking.items() <= os.environ.items()


def test_git_asks_nobody_and_speaks_english(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does it keep locks, trace what it does, or take paths for patterns."""
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("GIT_TRACE", "2")
    wanted = (
        "LC_ALL=C",
        "GIT_TERMINAL_PROMPT=0",
        "SSH_ASKPASS_REQUIRE=never",
        "GCM_INTERACTIVE=never",
        "GIT_OPTIONAL_LOCKS=0",
        "GIT_LITERAL_PATHSPECS=1",
        "GIT_TRACE=0",
    )
    said = run_git(through_alias("env"), repository, timeout_sec=60).decode().splitlines()
    assert set(wanted) <= set(said)
    assert run_git(["ls-files", "--", "*.md"], repository, timeout_sec=60) == b""


def test_other_repositories_are_reached_through_named_transports_only(repository: Path, tmp_path: Path) -> None:
    """Through none by default; a command in the user's own repository may use what the user allows."""
    address = f"file://{make_repository(tmp_path / 'other', 'other.md')}"
    assert "not allowed" in str(failure("ls-remote", address, folder=repository))
    assert "not allowed" in str(failure("ls-remote", address, folder=repository, transports=["https"]))
    for transports in (["https", "file"], None):
        assert b"refs/heads/main" in run_git(["ls-remote", address], repository, timeout_sec=60, transports=transports)


def test_messages_have_no_credentials(repository: Path) -> None:
    """git names the whole address; ours does not."""
    address = "https://ada:hunter2@127.0.0.1:1/x"
    error = failure("ls-remote", address, folder=repository, transports=["https"])
    assert "127.0.0.1" in str(error)
    assert "hunter2" not in str(error)
    said = failure(*through_alias(f"echo 'fatal: {address}' >&2; exit 3; :"), folder=repository)
    assert "hunter2" not in str(said)


def test_a_failed_command_of_a_history_has_no_credentials_in_its_message(repository: Path) -> None:
    """The address of a remote may hold a token, and git repeats what it can't read."""
    config = repository / ".git" / "config"
    config.write_text(config.read_text() + "[https://ada:hunter2@docs.example.org\n")
    with pytest.raises(UsageError) as caught:
        History(repository)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["$HOME", "~", "-x", "a b", "ä"])
def test_git_runs_in_the_folder_of_that_very_name(name: str, tmp_path: Path) -> None:
    """No part of it is a variable, somebody's home or an option."""
    folder = make_repository(tmp_path / "top" / name)
    top = run_git(["rev-parse", "--show-toplevel"], folder, timeout_sec=60)
    assert Path(os.fsdecode(top).rstrip("\n")) == folder.resolve()


def test_a_folder_that_is_not_there_is_not_answered_for_by_another(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where labgen itself runs may be a repository too."""
    monkeypatch.chdir(repository)
    assert failure("rev-parse", "HEAD", folder=repository.parent / "gone").why == "status"


def test_files_that_look_like_a_repository_are_none(tmp_path: Path) -> None:
    """They come with settings that run programs. A clone of ours is one, since we say so."""
    folder = tmp_path / "fake"
    folder.mkdir()
    git(folder, "init", "-q", "--bare")
    assert "safe.bareRepository" in failure("rev-parse", "--git-dir", folder=folder).stderr
    found = run_git(["rev-parse", "--absolute-git-dir"], folder, timeout_sec=60, bare=True)
    assert Path(os.fsdecode(found).rstrip("\n")) == folder.resolve()


def test_a_machine_without_git_says_so(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where GitPython was loaded before git went."""
    import git as _loaded  # noqa: F401

    monkeypatch.setenv("PATH", str(tmp_path))
    assert failure("status", folder=repository).why == "missing"
    with pytest.raises(UsageError, match="not installed, or not on the PATH"):
        History(repository)


def test_what_can_not_be_handed_to_a_program_is_a_message(repository: Path) -> None:
    """A path with a zero byte is none."""
    assert failure("ls-files", "--", "a\0b", folder=repository).why == "unable"


def test_the_author_is_who_git_would_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path, repository: Path
) -> None:
    """In a repository, outside any, and without a name in git's configuration whoever is logged in."""
    monkeypatch.chdir(tmp_path)
    assert author_name() == "Ada"
    git(repository, "config", "user.name", "Ada L.")
    monkeypatch.chdir(repository)
    assert author_name() == "Ada L."
    (home / ".gitconfig").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "ada")
    assert author_name() == "ada"


def test_checking_leaves_loads_no_git_library() -> None:
    """It takes longer than the check; only what asks for a repository waits for it."""
    code = (
        "import sys\n"
        "from labgen.cli import main\n"
        f"try:\n    main(['check', {str(ROOT / 'taxonomy')!r}])\nexcept SystemExit:\n    pass\n"
        "print('LOADED', 'git' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED False"
