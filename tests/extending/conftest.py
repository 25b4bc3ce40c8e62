"""The fixtures of `brought` and `workbench`: packages, a small taxonomy, labgen run on it."""

from brought import install, letters
from workbench import labgen, taxonomy

__all__ = ["install", "labgen", "letters", "taxonomy"]
