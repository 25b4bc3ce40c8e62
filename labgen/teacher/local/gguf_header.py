"""What the head of a GGUF file says of the model in it, read without loading it.

The `gguf` package reads every token of the vocabulary into an array of its own, which takes seconds; a dozen numbers
are wanted here, before anything is chosen. The file is a stranger's: lengths are bounded, and texts are skipped.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from labgen.errors import UsageError
from labgen.lazy.dataclasses import dataclass

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 10_000
MOST_KEY_BYTES = 65_536
"""The format's own limit for a key."""
KEPT_TEXT_BYTES = 512
"""Longer texts, such as chat templates, are skipped."""

_NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _ARRAY = 8, 9

Value = int | float | str | bool | tuple[int | float | bool, ...]


@dataclass(frozen=True, slots=True)
class GgufModel:
    """A model file.

    Attributes:
        name: the file's, without its ending.
        file_bytes: its size, which is what its weights take in memory.
        trained_tokens: the longest context that the model was made for; 0 where it is not said.
        context_bytes: memory that each token of context takes, in 16 bits; 0 where it can't be told.
    """

    name: str
    file_bytes: int
    trained_tokens: int
    context_bytes: int


def read_gguf(path: Path) -> GgufModel:
    """The model in a file. Raises: UsageError: there is none, or it is no GGUF of a language model."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            values = _read_values(file, path, size)
    except OSError as error:
        raise UsageError(f"--gguf {path}: {error.strerror or error}. Give the path of a GGUF file.") from error
    architecture = values.get("general.architecture")
    if not isinstance(architecture, str):
        raise UsageError(f"--gguf {path}: the file names no model architecture. Give a GGUF of a language model.")
    own = {name.removeprefix(f"{architecture}."): value for name, value in values.items()}
    return GgufModel(path.stem, size, _number(own, "context_length"), _context_bytes(own))


def _context_bytes(values: Mapping[str, Value]) -> int:
    """Bytes of keys and values for one token, all layers together."""
    layers, width, heads = (
        _number(values, name) for name in ("block_count", "embedding_length", "attention.head_count")
    )
    shared = values.get("attention.head_count_kv", heads)
    # Some models have another number of heads in each layer.
    heads_kv = float(sum(shared)) if isinstance(shared, tuple) else float(layers * _count(shared))
    head_width = width // heads if heads else 0
    key = _number(values, "attention.key_length") or head_width
    value = _number(values, "attention.value_length") or head_width
    return int(heads_kv * (key + value) * 2)


def _number(values: Mapping[str, Value], name: str) -> int:
    found = values.get(name, 0)
    return _count(max(found, default=0) if isinstance(found, tuple) else found)


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else 0


def _read_values(file: BinaryIO, path: Path, size: int) -> dict[str, Value]:
    """The key/value pairs of the head, long texts and arrays of texts left out."""
    if file.read(4) != MAGIC:
        raise UsageError(f"--gguf {path}: this is no GGUF file. Models in that format end in .gguf.")
    reader = _Reader(file, path, size)
    version = int(reader.number("<I"))
    if version not in VERSIONS:
        raise UsageError(f"--gguf {path}: a GGUF of version {version}, which is not known here (2 and 3 are).")
    reader.number("<Q")  # how many tensors there are
    count = int(reader.number("<Q"))
    if count > MOST_KEYS:
        raise reader.broken()
    values: dict[str, Value] = {}
    for _ in range(count):
        name = reader.text(MOST_KEY_BYTES)
        value = reader.value(int(reader.number("<I")))
        if name is not None and value is not None:
            values[name] = value
    return values


class _Reader:
    """Reads the head's values one after another; never more than the file has."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file = file
        self._path = path
        self._size = size

    def broken(self) -> UsageError:
        """What is raised where the head is not what it should be."""
        return UsageError(f"--gguf {self._path}: its head is damaged or cut short. Get the file anew.")

    def number(self, kind: str) -> int | float | bool:
        """One number or truth value."""
        found = self._file.read(struct.calcsize(kind))
        if len(found) < struct.calcsize(kind):
            raise self.broken()
        value: int | float | bool = struct.unpack(kind, found)[0]
        return value

    def text(self, most_bytes: int) -> str | None:
        """One text; None for a longer one, which is skipped."""
        length = int(self.number("<Q"))
        if length > most_bytes:
            self._skip(length)
            return None
        found = self._file.read(length)
        if len(found) < length:
            raise self.broken()
        return found.decode("utf-8", "replace")

    def value(self, kind: int) -> Value | None:
        """One value; None for one that is skipped."""
        if kind in _NUMBERS:
            return self.number(_NUMBERS[kind])
        if kind == _TEXT:
            return self.text(KEPT_TEXT_BYTES)
        if kind != _ARRAY:
            raise self.broken()
        inner, count = int(self.number("<I")), int(self.number("<Q"))
        if inner == _TEXT:
            if count > self._size:
                raise self.broken()
            for _ in range(count):
                self._skip(int(self.number("<Q")))
            return None
        if inner not in _NUMBERS:
            raise self.broken()
        if count > MOST_KEYS:
            self._skip(count * struct.calcsize(_NUMBERS[inner]))
            return None
        return tuple(self.number(_NUMBERS[inner]) for _ in range(count))

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise self.broken()
        self._file.seek(count, 1)
