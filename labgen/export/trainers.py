"""Settings that let training programs find an export: llama-factory's and axolotl's own files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from labgen.formats.training.base import RowShape
from labgen.text.yaml_written import write_yaml

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


def axolotl_settings(shape: RowShape, files: Files) -> dict[str, str]:
    """`axolotl/CONFIG.yaml`: each config as a `datasets:` list for a run's own file, by name.

    One file a config, since phases repeat rows of the branches and of each other: all in one list would train on most
    rows several times. Empty where axolotl has no such type.
    """
    head = (
        "# For axolotl. Paths are relative to the folder above: run from there, or put that folder's path in front.\n"
    )
    return {
        f"axolotl/{name}.yaml": head + write_yaml({"datasets": datasets})
        for name, paths in files.items()
        if (datasets := _axolotl_entries(shape, paths))
    }


def _axolotl_entries(shape: RowShape, paths: Sequence[str]) -> list[dict[str, Any]]:
    if shape.axolotl is None:
        return []
    if folder := _folder(paths):
        # `datasets` can't open the folder that it runs in (`.`) where that has several configs.
        return [{"path": f"./{folder}", "split": "train", **shape.axolotl}]
    kinds = ["json" if path.endswith(".jsonl") else "parquet" for path in paths]
    return [
        {"path": path, "ds_type": kind, "split": "train", **shape.axolotl}
        for path, kind in zip(paths, kinds, strict=True)
    ]


def _folder(paths: Sequence[str]) -> str:
    """The folder that holds a config's files and no others; empty where they lie in the export's own."""
    folder = str(PurePosixPath(paths[0]).parent)
    return "" if folder == "." else folder
