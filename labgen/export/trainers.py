"""Settings that let training programs find an export: llama-factory's and axolotl's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from labgen.formats.training.base import RowShape

Files = Mapping[str, Sequence[str]]
"""Config to its files, relative to the export's folder."""


def llama_factory_settings(shape: RowShape, files: Files) -> str:
    """`dataset_info.json`: one dataset `labgen_CONFIG` each. Empty where llama-factory does not read such rows.

    Point its `dataset_dir` at the export's folder.
    """
    if shape.llama_factory is None:
        return ""
    datasets = {}
    for name, paths in files.items():
        if folder := _folder(paths):
            datasets[f"labgen_{name}"] = {"file_name": folder, **shape.llama_factory}
            continue
        for number, path in enumerate(paths):
            datasets[f"labgen_{name}" + (f"_{number + 1}" if number else "")] = {
                "file_name": path,
                **shape.llama_factory,
            }
    return json.dumps(datasets, indent=2) + "\n"


def axolotl_settings(shape: RowShape, files: Files) -> str:
    """`axolotl.yaml`: a `datasets:` list to be copied into a run's own file. Empty where axolotl has no such type."""
    import yaml

    if shape.axolotl is None:
        return ""
    datasets: list[dict[str, Any]] = []
    for name, paths in files.items():
        if _folder(paths):
            datasets.append({"path": ".", "name": name, "split": "train", **shape.axolotl})
            continue
        for path in paths:
            kind = "json" if path.endswith(".jsonl") else "parquet"
            datasets.append({"path": path, "ds_type": kind, "split": "train", **shape.axolotl})
    head = "# For axolotl. Paths are relative to this folder: run from here, or put the folder's path in front.\n"
    return head + yaml.safe_dump({"datasets": datasets}, sort_keys=False)


def _folder(paths: Sequence[str]) -> str:
    """The folder that holds a config's files and no others; empty where they lie in the export's own."""
    folder = str(PurePosixPath(paths[0]).parent)
    return "" if folder == "." else folder
