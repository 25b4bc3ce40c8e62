"""Hashes of plain data and of the code itself, which are the same in every process."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import date
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from io import FileIO
from pathlib import Path
from types import FunctionType
from typing import Any

import labgen

HASH_BYTES = 32


@cache
def code_version() -> str:
    """Hex digits that change with any file of labgen, any installed package's version, and Python's own."""
    digest = hashlib.blake2b(f"{sys.version}\0{sys.flags.optimize}".encode(), digest_size=HASH_BYTES)
    root = str(Path(labgen.__file__).parent)
    # `os.walk` and `FileIO` take a quarter of the time of `Path.rglob` and `Path.read_bytes`, before every build.
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - {"__pycache__"})
        for name in sorted(names):
            if name.endswith((".py", ".md", ".jinja", *EXTENSION_SUFFIXES)):
                path = f"{folder}/{name}"
                digest.update(f"\0{path.removeprefix(root)}\0".encode())
                with FileIO(path) as file:
                    digest.update(file.readall())
    for folder in sorted({entry for entry in sys.path if entry}):
        with suppress(OSError):
            # A distribution's folder has its version in its name.
            for name in sorted(each.name for each in os.scandir(folder) if each.name.endswith(".dist-info")):
                digest.update(f"\0{name}".encode())
    return digest.hexdigest()


_PLAIN = frozenset({str, int, float, bool, type(None)})


@cache
def _parts_of(kind: type) -> tuple[str, tuple[str, ...]]:
    """A dataclass's name, and those of its fields."""
    return f"{kind.__module__}.{kind.__qualname__}", tuple(each.name for each in fields(kind))


def as_plain(value: Any) -> Any:
    """A value as lists, texts and numbers that are the same in every process. Raises: TypeError: that is not known."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, str | int | float) and not isinstance(value, enum.Enum):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        # In their order, which settings may give a meaning.
        return {"": [[as_plain(name), as_plain(each)] for name, each in value.items()]}
    if isinstance(value, tuple | list):
        return [as_plain(each) for each in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, date):  # as YAML reads them, in settings of packages
        return {"date": value.isoformat()}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, type | FunctionType):
        return {"code": f"{value.__module__}.{value.__qualname__}"}
    if is_dataclass(value):
        kind: Any = type(value)
        name, own = _parts_of(kind)
        return {name: [[each, as_plain(getattr(value, each))] for each in own]}
    if not getattr(value, "__dict__", True) and not getattr(value, "__slots__", ()):
        return {"made of": f"{type(value).__module__}.{type(value).__qualname__}"}
    raise TypeError(f"no hash is known of a {type(value).__name__}")


def plain_hash(plain: Any) -> bytes:
    """Hash of lists, texts and numbers (`HASH_BYTES` bytes)."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
