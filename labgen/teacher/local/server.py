"""A model from a GGUF file behind llama.cpp's own HTTP server, in this process, until it is told to end."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labgen.errors import ConfigError, LabgenError
from labgen.teacher.local.gguf_header import GgufModel
from labgen.teacher.local.sizing import Serving
from labgen.teacher.rehearsal.server import listen

PACKAGE = "xllamacpp"
ERRORS_ONLY = 1
"""How much llama.cpp says on stderr."""


def check_installed() -> None:
    """Raises: ConfigError: the extra `local` is not installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise ConfigError(
            "--gguf needs llama.cpp, which is not installed: pip install 'labgen[local]'. Any other server that "
            "speaks OpenAI's API will do as well, see --base-url."
        )


def serve_gguf(
    path: Path, model: GgufModel, serving: Serving, host: str, port: int, *, announce: Callable[[str], None]
) -> None:
    """Serve in the foreground until SIGINT or SIGTERM. The process ends here, with status 0.

    Args:
        announce: called with the base URL once the server answers.
    Raises: ConfigError: llama.cpp is not installed; LabgenError: the port is in use, or the model can't be loaded.
    """
    check_installed()
    with listen(host, port) as free:
        port = free.getsockname()[1]
    ended, loaded = threading.Event(), threading.Event()

    def end(number: int, frame: object) -> None:
        ended.set()
        loaded.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    begun = _Loading(path, model, serving, host, port, loaded)
    begun.start()
    loaded.wait()  # in this thread, so that it can be ended while it loads
    if begun.problem and not ended.is_set():
        raise LabgenError(f"--gguf {path}: llama.cpp can't serve it ({begun.problem}); what it says stands above.")
    if not ended.is_set():
        announce(f"http://[{host}]:{port}/v1" if ":" in host else f"http://{host}:{port}/v1")
    ended.wait()
    # Its own threads don't end by themselves: taking the server down waits for them for ever.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Loading(threading.Thread):
    """Loads the model; sets `loaded` when the server answers, or when there is a `problem`."""

    def __init__(
        self, path: Path, model: GgufModel, serving: Serving, host: str, port: int, loaded: threading.Event
    ) -> None:
        super().__init__(name="llama.cpp", daemon=True)
        self.problem = ""
        self.server: Any = None
        self._about = (path, model, serving, host, port)
        self._loaded = loaded

    def run(self) -> None:
        """Returns once the server answers: it has threads of its own."""
        path, model, serving, host, port = self._about
        try:
            import xllamacpp

            parameters = xllamacpp.CommonParams()
            parameters.model.path = str(path)
            parameters.model_alias = {model.name}  # a set: a text would be taken letter by letter
            parameters.n_parallel = serving.slots
            parameters.n_ctx = serving.slots * serving.context_tokens  # it is divided among the slots
            parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = serving.threads
            parameters.hostnames, parameters.port = [host], port
            parameters.endpoint_slots, parameters.ui = True, False
            parameters.verbosity = ERRORS_ONLY
            self.server = xllamacpp.Server(parameters)
        except Exception as error:  # whatever another version of the package raises: it is to be told, not lost
            self.problem = str(error) or type(error).__name__
        self._loaded.set()
