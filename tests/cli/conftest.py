"""The fixture of `workbench` that runs labgen as a user does."""

from workbench import labgen

__all__ = ["labgen"]
