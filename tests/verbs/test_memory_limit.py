"""A process that may take too little memory says how much it needs, wherever that shows first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow.lib import ArrowException
from workbench import Labgen, clean_environment

from labgen import errors
from labgen.errors import LabgenError, machine_trouble
from labgen.verbs import machine_limits

NOT_MAPPED = "libparquet.so.2600: failed to map segment from shared object"


def wrapped(inner: BaseException) -> ImportError:
    """As numpy tells that its own library could not be loaded."""
    outer = ImportError("Importing the C-extensions failed.")
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(12, "Cannot allocate memory"),
        ImportError(NOT_MAPPED),
        wrapped(ImportError(NOT_MAPPED)),
        wrapped(MemoryError()),
        OSError("libcrypto.so.3: cannot allocate memory in static TLS block"),
    ],
)
def test_a_library_that_gets_no_memory_is_told_as_such(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a limit it is the machine that has none; with one, that and what is needed."""
    monkeypatch.setattr(errors, "memory_limit_bytes", lambda: None)
    assert "this machine has no memory left" in (machine_trouble(error) or "")
    monkeypatch.setattr(errors, "memory_limit_bytes", lambda: 720_000_000)
    told = machine_trouble(error) or ""
    assert "720 MB of memory (`ulimit -v`)" in told and "needs 700 MB" in told and "what was paid for is kept" in told


def test_what_follows_from_a_limit_alone_is_told_as_that_only_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread, and libraries that give up without a reason: elsewhere these are what they seem."""
    unexplained, no_thread = SystemError("error return without exception set"), RuntimeError("can't start new thread")
    for limit_bytes in (None, 64_000_000_000):
        monkeypatch.setattr(errors, "memory_limit_bytes", lambda limit=limit_bytes: limit)
        assert machine_trouble(unexplained) is None
        assert "ulimit -u" in (machine_trouble(no_thread) or "")
    monkeypatch.setattr(errors, "memory_limit_bytes", lambda: 650_000_000)
    for error in (unexplained, no_thread):
        assert "ulimit -v" in (machine_trouble(error) or "")
    assert machine_trouble(ImportError("No module named 'torch'")) is None


def test_a_thread_that_arrow_does_not_get_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a limit on memory as that; what is told of a limit above the least does not contradict itself."""
    error = ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable")
    monkeypatch.setattr(errors, "memory_limit_bytes", lambda: None)
    assert "ulimit -u" in (machine_trouble(error) or "")
    monkeypatch.setattr(errors, "memory_limit_bytes", lambda: 725_000_000)
    told = machine_trouble(error) or ""
    assert "725 MB of memory (`ulimit -v`)" in told and "needs 700 MB, this run took more" in told
    assert "one on many cores more" in errors.memory_words(500_000_000)


def test_a_build_that_can_not_fit_is_not_begun(taxonomy: Path, labgen: Labgen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one call by call nor one in rounds; a plan, which takes less, is made."""
    monkeypatch.setattr(machine_limits, "memory_limit_bytes", lambda: 300_000_000)
    with pytest.raises(LabgenError, match=r"300 MB of memory .* needs 700 MB"):
        machine_limits.require_memory()
    for verb in (("generate",), ("bulk", "run", "--base-url", "http://127.0.0.1:9/v1", "--model", "m")):
        ended = labgen(*verb, "--samples", "2")
        assert ended.status == 1 and "needs 700 MB" in ended.err, ended.err
        assert not (labgen.folder / ".labgen").exists() and not (labgen.folder / "dataset").exists()
    assert labgen("plan", "--samples", "2").status == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems don't keep to this limit")
@pytest.mark.parametrize("limit_mb", [90, 200, 400])
def test_under_a_real_limit_there_is_a_message_and_no_traceback(taxonomy: Path, tmp_path: Path, limit_mb: int) -> None:
    """From where Python itself has just room, to where libraries have not."""
    code = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_AS, ({limit_mb} * 2**20,) * 2)\n"
        "from labgen.cli import main\n"
        "main(['generate', '--samples', '2'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=clean_environment(), capture_output=True, text=True
    )
    assert ended.returncode == 1 and "Traceback" not in ended.stderr, ended.stderr
    assert "ulimit -v" in ended.stderr and "needs 700 MB" in ended.stderr
