"""The fixtures of `workbench`: a small taxonomy, labgen run on it."""

from workbench import labgen, taxonomy, teacher

__all__ = ["labgen", "taxonomy", "teacher"]
