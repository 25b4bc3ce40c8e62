"""Which export formats there are: those that come with labgen, and those of installed packages.

The command line's help reads `SHIPPED_FORMATS`, so what the formats themselves need is imported on use.
"""

from __future__ import annotations

import difflib
import importlib
from typing import TYPE_CHECKING

from labgen.errors import UsageError
from labgen.packages import entries_of, installed_names

if TYPE_CHECKING:
    from labgen.formats.training.base import ExportFormat

SHIPPED_FORMATS = (
    "messages",
    "alpaca",
    "sharegpt",
    "prompt-completion",
    "text",
    "instructlab",
    "instructlab-knowledge",
    "preference",
    "ultrafeedback",
    "llama-factory-ranking",
    "kto",
    "llama-factory-kto",
    "grpo",
)
"""Names of labgen's own formats, the default first. Each is `FORMAT` in the module of its name."""

FORMATS_GROUP = "labgen.formats"


def shipped_formats() -> list[ExportFormat]:
    """labgen's own formats, in the order of `SHIPPED_FORMATS`."""
    return [_shipped(name) for name in SHIPPED_FORMATS]


def find_export_format(name: str) -> ExportFormat:
    """The format called `name`, shipped or of an installed package; no other package's is imported.

    Raises:
        UsageError: there is none; the message lists all there are, and suggests the nearest.
        ConfigError: two go by that name, or another package's can't be used.
    """
    if entries := entries_of(FORMATS_GROUP, name):
        from labgen.formats.training.installed import installed_format

        return installed_format(name, entries, taken=SHIPPED_FORMATS)
    if name in SHIPPED_FORMATS:
        return _shipped(name)
    known = [*SHIPPED_FORMATS, *(each for each in installed_names(FORMATS_GROUP) if each not in SHIPPED_FORMATS)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    raise UsageError(f"there is no export format `{name}`.{hint} Known: {', '.join(known)}.")


def _shipped(name: str) -> ExportFormat:
    format: ExportFormat = importlib.import_module(f"labgen.formats.training.{name.replace('-', '_')}").FORMAT
    return format
