"""What holds for all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

from hypothesis import settings
from thoroughness import THOROUGH, some

settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("local", max_examples=some(100), deadline=None)
settings.load_profile("ci" if THOROUGH else "local")

_STATE = tempfile.mkdtemp(prefix="labgen-tests-")
atexit.register(shutil.rmtree, _STATE, ignore_errors=True)
os.environ["XDG_STATE_HOME"] = _STATE
"""What programs remember of their user stays out of the home of whoever runs the tests."""
