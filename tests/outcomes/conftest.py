"""The fixtures of `workbench`: a small taxonomy, labgen run on it, a teacher in a process of its own."""

from workbench import labgen, taxonomy, teacher

__all__ = ["labgen", "taxonomy", "teacher"]
