"""Which training programs there are run files for. What they need is imported on use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labgen.formats.runs.base import Trainer

TRAINERS = ("trl", "axolotl", "llama-factory", "instructlab")
"""Words for `--for`. Each is a `Trainer`, in capitals, in the module of its name."""

LM_EVAL = "lm-eval"
"""Another word for it: no training, but the tasks of a harness."""

PHASED, STACKED = "phased", "stacked"
"""Schedules: LAB's phases one after the other, or all rows in one run."""


def find_trainer(name: str) -> Trainer:
    """One of `TRAINERS`."""
    module = name.replace("-", "_")
    trainer: Trainer = getattr(importlib.import_module(f"labgen.formats.runs.{module}"), module.upper())
    return trainer
