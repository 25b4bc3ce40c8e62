"""What holds for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from thoroughness import THOROUGH, some

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", max_examples=some(100), deadline=None)
settings.load_profile("ci" if THOROUGH else "local")

MEMORY = Path("/dev/shm")
MEMORY_MIN_BYTES = 4 * 2**30


def _keep_files_in_memory() -> None:
    """Have the tests' folders in memory, where there is much: a build waits for the disk some twenty times.

    Tests are on the disk where they are thorough, where whoever runs them names a place for temporary files, and where
    no program may be run from memory.
    """
    named = {"TMPDIR", "PYTEST_DEBUG_TEMPROOT"} & set(os.environ)
    if THOROUGH or named or not os.access(MEMORY, os.W_OK):
        return
    system = os.statvfs(MEMORY)
    if not system.f_flag & os.ST_NOEXEC and system.f_bavail * system.f_frsize >= MEMORY_MIN_BYTES:
        os.environ["TMPDIR"] = tempfile.tempdir = str(MEMORY)


_keep_files_in_memory()
_STATE = tempfile.mkdtemp(prefix="labgen-tests-")
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
os.environ["XDG_STATE_HOME"] = _STATE
"""What programs remember of their user stays out of the home of whoever runs the tests."""
