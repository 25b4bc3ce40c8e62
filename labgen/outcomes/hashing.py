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

import msgspec

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
    for name in installed():
        digest.update(f"\0{name}".encode())
    return digest.hexdigest()


_DISTRIBUTIONS = (".dist-info", ".egg-info")


def installed() -> tuple[str, ...]:
    """The distributions that are installed, each with its version: `rouge_score-0.1.2.dist-info`."""
    # That is the name of a distribution's folder. `importlib.metadata` takes long to load.
    found: list[str] = []
    for folder in sorted({entry for entry in sys.path if entry}):
        with suppress(OSError):
            found += sorted(each.name for each in os.scandir(folder) if each.name.endswith(_DISTRIBUTIONS))
    return tuple(found)


_PLAIN = frozenset({str, int, float, bool, type(None)})
_OF_THEIR_OWN = (str, int, float, enum.Enum, Mapping, tuple, list, bytes, date, Path)
"""Types that are written in a way of their own, even where a dataclass is derived from one."""


@cache
def _parts_of(kind: type) -> tuple[str, tuple[str, ...]] | None:
    """A dataclass's name, and those of its fields; None of any other type."""
    if not is_dataclass(kind) or issubclass(kind, _OF_THEIR_OWN):
        return None
    return f"{kind.__module__}.{kind.__qualname__}", tuple(each.name for each in fields(kind))


def as_plain(value: Any) -> Any:
    """A value as lists, texts and numbers that are the same in every process. Raises: TypeError: that is not known."""
    # What is met most comes first, and costs no call: leaves have thousands of such values.
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if kind is tuple or kind is list:
        return [each if type(each) in _PLAIN else as_plain(each) for each in value]
    if parts := _parts_of(kind):
        name, own = parts
        return {name: [[each, of if type(of := getattr(value, each)) in _PLAIN else as_plain(of)] for each in own]}
    return _less_often_met(value)


def _less_often_met(value: Any) -> Any:
    """What `as_plain` gives for a value of any other type."""
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
    if not getattr(value, "__dict__", True) and not getattr(value, "__slots__", ()):
        return {"made of": f"{type(value).__module__}.{type(value).__qualname__}"}
    raise TypeError(f"no hash is known of a {type(value).__name__}")


def plain_hash(plain: Any) -> bytes:
    """Hash of lists, texts and numbers (`HASH_BYTES` bytes)."""
    try:
        content = msgspec.msgpack.encode(plain)
    except (UnicodeEncodeError, OverflowError, TypeError):
        # Half of a character, a number of more than 64 bits, a text of a type derived from `str`.
        content = json.dumps(plain, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(content, digest_size=HASH_BYTES).digest()
