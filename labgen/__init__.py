"""labgen: the taxonomy is the source code, the dataset is its build.

The Python API has the shape of the command line: `load_taxonomy`, `build_dataset`, `push_dataset`, and the nouns of
`labgen.records`. Everything is imported on first use.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from labgen.config.file import load_config
    from labgen.config.whole import Config
    from labgen.publish.hub import push_dataset
    from labgen.records import (
        Call,
        Candidate,
        Chunk,
        Leaf,
        Reply,
        SeedExample,
        Slot,
        State,
        Taxonomy,
        Verdict,
        Violation,
    )
    from labgen.taxonomy.load import load_taxonomy
    from labgen.verbs.built import Build
    from labgen.verbs.generate import build_dataset
    from labgen.verbs.session import Hooks

_HOME = {
    "Build": "labgen.verbs.built",
    "build_dataset": "labgen.verbs.generate",
    "Config": "labgen.config.whole",
    "Hooks": "labgen.verbs.session",
    "load_config": "labgen.config.file",
    "push_dataset": "labgen.publish.hub",
    "load_taxonomy": "labgen.taxonomy.load",
    **dict.fromkeys(
        (
            "Call",
            "Candidate",
            "Chunk",
            "Leaf",
            "Reply",
            "SeedExample",
            "Slot",
            "State",
            "Taxonomy",
            "Verdict",
            "Violation",
        ),
        "labgen.records",
    ),
}

__all__ = [
    "Build",
    "Call",
    "Candidate",
    "Chunk",
    "Config",
    "Hooks",
    "Leaf",
    "Reply",
    "SeedExample",
    "Slot",
    "State",
    "Taxonomy",
    "Verdict",
    "Violation",
    "__version__",
    "build_dataset",
    "bundled_taxonomy",
    "load_config",
    "load_taxonomy",
    "push_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module `labgen` has no attribute `{name}`")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def bundled_taxonomy() -> Path:
    """Folder of the taxonomy that comes with labgen: models to copy from, and the main job of a first run."""
    here = Path(__file__).parent
    inside = here / "bundled_taxonomy"
    return inside if inside.is_dir() else here.parent / "taxonomy"
