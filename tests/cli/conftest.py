"""The fixture of `workbench` that runs labgen."""

from workbench import labgen

__all__ = ["labgen"]
