"""All that a leaf's outcome depends on, as one hash, but for its replies and thresholds: see `labgen.outcomes.leaves`.

What is left out of the settings is what no row can depend on: addresses, keys and places, pace, price, and what is done
with rows that are there. Whatever is not named here counts, so that a new setting is never forgotten.
"""

from __future__ import annotations

import enum
import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import FunctionType
from typing import Any

from pydantic import BaseModel

import labgen
from labgen.config import Config, ModelConfig
from labgen.generate.context import RunContext
from labgen.plan.leaf_plan import LeafPlan

HASH_BYTES = 32

_ELSEWHERE = {"taxonomy", "output", "work", "prompts", "documents", "check", "mix", "held_out", "price", "bulk"}
_ELSEWHERE |= {"expected_yield", "options", "outcomes"}
"""Settings that no leaf's outcome depends on, beyond what its plan and the prompts' texts say of them."""
_IN_PLAN = {"samples", "samples_per_passage", "leaves"}
"""Settings that a leaf's plan is made of; its plan counts."""
_OF_MODEL = {"model", "kind", "extra_body", "reasoning"}
"""What a reply depends on of how a model is reached."""
_NO_CALL = {"feedback", "checkable"}
"""Settings of preferences that only say which rows are written."""


@cache
def code_version() -> str:
    """Hex digits that change with any file of labgen, any installed package's version, and Python's own."""
    digest = hashlib.blake2b(f"{sys.version}\0{sys.flags.optimize}".encode(), digest_size=HASH_BYTES)
    root = Path(labgen.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".md", ".jinja", *EXTENSION_SUFFIXES):
            digest.update(f"\0{path.relative_to(root)}\0".encode() + path.read_bytes())
    for folder in sorted({entry for entry in sys.path if entry}):
        # A distribution's folder has its version in its name.
        for name in sorted(each.name for each in Path(folder).glob("*.dist-info")):
            digest.update(f"\0{name}".encode())
    return digest.hexdigest()


def run_inputs(run: RunContext) -> bytes:
    """Hash of what all leaves of a run have in common (`HASH_BYTES` bytes)."""
    plain = [
        code_version(),
        settings_that_matter(run.config),
        run.prompts.fingerprint,
        [run.teacher, run.judge],
        _plain(run.parameters),
        [[each.name, each.version, _plain(type(each))] for each in run.filters.filters],
        run.filters.find_duplicates,
        run.filters.contamination.fingerprint if run.filters.contamination else "",
    ]
    return plain_hash(plain)


def leaf_inputs(plan: LeafPlan, run: bytes, *further: Any) -> bytes:
    """Hash of what one leaf's outcome depends on (`HASH_BYTES` bytes).

    Args:
        run: `run_inputs` of its run.
        further: what kind of outcome it is, and what else that depends on; plain data.
    """
    own = [_plain(getattr(plan, each.name)) for each in fields(plan) if each.name not in ("order", "flow")]
    flow = plan.flow
    return plain_hash([run.hex(), own, flow.name, flow.like, flow.grounding.value, _plain(flow.steps), list(further)])


def settings_that_matter(config: Config) -> dict[str, Any]:
    """The settings on which outcomes depend, as plain data; thresholds are noted as they are used."""
    found: dict[str, Any] = {}
    for name in Config.model_fields:
        if name not in _ELSEWHERE | _IN_PLAN | {"thresholds"}:
            found[name] = _setting(getattr(config, name))
    for name in _NO_CALL:
        (found["preferences"] or {}).pop(name, None)
    return found


def _setting(value: Any) -> Any:
    if isinstance(value, ModelConfig):
        return {name: _setting(getattr(value, name)) for name in type(value).model_fields if name in _OF_MODEL}
    if isinstance(value, BaseModel):
        return {name: _setting(getattr(value, name)) for name in type(value).model_fields}
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value as lists, texts and numbers that are the same in every process. Raises: TypeError: that is not known."""
    if value is None or (isinstance(value, str | int | float) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        # In their order, which settings may give a meaning.
        return {"": [[_plain(name), _plain(each)] for name, each in value.items()]}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, bytes):
        return {"bytes": value.hex()}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, type | FunctionType):
        return {"code": f"{value.__module__}.{value.__qualname__}"}
    if is_dataclass(value):
        kept = [[each.name, _plain(getattr(value, each.name))] for each in fields(value)]
        return {f"{type(value).__module__}.{type(value).__qualname__}": kept}
    if not getattr(value, "__dict__", True) and not getattr(value, "__slots__", ()):
        return {"made of": f"{type(value).__module__}.{type(value).__qualname__}"}
    raise TypeError(f"no hash is known of a {type(value).__name__}")


def plain_hash(plain: Any) -> bytes:
    """Hash of lists, texts and numbers (`HASH_BYTES` bytes)."""
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=HASH_BYTES).digest()
